//! Whether the numbers inside a restored state fit together. The reducer relies on it and checks nothing again, so what
//! follows from other data is compared with it here, in time linear in the state.

use std::collections::BTreeMap;

use super::exec::{Exec, ROOT, ScopeIx, Status};
use super::inputs::Asked;
use super::restore::RestoreError;
use super::state::{Phase, Timer};
use super::{ExecKey, RunState};
use crate::definition::{InputShape, WorkflowDef};

/// Counters go on counting from what a snapshot says.
const HIGHEST: u64 = u64::MAX / 2;
const HIGHEST_SMALL: u32 = u32::MAX / 2;
pub(crate) const HIGHEST_PLACE: usize = 65_536;

type Verdict = Result<(), RestoreError>;

fn ensure(holds: bool, what: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(RestoreError::Inconsistent { what }) }
}

impl RunState {
    /// Whether the state could be that of a run of this definition, as far as the reducer depends on it.
    pub(super) fn verify(&mut self, def: &WorkflowDef) -> Verdict {
        ensure(self.execs.recount(), "the table of executions")?;
        if let Some(scopes) = &mut self.scopes {
            ensure(scopes.members.recount() && scopes.batches.recount(), "the table of batches")?;
        }
        let counters = [self.next_event, self.next_exec, self.next_id];
        ensure(counters.into_iter().all(|counter| counter < HIGHEST) && self.failures < HIGHEST_SMALL, "a counter")?;
        self.verify_execs()?;
        self.verify_batches()?;
        self.verify_joins(def)?;
        self.verify_waits(def)?;
        self.verify_timers()?;
        self.verify_inputs()?;
        for buffer in self.buffers.iter().flat_map(|buffers| buffers.0.values()) {
            let held: usize = buffer.queues.values().map(|queue| queue.len()).sum();
            ensure(buffer.len == held, "a collection's buffer")?;
        }
        let idle = self.execs.is_empty() && self.inputs.as_deref().is_none_or(|inputs| inputs.0.is_empty());
        ensure(!idle || self.phase != Phase::Running || def.takes_from_outside, "a run with nothing left to do")
    }

    fn verify_execs(&self) -> Verdict {
        let mut serials = BTreeMap::new();
        for (lane, exec) in self.execs.iter() {
            let fits = exec.serial > 0 && exec.serial <= self.next_exec;
            ensure(fits && serials.insert(exec.serial, lane).is_none(), "the serial number of an execution")?;
            let counts = exec.attempt > 0 && exec.attempt < HIGHEST_SMALL && exec.commits < HIGHEST_SMALL;
            ensure(counts, "the attempts of an execution")?;
            self.verify_status(exec.key(lane), exec)?;
        }
        Ok(())
    }

    /// Whatever an execution waits for must know it, or it would wait for ever.
    fn verify_status(&self, key: ExecKey, exec: &Exec) -> Verdict {
        let more = exec.more.as_deref();
        let timer = more.and_then(|more| more.retry_timer);
        let timed = timer.is_some_and(|timer| {
            self.timers.as_deref().is_some_and(|timers| timers.0.get(&timer) == Some(&Timer::Retry(key)))
        });
        ensure(timer.is_none() || timed, "the timer of a retry")?;
        let input = more.and_then(|more| more.asked).and_then(|id| self.inputs.as_deref()?.0.get(&id));
        let asked = input.is_some_and(|input| matches!(&input.asked, Asked::Failure { exec, .. } if *exec == key));
        ensure(
            match exec.status {
                Status::Active => timer.is_none(),
                Status::Delayed => timed,
                Status::Asked => asked && timer.is_none(),
            },
            "what an execution waits for",
        )?;
        let mut open = more.iter().flat_map(|more| &more.open_waits);
        let waits = self.waits.as_deref();
        let known =
            open.all(|id| waits.and_then(|waits| waits.waiters.get(id)).is_some_and(|waiter| waiter.exec == key));
        ensure(known, "the waits of an execution")
    }

    fn verify_batches(&self) -> Verdict {
        let open: BTreeMap<ScopeIx, u32> = self
            .scopes
            .iter()
            .flat_map(|scopes| scopes.members.iter())
            .map(|(ix, member)| (ix + 1, member.open))
            .collect();
        ensure(open == self.holders(), "what keeps a batch member open")?;
        let Some(scopes) = self.scopes.as_deref() else { return Ok(()) };
        let mut members: BTreeMap<u32, u32> = BTreeMap::new();
        for (_, member) in scopes.members.iter() {
            *members.entry(member.batch).or_default() += 1;
            let batch = scopes.batches.get(member.batch);
            ensure(batch.is_some_and(|batch| member.index < batch.next_index), "the batch of a member")?;
        }
        let batches: BTreeMap<u32, u32> = scopes.batches.iter().map(|(ix, batch)| (ix, batch.open)).collect();
        ensure(batches == members, "the members of a batch")?;
        ensure(scopes.batches.iter().all(|(_, batch)| batch.next_index < HIGHEST_SMALL), "the members of a batch")?;
        self.verify_nesting()
    }

