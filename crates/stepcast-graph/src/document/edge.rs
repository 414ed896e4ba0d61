use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A way from one step to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The step that it leaves.
    #[serde(alias = "from")]
    pub source: String,
    /// The step that it leads to.
    #[serde(alias = "to")]
    pub target: String,
    /// When it applies. Without it: when the step succeeded, and, where the first edge is taken, no edge before it applied.
    #[serde(default, alias = "condition", alias = "transition", skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// Anything, for whoever draws the graph.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// When an edge applies, as written: `"always"`, `"success"`, `"failure"`, `"otherwise"`, an expression such as
/// `"review.approved == true"`, or a condition as an object such as `{"type": "field", "path": "a.output", "op": "eq",
/// "value": 1}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct When(pub Value);

impl From<&str> for When {
    fn from(text: &str) -> Self {
        When(text.into())
    }
}

impl From<Value> for When {
    fn from(value: Value) -> Self {
        When(value)
    }
}

impl schemars::JsonSchema for When {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "When".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A word, an expression, or a condition as an object.",
            "anyOf": [
                { "enum": ["always", "success", "failure", "otherwise"] },
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {
                            "enum": [
                                "always", "success", "on_success", "failure", "on_failure", "otherwise", "condition",
                                "expr", "field", "all", "any", "not"
                            ]
                        },
                        "path": { "type": "string" },
                        "op": { "enum": ["eq", "neq", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "exists"] },
                        "value": true,
                        "conditions": { "type": "array" }
                    }
                }
            ]
        })
    }
}
