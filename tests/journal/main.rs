//! Conformance suite of the store: guarantees of every backend, of those that keep files, and of single ones.
//!
//! A guarantee is a function over [`backend::Backend`]. The lists below make one test of it for each backend,
//! so that none can be forgotten for a backend.

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
mod samples;
mod sealed_redb;
mod space;
mod surveying;
mod verifying;
mod verifying_redb;

use std::{future::Future, time::Duration};

/// Runs a test on several threads, with a time limit for one that hangs.
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
    commits::one_of_racing_writers_wins_each_version,
    commits::writers_that_reload_all_succeed,
    commits::a_repeated_commit_gets_the_same_result,
    commits::the_same_commit_queued_twice_is_written_once,
    commits::an_older_commit_again_conflicts,
    commits::positions_count_events_and_versions_are_positions,
    commits::commits_are_queued_in_the_order_of_the_calls,
    commits::a_dropped_commit_is_still_committed,
    commits::empty_and_oversize_commits_are_refused,
    commits::an_entity_too_large_to_store_is_refused_alone,
    commits::a_refused_commit_leaves_nothing_in_the_vault,
    reading::followers_see_every_event_once_and_in_order,
    reading::a_long_journal_is_read_from_its_beginning,
    reading::reading_beyond_the_head_is_empty,
    reading::a_timeline_has_the_events_of_all_contexts,
    reading::loading_gives_the_folded_state,
    reading::an_unknown_entity_is_its_default,
    beside::the_vault_puts_gets_scans_and_erases,
    beside::personal_data_is_durable_with_its_commit,
    beside::views_put_get_scan_and_remove,
    beside::listings_refer_to_rows,
    surveying::commits_are_listed_as_they_were_made,
    surveying::commits_have_the_events_that_are_read,
    surveying::index_records_are_listed_by_entity,
    failing::a_reopened_store_reads_the_same,
    failing::a_crashed_store_reads_the_same,
    failing::a_reopened_store_takes_commits,
    failing::a_failed_commit_poisons_until_reopened,
    failing::a_closed_store_takes_nothing,
    failing::a_closed_store_can_be_closed_again,
    grouped::entities_that_share_a_row_are_limited_together,
});

conformance!([sled_on_disk: SledJournal, redb_on_disk: RedbJournal] {
    directory::a_data_directory_in_use_is_refused,
    directory::another_format_is_refused_untouched,
    directory::data_of_another_backend_is_refused_untouched,
    space::commits_are_refused_until_there_is_enough_space,
    space::a_store_opens_and_reads_without_free_space,
    compacting::compaction_removes_erased_data_only,
    compacting::compaction_refuses_a_store_in_use_or_of_another_format,
    backing_up::a_backup_under_load_is_the_store_as_of_one_moment,
    backing_up::a_backup_includes_files_and_is_restored_to_an_empty_place,
    backing_up::a_backup_to_an_unsuitable_directory_is_refused,
    backing_up::an_empty_store_is_backed_up,
    backing_up::closing_a_store_does_not_wait_for_its_backup,
});
