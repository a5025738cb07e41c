//! Free disk space: with too little, commits are refused and reads go on; with enough, commits are taken
//! again.

use saem::internal::store::StoreOptions;

use crate::{
    backend::{Backend as _, Keeper, Kept},
    samples::{Contents, is_unavailable, put, registered, restocks},
};

pub(crate) async fn commits_are_refused_until_there_is_enough_space<J: Keeper>() {
    let kept = Kept::<J>::begin();
    let mut product = registered(kept.journal(), 1, 1).await;
    kept.own().require_free(u64::MAX);
    let commit = product.draft(restocks(1));
    let refused = kept.journal().commit(commit.clone()).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    assert!(is_unavailable(&kept.journal().vault_write(vec![put("a", "b")]).await));
    let reason = kept.journal().health().unwrap_err();
    assert!(reason.contains("store.min_free_mb"), "{reason}");
    assert!(!kept.journal().is_poisoned());
    assert_eq!(Contents::of(kept.journal()).await.events.len(), 1, "it is read as before");
    kept.own().require_free(1);
    let committed = kept.journal().commit(commit.clone()).await.unwrap();
    assert_eq!(kept.journal().health(), Ok(()));
    product.committed(&commit, committed);
    product.commit(kept.journal(), restocks(1)).await;
}

pub(crate) async fn a_store_opens_and_reads_without_free_space<J: Keeper>() {
    let kept = Kept::<J>::begin();
    registered(kept.journal(), 1, 1).await;
    let contents = Contents::of(kept.journal()).await;
    let directory = kept.closed().await;
    let options = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: u64::MAX };
    let full = Kept::<J>::open(directory, options.into()).await;
    assert!(is_unavailable(&full.journal().vault_write(vec![put("a", "b")]).await));
    assert_eq!(Contents::of(full.journal()).await, contents);
}
