use serde::Serialize;

/// Whether a graph with the issue runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It does not.
    Error,
    /// It does, though perhaps not as meant.
    Warning,
}

/// What an issue is about. The code in a report is the name in `snake_case`, and stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// Something has not the form it should have.
    Form,
    /// A field means nothing.
    UnknownField,
    /// A field that the step's type needs is missing.
    MissingField,
    /// A field has a value that it cannot have.
    BadValue,
    /// A name is empty, too long or has letters that it cannot have.
    BadId,
    /// Two steps have one name.
    DuplicateId,
    /// The graph has too many steps or edges.
    TooLarge,
    /// An edge or a parent names a step that does not exist.
    UnknownStep,
    /// A step names a task that does not exist.
    UnknownTask,
    /// A step names a function, runner, graph or workflow that the host does not have.
    UnknownReference,
    /// What a step names cannot be used that way.
    BadReference,
    /// The graph begins nowhere, or in several places.
    Start,
    /// An edge that cannot be there: into the start, out of an end, at a child of a parallel step.
    BadEdge,
    /// A loop in a graph where all edges are taken.
    Cycle,
    /// Nothing leads to the step.
    Unreachable,
    /// Nothing leads from the step to an end.
    CannotEnd,
    /// A parallel step that runs nothing, or fewer steps than it waits for.
    BadParallel,
    /// A condition cannot be read.
    BadCondition,
    /// A template cannot be read.
    BadTemplate,
    /// A path cannot be read.
    BadPath,
    /// A path begins with something that is no step, key or `input`.
    UnknownPath,
    /// A graph runs itself, perhaps through others.
    Recursion,
    /// Every edge of the step has a condition, so that perhaps none applies.
    NoFallback,
    /// An edge is never taken because of another one.
    Shadowed,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{pointer}: {message} {hint}")]
pub struct Issue {
    /// Whether the graph runs with it.
    pub severity: Severity,
    /// What it is about.
    pub code: Code,
    /// Where in the document: a JSON pointer, `""` for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// All that is wrong with a document, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Errors and warnings.
    pub issues: Vec<Issue>,
}

impl Report {
    /// Whether a graph can be made of the document.
    pub fn is_ok(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Issue> {
        self.issues.iter().filter(|issue| issue.severity == Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Issue> {
        self.issues.iter().filter(|issue| issue.severity == Severity::Warning)
    }

    pub(crate) fn error(&mut self, code: Code, pointer: impl Into<String>, message: String, hint: &str) {
        self.add(Severity::Error, code, pointer.into(), message, hint);
    }

    pub(crate) fn warn(&mut self, code: Code, pointer: impl Into<String>, message: String, hint: &str) {
        self.add(Severity::Warning, code, pointer.into(), message, hint);
    }

    fn add(&mut self, severity: Severity, code: Code, pointer: String, message: String, hint: &str) {
        self.issues.push(Issue { severity, code, pointer, message, hint: hint.to_owned() });
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for issue in &self.issues {
            write!(f, "\n  - {issue}")?;
        }
        Ok(())
    }
}
