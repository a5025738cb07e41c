//! Commits: ordered, atomic, and written once.

use std::sync::Arc;

use saem::{
    Commit, CommitError, Committed, Journal, Money, PaymentEvent, Position, ProductEvent, ProductId,
    RentalId, VaultWrite, Version,
    internal::{
        domain::{Payment, Product},
        store::{COMMIT_BYTES_MAX, MAX_EVENTS, SNAPSHOT_BYTES_MAX, VAULT_BYTES_MAX},
    },
};
use tokio::task::JoinSet;

use crate::{
    backend::Backend,
    samples::{
        Contents, Entity, erase, folded, is_refused, offer, put, quantity, read_all, registered, restocks,
    },
};

const WRITERS: u32 = 64;

/// Makes each commit in its own task.
async fn race(
    journal: &Arc<dyn Journal>,
    drafts: Vec<Commit>,
) -> Vec<(Commit, Result<Committed, CommitError>)> {
    let mut racing = JoinSet::new();
    for draft in drafts {
        let journal = Arc::clone(journal);
        racing.spawn(async move { (draft.clone(), journal.commit(draft).await) });
    }
    racing.join_all().await
}

pub(crate) async fn one_of_racing_writers_wins_each_version<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut product = registered(journal, 1, 0).await;
    let mut winners = Vec::new();
    for round in 0..20 {
        let before = *journal.head().borrow();
        let drafts = (0..WRITERS).map(|writer| {
            let mut draft = product.draft(restocks(1 + writer % 3));
            draft.vault.push(put(&format!("writer/{round:02}/{writer:02}"), "was here"));
            draft
        });
        let answers = race(journal, drafts.collect()).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.is_ok());
        let [(commit, Ok(committed))] = &won[..] else { panic!("{} won round {round}", won.len()) };
        let conflict = CommitError::Conflict { current: committed.version };
        assert!(lost.iter().all(|(_, answer)| *answer == Err(conflict.clone())), "round {round}");
        let written = read_all(journal, before).await;
        let events: Vec<_> = written.iter().map(|recorded| &recorded.event).collect();
        assert_eq!(events, commit.events.iter().map(|new| &new.event).collect::<Vec<_>>());
        product.committed(commit, *committed);
        winners.push(commit.vault[0].key.clone());
    }
    let vault = journal.vault_scan("writer/".to_owned()).await.unwrap();
    assert_eq!(vault.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), winners);
}

