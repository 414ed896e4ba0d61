//! Events as clients of these routes receive them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use stepcast::{AnyEvent, EventEnvelope, EventKind, StreamEvent, StreamItem};
use utoipa::ToSchema;

use super::given::outer_name;
use crate::access::Access;
use crate::wire;

/// An event with what it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Envelope {
    /// Its fields.
    #[schema(value_type = Object)]
    value: Value,
    /// Module path and type name.
    qualified_name: Option<Cow<'static, str>>,
    /// Its type's name.
    #[serde(rename = "type")]
    tag: Cow<'static, str>,
    /// Its ancestors' names.
    types: Option<Vec<Cow<'static, str>>>,
}

impl Envelope {
    /// As far as the reader may see it. Events that LlamaIndex has too go by the name that they have there.
    pub(super) fn of(event: &AnyEvent, access: Access) -> Self {
        if let Some(meta) = event.meta() {
            return Envelope {
                value: wire::data(event, access),
                qualified_name: Some(outer_name(meta)),
                tag: meta.tag.into(),
                types: meta.ancestors().map(|name| vec![name.into()]),
            };
        }
        let EventEnvelope { value, qualified_name, tag, types } = wire::envelope(event, access);
        let types = types.map(|types| types.into_iter().map(Cow::from).collect());
        Envelope { value, qualified_name: qualified_name.map(Cow::from), tag: tag.into(), types }
    }

    /// An item of a stream.
    pub(super) fn of_item(item: &StreamItem, access: Access, qualified: bool) -> Self {
        let mut envelope = match item {
            StreamItem::Event(item) => Envelope::of_frame(item, access),
            StreamItem::Lagged { from, to } => Envelope::of_gap("Lagged", json!({ "from": from, "to": to })),
            StreamItem::Unreadable { from, to, error } => {
                Envelope::of_gap("Unreadable", json!({ "from": from, "to": to, "error": error.to_string() }))
            }
        };
        if !qualified {
            envelope.qualified_name = None;
        }
        envelope
    }

    /// In the place of events that cannot be given.
    fn of_gap(tag: &'static str, value: Value) -> Self {
        Envelope { value, qualified_name: Some(format!("stepcast::{tag}").into()), tag: tag.into(), types: internal() }
    }

    fn of_frame(item: &StreamEvent, access: Access) -> Self {
        let mut envelope = Envelope::of(&item.event, access);
        if item.kind == EventKind::Internal {
            envelope.types = internal();
            // A state that its clients do not know.
            if let Some(state) = envelope.value.get_mut("step_state").filter(|state| *state == "waiting") {
                *state = "not_running".into();
            }
        }
        envelope
    }

    /// The result alone, as the older route gives it: what the dynamic stop event holds, or the whole stop event.
    pub(super) fn into_result(self) -> Value {
        match (self.value, self.qualified_name.as_deref()) {
            (Value::Object(mut fields), Some("workflows.events.StopEvent")) => {
                fields.remove("result").unwrap_or_default()
            }
            (value, _) => value,
        }
    }
}

fn internal() -> Option<Vec<Cow<'static, str>>> {
    Some(vec!["InternalDispatchEvent".into()])
}
