use std::cmp::Ordering;

use serde_json::{Number, Value};

use stepcast_core::FlatValue;

use super::{Condition, Op};
use crate::path::{Path, Scope};

/// Two values were to be compared that cannot be; the comparison is false.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The path of the one.
    pub path: String,
    /// How they were to be compared.
    pub op: Op,
    /// What was at the path: the type of JSON.
    pub found: &'static str,
    /// The type of the other.
    pub wanted: &'static str,
}

impl Condition {
    /// Whether the condition holds. Comparisons that make no sense are false, and told of.
    pub fn holds(&self, scope: &dyn Scope, mismatches: &mut Vec<Mismatch>) -> bool {
        match self {
            Condition::All(parts) => parts.iter().all(|part| part.holds(scope, mismatches)),
            Condition::Any(parts) => parts.iter().any(|part| part.holds(scope, mismatches)),
            Condition::Not(part) => !part.holds(scope, mismatches),
            Condition::Exists(path) | Condition::True(path) | Condition::Compare { path, .. } => {
                let mut holds = false;
                scope.look_at(path, &mut |found| holds = self.holds_for(found, mismatches));
                holds
            }
        }
    }

    /// The same where what the only path leads to is at hand; [`field_of`](Self::field_of) says whether that is all it asks.
    pub(crate) fn holds_for(&self, found: &Value, mismatches: &mut Vec<Mismatch>) -> bool {
        match self {
            Condition::Compare { path, op, value } => compare(path, found, *op, value, mismatches),
            Condition::True(_) => is_true(found),
            Condition::Exists(_) => true,
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => false,
        }
    }

    /// The same for what is no JSON yet.
    pub(crate) fn holds_for_flat(&self, found: FlatValue<'_>, mismatches: &mut Vec<Mismatch>) -> bool {
        // The common case.
        if let Condition::Compare { op, value: Value::Number(wanted), .. } = self
            && let Some(order) = found.number().and_then(|found| number_order(&found, wanted))
            && let Some(holds) = op.holds_for(order)
        {
            return holds;
        }
        self.holds_for(&found.into(), mismatches)
    }

    /// The field of the output under this key that is all the condition asks for.
    pub(crate) fn field_of(&self, key: &str) -> Option<&str> {
        match self {
            Condition::Compare { path, .. } | Condition::True(path) | Condition::Exists(path) => path.field_of(key),
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => None,
        }
    }
}

impl Op {
    /// Whether two numbers in this order compare so, if it is the order that counts.
    fn holds_for(self, order: Ordering) -> Option<bool> {
        match self {
            Op::Eq => Some(order.is_eq()),
            Op::Neq => Some(order.is_ne()),
            Op::Gt => Some(order.is_gt()),
            Op::Gte => Some(order.is_ge()),
            Op::Lt => Some(order.is_lt()),
            Op::Lte => Some(order.is_le()),
            Op::In | Op::NotIn | Op::Contains => None,
        }
    }
}

fn compare(path: &Path, found: &Value, op: Op, value: &Value, mismatches: &mut Vec<Mismatch>) -> bool {
    let verdict = match op {
        Op::Eq => Some(json_equal(found, value)),
        Op::Neq => Some(!json_equal(found, value)),
        Op::Gt => order(found, value).map(Ordering::is_gt),
        Op::Gte => order(found, value).map(Ordering::is_ge),
        Op::Lt => order(found, value).map(Ordering::is_lt),
        Op::Lte => order(found, value).map(Ordering::is_le),
        Op::In => within(found, value),
        Op::NotIn => within(found, value).map(|within| !within),
        Op::Contains => within(value, found),
    };
    if verdict.is_none() {
        let (found, wanted) = (type_of(found), type_of(value));
        mismatches.push(Mismatch { path: path.as_str().to_owned(), op, found, wanted });
    }
    verdict.unwrap_or(false)
}

/// Whether `whole` has `part`: as an item, a key, a part of a text. `None` where it cannot have parts like that.
fn within(part: &Value, whole: &Value) -> Option<bool> {
    match (whole, part) {
        (Value::Array(items), part) => Some(items.iter().any(|item| json_equal(item, part))),
        (Value::Object(fields), Value::String(key)) => Some(fields.contains_key(key)),
        (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
        _ => None,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number_order(a, b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn number_order(a: &Number, b: &Number) -> Option<Ordering> {
    // The common case.
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    // Whole numbers beyond 2^53 are not the same because their floats are.
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(a.cmp(&b));
    }
    a.as_f64()?.partial_cmp(&b.as_f64()?)
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Whether two values are the same JSON: numbers by their value, so that `1` is `1.0`; a bool is no number.
pub fn json_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number_order(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| json_equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether a value counts as true. Not true are `null`, `false`, 0, empty lists and objects, and the texts `""`, `"false"`,
/// `"0"` and `"no"`, whatever their case and the white space around them.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim().to_lowercase().as_str(), "" | "false" | "0" | "no"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
