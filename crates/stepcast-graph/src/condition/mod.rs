//! Conditions: parsed once, from objects or from text, into one tree.

mod evaluate;
mod object;
mod text;

use serde_json::Value;

use crate::path::Path;

pub use evaluate::{Mismatch, is_true, json_equal};

/// The deepest nesting of a condition.
const MAX_DEPTH: usize = 64;
/// The most parts of a condition.
const MAX_PARTS: usize = 10_000;
/// The longest condition as text, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A condition on the context of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// All of these; of none, true.
    All(Vec<Condition>),
    /// One of these; of none, false.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// There is a value at the path; `null` is one.
    Exists(Path),
    /// The value at the path counts as true.
    True(Path),
    /// The value at the path and another one. False where there is no value, or the two cannot be compared.
    Compare {
        /// The path.
        path: Path,
        /// How they are compared.
        op: Op,
        /// The other value.
        value: Value,
    },
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// The same JSON; numbers by their value.
    Eq,
    /// Not the same.
    Neq,
    /// Greater: of two numbers or two texts.
    Gt,
    /// Greater or the same.
    Gte,
    /// Less.
    Lt,
    /// Less or the same.
    Lte,
    /// One of a list's items, a key of an object, a part of a text.
    In,
    /// None of them.
    NotIn,
    /// The other way round: a list that has the value, an object with this key, a text with this part.
    Contains,
}

/// Something is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// An object lacks a field, or has one of another type.
    #[error("A condition of type `{kind}` has `{field}`, which is {expected}")]
    Field {
        /// The condition's type.
        kind: String,
        /// The field.
        field: &'static str,
        /// What it is.
        expected: &'static str,
        /// Where, below the condition.
        at: String,
    },
    /// There is no such type.
    #[error("`{kind}` is not a type of condition; there are `field`, `all`, `any` and `not`")]
    Kind {
        /// The type.
        kind: String,
        /// Where, below the condition.
        at: String,
    },
    /// There is no such operator.
    #[error(
        "`{op}` is not an operator; there are `eq`, `neq`, `gt`, `gte`, `lt`, `lte`, `in`, `not_in`, `contains` and `exists`"
    )]
    Op {
        /// The operator.
        op: String,
        /// Where, below the condition.
        at: String,
    },
    /// A path is not one.
    #[error("{source}")]
    Path {
        /// Why.
        #[source]
        source: crate::PathError,
        /// Where, below the condition.
        at: String,
    },
    /// It is neither an object nor a text.
    #[error("A condition is an object with `type`, or a text such as `review.approved == true`")]
    Shape {
        /// Where, below the condition.
        at: String,
    },
    /// The text does not say a condition.
    #[error("The condition cannot be read after {offset} bytes: expected {expected}")]
    Text {
        /// How far it could be read.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// It is too large.
    #[error("The condition is too large: it may nest {MAX_DEPTH} deep, have {MAX_PARTS} parts and be 64 KiB of text")]
    TooLarge,
}

impl ConditionError {
    /// Where in the condition the fault is, as a JSON pointer.
    pub fn at(&self) -> &str {
        match self {
            ConditionError::Field { at, .. }
            | ConditionError::Kind { at, .. }
            | ConditionError::Op { at, .. }
            | ConditionError::Path { at, .. }
            | ConditionError::Shape { at } => at,
            ConditionError::Text { .. } | ConditionError::TooLarge => "",
        }
    }
}

impl Condition {
    /// Reads a condition: an object, or a text.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(value: &Value) -> Result<Self, ConditionError> {
        match value {
            Value::String(text) => Condition::parse_text(text),
            value => object::parse(value),
        }
    }

    /// Reads a condition from its text.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse_text(text: &str) -> Result<Self, ConditionError> {
        text::parse(text)
    }

    /// Every path in it.
    pub fn paths(&self) -> Vec<&Path> {
        let mut all = Vec::new();
        self.each(&mut |path| all.push(path));
        all
    }

    fn each<'c>(&'c self, f: &mut impl FnMut(&'c Path)) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.each(f)),
            Condition::Not(part) => part.each(f),
            Condition::Exists(path) | Condition::True(path) | Condition::Compare { path, .. } => f(path),
        }
    }

    /// The same with other paths.
    pub(crate) fn map(self, f: &impl Fn(Path) -> Path) -> Condition {
        match self {
            Condition::All(parts) => Condition::All(parts.into_iter().map(|part| part.map(f)).collect()),
            Condition::Any(parts) => Condition::Any(parts.into_iter().map(|part| part.map(f)).collect()),
            Condition::Not(part) => Condition::Not(Box::new(part.map(f))),
            Condition::Exists(path) => Condition::Exists(f(path)),
            Condition::True(path) => Condition::True(f(path)),
            Condition::Compare { path, op, value } => Condition::Compare { path: f(path), op, value },
        }
    }
}

impl Op {
    fn of(word: &str) -> Option<Op> {
        Some(match word {
            "eq" | "==" => Op::Eq,
            "neq" | "ne" | "!=" => Op::Neq,
            "gt" | ">" => Op::Gt,
            "gte" | ">=" => Op::Gte,
            "lt" | "<" => Op::Lt,
            "lte" | "<=" => Op::Lte,
            "in" => Op::In,
            "not_in" => Op::NotIn,
            "contains" => Op::Contains,
            _ => return None,
        })
    }

    /// Its word in a condition.
    pub fn word(self) -> &'static str {
        match self {
            Op::Eq => "eq",
            Op::Neq => "neq",
            Op::Gt => "gt",
            Op::Gte => "gte",
            Op::Lt => "lt",
            Op::Lte => "lte",
            Op::In => "in",
            Op::NotIn => "not_in",
            Op::Contains => "contains",
        }
    }
}
