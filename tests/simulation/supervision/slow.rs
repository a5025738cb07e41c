//! A slow store: no entity decides on state that a commit under way is about to change.
//!
//! A commit decided on stale state is refused by its version, and decided again; a decision without events is
//! not committed, so that nothing would refuse it.

use std::time::Duration;

use saem::{AskError, MemoryJournal};

use super::{CounterCommand, Entities, ONE};

/// Adds one with a slow commit, and one more after a pause; returns both answers.
async fn more_after(
    entities: &Entities,
    commit_takes: Duration,
    pause: Duration,
) -> (Result<u32, AskError>, Result<u32, AskError>) {
    *entities.journal.commit_takes.lock().unwrap() = commit_takes;
    tokio::join!(entities.add(ONE), async {
        tokio::time::sleep(pause).await;
        entities.tell(ONE, CounterCommand::AddMore).await
    })
}

#[actix::test]
async fn entity_at_work_is_not_evicted() {
    tokio::time::pause();
    let entities = Entities::evicting_after(1_000, MemoryJournal::new(), 1);
    let answers = more_after(&entities, Duration::from_secs(4), Duration::from_secs(3)).await;
    assert_eq!(answers, (Ok(1), Ok(2)));
}

#[actix::test]
async fn successor_waits_for_the_commit_of_a_hung_entity() {
    tokio::time::pause();
    let entities = Entities::start();
    let answers = more_after(&entities, Duration::from_secs(7), Duration::from_secs(6)).await;
    assert_eq!(answers, (Err(AskError::Timeout), Ok(2)));
}
