//! What the cross-run cache knows a call by.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// SHA-256 of the canonical JSON of workflow, namespace and content, in hexadecimal. Label and step are not in it, so
/// that renaming them is no miss.
pub(super) fn cache_key(workflow: &str, namespace: &str, content: &Value) -> String {
    let mut text = String::new();
    canonical(&json!({ "key": content, "namespace": namespace, "workflow": workflow }), &mut text);
    sha256(&text)
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a text does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// JSON without spaces and with sorted keys, whatever order serde_json is told to keep.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                scalar(&Value::String(key.clone()), out);
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        other => scalar(other, out),
    }
}

fn scalar(value: &Value, out: &mut String) {
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_hash_of_canonical_json() {
        let content = json!({ "b": [1, 2.5, null, "é\n"], "a": { "y": true, "x": {} } });
        let mut text = String::new();
        canonical(&content, &mut text);
        assert_eq!(text, r#"{"a":{"x":{},"y":true},"b":[1,2.5,null,"é\n"]}"#);
        // printf '{"key":"x","namespace":"v2","workflow":"Flow"}' | sha256sum
        let known = "dc4d2f1e6d97f0373742fe2c301af6c3739641016d31d392ba566a90483a063d";
        assert_eq!(cache_key("Flow", "v2", &json!("x")), known);
    }

    #[test]
    fn workflow_namespace_and_content_tell_keys_apart() {
        let keys = [
            cache_key("Flow", "", &json!("x")),
            cache_key("Flow", "v2", &json!("x")),
            cache_key("Other", "", &json!("x")),
            cache_key("Flow", "", &json!("y")),
            cache_key("Flow", "", &json!(["x"])),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key), "{key}");
        }
    }
}
