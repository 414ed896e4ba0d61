//! What is decided of a call that has a key, before it is made.

use std::sync::Arc;

use stepcast_core::CallReason;
use stepcast_core::backend::CacheRow;

use super::Effect;
use super::cache::{CacheError, CachePolicy, CallCache};
use super::spend;
use crate::run::RunShared;

/// What the cache comes to for a call.
pub(super) struct Lookup {
    /// Why the call is made, or where its result is from.
    pub(super) reason: CallReason,
    /// The cached result.
    pub(super) hit: Option<CacheRow>,
    /// Where the new result goes.
    pub(super) put: Option<CallCache>,
    /// What the cache said went wrong.
    pub(super) error: Option<CacheError>,
}

impl Lookup {
    fn made(reason: CallReason, put: Option<CallCache>) -> Self {
        Lookup { reason, hit: None, put, error: None }
    }

    /// Without a key no cache is asked.
    pub(super) fn without_key(had_record: bool) -> Self {
        Lookup::made(if had_record { CallReason::Rerun } else { CallReason::NotRecorded }, None)
    }

    /// Asks the run's cache, where effect and policy allow it. A call that is repeated although its execution has its
    /// result does not want one of before either.
    pub(super) async fn of(
        run: &Arc<RunShared>,
        key: &str,
        effect: Effect,
        policy: Option<CachePolicy>,
        had_record: bool,
    ) -> Self {
        let (policy, cache) = settings(run, policy);
        let reads_only = policy == CachePolicy::ReadOnly;
        let cache = match (policy, effect, cache) {
            (CachePolicy::Disabled, ..) => return Lookup::made(CallReason::Disabled, None),
            (_, Effect::Write, _) => return Lookup::made(CallReason::Writes, None),
            (_, _, None) => return Lookup::made(CallReason::NoCache, None),
            (_, _, Some(cache)) => cache,
        };
        if had_record {
            return Lookup::made(CallReason::Rerun, (!reads_only).then_some(cache));
        }
        if policy == CachePolicy::Refresh {
            return Lookup::made(CallReason::Refresh, Some(cache));
        }
        match cache.get(key).await {
            Ok(None) if reads_only => Lookup::made(CallReason::NotAdded, None),
            Ok(None) => Lookup::made(CallReason::NotCached, Some(cache)),
            Ok(hit) => Lookup { hit, ..Lookup::made(CallReason::Cached, (!reads_only).then_some(cache)) },
            Err(error) => Lookup { error: Some(error), ..Lookup::made(CallReason::CacheFailed, None) },
        }
    }
}

/// Policy and cache of a run: its own, else its parent's. A backend is a cache too, if none was given to any of them.
fn settings(run: &Arc<RunShared>, policy: Option<CachePolicy>) -> (CachePolicy, Option<CallCache>) {
    let (mut policy, mut cache, mut backend) = (policy, None, None);
    let mut next = Some(Arc::clone(run));
    while let Some(run) = next {
        policy = policy.or_else(|| spend::policy(&run));
        cache = cache.or_else(|| run.options()?.call_cache.clone());
        backend = backend.or_else(|| run.link()?.backend());
        next = run.parent();
    }
    (policy.unwrap_or_default(), cache.or_else(|| backend.map(CallCache::on)))
}
