use super::CodeDoc;

/// What is wrong with the store.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0011",
        "a newer version wrote the store",
        "The file's format is of a later version of stepcast than this command. Nothing was changed. Formats are never \
         written back, so use a command at least as new as the newest that has written the file.",
        "cargo install stepcast-cli\nstepcast --store other.db runs",
    )
    .help("use a newer stepcast, or name another file with --store FILE"),
    CodeDoc::new(
        "SC0012",
        "the file is a database of another program",
        "The file is an SQLite database, but its tables are not those of a store. Nothing was changed. A store is a \
         file of its own.",
        "stepcast --store runs.db runs",
    )
    .help("name another file with --store FILE; one that does not exist is made"),
    CodeDoc::new(
        "SC0013",
        "the file system cannot hold a store",
        "SQLite cannot keep a write-ahead log there. That is so on network file systems, where several machines could \
         write at once without seeing each other.",
        "stepcast --store /var/lib/my-app/runs.db runs",
    )
    .help("put the store on a local disk"),
    CodeDoc::new(
        "SC0014",
        "there is no place for the store",
        "Without `--store` the runs are kept in the user's data folder: $XDG_DATA_HOME/stepcast, or what the system \
         has for it. That folder is not known or cannot be made.",
        "stepcast --store ./runs.db runs\nSTEPCAST_STORE=./runs.db stepcast runs",
    ),
    CodeDoc::new(
        "SC0020",
        "the store is full",
        "The disk, or the bound of the file, has no room left. Runs stopped with this error where they were; nothing \
         that was acknowledged is lost, and they go on once there is room.",
        "stepcast gc --older-than 7d\nstepcast resume latest",
    )
    .help("free some room, or remove old runs with `stepcast gc`"),
    CodeDoc::new(
        "SC0021",
        "the store cannot be read or written",
        "The operating system refused to read or write the file: a disk error, a folder without permission, a device \
         that is gone. After a failed write nothing more is written until the store is opened again.",
        "ls -l ~/.local/share/stepcast\nstepcast doctor",
    )
    .help("look at the file's permissions and its disk, then run the command again"),
    CodeDoc::new(
        "SC0022",
        "the store may only be read",
        "The file or its folder is write-protected for this user, and the command has something to record.",
        "chmod u+w runs.db\nstepcast --store my-runs.db run greet",
    ),
    CodeDoc::new(
        "SC0023",
        "the store stayed locked",
        "Another process held the write lock for longer than this one waits. The processes of stepcast hold it for \
         milliseconds; a backup or a database browser may hold it for long.",
        "lsof runs.db",
    )
    .help("close what else has the file open, and try again"),
    CodeDoc::new(
        "SC0024",
        "the store is damaged",
        "What is in the file cannot be right: it was cut off, overwritten or is no SQLite file at all. Nothing was \
         changed. The write-ahead log beside the file (`-wal`) belongs to it: a copy without it may be incomplete.",
        "stepcast doctor\nsqlite3 runs.db .recover | sqlite3 mended.db",
    )
    .help("`stepcast doctor` says what can still be read; restore the file from a copy"),
    CodeDoc::new(
        "SC0025",
        "the store failed",
        "SQLite reported an error that is none of the usual ones. The message is its own.",
        "stepcast doctor",
    ),
    CodeDoc::new(
        "SC0026",
        "the store is closed",
        "Something was asked of the store after it had been closed, which happens while a process ends.",
        "stepcast resume latest",
    ),
    CodeDoc::new(
        "SC0027",
        "another process has taken the run over",
        "This process's lease of the run is over: another one holds it now. What this one still wanted to write was \
         not kept; the run goes on where its new holder is.",
        "stepcast status latest\nstepcast logs latest -f",
    ),
    CodeDoc::new(
        "SC0028",
        "the run stopped after a failed write",
        "An earlier write of the run failed, so that nothing later of it may be written. It goes on from what is \
         stored once it is taken up again.",
        "stepcast resume latest",
    )
    .help("see the first error, mend it, and `stepcast resume RUN`"),
    CodeDoc::new(
        "SC0029",
        "a write does not fit what is stored",
        "A journal row, a stream event, a snapshot or an input does not go on from the last one. Nothing of it was \
         kept. This is a fault of the program, not of the data; please report it.",
        "stepcast doctor\nstepcast export latest > run.json",
    ),
];
