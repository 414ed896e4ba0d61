//! A row as it is written: borrowed from the tick. [`read`](super::read) has the same rows as they are read.

use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;

use super::LabelDelta;
use crate::definition::WorkflowDef;
use crate::engine::{CollectRequest, FailureChoice, Filter, Matches, OpId, SenderSeq, Verdict, WaitRequest};
use crate::{ErrorInfo, OutToken, Outputs, Payload};

#[derive(Serialize)]
pub(super) struct Row<'a> {
    pub(super) v: u64,
    pub(super) n: u64,
    pub(super) at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) busy: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queued: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(rename = "do")]
    pub(super) kind: Kind<'a>,
    #[serde(skip_serializing_if = "<[LabelDelta]>::is_empty")]
    pub(super) ops: &'a [LabelDelta],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<SetRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind<'a> {
    Start {
        event: TagValue<'a>,
        def: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    },
    TakenOver {
        def: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    },
    External {
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<TagValue<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<SenderSeq>,
        #[serde(skip_serializing_if = "no_match")]
        matches: &'a Matches,
    },
    Report {
        exec: u64,
        #[serde(skip_serializing_if = "is_first")]
        attempt: u32,
        step: &'a str,
        took: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        out: Option<OutRow<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failed: Option<(&'a ErrorInfo, Option<Duration>)>,
    },
    Commit {
        exec: u64,
        #[serde(skip_serializing_if = "is_first")]
        attempt: u32,
        step: &'a str,
        seq: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        out: Option<OutRow<'a>>,
        op: OpRow<'a>,
    },
    Between {
        #[serde(skip_serializing_if = "Option::is_none")]
        exec: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<&'a str>,
    },
    Kept {
        event: &'a str,
        matches: &'a Matches,
    },
    Answer {
        input: u64,
        answer: AnswerRow<'a>,
    },
    Timers,
    Cancel,
    SendersGone,
    Time,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerRow<'a> {
    Choice(FailureChoice),
    Event(TagValue<'a>, &'a Matches),
}

/// An event as `[tag, value]`.
pub(super) struct TagValue<'a>(&'a Payload);

impl<'a> TagValue<'a> {
    /// The event, if the workflow declares it.
    pub(super) fn of(def: &WorkflowDef, event: &'a Payload) -> Option<Self> {
        def.event_by_hash(event.meta().hash).map(|_| TagValue(event))
    }
}

struct Erased<'a>(&'a Payload);

impl Serialize for Erased<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(self.0.as_erased().as_serialize(), serializer)
    }
}

impl Serialize for TagValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(self.0.meta().tag)?;
        pair.serialize_element(&Erased(self.0))?;
        pair.end()
    }
}

/// What an execution gave, and what the filters say to it: `[tokens, matches]`. Events that the workflow does not declare
/// go nowhere, so they are left out, and the positions of the others counted anew.
pub(super) struct OutRow<'a> {
    def: &'a WorkflowDef,
    outputs: &'a Outputs,
    matches: &'a Matches,
}

impl<'a> OutRow<'a> {
    pub(super) fn of(def: &'a WorkflowDef, outputs: &'a Outputs, matches: &'a Matches) -> Option<Self> {
        (!outputs.is_empty()).then_some(OutRow { def, outputs, matches })
    }

    fn declared(&self, event: &Payload) -> bool {
        self.def.event_by_hash(event.meta().hash).is_some()
    }

    /// What the filters say, by the places that the written events have.
    fn verdicts(&self) -> Vec<(u64, &Verdict)> {
        let events = self.outputs.iter().filter_map(|token| match token {
            OutToken::Event(event) => Some(self.declared(&event.payload)),
            _ => None,
        });
        let declared: Vec<bool> = events.collect();
        let found = self.matches.iter().filter_map(|(at, verdict)| {
            let at = usize::try_from(at).ok()?;
            let known = declared.get(at).copied().unwrap_or(false);
            let before = declared.iter().take(at).filter(|declared| **declared).count();
            known.then_some((before as u64, verdict))
        });
        found.collect()
    }
}

