use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{DataEvent, EventMeta, FieldName, Payload, StorePath};

use super::source::Source;
use crate::plan::{Plan, Step, When};

/// All steps of a graph, as their bodies read them.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) plan: Arc<Plan>,
    pub(super) nodes: Vec<Node>,
    pub(super) by_id: HashMap<String, usize>,
}

/// Where a step leads.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) id: Arc<str>,
    pub(super) key: Arc<str>,
    /// Where its record is kept.
    pub(super) cell: StorePath,
    pub(super) all: bool,
    /// Where it leads after success if no condition holds, where the first edge is taken.
    pub(super) by_default: Option<&'static EventMeta>,
    /// The events that its function takes.
    pub(super) takes: Vec<&'static EventMeta>,
    /// Where its input is, if that is known.
    pub(super) source: Source,
    /// The names of the fields that its template makes.
    pub(super) fields: Arc<[String]>,
    /// It may end at once, and nobody else has to know.
    pub(super) is_quick: bool,
    pub(super) outs: Vec<Out>,
    pub(super) exit: Option<Exit>,
    pub(super) child_of: Option<ChildOf>,
    /// What starts the steps that it runs.
    pub(super) children: Vec<&'static EventMeta>,
}

#[derive(Debug)]
pub(super) struct Out {
    pub(super) meta: &'static EventMeta,
    pub(super) whens: Vec<When>,
    /// The field of the step's own output that its only condition asks for.
    pub(super) own: Option<FieldName>,
    /// It leads to a join that goes on with the first ones.
    pub(super) counted: bool,
}

#[derive(Debug)]
pub(super) enum Exit {
    Stop,
    Event(&'static EventMeta),
}

#[derive(Debug)]
pub(super) struct ChildOf {
    pub(super) meta: &'static EventMeta,
    /// Under which key the record of the parallel step is kept.
    pub(super) key: String,
    /// It may be over before all of its steps are.
    pub(super) races: bool,
}

impl Nodes {
    pub(super) fn step(&self, at: usize) -> &Step {
        &self.plan.steps[at]
    }
}

/// What an event of a graph says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token {
    /// The step before was skipped, or its edge did not apply.
    pub(super) skip: bool,
    /// The execution of the parallel step that runs the step.
    pub(super) of: Option<u64>,
}

impl Token {
    pub(super) const PLAIN: Token = Token { skip: false, of: None };
    pub(super) const SKIP: Token = Token { skip: true, of: None };

    /// Whether a call's events say nothing more than that it is to be made.
    #[inline]
    pub(super) fn is_plain(inputs: &[Payload]) -> bool {
        let bare = |input| DataEvent::value_of(input).is_none_or(Value::is_null);
        inputs.iter().all(bare) || Token::of_call(inputs) == Token::PLAIN
    }

    /// What a call's events say together: skipped if all say so.
    pub(super) fn of_call(inputs: &[Payload]) -> Token {
        let mut token = Token { skip: !inputs.is_empty(), of: None };
        for value in inputs.iter().map(DataEvent::value_of) {
            let one = value.map_or(Token::PLAIN, Token::read);
            token.skip &= one.skip;
            token.of = token.of.or(one.of);
        }
        token
    }

    pub(super) fn read(value: &Value) -> Token {
        if value.is_null() {
            return Token::PLAIN;
        }
        let skip = value.get("skip").is_some_and(|skip| *skip == Value::Bool(true));
        Token { skip, of: value.get("of").and_then(Value::as_u64) }
    }

    pub(super) fn payload(self, meta: &'static EventMeta) -> Payload {
        let value = match self {
            Token { skip: false, of: None } => return DataEvent::bare(meta),
            Token { skip: true, .. } => serde_json::json!({ "skip": true }),
            Token { of: Some(of), .. } => serde_json::json!({ "of": of }),
        };
        DataEvent::new(meta, value).into_payload()
    }
}
