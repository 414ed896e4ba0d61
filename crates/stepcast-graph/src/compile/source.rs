//! Where the input of a step is, found out once, so that nothing is parsed or searched while it runs.

use serde_json::Value;
use stepcast_core::{CellMap, ErasedEvent, EventMeta, FieldName, FlatValue, Payload, StorePath};

use crate::path::Path;
use crate::plan::{Input, Transform, Work};
use crate::template::JsonTemplate;

/// What leads to the input of a step without JSON in between, where the store has it in a form that allows for it.
#[derive(Debug)]
pub(super) enum Source {
    /// All of it is what one step gave. With the names of the fields of the event that its function takes.
    Output(StorePath, Box<[FieldName]>),
    /// A part for each field of the event that its function takes, in that order.
    Parts(Box<[Part]>),
    /// Something else.
    Other,
}

#[derive(Debug)]
pub(super) enum Part {
    /// A field of the output that is kept there; `None` where that is the output that the part before is of.
    Field(Option<StorePath>, FieldName),
    /// What the document says.
    Plain(Value),
}

impl Source {
    pub(super) fn of(work: &Work, takes: &[&'static EventMeta]) -> Self {
        let (Work::Use { input, .. } | Work::Transform { transform: Transform::Identity, input, .. }) = work else {
            return Source::Other;
        };
        let path = match input {
            Input::Path(path) => Some(path),
            Input::Json(template) => template.as_path().map(|(path, _)| path),
            Input::Run | Input::Bindings(_) => None,
        };
        let source = match (path, takes.first()) {
            (Some(path), takes) => path.places().next().map(|place| {
                let names = takes.into_iter().flat_map(|takes| takes.fields).map(|name| FieldName::new(name));
                Source::Output(place.clone(), names.collect())
            }),
            (None, Some(takes)) => parts(input, takes.fields).map(Source::Parts),
            (None, None) => None,
        };
        source.unwrap_or(Source::Other)
    }

    /// The event that is the input, where all of that is what a function gave.
    pub(super) fn event<'c>(&self, cells: &'c CellMap) -> Option<&'c dyn ErasedEvent> {
        match self {
            Source::Output(place, _) => cells.event(place),
            Source::Parts(_) | Source::Other => None,
        }
    }

    /// The event that a function takes, if this is its input, and all of it is there.
    #[inline(always)]
    pub(super) fn input(&self, takes: &[&'static EventMeta], cells: &CellMap) -> Option<Payload> {
        let takes = *takes.first()?;
        match self {
            // What one function gave and another one takes is handed on as it is, as between compiled steps, where JSON in
            // between would not change it.
            Source::Output(place, names) => {
                if let Some(event) = cells.event(place).filter(|event| is_one(takes, event.meta())) {
                    return Some(Payload::from_box(event.clone_boxed()));
                }
                of_fields(takes, place, names, cells)
            }
            // And for parts that are these.
            Source::Parts(parts) => {
                let mut output = None;
                let event = takes.made_of(&mut |at| match parts.get(at)? {
                    Part::Field(place, name) => {
                        if let Some(place) = place {
                            output = cells.object(place);
                        }
                        output?.flat_field(name)
                    }
                    Part::Plain(value) => FlatValue::of(value),
                });
                event.map(Payload::from_box)
            }
            Source::Other => None,
        }
    }
}

/// The same holds for JSON with the event's fields, and nothing else, as kept runs have it.
#[inline(never)]
fn of_fields(takes: &'static EventMeta, place: &StorePath, names: &[FieldName], cells: &CellMap) -> Option<Payload> {
    let output = cells.object(place).filter(|output| output.fields() == Some(names.len()))?;
    takes.made_of(&mut |at| output.flat_field(names.get(at)?)).map(Payload::from_box)
}

fn is_one(a: &EventMeta, b: &EventMeta) -> bool {
    std::ptr::eq(a, b) || a.type_id() == b.type_id()
}

fn parts(input: &Input, fields: &[&str]) -> Option<Box<[Part]>> {
    let mut last = None;
    let mut part_of = |path: &Path| {
        let (output, field) = path.output_and_field()?;
        let place = Some(&output).filter(|output| last.as_ref() != Some(*output)).cloned();
        last = Some(output);
        Some(Part::Field(place, FieldName::new(field)))
    };
    let parts = match input {
        Input::Json(JsonTemplate::Object(parts)) if parts.len() == fields.len() => {
            let part = |field: &&str| match parts.iter().find(|(name, _)| name == field)? {
                (_, JsonTemplate::Plain(value)) => Some(Part::Plain(value.clone())),
                (_, part) => part_of(part.as_path()?.0),
            };
            fields.iter().map(part).collect::<Option<Box<[Part]>>>()
        }
        Input::Bindings(parts) if parts.len() == fields.len() => {
            let part = |field: &&str| part_of(parts.iter().find(|(name, _)| name == field).map(|(_, path)| path)?);
            fields.iter().map(part).collect()
        }
        _ => None,
    };
    parts.filter(|parts| !parts.is_empty())
}
