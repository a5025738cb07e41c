//! Room on the disk: with too little left nothing more is taken, everything can be read, and nothing has to
//! be done by hand once there is more.

use saem::store::sled::SledOptions;

use crate::{
    backend::{Backend as _, Sled},
    samples::{Said, is_unavailable, put, registered, restocks},
};

#[test]
fn with_too_little_room_nothing_is_taken_until_there_is_more() {
    crate::run(async {
        let sled = Sled::begin();
        let mut product = registered(sled.journal(), 1, 1).await;
        sled.require_free(u64::MAX);
        let commit = product.draft(restocks(1));
        let refused = sled.journal().commit(commit.clone()).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        assert!(is_unavailable(&sled.journal().vault_write(vec![put("a", "b")]).await));
        let told = sled.journal().health().unwrap_err();
        assert!(told.contains("store.min_free_mb"), "{told}");
        assert!(!sled.journal().is_poisoned());
        assert_eq!(Said::by(sled.journal()).await.events.len(), 1, "it is read as before");
        sled.require_free(1);
        let committed = sled.journal().commit(commit.clone()).await.unwrap();
        assert_eq!(sled.journal().health(), Ok(()));
        product.went(&commit, committed);
        product.tell(sled.journal(), restocks(1)).await;
    });
}

#[test]
fn a_store_is_opened_and_read_however_little_room_there_is() {
    crate::run(async {
        let sled = Sled::begin();
        registered(sled.journal(), 1, 1).await;
        let said = Said::by(sled.journal()).await;
        let directory = sled.closed().await;
        let options = SledOptions { min_free_bytes: u64::MAX, ..SledOptions::default() };
        let full = Sled::open(directory, options).await;
        assert!(is_unavailable(&full.journal().vault_write(vec![put("a", "b")]).await));
        assert_eq!(Said::by(full.journal()).await, said);
    });
}
