//! Reads of a whole store in pages: commits and index records.

use std::{collections::BTreeSet, sync::Arc};

use saem::{
    Commit, EntityId, EntityKind, Journal, KnownEntity, Position, Recorded, RecordedCommit, RentalId, Version,
};

use crate::{
    backend::Backend,
    reading::two_rentals,
    samples::{read_all, registered, restocks},
};

/// All commits, in pages of `max`.
async fn all_commits(journal: &Arc<dyn Journal>, max: usize) -> Vec<RecordedCommit> {
    let mut all: Vec<RecordedCommit> = Vec::new();
    loop {
        let after = all.last().map_or(Position(0), RecordedCommit::last);
        let more = journal.commits(after, max).await.unwrap();
        assert!(more.len() <= max);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// All index records, in pages of `max`.
async fn all_entities(journal: &Arc<dyn Journal>, max: usize) -> Vec<KnownEntity> {
    let mut all: Vec<KnownEntity> = Vec::new();
    loop {
        let more = journal.entities(all.last().map(|(entity, _)| *entity), max).await.unwrap();
        assert!(more.len() <= max);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Makes commits of 1, 2, … 5, 1, … events to a product, and returns them.
async fn made(journal: &Arc<dyn Journal>) -> Vec<(Commit, Position)> {
    let mut product = registered(journal, 7, 0).await;
    let mut made = Vec::new();
    for turn in 0..60 {
        let commit = product.draft(restocks(1 + turn % 5));
        let committed = journal.commit(commit.clone()).await.unwrap();
        product.committed(&commit, committed);
        made.push((commit, committed.position));
    }
    made
}

fn is_that(listed: &RecordedCommit, made: &Commit, last: Position) -> bool {
    listed.entity == made.entity
        && listed.commit_id == made.commit_id
        && listed.events == made.events
        && listed.last() == last
}

pub(crate) async fn commits_are_listed_as_they_were_made<B: Backend>() {
    let mut backend = B::begin();
    let expected = made(backend.journal()).await;
    for reopened in [false, true] {
        if reopened {
            backend = backend.reopened().await;
        }
        let journal = backend.journal();
        for max in [1, 7, 1_000] {
            let listed = all_commits(journal, max).await;
            // The first commit registers the product.
            assert_eq!((listed.len(), listed[0].first), (1 + expected.len(), Position(1)));
            for (listed, (made, last)) in listed[1..].iter().zip(&expected) {
                assert!(is_that(listed, made, *last), "{listed:?} is not {made:?}");
            }
        }
        // A position within a commit leads to the next one; the head to none.
        let (third, last) = &expected[2];
        let within = Position(last.0 - 1);
        assert_eq!(third.events.len(), 3);
        assert_eq!(journal.commits(within, 1).await.unwrap()[0].first, Position(last.0 + 1));
        let head = *journal.head().borrow();
        for after in [head, Position(head.0 + 1), Position(u64::MAX)] {
            assert_eq!(journal.commits(after, 9).await, Ok(Vec::new()));
        }
    }
}

pub(crate) async fn commits_have_the_events_that_are_read<B: Backend>() {
    let backend = B::begin();
    two_rentals(backend.journal()).await;
    let backend = backend.crashed().await;
    let journal = backend.journal();
    let read = read_all(journal, Position(0)).await;
    let listed = all_commits(journal, 4).await.into_iter().flat_map(|commit| {
        let RecordedCommit { entity, first, events, .. } = commit;
        events.into_iter().zip(first.0..).map(move |(new, position)| Recorded {
            position: Position(position),
            entity,
            meta: new.meta,
            event: new.event,
        })
    });
    assert!(listed.eq(read.iter().map(|recorded| Recorded::clone(recorded))));
}

pub(crate) async fn index_records_are_listed_by_entity<B: Backend>() {
    let mut backend = B::begin();
    two_rentals(backend.journal()).await;
    for id in 2..40 {
        registered(backend.journal(), id, 1).await;
    }
    for turn in 0..3 {
        // From memory, from disk, and from both.
        match turn {
            0 => {}
            1 => backend = backend.reopened().await,
            _ => {
                registered(backend.journal(), 40, 1).await;
                backend = backend.crashed().await;
            }
        }
        let journal = backend.journal();
        let expected: BTreeSet<EntityId> =
            read_all(journal, Position(0)).await.iter().map(|recorded| recorded.entity).collect();
        for max in [1, 5, 1_000] {
            let listed = all_entities(journal, max).await;
            assert!(listed.iter().map(|(entity, _)| entity).eq(&expected), "in their order, each once");
            for (entity, known) in listed {
                let known = known.unwrap();
                let loaded = journal.load(entity).await.unwrap();
                assert!(known.version > Version(0));
                assert_eq!((known.version, known.last_commit_id), (loaded.version, loaded.last_commit_id));
                assert_eq!(Some(&known.snapshot[..]), loaded.snapshot.as_deref());
                let of_rental = entity.kind == EntityKind::Rental;
                let timeline = journal.timeline(RentalId(entity.id)).await.unwrap();
                let timeline: Vec<_> = timeline.iter().map(|recorded| recorded.position).collect();
                assert_eq!(known.timeline, if of_rental { timeline } else { Vec::new() }, "{entity}");
            }
        }
    }
}
