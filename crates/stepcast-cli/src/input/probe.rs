//! What an event's type says of its fields without a schema: its own decoder is asked, one field at a time.

use serde_json::{Map, Value, json};
use stepcast::EventMeta;

use super::Kind;

/// What the type says of one field with this value, unless all it misses is other fields.
fn refused(meta: &EventMeta, field: &str, value: Value) -> Option<String> {
    fault(meta, field, value).map(|(_, said)| said)
}

/// As `refused`, with the place of the fault.
fn fault(meta: &EventMeta, field: &str, value: Value) -> Option<(String, String)> {
    let alone = Map::from_iter([(field.to_owned(), value)]);
    let text = meta.decode(Value::Object(alone)).err()?.to_string();
    // The text begins with the place in ticks, where serde could tell.
    let place = text.strip_prefix('`').and_then(|text| text.split_once("`: "));
    match place {
        Some((place, said)) if place != "." => Some((place.to_owned(), said.to_owned())),
        _ if text.starts_with("missing field") => None,
        _ => Some((field.to_owned(), text)),
    }
}

/// What kind of value the field takes.
pub(super) fn kind(meta: &EventMeta, field: &str) -> Kind {
    // Nothing but a map or arbitrary JSON takes this.
    let Some(said) = refused(meta, field, json!({ "\u{1}": null })) else { return Kind::Json };
    let expected = said.rsplit("expected ").next().unwrap_or_default();
    match expected {
        "a boolean" => Kind::Bool,
        "a string" | "a borrowed string" | "path string" | "a character" => Kind::Text,
        "f32" | "f64" => Kind::Number,
        _ if is_integer(expected) => Kind::Integer,
        _ => choices(meta, field).map_or(Kind::Json, Kind::Choice),
    }
}

fn is_integer(text: &str) -> bool {
    let text = text.strip_prefix("a nonzero ").unwrap_or(text);
    let digits = text.strip_prefix(['i', 'u']);
    digits.is_some_and(|digits| matches!(digits, "8" | "16" | "32" | "64" | "128" | "size"))
}

/// The variants of an enum without data.
fn choices(meta: &EventMeta, field: &str) -> Option<Vec<String>> {
    let said = refused(meta, field, json!("\u{1}"))?;
    let (_, listed) = said.strip_prefix("unknown variant")?.split_once("expected ")?;
    let names: Vec<String> = listed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    // A variant with data is no word.
    let words = names.iter().all(|name| refused(meta, field, json!(name)).is_none());
    (words && !names.is_empty()).then_some(names)
}

/// The fields that may be left out: those that take `null`, and those that nobody misses.
pub(super) fn optional(meta: &EventMeta) -> Vec<&'static str> {
    let required = required(meta);
    let missed = |field: &str| required.as_ref().is_none_or(|names| names.iter().any(|name| name == field));
    let fields = meta.fields.iter().copied();
    fields.filter(|field| !missed(field) || refused(meta, field, Value::Null).is_none()).collect()
}

/// The fields that the decoder misses, one after the other; `None` if it cannot be satisfied.
fn required(meta: &EventMeta) -> Option<Vec<String>> {
    let mut given = Map::new();
    while let Err(error) = meta.decode(Value::Object(given.clone())) {
        let said = error.to_string();
        let name = said.strip_prefix("missing field `")?.split('`').next()?.to_owned();
        if given.len() >= meta.fields.len() {
            return None;
        }
        let samples = match kind(meta, &name) {
            Kind::Choice(names) => vec![json!(names.first())],
            _ => vec![json!("x"), json!(0), json!(false), json!([]), json!({}), json!(null)],
        };
        let sample = samples.into_iter().find(|sample| refused(meta, &name, sample.clone()).is_none())?;
        given.insert(name, sample);
    }
    Some(given.into_iter().map(|(name, _)| name).collect())
}

/// Which field of a value the type refuses, and why.
pub(crate) fn blame(meta: &EventMeta, value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    fields.iter().find_map(|(name, value)| {
        let (place, said) = fault(meta, name, value.clone())?;
        Some(format!("{place}: {}", said.trim_end_matches('.')))
    })
}

/// Whether the type has no use for the field: it takes anything there, though it has fields of its own.
pub(crate) fn unknown_field(meta: &EventMeta, field: &str) -> bool {
    if meta.fields.is_empty() || meta.fields.contains(&field) {
        return false;
    }
    let probes = [json!({ "\u{1}": null }), json!("\u{1}"), json!(1.5), json!([[]])];
    probes.into_iter().all(|probe| refused(meta, field, probe).is_none_or(|said| said.starts_with("unknown field")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepcast::prelude::*;

    #[event(crate = stepcast)]
    struct Probed {
        name: String,
        yes: bool,
        many: u32,
        share: Option<f64>,
        level: Level,
        rest: Vec<u8>,
        #[serde(default)]
        more: String,
        #[serde(default)]
        any: Value,
    }

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Low,
        High,
    }

    #[test]
    fn the_decoder_tells_the_kinds_of_fields() {
        let meta = const { &<Probed as Event>::META };
        let kinds: Vec<Kind> = meta.fields.iter().map(|field| kind(meta, field)).collect();
        let level = Kind::Choice(vec!["low".to_owned(), "high".to_owned()]);
        assert_eq!(
            kinds,
            [Kind::Text, Kind::Bool, Kind::Integer, Kind::Number, level, Kind::Json, Kind::Text, Kind::Json]
        );
        assert_eq!(optional(meta), ["share", "more", "any"]);
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let meta = const { &<Probed as Event>::META };
        let value = json!({ "name": "Ada", "yes": "maybe" });
        let said = blame(meta, &value).unwrap_or_default();
        assert_eq!(said, "yes: invalid type: string \"maybe\", expected a boolean");
        assert_eq!(blame(meta, &json!({ "name": "Ada" })), None, "a missing field is nobody's");
        assert!(unknown_field(meta, "nmae") && !unknown_field(meta, "name"));
    }
}
