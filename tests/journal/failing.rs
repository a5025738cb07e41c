//! Closed, crashed and poisoned stores.

use saem::{CommitError, Committed, Position, Version};

use crate::{
    backend::{Backend, FAILURES},
    reading::two_rentals,
    samples::{Contents, erase, is_unavailable, put, registered, restocks},
};

/// A store with commits, vault records and rows.
async fn filled<B: Backend>() -> (B, Contents) {
    let backend = B::begin();
    two_rentals(backend.journal()).await;
    backend.journal().view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
    backend.journal().vault_write(vec![put("customer/1", "홍길동"), put("session/1", "")]).await.unwrap();
    registered(backend.journal(), 7, 3).await;
    let contents = Contents::of(backend.journal()).await;
    assert_eq!(contents.head, Position(contents.events.len() as u64));
    (backend, contents)
}

async fn is_same<B: Backend>(backend: &B, contents: &Contents) {
    assert_eq!(Contents::of(backend.journal()).await, *contents);
    assert_eq!(backend.journal().view_get(b"row".to_vec()).await, Ok(Some(b"shown".to_vec())));
    assert_eq!(backend.journal().health(), Ok(()));
}

pub(crate) async fn a_reopened_store_reads_the_same<B: Backend>() {
    let (mut backend, contents) = filled::<B>().await;
    for _ in 0..3 {
        backend = backend.reopened().await;
        is_same(&backend, &contents).await;
    }
}

pub(crate) async fn a_crashed_store_reads_the_same<B: Backend>() {
    let (mut backend, contents) = filled::<B>().await;
    for _ in 0..3 {
        backend = backend.crashed().await;
        is_same(&backend, &contents).await;
    }
}

pub(crate) async fn a_reopened_store_takes_commits<B: Backend>() {
    let mut backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    for turn in 1..=6 {
        backend = if turn % 2 == 0 { backend.crashed().await } else { backend.reopened().await };
        let stale = product.draft(restocks(1));
        let committed = product.commit(backend.journal(), restocks(2)).await;
        let version = Version(1 + 2 * turn);
        assert_eq!(committed, Committed { position: Position(version.0), version });
        let conflict = Err(CommitError::Conflict { current: version });
        assert_eq!(backend.journal().commit(stale).await, conflict);
    }
}

pub(crate) async fn a_failed_commit_poisons_until_reopened<B: Backend>() {
    for failure in FAILURES {
        let (backend, contents) = filled::<B>().await;
        let journal = backend.journal();
        let mut product = registered(journal, 8, 0).await;
        let before = Contents::of(journal).await;
        assert_ne!(before, contents);
        let mut lost = product.draft(restocks(3));
        lost.vault = vec![put("lost", "or not"), erase("session/1")];
        backend.fail_next(failure);
        let answer = journal.commit(lost.clone()).await;
        let reported = matches!(answer, Err(CommitError::Unknown(_) | CommitError::Unavailable(_)));
        assert!(reported, "{failure:?}: {answer:?}");

        assert!(journal.health().is_err(), "{failure:?}");
        for commit in [product.draft(restocks(1)), lost.clone()] {
            assert!(is_unavailable(&journal.commit(commit).await), "{failure:?}");
        }
        assert!(is_unavailable(&journal.vault_write(vec![put("later", "")]).await), "{failure:?}");
        // Reads go on.
        assert_eq!(journal.timeline(saem::RentalId(100)).await.unwrap().len(), 9);

        let backend = if failure == FAILURES[0] { backend.crashed().await } else { backend.reopened().await };
        let after = Contents::of(backend.journal()).await;
        assert_eq!(backend.journal().health(), Ok(()));
        let loaded = backend.journal().load(product.id).await.unwrap();
        if loaded.last_commit_id == lost.commit_id {
            assert_eq!(after.events.len(), before.events.len() + lost.events.len());
            assert_eq!(after.vault.len(), before.vault.len(), "one put, one erased");
            assert!(after.vault.contains(&("lost".to_owned(), b"or not".to_vec())));
        } else {
            assert_eq!(after, before, "{failure:?}");
        }
        // Repeated, the commit is there once.
        let again = backend.journal().commit(lost).await.unwrap();
        assert_eq!(again.position.0, before.head.0 + 3);
        assert_eq!(*backend.journal().head().borrow(), again.position);
    }
}

pub(crate) async fn a_closed_store_takes_nothing<B: Backend>() {
    let (backend, contents) = filled::<B>().await;
    let journal = backend.journal();
    let mut product = registered(journal, 9, 0).await;
    let queued = journal.commit(product.draft(restocks(1)));
    journal.close().await;
    assert!(journal.health().is_err());
    assert_eq!(queued.await.map(|committed| committed.position), Ok(Position(contents.head.0 + 2)));
    let refused = journal.commit(product.draft(restocks(1))).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    assert!(is_unavailable(&journal.vault_write(vec![put("late", "")]).await));
    let backend = backend.reopened().await;
    assert_eq!(*backend.journal().head().borrow(), Position(contents.head.0 + 2));
    assert_eq!(Contents::of(backend.journal()).await.vault, contents.vault);
}

pub(crate) async fn a_closed_store_can_be_closed_again<B: Backend>() {
    let (backend, contents) = filled::<B>().await;
    let (one, other) = (backend.journal().close(), backend.journal().close());
    other.await;
    one.await;
    backend.journal().close().await;
    is_same(&backend.reopened().await, &contents).await;
}