    /// What holds each member open, counted anew.
    fn holders(&self) -> BTreeMap<ScopeIx, u32> {
        let mut counts: BTreeMap<ScopeIx, u32> = BTreeMap::new();
        let mut hold = |scope: ScopeIx| {
            if scope != ROOT {
                *counts.entry(scope).or_default() += 1;
            }
        };
        self.execs.iter().for_each(|(_, exec)| hold(exec.scope));
        self.scopes.iter().flat_map(|scopes| scopes.batches.iter()).for_each(|(_, batch)| hold(batch.parent));
        for input in self.inputs.iter().flat_map(|inputs| inputs.0.values()) {
            if let Asked::Event { scope, .. } = &input.asked {
                hold(*scope);
            }
        }
        counts
    }

    /// Batches lie in each other without a circle: one in itself would never close.
    fn verify_nesting(&self) -> Verdict {
        let Some(scopes) = self.scopes.as_deref() else { return Ok(()) };
        // By batch: the walk that came by, or `u32::MAX` once its way out is known.
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        for (start, _) in scopes.batches.iter() {
            let (mut way, mut next) = (Vec::new(), Some(start));
            while let Some(ix) = next {
                match seen.get(&ix) {
                    Some(&u32::MAX) => break,
                    Some(_) => return ensure(false, "a batch that lies in itself"),
                    None => {}
                }
                seen.insert(ix, start);
                way.push(ix);
                let parent = scopes.batches.get(ix).map_or(ROOT, |batch| batch.parent);
                next = scopes.member(parent).map(|member| member.batch);
            }
            for ix in way {
                seen.insert(ix, u32::MAX);
            }
        }
        Ok(())
    }

    fn verify_joins(&self, def: &WorkflowDef) -> Verdict {
        for ((step, scope), slots) in self.joins.iter().flat_map(|joins| joins.0.iter()) {
            let shape = def.steps[*step as usize].shape;
            let fits = matches!(shape, InputShape::Join { slots: wanted } if wanted as usize == slots.len());
            let there = *scope == ROOT || self.scopes.as_deref().is_some_and(|scopes| scopes.member(*scope).is_some());
            let waiting = slots.iter().any(|slot| slot.is_empty()) && slots.iter().any(|slot| !slot.is_empty());
            ensure(fits && there && waiting, "the slots of a join")?;
        }
        Ok(())
    }

    fn verify_waits(&self, def: &WorkflowDef) -> Verdict {
        let Some(waits) = self.waits.as_deref() else { return Ok(()) };
        // An operation's ordinal is a place in its execution's record.
        let places = def.policy.max_records.max(HIGHEST_PLACE);
        for (id, waiter) in waits.waiters.iter() {
            let more = self.exec_ref(waiter.exec).and_then(|exec| exec.more.as_deref());
            let owned = more.is_some_and(|more| more.open_waits.contains(id));
            let placed = (waiter.op.ordinal as usize) < places;
            ensure(owned && placed && *id > 0 && *id <= self.next_id, "a waiter")?;
            let timed = waiter.deadline.is_none_or(|deadline| {
                self.timers.as_deref().is_some_and(|timers| timers.0.get(&(deadline, *id)) == Some(&Timer::Wait(*id)))
            });
            ensure(timed, "the deadline of a waiter")?;
            let asked = waiter.input.is_none_or(|input| {
                let found = self.inputs.as_deref().and_then(|inputs| inputs.0.get(&input));
                found.is_some_and(|found| matches!(&found.asked, Asked::Wait { waiter, .. } if waiter == id))
            });
            ensure(asked, "the input of a waiter")?;
        }
        Ok(())
    }

    fn verify_timers(&self) -> Verdict {
        for (at, timer) in self.timers.iter().flat_map(|timers| timers.0.iter()) {
            let known = match timer {
                Timer::Retry(key) => {
                    let more = self.exec_ref(*key).and_then(|exec| exec.more.as_deref());
                    more.is_some_and(|more| more.retry_timer == Some(*at))
                }
                Timer::Wait(id) => {
                    let waiter = self.waits.as_deref().and_then(|waits| waits.waiters.get(id));
                    waiter.is_some_and(|waiter| waiter.deadline == Some(at.0) && at.1 == *id)
                }
            };
            ensure(known, "a timer")?;
        }
        Ok(())
    }

    fn verify_inputs(&self) -> Verdict {
        for (id, input) in self.inputs.iter().flat_map(|inputs| inputs.0.iter()) {
            let known = match &input.asked {
                Asked::Event { .. } => true,
                Asked::Wait { waiter, .. } => {
                    let waiter = self.waits.as_deref().and_then(|waits| waits.waiters.get(waiter));
                    waiter.is_some_and(|waiter| waiter.input == Some(*id))
                }
                Asked::Failure { exec, .. } => {
                    let more = self.exec_ref(*exec).and_then(|exec| exec.more.as_deref());
                    more.is_some_and(|more| more.asked == Some(*id))
                }
            };
            ensure(known && *id > 0 && *id <= self.next_id, "a pending input")?;
        }
        Ok(())
    }
}
