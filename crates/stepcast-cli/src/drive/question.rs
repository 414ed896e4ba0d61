//! What a run asks of a person, ready to be asked.

use serde_json::{Value, json};
use stepcast::backend::InputRecord as Stored;
use stepcast::{AnyRun, Event, EventMeta, InputId, InputRecord, InputRequiredEvent, Role, RunId, WorkflowDef};

use crate::input::{Field, Kind, fields_of, fields_of_schema};
use crate::text::short;
use crate::wire;

/// A pending input.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) run: RunId,
    pub(crate) number: u64,
    pub(crate) step: String,
    /// What the person reads.
    pub(crate) text: String,
    /// The type of the answer, where this binary has it.
    pub(crate) expects: Option<&'static EventMeta>,
    /// The words that answer it.
    pub(crate) choices: Vec<String>,
    /// The answer's fields.
    pub(crate) fields: Vec<Field>,
}

impl Question {
    /// Of a live run, or of a child of it.
    pub(crate) fn of_live(run: &AnyRun, input: &InputRecord) -> Question {
        let asked = &input.input;
        let data = match (&asked.event, &asked.error) {
            (Some(event), _) => event.value(),
            (None, Some(error)) => {
                json!({ "step_name": asked.step, "exception_message": error.exception_message })
            }
            (None, None) => Value::Null,
        };
        let mut choices: Vec<String> = asked.choices.iter().map(|choice| word(&json!(choice))).collect();
        // A question of a type that was made at run time brings what it takes with it.
        let own = asked.event.as_ref().filter(|event| event.tag() == InputRequiredEvent::META.tag).map(|_| &data);
        if let Some(Value::Array(own)) = own.and_then(|data| data.get("choices")).filter(|_| choices.is_empty()) {
            choices = own.iter().map(word).collect();
        }
        let schema = own.and_then(|data| data.get("schema")).filter(|schema| schema.is_object());
        let expects = asked.expects.as_deref().and_then(wire::meta).or_else(|| match asked.expects {
            None if choices.is_empty() => only_answer(run),
            _ => None,
        });
        Question {
            run: input.id.run_id.clone(),
            number: input.id.number,
            step: asked.step.clone(),
            text: wire::question(None, &data),
            expects,
            fields: match (expects, schema) {
                (Some(meta), _) => fields_of(meta),
                (None, Some(schema)) => fields_of_schema(schema),
                (None, None) => Vec::new(),
            },
            choices,
        }
    }

    /// Of the store. The definition is that of its workflow, if this binary has it.
    pub(crate) fn of_stored(record: &Stored, def: Option<&WorkflowDef>) -> Question {
        let asked = &record.asked;
        let data = asked.data.as_deref().map_or(Value::Null, wire::stored);
        let choices = asked.choices.as_deref().and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
        let choices: Vec<String> = choices.iter().flatten().map(word).collect();
        let expects = match (&asked.expects, def) {
            (Some(tag), Some(def)) => def.event_by_tag(tag).map(|ix| def.event(ix)),
            (None, Some(def)) if choices.is_empty() => only_response(def),
            (Some(tag), None) => wire::meta(tag),
            _ => None,
        };
        let schema = asked.schema.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let fields = match (expects, schema) {
            (Some(meta), _) => fields_of(meta),
            (None, Some(schema)) => fields_of_schema(&schema),
            (None, None) => Vec::new(),
        };
        Question {
            run: RunId::from(record.run.clone()),
            number: asked.input,
            step: asked.step.clone(),
            text: wire::question(asked.prompt.as_deref(), &data),
            expects,
            choices,
            fields,
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> InputId {
        InputId { run_id: self.run.clone(), number: self.number }
    }

    /// Its id as people write it.
    pub(crate) fn short_id(&self) -> String {
        format!("{}/{}", short(self.run.as_str()), self.number)
    }

    /// How it is answered on a command line.
    pub(crate) fn example(&self) -> String {
        if let Some(choice) = self.choices.first() {
            return format!("--choice {choice}");
        }
        let needed = self.fields.iter().filter(|field| !field.optional);
        let args: Vec<String> = needed.map(|field| format!("--arg {}={}", field.name, field.kind.example())).collect();
        match (args.is_empty(), self.fields.is_empty()) {
            (false, _) => args.join(" "),
            (true, false) => String::new(),
            (true, true) if self.expects.is_some() => String::new(),
            (true, true) => "--value JSON".to_owned(),
        }
    }

    /// What has to be asked for, in order.
    pub(crate) fn prompts(&self) -> Vec<Field> {
        if !self.choices.is_empty() {
            let kind = Kind::Choice(self.choices.clone());
            let (name, about) = ("choice".to_owned(), None);
            return vec![Field { name, kind, optional: false, about, secret: false }];
        }
        if self.fields.is_empty() && self.expects.is_none() {
            let (name, about) = ("answer".to_owned(), None);
            return vec![Field { name, kind: Kind::Any, optional: false, about, secret: false }];
        }
        self.fields.clone()
    }

    /// The answer that these values of the prompts make.
    pub(crate) fn answer(&self, values: Vec<(String, Value)>) -> Value {
        let is_plain = !self.choices.is_empty() || (self.fields.is_empty() && self.expects.is_none());
        let whole: serde_json::Map<String, Value> = match is_plain {
            true => return values.into_iter().next().map(|(_, value)| value).unwrap_or_default(),
            false => values.into_iter().collect(),
        };
        let whole = Value::Object(whole);
        match self.expects {
            // An event without fields is written as `null`.
            Some(meta) if meta.decode(whole.clone()).is_err() && meta.decode(Value::Null).is_ok() => Value::Null,
            _ => whole,
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The event that answers a question which names none, if only one can.
fn only_response(def: &WorkflowDef) -> Option<&'static EventMeta> {
    let mut responses = def.events().filter(|meta| meta.role == Role::HumanResponse);
    match (responses.next(), responses.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn only_answer(run: &AnyRun) -> Option<&'static EventMeta> {
    let linked = stepcast::Catalogue::global().ok()?.workflow(run.workflow())?;
    only_response(&(linked.define)().ok()?)
}
