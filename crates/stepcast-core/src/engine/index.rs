//! Finds the waits that an event can satisfy without looking at the others. It follows from the waiters, so it is not
//! serialized; a restore builds it anew.

use serde_json::Value;

use super::Filter;
use super::small_map::SmallMap;
use super::waits::Waiter;
use crate::definition::EventIx;

/// Predicates that do not exist in this process yet.
const UNARMED: u8 = 0;
const CODE: u8 = 1 << 3;
const ANY: u8 = 2 << 3;
const FIELD: u8 = 3 << 3;
const KINDS: u8 = 3 << 3;

/// Others may have the same event.
const SHARED: u8 = 1;
/// Takes only what came after its announcement.
const ANNOUNCED: u8 = 2;
/// Its step takes events of the type too.
const OWN: u8 = 4;

/// The waiters of one event type that are alike, in order of registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    event: EventIx,
    class: u8,
    /// Boxed: few waits look at a field, and idle runs hold a place each.
    field: Option<Box<FieldAt>>,
}

/// A field, and what it must hold, as [`canonical`] text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FieldAt {
    path: Box<str>,
    value: Box<str>,
}

/// All waiters by what they wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index(SmallMap<(Lane, u64), ()>);

impl Lane {
    pub(crate) fn of(waiter: &Waiter) -> Self {
        let set = |flag: u8, is: bool| if is { flag } else { 0 };
        let traits = set(SHARED, waiter.shared) | set(ANNOUNCED, waiter.after > 0) | set(OWN, waiter.own);
        let (class, field) = match &waiter.filter {
            Filter::Any => (ANY | traits, None),
            Filter::Field { path, value } => {
                (FIELD | traits, Some(Box::new(FieldAt { path: path.as_str().into(), value: canonical(value) })))
            }
            // Armed predicates are asked one by one, in order, so they all lie together.
            Filter::Code if waiter.armed => (CODE, None),
            Filter::Code => (UNARMED | traits, None),
        };
        Lane { event: waiter.event, class, field }
    }

    /// The waits with a predicate that can be asked.
    pub(crate) fn predicates(event: EventIx) -> Self {
        Lane { event, class: CODE, field: None }
    }

    pub(crate) fn is_unarmed(&self) -> bool {
        self.class & KINDS == UNARMED
    }

    pub(crate) fn is_code(&self) -> bool {
        self.class & KINDS == CODE
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.class & SHARED != 0
    }
}

impl Index {
    pub(crate) fn insert(&mut self, id: u64, waiter: &Waiter) {
        self.0.insert((Lane::of(waiter), id), ());
    }

    pub(crate) fn remove(&mut self, id: u64, waiter: &Waiter) {
        self.0.remove(&(Lane::of(waiter), id));
    }

    /// The waiters of a lane, in order of registration.
    pub(crate) fn ids<'a>(&'a self, lane: &Lane) -> impl Iterator<Item = u64> + use<'a> {
        self.0.range((lane.clone(), 0), (lane.clone(), u64::MAX)).map(|((_, id), ())| *id)
    }

    /// The lanes of an event type in which an event with these fields belongs.
    pub(crate) fn lanes<'v>(&self, event: EventIx, field: impl Fn(&str) -> Option<&'v str>) -> Vec<Lane> {
        let mut lanes = Vec::new();
        self.visit(event, |lane| match &lane.field {
            None => lanes.push(lane.clone()),
            Some(at) => {
                if let Some(value) = field(&at.path) {
                    let field = Some(Box::new(FieldAt { path: at.path.clone(), value: value.into() }));
                    lanes.push(Lane { field, ..*lane });
                }
            }
        });
        lanes
    }

    /// The paths of the fields that waits for an event type look at.
    pub(crate) fn paths(&self, event: EventIx) -> Vec<&str> {
        let mut paths = Vec::new();
        self.visit(event, |lane| paths.extend(lane.field.as_deref().map(|at| &*at.path)));
        // One path may be in several classes.
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Calls with one lane of every class, and of every path within a class.
    fn visit<'a>(&'a self, event: EventIx, mut call: impl FnMut(&'a Lane)) {
        let mut from = (Lane { event, class: 0, field: None }, 0);
        while let Some((lane, _)) = self.0.first_from(&from).filter(|(lane, _)| lane.event == event) {
            call(lane);
            from.0 = match &lane.field {
                None => Lane { event, class: lane.class + 1, field: None },
                // The least text that is greater than the path.
                Some(at) => {
                    let path = format!("{}\0", at.path).into();
                    Lane { field: Some(Box::new(FieldAt { path, value: "".into() })), ..*lane }
                }
            };
        }
    }
}

/// One text for all values that are equal: members of objects in order, and one zero.
pub(crate) fn canonical(value: &Value) -> Box<str> {
    let mut text = String::new();
    write(value, &mut text);
    text.into()
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(0.0) => text.push_str("0.0"),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(member, text);
                text.push(',');
            }
            text.push('}');
        }
        simple => text.push_str(&simple.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::canonical;

    #[test]
    fn values_have_one_text_exactly_if_they_are_equal() {
        let texts = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "0.0",
            "-0.0",
            "1.0",
            "1e0",
            "10e-1",
            "1.5",
            "18446744073709551615",
            "18446744073709551616",
            "\"\"",
            "\"1\"",
            "\"null\"",
            "[]",
            "[1]",
            "[1,2]",
            "[[1],2]",
            "[[1,2]]",
            "[\"1,2\"]",
            "{}",
            "{\"a\":1}",
            "{\"a\":1.0}",
            "{\"a\":1,\"b\":2}",
            "{\"b\":2,\"a\":1}",
            "{\"a\":{\"b\":2}}",
            "{\"a\\\":1,\\\"b\":2}",
        ];
        let values: Vec<Value> =
            texts.iter().filter_map(|text| serde_json::from_str(text).ok()).chain([json!(-0.0)]).collect();
        assert_eq!(values.len(), texts.len() + 1);
        for a in &values {
            for b in &values {
                assert_eq!(a == b, canonical(a) == canonical(b), "{a} {b}");
            }
        }
    }
}