impl Serialize for OutRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(None)?;
        pair.serialize_element(&Tokens(self))?;
        if !self.matches.is_empty() {
            pair.serialize_element(&self.verdicts())?;
        }
        pair.end()
    }
}

struct Tokens<'a>(&'a OutRow<'a>);

impl Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tokens = serializer.serialize_seq(None)?;
        for token in self.0.outputs.iter() {
            match token {
                OutToken::Event(event) => {
                    // A member may begin although its first event is left out.
                    if event.begins_member {
                        tokens.serialize_element("member")?;
                    }
                    if self.0.declared(&event.payload) {
                        tokens.serialize_element(&TagValue(&event.payload))?;
                    }
                }
                OutToken::Open { kind } => tokens.serialize_element(kind)?,
                OutToken::Member => tokens.serialize_element("member")?,
                OutToken::Close => tokens.serialize_element("close")?,
            }
        }
        tokens.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OpRow<'a> {
    Deliver(&'a OpId),
    Refuse(&'a OpId),
    Withdraw(&'a OpId),
    Child(&'a OpId),
    ChildDone(&'a OpId),
    Wait {
        id: &'a OpId,
        event: &'a str,
        #[serde(skip_serializing_if = "any_event")]
        filter: &'a Filter,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        announce: Option<Announce<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deadline: Option<u64>,
    },
    Collect {
        id: &'a OpId,
        buffer: &'a str,
        event: TagValue<'a>,
        expected: Vec<Option<&'a str>>,
    },
}

impl<'a> OpRow<'a> {
    pub(super) fn wait(event: &'a str, wait: &'a WaitRequest) -> Self {
        let WaitRequest { id, event: _, filter, shared, announce, deadline } = wait;
        let announce = announce.as_ref().map(Announce);
        let deadline = deadline.map(|deadline| deadline.0);
        OpRow::Wait { id, event, filter, shared: *shared, announce, deadline }
    }

    /// A type expected that the definition does not have never comes.
    pub(super) fn collect(def: &'a WorkflowDef, collect: &'a CollectRequest, event: TagValue<'a>) -> Self {
        let tag = |ix: &u32| def.events.get(*ix as usize).map(|event| event.meta.tag);
        let expected = collect.expected.iter().map(tag).collect();
        OpRow::Collect { id: &collect.id, buffer: &collect.buffer, event, expected }
    }
}

/// An announcement in the form of [`EventEnvelope`](crate::EventEnvelope): its type need not be one of the workflow's.
pub(super) struct Announce<'a>(&'a Payload);

impl Serialize for Announce<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let meta = self.0.meta();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &Erased(self.0))?;
        map.serialize_entry("qualified_name", meta.qualified_name)?;
        map.serialize_entry("type", meta.tag)?;
        if let Some(ancestor) = meta.ancestors() {
            map.serialize_entry("types", &[ancestor])?;
        }
        map.end()
    }
}

/// Changed cells and states.
pub(super) struct SetRow<'a> {
    pub(super) store: &'a [(&'a str, Option<&'a Value>)],
    pub(super) states: &'a [(&'a str, &'a Value)],
}

impl Serialize for SetRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.store.iter().any(|(_, value)| value.is_some()) {
            map.serialize_entry(
                "store",
                &Entries(self.store.iter().filter_map(|(key, value)| Some((*key, (*value)?)))),
            )?;
        }
        if self.store.iter().any(|(_, value)| value.is_none()) {
            let gone = self.store.iter().filter(|(_, value)| value.is_none());
            map.serialize_entry("gone", &gone.map(|(key, _)| *key).collect::<Vec<_>>())?;
        }
        if !self.states.is_empty() {
            map.serialize_entry("states", &Entries(self.states.iter().copied()))?;
        }
        map.end()
    }
}

struct Entries<I>(I);

impl<'a, I: Iterator<Item = (&'a str, &'a Value)> + Clone> Serialize for Entries<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}

fn no_match(matches: &&Matches) -> bool {
    matches.is_empty()
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

fn any_event(filter: &&Filter) -> bool {
    **filter == Filter::Any
}
