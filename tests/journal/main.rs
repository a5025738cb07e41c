//! What every journal promises, asked of each backend; then what those promise that keep files, and what only
//! one of them has to.
//!
//! A property is a function over [`backend::Backend`]. The list below makes one test of it for each
//! backend, so that a property cannot be forgotten for one of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aside;
mod backend;
mod backing_up;
mod beside;
mod commits;
mod compacting;
mod damage;
mod directory;
mod failing;
mod golden;
mod golden_store;
mod grouped;
mod killed;
mod lacking;
mod reading;
mod redb_file;
mod room;
mod samples;
mod sealed_redb;
mod surveying;
mod verifying;
mod verifying_redb;

use std::{future::Future, time::Duration};

/// Runs a test on several threads. One that hangs fails instead; none comes near the limit.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(120), test).await };
    runtime.block_on(limited).expect("the test hangs");
}

macro_rules! conformance {
    ([$($backend:ident: $type:ident),* $(,)?] $tests:tt) => {
        $(conformance!(@ $backend: $type, $tests);)*
    };
    (@ $backend:ident: $type:ident, { $($group:ident::$test:ident,)* }) => {
        mod $backend {
            use crate::backend::$type;
            $(
                #[test]
                fn $test() {
                    crate::run(crate::$group::$test::<$type>());
                }
            )*
        }
    };
}

conformance!([memory: Memory, sled: Sled, redb: Redb] {
    commits::of_racing_writers_one_wins_each_version,
    commits::writers_that_load_again_all_get_through,
    commits::the_same_commit_again_is_the_same_commit,
    commits::the_same_commit_queued_twice_is_written_once,
    commits::an_older_commit_again_conflicts,
    commits::positions_count_events_and_versions_are_positions,
    commits::commits_are_queued_in_the_order_of_the_calls,
    commits::a_dropped_commit_is_a_commit,
    commits::empty_and_oversize_commits_are_refused,
    commits::an_entity_grows_as_far_as_it_can_be_stored_and_harms_nobody,
    commits::a_refused_commit_leaves_nothing_in_the_vault,
    reading::followers_see_every_event_once_and_in_order,
    reading::a_long_journal_is_read_from_its_beginning,
    reading::reading_beyond_the_head_is_empty,
    reading::a_timeline_is_one_rental_over_all_contexts,
    reading::what_is_loaded_folds_to_the_state,
    reading::an_unknown_entity_is_its_default,
    beside::the_vault_puts_gets_scans_and_erases,
    beside::personal_data_is_there_with_its_commit,
    beside::views_put_get_scan_and_remove,
    beside::listings_lead_to_rows,
    surveying::commits_are_told_as_they_were_made,
    surveying::commits_hold_the_events_that_are_read,
    surveying::what_is_known_is_told_entity_by_entity,
    failing::all_is_the_same_after_closing_and_opening,
    failing::all_is_the_same_after_a_crash,
    failing::a_reopened_journal_goes_on,
    failing::a_failed_commit_poisons_until_reopened,
    failing::a_closed_journal_takes_nothing,
    failing::a_closed_journal_can_be_closed_again,
    grouped::three_that_share_a_row_grow_as_far_as_it_has_room,
});

conformance!([sled_on_disk: SledJournal, redb_on_disk: RedbJournal] {
    directory::a_directory_is_one_process_s,
    directory::another_format_is_refused_and_left_alone,
    directory::another_backend_s_data_is_refused_and_left_alone,
    room::with_too_little_room_nothing_is_taken_until_there_is_more,
    room::a_store_is_opened_and_read_however_little_room_there_is,
    compacting::what_was_erased_is_gone_and_all_else_is_there,
    compacting::a_store_in_use_or_of_another_format_is_left_alone,
    backing_up::a_copy_made_under_load_is_the_store_as_of_one_moment,
    backing_up::a_backup_takes_files_along_and_is_restored_into_an_empty_place,
    backing_up::a_backup_is_refused_where_it_would_harm,
    backing_up::an_empty_store_is_backed_up_too,
    backing_up::closing_a_store_does_not_wait_for_its_backup_and_harms_neither,
});
