//! A store that takes its time: nobody decides on what a commit under way is about to change.
//!
//! A commit decided on old state is refused by its version, and decided again; a decision for nothing is not
//! committed, so nothing would refuse it.

use std::time::Duration;

use saem::{actors::entity::ask::AskError, store::memory::MemoryJournal};

use super::{CounterCommand, ONE, Works, run};

/// Adds one, slowly, and so long after that began asks for one more: what both are answered.
async fn more_after(
    works: &Works,
    commit_takes: Duration,
    pause: Duration,
) -> (Result<u32, AskError>, Result<u32, AskError>) {
    *works.journal.commit_takes.lock().unwrap() = commit_takes;
    tokio::join!(works.add(ONE), async {
        tokio::time::sleep(pause).await;
        works.tell(ONE, CounterCommand::AddMore).await
    })
}

#[test]
fn an_entity_at_work_is_not_let_go_as_idle() {
    run(async {
        let works = Works::letting_go_after(1_000, MemoryJournal::new(), 1);
        let answers = more_after(&works, Duration::from_secs(4), Duration::from_secs(3)).await;
        assert_eq!(answers, (Ok(1), Ok(2)));
    });
}

#[test]
fn whoever_follows_one_that_was_given_up_while_it_committed_begins_when_the_store_has_got_past_that() {
    run(async {
        let works = Works::start();
        let answers = more_after(&works, Duration::from_secs(7), Duration::from_secs(6)).await;
        assert_eq!(answers, (Err(AskError::Timeout), Ok(2)));
    });
}
