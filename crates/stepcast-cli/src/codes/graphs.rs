use super::CodeDoc;
use crate::exit::Exit;

/// What is wrong with a graph, or with its file.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0120",
        "the graph's file cannot be read",
        "There is no such file, the user may not read it, it is no UTF-8 text, or it has more than 16 MiB. A file of a \
         graph ends in `.json`, `.yaml` or `.yml`.",
        "stepcast graph check review.json\nstepcast run ./review.yaml --arg topic=pirates",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0121",
        "the graph's file is neither JSON nor YAML",
        "A text that begins with `{` is read as JSON, any other as YAML. The message says in which line and column \
         reading stopped. Lists and objects may nest 128 deep.",
        "stepcast graph check review.json\nstepcast graph schema > graph.schema.json",
    )
    .exit(Exit::Usage),
    CodeDoc::new(
        "SC0122",
        "the graph has errors",
        "The document can be read, but no run of it could be begun: a step or a name is missing, a condition cannot be \
         read, nothing leads to an end. Every error is listed with its code, a JSON pointer to where it is, and what \
         helps. An agent, a function or a workflow has to be in this binary: it is given to `stepcast_cli::Setup`.",
        "stepcast graph check review.json\nmy-app run review.json --arg topic=pirates",
    )
    .exit(Exit::Usage)
    .help("`stepcast graph check FILE` lists every error and warning"),
    CodeDoc::new(
        "SC0123",
        "the graph cannot be added",
        "A graph of this name and version is there already and says something else, or the name is that of a workflow \
         that is linked into this binary. Files that are named together, or kept in one folder, have one version each.",
        "stepcast run review.json\nstepcast serve --graphs graphs/",
    )
    .exit(Exit::Usage)
    .help("give the graph another `id`, or a higher `version`"),
    CodeDoc::new(
        "SC0124",
        "the workflow was removed",
        "A graph was removed from its runtime while it was under way. Its runs go on to their ends; no new ones begin \
         until it is put there again.",
        "stepcast run review.json",
    )
    .exit(Exit::NotFound),
    CodeDoc::new(
        "SC0125",
        "the folder of graphs cannot be used",
        "The folder named with `--graphs` cannot be made, read or written. Single files in it that cannot be used are \
         told of and left as they are; the others are served all the same.",
        "stepcast serve --graphs graphs/",
    ),
];
