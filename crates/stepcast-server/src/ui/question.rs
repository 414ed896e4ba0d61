//! A run's question as UI toolkits show it.

use serde_json::{Map, Value, json};
use stepcast::{Event, EventMeta, HumanResponseEvent, Role, RunId, WorkflowDef};

use crate::access::Access;
use crate::runs::InputView;
use crate::wire::{prompt, question, time};

/// A run's question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) run: String,
    /// Its number in the run.
    pub(super) input: u64,
    pub(super) step: String,
    pub(super) reason: String,
    pub(super) prompt: Option<String>,
    /// Tag of the event that asks.
    pub(super) event: Option<String>,
    /// The data of that event, as far as the reader may see it, or the error.
    pub(super) data: Value,
    pub(super) choices: Option<Vec<String>>,
    /// Tag of the event that answers.
    pub(super) expects: Option<String>,
    /// The JSON schema of an answer, which is an object.
    pub(super) schema: Value,
    /// How it is answered with yes or no, if it is.
    pub(super) yes_no: Option<YesNo>,
    pub(super) expires: Option<String>,
}

/// An answer that says yes or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct YesNo {
    pub(super) field: &'static str,
    /// The field for what a person says about it.
    pub(super) comment: Option<&'static str>,
}

impl Question {
    pub(super) fn of(input: &InputView, def: Option<&WorkflowDef>, access: Access) -> Self {
        let named = |tag: &str| def.and_then(|def| def.event_by_tag(tag).map(|ix| def.event(ix)));
        let (event, data) = question(input, def, access);
        let takes = match input.expects.as_deref() {
            Some(tag) => named(tag),
            None => only_response(input, def),
        };
        let answers = takes.filter(|meta| !is_dynamic(meta));
        Question {
            run: input.run.clone(),
            input: input.input,
            step: input.step.clone(),
            reason: input.reason.clone(),
            prompt: prompt(input, &data, access),
            data,
            event,
            choices: input.choices.clone(),
            expects: takes.map(|meta| meta.tag.to_owned()).or_else(|| input.expects.clone()),
            schema: schema_of(input, answers),
            yes_no: answers.and_then(yes_no),
            expires: input.expires.map(time::text),
        }
    }

    /// Whether it is the one of this run with this number.
    pub(super) fn is(&self, run: &RunId, input: u64) -> bool {
        self.run == run.as_str() && self.input == input
    }

    /// The id under which a client answers it: with the last event that the client has seen, from where it goes on.
    pub(super) fn id(&self, seq: u64) -> String {
        format!("{}/{}@{seq}", self.run, self.input)
    }

    /// What stands around it, for clients that show more.
    pub(super) fn details(&self) -> Value {
        json!({
            "run_id": self.run,
            "input": self.input,
            "step": self.step,
            "reason": self.reason,
            "prompt": self.prompt,
            "event": self.event,
            "data": self.data,
            "choices": self.choices,
            "expects": self.expects,
            "schema": self.schema,
            "expires_at": self.expires,
        })
    }
}

/// A question's id taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QuestionId {
    pub(super) run: RunId,
    pub(super) input: u64,
    /// The last event that the client has seen.
    pub(super) seq: Option<u64>,
}

impl QuestionId {
    /// `<run>/<input>`, then `@<seq>` where it is known, then `#<n>` where it was asked again.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let id = match id.rsplit_once('#') {
            Some((id, again)) if digits(again).is_some() => id,
            _ => id,
        };
        let (id, seq) = match id.rsplit_once('@') {
            Some((id, seq)) if digits(seq).is_some() => (id, digits(seq)),
            _ => (id, None),
        };
        let (run, input) = id.rsplit_once('/')?;
        Some(QuestionId { run: RunId::from(run), input: digits(input)?, seq })
    }
}

/// The one event of the workflow that answers people's questions, for a question that does not say what answers it.
fn only_response(input: &InputView, def: Option<&WorkflowDef>) -> Option<&'static EventMeta> {
    let asks = input.reason != "step_failure";
    let mut responses = def.filter(|_| asks)?.events().filter(|meta| meta.role == Role::HumanResponse);
    responses.next().filter(|_| responses.next().is_none())
}

