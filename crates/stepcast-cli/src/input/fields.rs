//! The fields of an event, for a form.

use serde_json::Value;
use stepcast::EventMeta;

use super::probe;

/// A field with what it takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name in JSON.
    pub(crate) name: String,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Whether it may be left out.
    pub(crate) optional: bool,
    /// What its documentation says.
    pub(crate) about: Option<String>,
    /// Whether it never reaches a log.
    pub(crate) secret: bool,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// Yes or no.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// One of these words.
    Choice(Vec<String>),
    /// Anything else, written as JSON.
    Json,
    /// Anything: what is no JSON is a text.
    Any,
}

impl Kind {
    /// For a prompt.
    pub(crate) fn name(&self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Bool => "yes/no".to_owned(),
            Kind::Integer => "whole number".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Choice(names) => names.join("/"),
            Kind::Json => "JSON".to_owned(),
            Kind::Any => "text or JSON".to_owned(),
        }
    }

    /// An example value, as it is written on a command line.
    pub(crate) fn example(&self) -> String {
        match self {
            Kind::Text => "TEXT".to_owned(),
            Kind::Bool => "true".to_owned(),
            Kind::Integer | Kind::Number => "1".to_owned(),
            Kind::Choice(names) => names.first().cloned().unwrap_or_default(),
            Kind::Json | Kind::Any => "JSON".to_owned(),
        }
    }

    /// The value that a text stands for.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            Kind::Text => Ok(Value::from(text)),
            Kind::Bool => yes_or_no(text).map(Value::from).ok_or_else(|| "please answer yes or no".to_owned()),
            Kind::Integer => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(number), _) => Ok(Value::from(number)),
                (_, Ok(number)) => Ok(Value::from(number)),
                _ => Err("please give a whole number".to_owned()),
            },
            Kind::Number => {
                let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                number.map(Value::from).ok_or_else(|| "please give a number".to_owned())
            }
            Kind::Choice(names) => choose(names, text).map(Value::from),
            Kind::Json => serde_json::from_str(text).map_err(|error| format!("that is not JSON: {error}")),
            Kind::Any => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
        }
    }
}

/// The choice that begins so, if there is one.
fn choose(names: &[String], text: &str) -> Result<String, String> {
    let lower = text.to_lowercase();
    if let Some(name) = names.iter().find(|name| name.to_lowercase() == lower) {
        return Ok(name.clone());
    }
    let mut found = names.iter().filter(|name| !lower.is_empty() && name.to_lowercase().starts_with(&lower));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(format!("please give one of {}", names.join(", "))),
    }
}

/// The ways to write a boolean.
pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// The fields of an event type: from its schema where it has one, else from its decoder.
pub(crate) fn fields_of(meta: &EventMeta) -> Vec<Field> {
    let known = fields_of_schema(&meta.schema());
    let optional = probe::optional(meta);
    let of = |name: &str| known.iter().find(|field| field.name == name);
    let fields = meta.fields.iter().map(|name| Field {
        name: (*name).to_owned(),
        kind: match of(name) {
            Some(field) if field.kind != Kind::Json => field.kind.clone(),
            _ => probe::kind(meta, name),
        },
        optional: optional.contains(name),
        about: of(name).and_then(|field| field.about.clone()),
        secret: meta.secret.contains(name),
    });
    fields.collect()
}

/// The fields that a JSON schema lists, the required ones first.
pub(crate) fn fields_of_schema(schema: &Value) -> Vec<Field> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|other| other == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<Field> = properties
        .map(|(name, property)| Field {
            name: name.clone(),
            kind: kind_of(property),
            optional: !required(name),
            about: property["description"].as_str().map(|text| text.lines().next().unwrap_or_default().to_owned()),
            secret: false,
        })
        .collect();
    fields.sort_by_key(|field| field.optional);
    fields
}

fn kind_of(schema: &Value) -> Kind {
    let words = |values: &Vec<Value>| values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    if let Some(Some(names)) = schema["enum"].as_array().map(words) {
        return Kind::Choice(names);
    }
    let mut types: Vec<&str> = schema["type"].as_str().into_iter().collect();
    types.extend(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str));
    types.retain(|name| *name != "null");
    match types[..] {
        ["string"] => Kind::Text,
        ["boolean"] => Kind::Bool,
        ["integer"] => Kind::Integer,
        ["number"] => Kind::Number,
        _ => Kind::Json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_lists_its_fields() {
        let schema = json!({
            "type": "object",
            "required": ["yes"],
            "properties": {
                "level": { "enum": ["low", "high"] },
                "note": { "type": ["string", "null"], "description": "What to add.\nMore." },
                "yes": { "type": "boolean" },
            },
        });
        let fields = fields_of_schema(&schema);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["yes", "level", "note"]);
        assert_eq!(fields[1].kind, Kind::Choice(vec!["low".to_owned(), "high".to_owned()]));
        assert_eq!(fields[2].about.as_deref(), Some("What to add."));
        assert!(!fields[0].optional && fields[2].optional);
        assert!(fields_of_schema(&json!(true)).is_empty());
    }

    #[test]
    fn texts_are_read_by_kind() {
        assert_eq!(Kind::Bool.read(" Yes "), Ok(json!(true)));
        assert!(Kind::Bool.read("maybe").is_err());
        assert_eq!(Kind::Integer.read("-3"), Ok(json!(-3)));
        assert_eq!(Kind::Text.read("5"), Ok(json!("5")));
        let level = Kind::Choice(vec!["retry".to_owned(), "skip".to_owned(), "stop".to_owned()]);
        assert_eq!(level.read("r"), Ok(json!("retry")));
        assert!(level.read("s").is_err(), "two begin so");
    }
}
