use std::error::Error;

/// A resource could not be supplied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Nothing of this type was supplied.
    #[error("No resource of type `{type_name}` was supplied{}; add it to the run's `Resources`.", for_whom(needed_by))]
    Missing {
        /// The type asked for.
        type_name: &'static str,
        /// Who asked for it, and who asked for that, nearest first.
        needed_by: Vec<String>,
    },
    /// A factory needs, by way of others, what it makes itself.
    #[error("Resources need each other in a circle: {}. Let one of these factories do without the next.", chain.join(" -> "))]
    Cycle {
        /// The types, each needing the next; the first is also the last.
        chain: Vec<&'static str>,
    },
    /// A factory gave an error. The next resolution runs it again.
    #[error("The factory of resource `{type_name}`{} failed: {source}", for_whom(needed_by))]
    Failed {
        /// The type it makes.
        type_name: &'static str,
        /// Who asked for it, and who asked for that, nearest first.
        needed_by: Vec<String>,
        /// What the factory gave.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A factory panicked. The next resolution runs it again.
    #[error("The factory of resource `{type_name}`{} panicked: {message}", for_whom(needed_by))]
    Panicked {
        /// The type it makes.
        type_name: &'static str,
        /// Who asked for it, and who asked for that, nearest first.
        needed_by: Vec<String>,
        /// The panic's message, where it has one.
        message: String,
    },
}

fn for_whom(needed_by: &[String]) -> String {
    needed_by.iter().map(|name| format!(", needed by `{name}`")).collect()
}
