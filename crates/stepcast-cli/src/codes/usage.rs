use super::CodeDoc;
use crate::exit::Exit;

/// What is wrong with what was written after `stepcast`.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0001",
        "an error without a code of its own",
        "The library told the command of an error that this version of the command does not know. Its sentence is the \
         error's own. Most likely the command is older than the library that it is linked with.",
        "cargo update -p stepcast-cli",
    ),
    CodeDoc::new(
        "SC0002",
        "the input is not JSON",
        "What was given with `--input` or `--value` is not one JSON value. The message says in which line and column \
         reading stopped. Lists and objects may nest 128 deep; anything deeper is refused here too.",
        "stepcast run greet --input '{\"name\": \"Ada\"}'\nstepcast run greet --input @start.json",
    )
    .exit(Exit::Usage)
    .help("quote the JSON for your shell: --input '{\"name\": \"Ada\"}', or name a file with --input @FILE"),
    CodeDoc::new(
        "SC0003",
        "the input cannot be read",
        "The file after `--input @` cannot be opened, or standard input ended with an error.",
        "stepcast run greet --input @start.json\ncat start.json | stepcast run greet --input -",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0004",
        "an argument is not of the form KEY=VALUE",
        "`--arg` takes a field's name, an equals sign and its value. Dots in the name lead into objects. One path may \
         not be a value and an object at once.",
        "stepcast run order --arg customer.name=Ada --arg items='[1, 2]'",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0005",
        "an option's value makes no sense",
        "A length of time, a number, a status or an id is not written as the option expects it. The message says what \
         it expects.",
        "stepcast logs latest --since 10m\nstepcast runs --status failed --limit 5",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0006",
        "nothing can be read or written here",
        "Standard input, standard output or the system refused to work: a closed terminal, a full disk behind a \
         redirection, or no thread left.",
        "stepcast runs > runs.txt",
    ),
    CodeDoc::new(
        "SC0007",
        "an answer is missing and nobody can be asked",
        "The command needs a value that was not given. On a terminal it asks for it; here standard input is none, or \
         `--no-input` forbids it.",
        "stepcast answer latest --arg approved=true",
    )
    .exit(Exit::Usage)
    .help("give the fields with --arg NAME=VALUE, or the whole answer with --value JSON"),
    CodeDoc::new(
        "SC0008",
        "a run in memory cannot be detached",
        "`--detach` leaves the run to a process of its own, and shows it from the store. With `--store memory` nothing \
         of it would be found again.",
        "stepcast run order --detach\nstepcast --store orders.db run order --detach",
    )
    .exit(Exit::Usage)
    .help("name a store with --store FILE, or leave out --detach"),
    CodeDoc::new(
        "SC0009",
        "the process for a detached run did not begin it",
        "`--detach` calls this program again, which starts the run and stays with it. That process ended before the run \
         was on record, or took more than a minute; the message is its own. A binary of yours has to give its arguments \
         to the command: `stepcast_cli::main()` does.",
        "stepcast run order --wait",
    )
    .help("start it without --detach to see what is wrong"),
];
