use super::CodeDoc;
use crate::exit::Exit;

/// What is wrong with an answer or an event for a run.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0050",
        "there is no such input",
        "An input is a question that a run asks; its id is the run's id, a slash and a number. No input of this store \
         has this one.",
        "stepcast inputs\nstepcast answer 5f2c81d0/1 --arg approved=true",
    )
    .exit(Exit::NotFound)
    .help("`stepcast inputs` lists what is asked"),
    CodeDoc::new(
        "SC0051",
        "nothing is asked",
        "There is no pending input to answer: the run goes on, waits for something else, or has ended.",
        "stepcast inputs\nstepcast inspect latest",
    )
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0052",
        "several inputs are pending",
        "The run, or the store, asks more than one question, and it was not said which of them is answered.",
        "stepcast answer 5f2c81d0/2 --arg approved=true",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0053",
        "the input was answered before",
        "The first answer wins, whoever gives it, and it was given. This one was not used and nothing was changed.",
        "stepcast inputs --all\nstepcast logs 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0054",
        "the input has expired",
        "The input had a deadline, and nobody answered in time. The run went on as its step decides. This answer was \
         not used.",
        "stepcast inspect 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0055",
        "the input was withdrawn",
        "The run no longer asks: it has ended, or it went another way after its step was repeated. This answer was not \
         used.",
        "stepcast inspect 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0056",
        "the answer is not one of the choices",
        "The input is answered by one of a few words, and this is another. The input is still pending.",
        "stepcast answer 5f2c81d0/1 --choice retry",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0057",
        "the answer does not fit its schema",
        "The input carries a JSON schema, and the answer breaks it. The message has every fault with its place. The \
         input is still pending.",
        "stepcast inputs 5f2c81d0/1 --json\nstepcast answer 5f2c81d0/1 --value '{\"amount\": 5}'",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0058",
        "the answer does not fit its event",
        "The input takes an event of a certain type, and the answer misses a field of it or has one of another type. \
         The input is still pending.",
        "stepcast answer 5f2c81d0/1 --arg approved=true --arg comment=fine",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0059",
        "the waiting step does not accept the answer",
        "The step waits for an answer that passes its filter, and this one does not. The input is still pending.",
        "stepcast inputs 5f2c81d0/1\nstepcast answer 5f2c81d0/1 --arg approved=true",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0060",
        "the run's mailbox is full",
        "As many letters lie in the run's mailbox as it holds, because nobody drives the run or it takes them too \
         slowly.",
        "stepcast resume 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0061",
        "the workflow takes no such event from outside",
        "Only events that are marked `external` or `human_response`, or that a step waits for, may be sent to a run.",
        "#[event(external)]\nstruct Shipped { parcel: String }",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0062",
        "the event's data does not fit its type",
        "The data of the event misses a field or has one of another type. Nothing was sent.",
        "stepcast workflows order",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0063",
        "the step does not take the event",
        "There is no step of this name in the workflow, or it takes other events. The message lists the steps that do.",
        "stepcast workflows order",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0064",
        "a letter is larger than the store can keep",
        "One value of a run may have at most about a gigabyte. Keep large data in files or in object storage, and send \
         where it is.",
        "stepcast answer 5f2c81d0/1 --arg path=/data/scan.tif",
    ),
];
