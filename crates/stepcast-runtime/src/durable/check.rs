//! Whether an answer is one that a question takes: one of its choices, data that fits its schema, and of the event that
//! the run waits for.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::backend::NewInput;
use stepcast_core::{Event, HumanResponseEvent, WorkflowDef};

/// What is wrong with an answer.
pub(crate) enum Misfit {
    Choice { choices: Vec<String>, found: String },
    Schema { faults: Vec<String> },
    Data { tag: String, source: Arc<serde_json::Error> },
}

/// The answer in the form of the event that the question takes: a plain value is the response of a dynamic one.
pub(crate) fn normal(asked: &NewInput, answer: Value) -> Value {
    normal_of(asked.expects.as_deref(), answer)
}

/// The same where the event that the question takes is known alone.
pub(crate) fn normal_of(expects: Option<&str>, answer: Value) -> Value {
    let dynamic = expects == Some(HumanResponseEvent::META.tag);
    match answer {
        Value::Object(_) => answer,
        plain if dynamic => json!({ "response": plain }),
        plain => plain,
    }
}

/// What is wrong with an answer, if anything is. Without the definition, only what the record itself says counts.
pub(crate) fn misfit(asked: &NewInput, answer: &Value, def: Option<&WorkflowDef>) -> Option<Misfit> {
    let given = ["choice", "response"].iter().find_map(|key| answer.get(key)).unwrap_or(answer);
    let choices = asked.choices.as_deref().and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
    if let Some(choices) = choices {
        let known = given.as_str().is_some_and(|given| choices.iter().any(|choice| choice == given));
        return (!known).then(|| Misfit::Choice { choices, found: given.to_string() });
    }
    let expected = def.zip(asked.expects.as_deref());
    let expected = expected.and_then(|(def, tag)| def.event_by_tag(tag).map(|ix| def.event(ix)));
    if let Some(meta) = expected
        && let Err(source) = meta.decode_ref(answer)
    {
        return Some(Misfit::Data { tag: meta.tag.to_owned(), source: Arc::new(source) });
    }
    // A typed event says more than the schema of it; one that carries any JSON says nothing.
    let typed = expected.is_some_and(|meta| meta.tag != HumanResponseEvent::META.tag);
    let schema = asked.schema.as_deref().filter(|_| !typed)?;
    let faults = faults(&serde_json::from_str(schema).ok()?, given);
    (!faults.is_empty()).then_some(Misfit::Schema { faults })
}

#[cfg(feature = "json-schema")]
fn faults(schema: &Value, answer: &Value) -> Vec<String> {
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return vec![format!("the question's own schema is not one: {error}")],
    };
    let fault = |error: jsonschema::ValidationError<'_>| {
        let at = error.instance_path().to_string();
        if at.is_empty() { error.to_string() } else { format!("`{at}`: {error}") }
    };
    validator.iter_errors(answer).map(fault).collect()
}

#[cfg(not(feature = "json-schema"))]
fn faults(_: &Value, _: &Value) -> Vec<String> {
    Vec::new()
}
