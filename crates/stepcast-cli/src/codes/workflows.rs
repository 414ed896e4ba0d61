use super::CodeDoc;
use crate::exit::Exit;

/// What is wrong with a workflow.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0040",
        "there is no such workflow",
        "No workflow of this name is linked into this binary or registered by it. The `stepcast` binary itself has \
         only demos; a binary of your own that calls `stepcast_cli::main()` has its own workflows.",
        "stepcast workflows\nmy-app run order",
    )
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0041",
        "two workflows have one name",
        "A name belongs to one workflow of a runtime. The code of this binary registers a second one under it.",
        "runtime.register_as(\"order-v2\", OrderFlow::new(), None)?;",
    ),
    CodeDoc::new(
        "SC0042",
        "the workflow's definition does not check",
        "The routes between the workflow's steps do not lead from its start to its end. For a workflow made by macros \
         the compiler says so; one that was put together at run time is checked when it is registered.",
        "stepcast validate order",
    ),
    CodeDoc::new(
        "SC0043",
        "the workflow cannot be made by its name",
        "The workflow has fields, is not `Default` and names no constructor, so the command cannot make one.",
        "#[workflow(Order => Receipt, new = connect)]\nimpl OrderFlow { async fn connect() -> Result<Self> { .. } }",
    )
    .help("derive Default, name a constructor with `new = ..`, or register a value in `stepcast_cli::main_with`"),
    CodeDoc::new(
        "SC0044",
        "the workflow's constructor failed",
        "The function that `new = ..` names gave an error, for example because a service could not be reached. No run \
         was begun.",
        "DATABASE_URL=postgres://.. my-app run order",
    ),
    CodeDoc::new(
        "SC0045",
        "the start event does not fit",
        "The data given for the start event misses a field or has one of another type. No run was begun.",
        "stepcast workflows greet\nstepcast run greet --arg name=Ada",
    )
    .exit(Exit::Usage)
    .help("`stepcast workflows NAME` shows the fields of the start event"),
    CodeDoc::new(
        "SC0046",
        "two things that are linked in have one name",
        "Two workflows of this binary have one name, or two events or steps one path. The message says where both are \
         written.",
        "#[workflow(Order => Receipt, name = \"order-v2\")]",
    ),
    CodeDoc::new(
        "SC0047",
        "the snapshot does not fit the workflow",
        "A run cannot go on from its snapshot: what it still refers to is not in the workflow, or the snapshot is of \
         another version or damaged. The message lists every difference.",
        "git checkout v1.2 && cargo run -- resume 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0048",
        "this binary could not register its workflows",
        "The function that the binary gives to `stepcast_cli::main_with` failed. The message is its own.",
        "stepcast_cli::main_with(|runtime| Ok(runtime.register(OrderFlow::new())?))",
    ),
    CodeDoc::new(
        "SC0049",
        "the run has no start event on record",
        "A run that began from a snapshot has no start event in the store: what it was started with is not in a \
         snapshot. It cannot be started once more without being told with what.",
        "stepcast rerun 5f2c81d0 --arg name=Ada\nstepcast rerun 5f2c81d0 --input @order.json",
    )
    .exit(Exit::Usage)
    .help("give the start event with --input JSON or --arg KEY=VALUE"),
];
