use super::cells::MAX_CELL_DEPTH;
use super::path::MAX_PATH_DEPTH;

/// A path or a value that a run's store cannot take. Whatever was refused has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The path is the empty text.
    #[error("The store path is empty; name at least a top-level key, as in `user.name`.")]
    EmptyPath,
    /// A segment of the path is the empty text.
    #[error("The store path `{path}` has an empty segment; write one dot between two names and none at the ends.")]
    EmptySegment {
        /// The path as given.
        path: String,
    },
    /// The path has too many segments.
    #[error("The store path has {depth} segments but {max} is the most; store a flatter value.", max = MAX_PATH_DEPTH)]
    PathTooDeep {
        /// How many segments it has.
        depth: usize,
    },
    /// The path leads into a value that has no parts.
    #[error(
        "`{path}` cannot be set because `{at}` holds {found}, which has no parts; set `{at}` to an object or a list first."
    )]
    NotAContainer {
        /// The path asked for.
        path: String,
        /// The part of it that is there.
        at: String,
        /// What is found there.
        found: &'static str,
    },
    /// The path leads into a list by a name.
    #[error("`{path}` cannot be set because `{at}` holds a list and `{segment}` is no index; use a number from 0.")]
    NotAnIndex {
        /// The path asked for.
        path: String,
        /// The part of it that holds the list.
        at: String,
        /// The segment that should be a number.
        segment: String,
    },
    /// The path leads past the end of a list.
    #[error("`{path}` cannot be set because the list `{at}` has {len} items; the next index is {len}, not {index}.")]
    IndexPastEnd {
        /// The path asked for.
        path: String,
        /// The part of it that holds the list.
        at: String,
        /// The index asked for.
        index: usize,
        /// The length of the list.
        len: usize,
    },
    /// The value would nest deeper than a snapshot of it could be read back.
    #[error("The store cell `{key}` would nest more than {max} levels deep; store a flatter value.", max = MAX_CELL_DEPTH)]
    CellTooDeep {
        /// The cell's top-level key.
        key: String,
    },
    /// A stored map has a key that no path can name.
    #[error("The stored key `{key}` cannot be named by a path; a top-level key is not empty and has no dot in it.")]
    BadKey {
        /// The key.
        key: String,
    },
    /// A stored map is not a JSON object.
    #[error("A stored map must be a JSON object but is {found}; use what `CellMap::to_json` gave.")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
}

/// An edit that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError<E> {
    /// The store cannot take the path or the edited value.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The closure itself gave up.
    #[error("The edit was given up by its closure: {0}")]
    Closure(#[source] E),
}
