use super::CodeDoc;
use crate::exit::Exit;

/// What the commands meet that draw, report and tidy.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0100",
        "the file cannot be written",
        "The file named with `--output` is not writable: its folder does not exist, or the user may not write there. \
         Without `--output` the document goes to standard output.",
        "stepcast report latest -o report.html\nstepcast graph greet --svg > greet.svg",
    )
    .help("name a file in a folder that exists, or leave `--output` out"),
    CodeDoc::new(
        "SC0101",
        "no such error code",
        "There is no error code of this number in this version of the command. Codes are `SC` and four digits, as in \
         `error[SC0030]`. `stepcast explain --list` has all of them.",
        "stepcast explain SC0030\nstepcast explain --list",
    )
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0102",
        "the run's workflow is not linked",
        "The graph of a run is drawn from its workflow, and that workflow is not in this binary. Everything else of the \
         run is in the store: `stepcast report` shows it without the graph.",
        "my-app graph --run latest\nstepcast report latest",
    )
    .help("use the binary that has the workflow")
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0103",
        "the store has no file",
        "The command works on the file of a store, and there is none: nothing has been run with it yet, or the runs are \
         kept in memory.",
        "stepcast run greet\nstepcast --store runs.db doctor",
    )
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0110",
        "the server is not reached",
        "`--server` or STEPCAST_SERVER names a server that does not answer, or is no address at all.",
        "stepcast serve --port 8080\nstepcast --server http://localhost:8080 runs",
    )
    .help("start it with `stepcast serve`, or look at the address"),
    CodeDoc::new(
        "SC0111",
        "the server refused",
        "The server answered, but not with what was asked for: a token is missing or may only read, too much was asked \
         at once, or the address is that of another kind of server.",
        "stepcast --server http://localhost:8080 --token SECRET runs",
    ),
    CodeDoc::new(
        "SC0112",
        "the command works on a store of this machine",
        "What a server has is read and driven through it; what works on the file itself is called where that is.",
        "stepcast --store runs.db gc --older-than 30d",
    )
    .exit(Exit::Usage)
    .help("call it where the store is, with `--store FILE`"),
    CodeDoc::new(
        "SC0113",
        "the server cannot listen",
        "The address is taken by another program, is none of this machine, or may be reached from elsewhere without a \
         token being asked for.",
        "stepcast serve --port 8081",
    )
    .help("choose another port with --port"),
    CodeDoc::new(
        "SC0114",
        "spans cannot be sent",
        "The address after `--otlp` is none, the variables OTEL_EXPORTER_OTLP_* say something that does not work, or the \
         command was built without the feature `otel`. A collector that cannot be reached is no error: its spans are \
         lost, and the server goes on.",
        "stepcast serve --otlp http://localhost:4318",
    )
    .exit(Exit::Usage)
    .help("give the address of a collector, as http://localhost:4318"),
];
