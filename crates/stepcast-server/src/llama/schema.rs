//! JSON schemas in the shape that pydantic writes and the debugger's form reads.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use stepcast::EventMeta;

/// A schema on the wire. Its properties come in the order in which the event declares its fields, as forms show them.
pub(crate) struct Schema {
    schema: Value,
    order: &'static [&'static str],
}

/// The schema of an event's fields: an object with a title, each property with a title, `anyOf` where it may be null.
pub(super) fn of_event(meta: &EventMeta) -> Schema {
    Schema { schema: of_json(meta.schema(), meta.type_name), order: meta.fields }
}

impl From<Value> for Schema {
    fn from(schema: Value) -> Self {
        Schema { schema, order: &[] }
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(members) = &self.schema else { return self.schema.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (name, member) in members {
            match (name.as_str(), member) {
                ("properties", Value::Object(properties)) => {
                    map.serialize_entry(name, &Ordered { properties, order: self.order })?;
                }
                _ => map.serialize_entry(name, member)?,
            }
        }
        map.end()
    }
}

/// Properties, those that `order` names before others.
struct Ordered<'a> {
    properties: &'a Map<String, Value>,
    order: &'a [&'a str],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.order.iter().filter_map(|name| self.properties.get_key_value(*name));
        let others = self.properties.iter().filter(|(name, _)| !self.order.contains(&name.as_str()));
        serializer.collect_map(named.chain(others))
    }
}

/// The same of a schema at hand, its properties as they are.
pub(super) fn of_json(schema: Value, name: &str) -> Value {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    schema.remove("$schema");
    schema.entry("title").or_insert_with(|| name.into());
    schema.entry("type").or_insert_with(|| "object".into());
    shape(&mut schema);
    schema.entry("properties").or_insert_with(|| json!({}));
    Value::Object(schema)
}

/// Shapes an object's properties, and those of the definitions it refers to.
fn shape(schema: &mut Map<String, Value>) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            // A property may also be `true`: anything.
            if let Value::Bool(true) = property {
                *property = json!({});
            }
            if let Value::Object(property) = property {
                nullable(property);
                if property.get("title").is_none_or(|title| title == name.as_str()) && !property.contains_key("$ref") {
                    property.insert("title".to_owned(), title(name).into());
                }
            }
        }
    }
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().filter_map(Value::as_object_mut).for_each(shape);
    }
}

/// `"type": [T, "null"]` as `"anyOf": [{"type": T}, {"type": "null"}]`.
fn nullable(property: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = property.get("type") else { return };
    let (types, mut rest) = (types.clone(), std::mem::take(property));
    rest.remove("type");
    for note in ["title", "description", "default"] {
        property.extend(rest.remove_entry(note));
    }
    let choices = types.into_iter().map(|kind| {
        let mut choice = if kind == "null" { Map::new() } else { rest.clone() };
        choice.insert("type".to_owned(), kind);
        Value::Object(choice)
    });
    property.insert("anyOf".to_owned(), choices.collect());
    property.entry("default").or_insert(Value::Null);
}

/// `delay_ms` as `Delay Ms`.
fn title(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::{Schema, nullable, title};

    #[test]
    fn properties_are_in_the_order_of_the_fields() {
        let schema = json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "d": {}}});
        let text = serde_json::to_string(&Schema { schema, order: &["c", "hidden", "a"] }).unwrap();
        assert_eq!(text, r#"{"properties":{"c":{},"a":{},"b":{},"d":{}},"type":"object"}"#);
    }

    #[test]
    fn what_may_be_null_is_a_choice() {
        let mut property = json!({"type": ["integer", "null"], "minimum": 0, "description": "How many."});
        nullable(property.as_object_mut().unwrap());
        let anyof = json!([{"type": "integer", "minimum": 0}, {"type": "null"}]);
        assert_eq!(property, json!({"anyOf": anyof, "description": "How many.", "default": null}));
    }

    #[test]
    fn titles_are_words() {
        assert_eq!(
            (title("delay_ms").as_str(), title("n").as_str(), title("_a__b").as_str()),
            ("Delay Ms", "N", "A B")
        );
    }
}
