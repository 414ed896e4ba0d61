use crate::{Event, Payload};

/// The events one execution gave, in order, with the batches they open.
///
/// One event needs no allocation beyond its own box; the tokens of a longer list are kept flat.
#[derive(Debug, Default)]
pub struct Outputs {
    first: Option<OutToken>,
    // Boxed: most executions give one event, and what they give is moved several times on its way.
    #[allow(clippy::box_collection)]
    rest: Option<Box<Vec<OutToken>>>,
    member_pending: bool,
}

/// One entry of [`Outputs`].
#[derive(Clone, Debug)]
pub enum OutToken {
    /// An event of the current member, or of the execution itself outside any batch.
    Event(OutEvent),
    /// A batch begins.
    Open {
        /// [`OutSpec::kind`](crate::OutSpec::kind) of what its members give.
        kind: u64,
    },
    /// The next member of the innermost open batch begins; it may stay without events.
    Member,
    /// The innermost open batch is complete.
    Close,
}

/// An event on its way out of a step.
#[derive(Clone, Debug)]
pub struct OutEvent {
    /// Whether this event begins the next member of the innermost open batch.
    pub begins_member: bool,
    /// The event.
    pub payload: Payload,
}

impl Outputs {
    /// Adds an event.
    #[inline]
    pub fn push<E: Event>(&mut self, event: E) {
        let payload = Payload::new(event);
        if self.first.is_none() && !self.member_pending {
            self.first = Some(OutToken::Event(OutEvent { begins_member: false, payload }));
        } else {
            self.push_later(payload);
        }
    }

    fn push_later(&mut self, payload: Payload) {
        let begins_member = std::mem::take(&mut self.member_pending);
        self.token(OutToken::Event(OutEvent { begins_member, payload }));
    }

    /// Adds an event whose type is known only at run time.
    pub fn push_payload(&mut self, payload: Payload) {
        let begins_member = std::mem::take(&mut self.member_pending);
        self.token(OutToken::Event(OutEvent { begins_member, payload }));
    }

    /// Begins a batch of so many members, each giving what `kind` stands for.
    pub fn open_batch(&mut self, kind: u64, members: usize) {
        self.settle_member();
        if self.first.is_some() || members > 0 {
            self.rest.get_or_insert_default().reserve(members + 2);
        }
        self.token(OutToken::Open { kind });
    }

    /// Begins the next member of the innermost batch.
    pub fn begin_member(&mut self) {
        self.settle_member();
        self.member_pending = true;
    }

    /// Ends the innermost batch.
    pub fn close_batch(&mut self) {
        self.settle_member();
        self.token(OutToken::Close);
    }

    /// Adds everything of `other` after what is here.
    pub fn append(&mut self, other: Outputs) {
        self.settle_member();
        for token in other {
            self.token(token);
        }
    }

    /// The event, if it is the only token and begins no member of a batch.
    ///
    /// # Errors
    /// Everything back, if it is anything else.
    #[inline]
    pub fn into_single(mut self) -> Result<Payload, Self> {
        match self.first.take() {
            Some(OutToken::Event(OutEvent { payload, begins_member: false }))
                if self.rest.is_none() && !self.member_pending =>
            {
                Ok(payload)
            }
            first => Err(Outputs { first, ..self }),
        }
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// Whether there are more events than this. The marks around batches are not counted.
    pub fn has_more_events_than(&self, bound: usize) -> bool {
        self.len() > bound && self.events() > bound
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.iter().filter(|token| matches!(token, OutToken::Event(_))).count()
    }

    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &OutToken> {
        self.first.iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    /// A member that begins without an event of its own needs a token to exist.
    fn settle_member(&mut self) {
        if std::mem::take(&mut self.member_pending) {
            self.token(OutToken::Member);
        }
    }

    fn token(&mut self, token: OutToken) {
        if self.first.is_none() {
            self.first = Some(token);
        } else {
            self.rest.get_or_insert_default().push(token);
        }
    }
}

impl From<Payload> for Outputs {
    fn from(payload: Payload) -> Self {
        let mut outputs = Outputs::default();
        outputs.push_payload(payload);
        outputs
    }
}

impl IntoIterator for Outputs {
    type Item = OutToken;
    type IntoIter = std::iter::Chain<std::option::IntoIter<OutToken>, std::vec::IntoIter<OutToken>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest.map(|rest| *rest).unwrap_or_default())
    }
}
