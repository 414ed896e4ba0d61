use crate::EventMeta;

/// A set of event types as a constant tree: concatenating generic constant slices is not stable, nesting references is.
#[derive(Clone, Copy, Debug)]
pub enum EventSet {
    /// No event.
    None,
    /// One event type.
    One(&'static EventMeta),
    /// The events of two sets.
    Both(&'static EventSet, &'static EventSet),
}

/// What a step's return type can give.
#[derive(Clone, Copy, Debug)]
pub enum OutSpec {
    /// Nothing.
    None,
    /// One event of this type.
    One(&'static EventMeta),
    /// All of both.
    All(&'static OutSpec, &'static OutSpec),
    /// Either of both.
    Either(&'static OutSpec, &'static OutSpec),
    /// This or nothing.
    Optional(&'static OutSpec),
    /// A batch whose members each give this.
    Batch(&'static OutSpec),
}

/// What a step parameter takes.
#[derive(Clone, Copy, Debug)]
pub enum ParamSpec {
    /// One event out of this set.
    Event(EventSet),
    /// Every event of this set that the members of a batch led to.
    Collect(EventSet),
    /// The first so many events of this set in a batch.
    Take(EventSet, usize),
    /// Something the runtime supplies.
    Injected(Injected),
}

/// A parameter that the runtime supplies: a context, a resource, a state cell, a token.
#[derive(Clone, Copy, Debug)]
pub struct Injected {
    /// What it is, for messages and graphs: `context`, `state`, `resource`, `cancel_token`, `attempt`.
    pub kind: &'static str,
    /// Events the step may send through it; `None` where it sends nothing or declares it with `emits`.
    pub sends: EventSet,
    /// For `resource` and `state`: what must be supplied.
    pub needs: Option<Need>,
}

/// A typed thing a step asks for by type.
#[derive(Clone, Copy)]
pub struct Need {
    /// Identifies the type in this process.
    pub type_id: fn() -> std::any::TypeId,
    /// The type's name, for messages.
    pub type_name: fn() -> &'static str,
}

impl Need {
    /// Asks for a `T`.
    pub const fn of<T: 'static>() -> Self {
        Need { type_id: std::any::TypeId::of::<T>, type_name: std::any::type_name::<T> }
    }
}

impl std::fmt::Debug for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Need").field(&(self.type_name)()).finish()
    }
}

impl Injected {
    /// Something that neither sends events nor needs anything supplied.
    pub const fn plain(kind: &'static str) -> Self {
        Injected { kind, sends: EventSet::None, needs: None }
    }
}

impl OutSpec {
    /// A number for what this gives: equal trees have equal numbers. Tells the batches of one return type apart.
    pub const fn kind(&self) -> u64 {
        match self {
            OutSpec::None => crate::hash::fnv1a("none"),
            OutSpec::One(meta) => crate::hash::extend(crate::hash::fnv1a("one"), &meta.hash.to_le_bytes()),
            OutSpec::All(a, b) => pair("all", a.kind(), b.kind()),
            OutSpec::Either(a, b) => pair("either", a.kind(), b.kind()),
            OutSpec::Optional(inner) => pair("optional", inner.kind(), 0),
            OutSpec::Batch(inner) => pair("batch", inner.kind(), 0),
        }
    }

    /// Calls `f` for every event type that can be given, in order, with its depth in `Vec`s.
    pub fn for_each(&self, depth: usize, f: &mut impl FnMut(&'static EventMeta, usize)) {
        match self {
            OutSpec::None => {}
            OutSpec::One(meta) => f(meta, depth),
            OutSpec::All(a, b) | OutSpec::Either(a, b) => {
                a.for_each(depth, f);
                b.for_each(depth, f);
            }
            OutSpec::Optional(inner) => inner.for_each(depth, f),
            OutSpec::Batch(inner) => inner.for_each(depth + 1, f),
        }
    }

    /// Calls `f` with what a member gives, for every `Vec` in it, outer ones first.
    pub fn for_each_batch(&self, f: &mut impl FnMut(&'static OutSpec)) {
        match self {
            OutSpec::None | OutSpec::One(_) => {}
            OutSpec::All(a, b) | OutSpec::Either(a, b) => {
                a.for_each_batch(f);
                b.for_each_batch(f);
            }
            OutSpec::Optional(inner) => inner.for_each_batch(f),
            OutSpec::Batch(inner) => {
                f(inner);
                inner.for_each_batch(f);
            }
        }
    }
}

const fn pair(name: &str, a: u64, b: u64) -> u64 {
    crate::hash::extend(crate::hash::extend(crate::hash::fnv1a(name), &a.to_le_bytes()), &b.to_le_bytes())
}

impl EventSet {
    /// Calls `f` for every event type of the set, in order.
    pub fn for_each(&self, f: &mut impl FnMut(&'static EventMeta)) {
        match self {
            EventSet::None => {}
            EventSet::One(meta) => f(meta),
            EventSet::Both(a, b) => {
                a.for_each(f);
                b.for_each(f);
            }
        }
    }

    /// The event types of the set, in order.
    pub fn to_vec(&self) -> Vec<&'static EventMeta> {
        let mut all = Vec::new();
        self.for_each(&mut |meta| all.push(meta));
        all
    }
}

impl ParamSpec {
    /// Whether the parameter takes events, as opposed to being supplied by the runtime.
    pub const fn takes_events(&self) -> bool {
        !matches!(self, ParamSpec::Injected(_))
    }
}
