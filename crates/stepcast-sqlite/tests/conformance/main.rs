//! What every backend does, on each of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod children;
mod inputs;
mod leases;
mod mail;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod upkeep;

use children::*;
use inputs::*;
use leases::*;
use mail::*;
use runs::*;
use stepcast_core::backend::*;
use stepcast_sqlite::SqliteBackend;
use support::*;
use upkeep::*;

/// A store that several instances open.
trait Store {
    fn open(&self) -> Box<dyn Backend>;
}

impl Store for MemoryBackend {
    fn open(&self) -> Box<dyn Backend> {
        Box::new(self.beside())
    }
}

impl Store for Folder {
    fn open(&self) -> Box<dyn Backend> {
        Box::new(SqliteBackend::open(self.store()).expect("a store"))
    }
}

macro_rules! on_every_backend {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::MemoryBackend::new()); })*
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name(&super::Folder::new()); })*
        }
    };
}

on_every_backend! {
    a_run_is_read_back_as_it_was_written
    rows_have_no_gap
    events_have_no_gap_and_refuse_the_whole_batch
    a_failed_write_fails_the_later_ones
    a_snapshot_cuts_the_journal
    a_refused_batch_leaves_nothing
    only_the_holder_writes
    a_closed_owner_leaves_its_runs
    a_claim_fences_off_the_former_lease
    an_end_closes_everything
    the_first_answer_wins
    an_answer_beats_an_expiry
    a_refused_answer_is_asked_again
    mail_is_kept_until_it_is_taken
    letters_are_deduplicated
    a_full_mailbox_refuses_all_but_a_wake
    letters_go_with_their_batch
    children_are_cancelled_with_the_end_of_their_parent
    a_child_that_comes_after_the_end_of_its_parent_is_cancelled
    runs_are_listed_in_pages
    inputs_are_listed_in_pages
    purged_runs_are_gone
    runs_share_their_definitions
    shared_results_are_kept_and_replaced
    watchers_hear_of_mail
    a_new_watcher_hears_that_a_holder_left
    concurrent_writers_keep_the_order_of_each_run
    odd_ids_and_large_values_are_kept
    a_closed_backend_says_so
    a_backend_may_be_let_go_within_a_receipt
}