fn is_dynamic(meta: &EventMeta) -> bool {
    meta.type_id() == HumanResponseEvent::META.type_id()
}

fn schema_of(input: &InputView, answers: Option<&'static EventMeta>) -> Value {
    let object = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("object");
    if let Some(schema) = answers.map(EventMeta::schema).filter(object) {
        return schema;
    }
    let choices = input.choices.as_ref().map(|choices| json!({ "enum": choices }));
    let dynamic = input.expects.as_deref() == Some(HumanResponseEvent::META.tag);
    let stored = input.schema.as_ref().filter(|_| !dynamic);
    if let Some(schema) = stored.filter(|schema| object(schema)) {
        return schema.clone();
    }
    // The schema in a dynamic question is that of the `response`.
    let own = input.data.get("value").and_then(|value| value.get("schema")).filter(|schema| schema.is_object());
    let field = if input.reason == "step_failure" { "choice" } else { "response" };
    let of_field = choices.or_else(|| own.cloned()).unwrap_or_else(|| json!({}));
    json!({ "type": "object", "properties": { field: of_field }, "required": [field] })
}

/// Whether the event says yes or no: one field of it takes a truth value and nothing else, and is enough. The type itself is
/// asked, since it need not have a schema.
fn yes_no(meta: &'static EventMeta) -> Option<YesNo> {
    let takes = |fields: &[(&str, Value)]| {
        let data: Map<String, Value> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        meta.decode(data.into()).is_ok()
    };
    let is_flag = |name: &&&'static str| takes(&[(name, true.into())]) && !takes(&[(name, "text".into())]);
    let mut flags = meta.fields.iter().filter(is_flag);
    let (field, None) = (*flags.next()?, flags.next()) else { return None };
    let is_text = |name: &&str| {
        let with = |value: Value| takes(&[(field, true.into()), (name, value)]);
        *name != field && with("a text".into()) && !with(json!({}))
    };
    Some(YesNo { field, comment: meta.fields.iter().copied().find(is_text) })
}

#[cfg(test)]
mod tests {
    use stepcast::prelude::*;

    use super::{QuestionId, YesNo, yes_no};

    #[event(human_response)]
    struct Approval {
        approved: bool,
        #[serde(default)]
        comment: Option<String>,
    }

    #[event(human_response)]
    struct Address {
        street: String,
        #[serde(default)]
        known: Option<bool>,
    }

    #[event(human_response)]
    struct Flags {
        #[serde(default)]
        a: bool,
        #[serde(default)]
        b: bool,
    }

    #[event(human_response)]
    struct Anything {
        value: serde_json::Value,
    }

    #[test]
    fn a_type_with_one_truth_value_is_answered_with_yes_or_no() {
        let approval = YesNo { field: "approved", comment: Some("comment") };
        assert_eq!(yes_no(&Approval::META), Some(approval));
        assert_eq!(yes_no(&Address::META), None);
        assert_eq!(yes_no(&Flags::META), None);
        assert_eq!(yes_no(&Anything::META), None);
    }

    #[test]
    fn an_id_says_which_question_and_from_where() {
        let of = |run: &str, input, seq| Some(QuestionId { run: run.into(), input, seq });
        assert_eq!(QuestionId::parse("a/1"), of("a", 1, None));
        assert_eq!(QuestionId::parse("a/1@4"), of("a", 1, Some(4)));
        assert_eq!(QuestionId::parse("a/1@4#2"), of("a", 1, Some(4)));
        assert_eq!(QuestionId::parse("x@y#z/b/1@40"), of("x@y#z/b", 1, Some(40)));
        for wrong in ["", "a", "a/", "a/x", "a/1@", "a/1@-1", "a/+1"] {
            assert_eq!(QuestionId::parse(wrong), None, "{wrong}");
        }
    }
}
