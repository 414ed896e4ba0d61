//! Events in their envelopes.

use serde_json::Value;
use stepcast::{AnyEvent, EventEnvelope, EventMeta};

use crate::access::Access;

/// What a secret field shows to those who may not see it.
const COVER: &str = "***";

/// The wire form of an event, as far as the reader may see it.
pub(crate) fn envelope(event: &AnyEvent, access: Access) -> EventEnvelope {
    let mut envelope = event.to_envelope();
    if !access.sees_secrets() {
        envelope.value = covered(envelope.value, event.meta());
    }
    envelope
}

/// The data of an event with its secret fields covered.
pub(crate) fn covered(mut value: Value, meta: Option<&EventMeta>) -> Value {
    if let (Some(meta), Some(fields)) = (meta, value.as_object_mut()) {
        for name in meta.secret {
            if let Some(field) = fields.get_mut(*name) {
                *field = Value::from(COVER);
            }
        }
    }
    value
}
