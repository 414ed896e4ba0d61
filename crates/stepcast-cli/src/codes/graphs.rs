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
    CodeDoc::new(
        "SC0126",
        "the server has another graph of this name",
        "A file is run, or put, on a server that has a graph of this name which says something else. It is left as it is, \
         because others may start runs of it. With `--replace` the file becomes a version of its own, with the next number \
         if its own is taken; the name stands for it from then on, and runs that began go on with the version they have.",
        "stepcast --server http://localhost:8080 graph get review\nstepcast --server http://localhost:8080 run review.json --replace",
    )
    .exit(Exit::Usage)
    .help("`--replace` puts the file as a version of its own"),
    CodeDoc::new(
        "SC0127",
        "the command works on a server",
        "Graphs to begin runs of are listed, put and removed on a server. On this machine a file is run as it is, and a \
         folder of files is served with `stepcast serve --graphs`.",
        "stepcast --server http://localhost:8080 graph list\nstepcast run review.json",
    )
    .exit(Exit::Usage)
    .help("name the server with `--server URL` or STEPCAST_SERVER"),
    CodeDoc::new(
        "SC0128",
        "there is no such graph",
        "The server has no graph of this name, or not in this version. It may have been removed; runs of it are there all \
         the same, and `graph --run RUN --document` shows what they run.",
        "stepcast --server http://localhost:8080 graph list",
    )
    .exit(Exit::NotFound)
    .help("`stepcast graph list` shows which there are"),
];
