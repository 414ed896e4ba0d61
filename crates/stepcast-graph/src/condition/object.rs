use serde_json::{Map, Value};

use super::{Condition, ConditionError, MAX_DEPTH, MAX_PARTS, Op};
use crate::path::Path;

pub(super) fn parse(value: &Value) -> Result<Condition, ConditionError> {
    let mut parts = 0;
    read(value, "", 0, &mut parts)
}

fn read(value: &Value, at: &str, depth: usize, parts: &mut usize) -> Result<Condition, ConditionError> {
    *parts += 1;
    if depth > MAX_DEPTH || *parts > MAX_PARTS {
        return Err(ConditionError::TooLarge);
    }
    let Value::Object(fields) = value else {
        return match value {
            Value::String(text) => Condition::parse_text(text),
            _ => Err(ConditionError::Shape { at: at.to_owned() }),
        };
    };
    // Where a decision is written without its type, it is one on a field.
    let kind = match fields.get("type") {
        None => "field",
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(ConditionError::Shape { at: format!("{at}/type") }),
    };
    match kind {
        "field" => field(fields, at),
        "condition" | "expr" | "expression" => {
            let text = fields.get("value").or_else(|| fields.get("expr")).and_then(Value::as_str);
            let text = text.ok_or_else(|| missing(kind, "value", "a text", at))?;
            Condition::parse_text(text)
        }
        "all" | "any" | "not" => {
            let list = match fields.get("conditions").or_else(|| fields.get("condition")) {
                Some(Value::Array(list)) => {
                    list.iter().enumerate().map(|(i, part)| (format!("{at}/conditions/{i}"), part)).collect()
                }
                Some(one) => vec![(format!("{at}/condition"), one)],
                None => return Err(missing(kind, "conditions", "a list of conditions", at)),
            };
            let mut read_all = list.into_iter().map(|(at, part)| read(part, &at, depth + 1, parts));
            match kind {
                "all" => Ok(Condition::All(read_all.collect::<Result<_, _>>()?)),
                "any" => Ok(Condition::Any(read_all.collect::<Result<_, _>>()?)),
                _ => match (read_all.next(), read_all.next()) {
                    (Some(one), None) => Ok(Condition::Not(Box::new(one?))),
                    _ => Err(missing(kind, "conditions", "a list with one condition", at)),
                },
            }
        }
        other => Err(ConditionError::Kind { kind: other.to_owned(), at: format!("{at}/type") }),
    }
}

fn field(fields: &Map<String, Value>, at: &str) -> Result<Condition, ConditionError> {
    let path = fields.get("path").and_then(Value::as_str).ok_or_else(|| missing("field", "path", "a text", at))?;
    let path = Path::parse(path).map_err(|source| ConditionError::Path { source, at: format!("{at}/path") })?;
    let op = match fields.get("op") {
        None => "eq",
        Some(Value::String(op)) => op,
        Some(_) => return Err(missing("field", "op", "a text", at)),
    };
    if op == "exists" {
        // `"value": false` asks for the opposite.
        let there = Condition::Exists(path);
        return Ok(if fields.get("value") == Some(&Value::Bool(false)) {
            Condition::Not(Box::new(there))
        } else {
            there
        });
    }
    let op = Op::of(op).ok_or_else(|| ConditionError::Op { op: op.to_owned(), at: format!("{at}/op") })?;
    let value = fields.get("value").ok_or_else(|| missing("field", "value", "any JSON", at))?;
    Ok(Condition::Compare { path, op, value: value.clone() })
}

fn missing(kind: &str, field: &'static str, expected: &'static str, at: &str) -> ConditionError {
    ConditionError::Field { kind: kind.to_owned(), field, expected, at: at.to_owned() }
}