pub(crate) async fn writers_that_reload_all_succeed<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    registered(journal, 1, 0).await;
    let mut writing = JoinSet::new();
    for writer in 1..=u128::from(WRITERS) {
        let journal = Arc::clone(journal);
        writing.spawn(async move {
            let mut product = Entity::<Product>::new(ProductId(1));
            loop {
                let loaded = journal.load(product.id).await.unwrap();
                (product.state, product.version) = (folded(&loaded), loaded.version);
                let mut draft = product.draft(restocks(1));
                draft.commit_id.0 |= writer << 64;
                match journal.commit(draft).await {
                    Ok(committed) => return committed.version,
                    Err(CommitError::Conflict { current }) => assert!(current > loaded.version),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let mut versions = writing.join_all().await;
    versions.sort();
    assert_eq!(versions, (2..=u64::from(WRITERS) + 1).map(Version).collect::<Vec<_>>());
    let loaded = journal.load(ProductId(1).into()).await.unwrap();
    assert_eq!(folded::<Product>(&loaded).stock, WRITERS);
}

pub(crate) async fn a_repeated_commit_gets_the_same_result<B: Backend>() {
    let backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    let mut commit = product.draft(restocks(3));
    commit.vault.push(put("note", "first"));
    let committed = backend.journal().commit(commit.clone()).await.unwrap();
    registered(backend.journal(), 2, 0).await;
    backend.journal().vault_write(vec![put("note", "second")]).await.unwrap();
    let contents = Contents::of(backend.journal()).await;

    assert_eq!(backend.journal().commit(commit.clone()).await, Ok(committed));
    assert_eq!(Contents::of(backend.journal()).await, contents);
    let backend = backend.reopened().await;
    assert_eq!(backend.journal().commit(commit.clone()).await, Ok(committed));
    let backend = backend.crashed().await;
    // Only the id counts, not the events.
    commit.expected = Version(77);
    commit.events.truncate(1);
    assert_eq!(backend.journal().commit(commit).await, Ok(committed));
    assert_eq!(Contents::of(backend.journal()).await, contents);
}

pub(crate) async fn the_same_commit_queued_twice_is_written_once<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut product = registered(journal, 1, 0).await;
    let draft = product.draft(restocks(2));
    let answers = race(journal, vec![draft; 8]).await;
    let same = Ok(Committed { position: Position(3), version: Version(3) });
    assert!(answers.iter().all(|(_, answer)| *answer == same), "{answers:?}");
    assert_eq!(*journal.head().borrow(), Position(3));
}

pub(crate) async fn an_older_commit_again_conflicts<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut product = registered(journal, 1, 0).await;
    let older = product.draft(restocks(1));
    product.committed(&older, journal.commit(older.clone()).await.unwrap());
    let Committed { version, .. } = product.commit(journal, restocks(1)).await;
    assert_eq!(journal.commit(older).await, Err(CommitError::Conflict { current: version }));
}

pub(crate) async fn positions_count_events_and_versions_are_positions<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut products: Vec<Entity<Product>> = (0..5).map(|id| Entity::new(ProductId(id))).collect();
    let mut last = 0;
    for turn in 0..60u32 {
        let product = &mut products[turn as usize * 3 % 5];
        let count = 1 + turn % 7;
        let committed = product.commit(journal, restocks(count)).await;
        last += u64::from(count);
        assert_eq!(committed, Committed { position: Position(last), version: Version(last) });
        assert_eq!(journal.load(product.id).await.unwrap().version, Version(last));
        assert_eq!(*journal.head().borrow(), Position(last));
    }
    let all = read_all(journal, Position(0)).await;
    assert_eq!(all.iter().map(|e| e.position.0).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    for pair in all.windows(2) {
        // The events of a commit are adjacent and in order: a restock of n follows one of n - 1.
        let [before, after] = [&pair[0], &pair[1]].map(|event| quantity(&event.event).unwrap());
        assert!(after == 1 || (after == before + 1 && pair[0].entity == pair[1].entity));
    }
    for product in &products {
        let newest = all.iter().rfind(|event| event.entity == product.id).unwrap();
        assert_eq!(product.version.0, newest.position.0);
    }
}

pub(crate) async fn commits_are_queued_in_the_order_of_the_calls<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut product = registered(journal, 1, 0).await;
    let mut pending = Vec::new();
    for position in 2..=11 {
        let draft = product.draft(restocks(1));
        let committed = Committed { position: Position(position), version: Version(position) };
        product.committed(&draft, committed);
        pending.push((journal.commit(draft), committed));
    }
    for (commit, committed) in pending.into_iter().rev() {
        assert_eq!(commit.await, Ok(committed));
    }
}

pub(crate) async fn a_dropped_commit_is_still_committed<B: Backend>() {
    let backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    let mut draft = product.draft(restocks(1));
    draft.vault.push(put("dropped", "and kept"));
    drop(backend.journal().commit(draft.clone()));
    product.committed(&draft, Committed { position: Position(2), version: Version(2) });
    product.commit(backend.journal(), restocks(1)).await;
    assert_eq!(backend.journal().load(product.id).await.unwrap().version, Version(3));
    assert!(backend.journal().vault_get("dropped".to_owned()).await.unwrap().is_some());
}

pub(crate) async fn empty_and_oversize_commits_are_refused<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let mut product = registered(journal, 1, 0).await;
    let contents = Contents::of(journal).await;
    let most = u32::try_from(MAX_EVENTS).unwrap();
    let counts = [0, most + 1, 40 * most].map(restocks);
    let mut drafts: Vec<_> = counts.into_iter().map(|events| product.draft(events)).collect();
    for bytes in [COMMIT_BYTES_MAX, 20_000, 60_000] {
        let mut described = product.draft(described(bytes));
        described.snapshot = product.draft([]).snapshot;
        drafts.push(described);
    }
    for bytes in [SNAPSHOT_BYTES_MAX + 1, 70_000] {
        drafts.push(Commit { snapshot: vec![0; bytes].into(), ..product.draft(restocks(1)) });
    }
    for bytes in [VAULT_BYTES_MAX + 1, 40_000] {
        let vault = vec![VaultWrite { key: "large".to_owned(), value: Some(vec![0; bytes]) }];
        assert!(is_refused(&journal.vault_write(vault.clone()).await));
        drafts.push(Commit { vault, ..product.draft(restocks(1)) });
    }
    for draft in drafts {
        let refused = journal.commit(draft).await;
        assert!(is_refused(&refused), "{refused:?}");
    }
    assert_eq!(Contents::of(journal).await, contents);
    assert_eq!(journal.health(), Ok(()));
    product.commit(journal, described(COMMIT_BYTES_MAX - 200)).await;
    let position = product.commit(journal, restocks(most)).await.position;
    assert_eq!(position, Position(u64::from(most) + 2));
    let contents = Contents::of(journal).await;
    assert_eq!(Contents::of(backend.reopened().await.journal()).await, contents);
}

fn described(bytes: usize) -> [ProductEvent; 1] {
    let mut offer = offer();
    offer.description = "x".repeat(bytes);
    [ProductEvent::ProductChanged { offer }]
}

pub(crate) async fn an_entity_too_large_to_store_is_refused_alone<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let rental = RentalId(7);
    let mut payment = Entity::<Payment>::new(rental.payment());
    let request = |attempt| {
        let (amount, provider) = (Money::won(1), "simulator".to_owned());
        [PaymentEvent::PaymentRequested { attempt, amount, provider }]
    };
    let mut written = 0;
    let refused = loop {
        let commit = payment.draft(request(written + 1));
        match journal.commit(commit.clone()).await {
            Ok(committed) => payment.committed(&commit, committed),
            refused @ Err(_) => break refused,
        }
        written += 1;
    };
    assert!(is_refused(&refused) && written > 1_000, "{written}: {refused:?}");
    assert_eq!(journal.timeline(rental).await.unwrap().len(), written as usize);
    registered(journal, 1, 1).await;
    let contents = Contents::of(journal).await;
    let backend = backend.reopened().await;
    assert_eq!(Contents::of(backend.journal()).await, contents);
    assert_eq!(backend.journal().health(), Ok(()));
}

pub(crate) async fn a_refused_commit_leaves_nothing_in_the_vault<B: Backend>() {
    let backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    backend.journal().vault_write(vec![put("kept", "as it was")]).await.unwrap();
    let contents = Contents::of(backend.journal()).await;
    let mut stale = product.draft(restocks(1));
    stale.expected = Version(0);
    let empty = product.draft([]);
    for mut commit in [stale, empty] {
        commit.vault = vec![put("new", "never there"), put("kept", "otherwise"), erase("kept")];
        assert!(backend.journal().commit(commit).await.is_err());
    }
    assert_eq!(Contents::of(backend.journal()).await, contents);
    let backend = backend.reopened().await;
    assert_eq!(Contents::of(backend.journal()).await, contents);
}
