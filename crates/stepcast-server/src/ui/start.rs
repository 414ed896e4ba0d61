//! The start event of a chat's turn.

use serde_json::{Map, Value};
use stepcast::{Event, EventMeta, StartEvent, WorkflowDef};

/// Fields that take a person's text before others.
const TEXT: [&str; 6] = ["message", "text", "prompt", "input", "query", "question"];

/// The data of the start event: `input` as it is; else the fields of the start event that `state` has, and the text of the
/// last user message in the first field that takes a text: one with a usual name before others, and of the dynamic
/// `StartEvent`, which takes the whole state, in `message`.
pub(super) fn start_data(
    def: &WorkflowDef,
    input: Option<Value>,
    state: Option<&Map<String, Value>>,
    text: Option<&str>,
) -> Value {
    if let Some(input) = input {
        return input;
    }
    let meta = def.event(def.start());
    let dynamic = meta.type_id() == StartEvent::META.type_id();
    let mut data: Map<String, Value> = state.cloned().unwrap_or_default();
    data.retain(|name, _| if dynamic { name != super::ag_ui::STATE } else { meta.fields.contains(&name.as_str()) });
    if let Some(text) = text {
        let field = if dynamic { Some(TEXT[0]) } else { text_field(meta, &data, text) };
        if let Some(field) = field {
            data.entry(field).or_insert_with(|| text.into());
        }
    }
    data.into()
}

/// The field that takes the text, when the others are as `data` has them.
fn text_field(meta: &EventMeta, data: &Map<String, Value>, text: &str) -> Option<&'static str> {
    let usual = TEXT.iter().copied().filter(|name| meta.fields.contains(name));
    let other = meta.fields.iter().copied().filter(|name| !TEXT.contains(name));
    usual.chain(other).filter(|name| !data.contains_key(*name)).find(|name| {
        let mut data = data.clone();
        data.insert((*name).to_owned(), text.into());
        meta.decode(data.into()).is_ok()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};
    use stepcast::prelude::*;
    use stepcast::{StartEvent, WorkflowDef};

    use super::start_data;

    #[event(start)]
    struct Search {
        limit: u32,
        topic: String,
        #[serde(default)]
        query: Option<String>,
    }

    #[event(stop)]
    struct Found;

    #[step]
    async fn search(_: Search) -> Found {
        Found
    }

    flow!(Typed: Search => Found { search });

    #[step]
    async fn anything(_: StartEvent) -> Found {
        Found
    }

    flow!(Dynamic: StartEvent => Found { anything });

    fn of<W: Workflow>(input: Option<Value>, state: Value, text: Option<&str>) -> Value {
        let def = WorkflowDef::of::<W>().unwrap();
        start_data(&def, input, state.as_object(), text)
    }

    #[test]
    fn a_given_input_is_taken_as_it_is() {
        assert_eq!(of::<Typed>(Some(json!({ "x": 1 })), json!({ "limit": 2 }), Some("hi")), json!({ "x": 1 }));
    }

    #[test]
    fn a_text_goes_where_a_text_fits() {
        let state = json!({ "limit": 2, "other": 3 });
        assert_eq!(of::<Typed>(None, state, Some("cats")), json!({ "limit": 2, "topic": "cats" }));
        // What the state has stays; the usual name takes the text.
        let state = json!({ "limit": 2, "topic": "dogs" });
        let both = json!({ "limit": 2, "topic": "dogs", "query": "cats" });
        assert_eq!(of::<Typed>(None, state, Some("cats")), both);
        // Nothing fits while `limit` is missing: the refusal of the start event names that.
        assert_eq!(of::<Typed>(None, Value::Null, Some("cats")), json!({}));
    }

    #[test]
    fn a_dynamic_start_takes_everything_but_our_own_state() {
        let state = json!({ "name": "Ada", "stepcast": { "seq": 1 } });
        assert_eq!(of::<Dynamic>(None, state, Some("hi")), json!({ "name": "Ada", "message": "hi" }));
        assert_eq!(of::<Dynamic>(None, Value::Null, None), json!({}));
    }
}
