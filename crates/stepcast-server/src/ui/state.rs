//! What a run shows of its state.

use serde_json::{Map, Value};
use stepcast::AnyRun;

use crate::access::Access;

/// Where in its store a run has what it shows. The rest of it is the workflow's own.
const SHOWN: &str = "ui";

/// What a run shows of its state as it is now. Of state nobody can say what in it is secret, so who may not see secrets sees
/// none of it.
pub(super) fn shown(run: &AnyRun, access: Access) -> Map<String, Value> {
    match run.store_value(SHOWN) {
        Some(Value::Object(shown)) if access.sees_secrets() => shown,
        _ => Map::new(),
    }
}
