//! Why a run ended otherwise than with its stop event.

use serde_json::Value;

/// A stored error, with what brought it about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The sentence.
    pub(crate) message: String,
    /// The Rust type of the error, where known.
    pub(crate) kind: Option<String>,
    /// The step that failed, if it was one.
    pub(crate) step: Option<String>,
    pub(crate) attempts: Option<u64>,
    /// Nearest first.
    pub(crate) causes: Vec<String>,
}

impl Failure {
    /// Reads what the store has. Any other text is the message.
    pub(crate) fn parse(text: &str) -> Option<Failure> {
        let whole = crate::wire::stored_or_text(text);
        if whole.is_null() {
            return None;
        }
        let error = whole.get("error").or_else(|| whole.get("exception")).unwrap_or(&whole);
        let word = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let message = word(error, "exception_message").or_else(|| word(error, "message"));
        let message = message.or_else(|| error.as_str().map(str::to_owned)).unwrap_or_else(|| error.to_string());
        let causes = error.get("causes").and_then(Value::as_array).into_iter().flatten();
        Some(Failure {
            message,
            kind: word(error, "exception_type"),
            step: word(&whole, "step").or_else(|| word(&whole, "step_name")),
            attempts: whole.get("attempts").and_then(Value::as_u64),
            causes: causes.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_every_form() {
        let stored = r#"{"error":{"exception_type":"E","exception_message":"no","causes":["a","b"]},
            "step":"write","attempts":3}"#;
        let found = Failure::parse(stored);
        let expected = Failure {
            message: "no".into(),
            kind: Some("E".into()),
            step: Some("write".into()),
            attempts: Some(3),
            causes: vec!["a".into(), "b".into()],
        };
        assert_eq!(found, Some(expected));
        assert_eq!(Failure::parse("\"plain\"").map(|failure| failure.message), Some("plain".into()));
        assert_eq!(Failure::parse("no json").map(|failure| failure.message), Some("no json".into()));
        assert_eq!(Failure::parse("null"), None);
    }
}
