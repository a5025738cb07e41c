//! Room on the disk: with too little left nothing more is taken, everything can be read, and nothing has to
//! be done by hand once there is more.

use saem::store::StoreOptions;

use crate::{
    backend::{Backend as _, Keeper, Kept},
    samples::{Said, is_unavailable, put, registered, restocks},
};

pub(crate) async fn with_too_little_room_nothing_is_taken_until_there_is_more<J: Keeper>() {
    let kept = Kept::<J>::begin();
    let mut product = registered(kept.journal(), 1, 1).await;
    kept.own().require_free(u64::MAX);
    let commit = product.draft(restocks(1));
    let refused = kept.journal().commit(commit.clone()).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    assert!(is_unavailable(&kept.journal().vault_write(vec![put("a", "b")]).await));
    let told = kept.journal().health().unwrap_err();
    assert!(told.contains("store.min_free_mb"), "{told}");
    assert!(!kept.journal().is_poisoned());
    assert_eq!(Said::by(kept.journal()).await.events.len(), 1, "it is read as before");
    kept.own().require_free(1);
    let committed = kept.journal().commit(commit.clone()).await.unwrap();
    assert_eq!(kept.journal().health(), Ok(()));
    product.went(&commit, committed);
    product.tell(kept.journal(), restocks(1)).await;
}

pub(crate) async fn a_store_is_opened_and_read_however_little_room_there_is<J: Keeper>() {
    let kept = Kept::<J>::begin();
    registered(kept.journal(), 1, 1).await;
    let said = Said::by(kept.journal()).await;
    let directory = kept.closed().await;
    let options = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: u64::MAX };
    let full = Kept::<J>::open(directory, options.into()).await;
    assert!(is_unavailable(&full.journal().vault_write(vec![put("a", "b")]).await));
    assert_eq!(Said::by(full.journal()).await, said);
}
