//! Backup: a copy as of one moment, made under load, and refused where it would overwrite something.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use saem::{
    BackUpError, BackedUp, Journal, MemoryJournal, OpenError, Position,
    internal::store::{self, Failure},
};

use crate::{
    backend::{self, Backend as _, Keeper, Kept},
    reading::two_rentals,
    samples::{Contents, erase, put, quantity, registered, restocks},
};

async fn back_up(journal: &Arc<dyn Journal>, to: &Path) -> Result<BackedUp, BackUpError> {
    journal.back_up(to.to_owned(), Vec::new()).await
}

/// Writes until `stop` is set. Each commit puts a record for its version into the vault, and erases the one
/// before; two rows of views have the position of the commit.
async fn write_on(journal: Arc<dyn Journal>, id: u128, stop: Arc<AtomicBool>) {
    let mut product = registered(&journal, id, 1).await;
    let mut erased = None;
    while !stop.load(Ordering::Relaxed) {
        let mut commit = product.draft(restocks(2));
        let key = format!("of/{id}/{:08}", product.version.0);
        commit.vault = erased.take().into_iter().map(|key: String| erase(&key)).collect();
        commit.vault.push(put(&key, "somebody"));
        erased = Some(key);
        let committed = journal.commit(commit.clone()).await.unwrap();
        product.committed(&commit, committed);
        let shown = committed.position.0.to_be_bytes().to_vec();
        // Keys that are far apart, so that the rows are not copied together.
        let rows = ["a", "z"].map(|side| (format!("{side}/{id}").into_bytes(), Some(shown.clone())));
        journal.view_apply(rows.into()).await.unwrap();
    }
}

pub(crate) async fn a_backup_under_load_is_the_store_as_of_one_moment<J: Keeper>() {
    const WRITERS: u128 = 4;
    let kept = Kept::<J>::begin();
    let journal = kept.journal();
    two_rentals(journal).await;
    for n in 0..3_000 {
        journal.view_apply(vec![(format!("m/{n}").into_bytes(), Some(vec![7; 500]))]).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| tokio::spawn(write_on(Arc::clone(journal), 1_000 + n, Arc::clone(&stop))))
        .collect();
    let mut head = journal.head();
    head.wait_for(|head| head.0 > 500).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    let began_at = *head.borrow();
    let BackedUp { position, bytes } = back_up(journal, copy.path()).await.unwrap();
    let meanwhile = *head.borrow() > began_at && position >= began_at;
    assert!(bytes > 3_000 * 500 && meanwhile, "nothing was written meanwhile: no test");
    head.wait_for(|head| *head > position).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let all = Contents::of(journal).await;
    let copied = Kept::<J>::open(copy, J::Options::default()).await;
    let contents = Contents::of(copied.journal()).await;
    let events = &all.events[..position.0 as usize];
    assert_eq!((contents.head, &contents.events[..]), (position, events), "the same events up to there");
    for id in (0..WRITERS).map(|n| 1_000 + n) {
        let own = || events.iter().filter(|event| event.entity.id == id);
        // The vault has the record of the last commit only.
        let mut commits = own().filter(|event| quantity(&event.event) == Some(1));
        let before = commits.next_back().map(|first| first.position.0);
        let version = before.and_then(|first| own().take_while(|e| e.position.0 < first).last());
        let key = format!("of/{id}/{:08}", version.unwrap().position.0);
        let kept: Vec<_> =
            contents.vault.iter().filter(|(k, _)| k.starts_with(&format!("of/{id}/"))).collect();
        assert_eq!(kept, [&(key, b"somebody".to_vec())]);
        // Rows that were applied together are copied together, and not ahead of the journal.
        let row = |side: &str| copied.journal().view_get(format!("{side}/{id}").into_bytes());
        let (a, z) = (row("a").await.unwrap().unwrap(), row("z").await.unwrap().unwrap());
        assert_eq!(a, z);
        assert!(u64::from_be_bytes(a.try_into().unwrap()) <= position.0);
    }
    // The index agrees with the journal, also when it is folded from the beginning.
    let directory = copied.closed().await;
    let again = Kept::<J>::open(directory, J::Options::default()).await;
    assert_eq!(Contents::of(again.journal()).await, contents);
    registered(again.journal(), 9_000, 1).await;
}

pub(crate) async fn a_backup_includes_files_and_is_restored_to_an_empty_place<J: Keeper>() {
    let kept = Kept::<J>::begin();
    two_rentals(kept.journal()).await;
    let contents = Contents::of(kept.journal()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let [file, missing, to, target] =
        ["a.key", "no.key", "new/copy", "new/target"].map(|name| elsewhere.path().join(name));
    fs::write(&file, "secret").unwrap();
    let images = elsewhere.path().join("images");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("image"), "an image").unwrap();
    fs::write(images.join("image.tmp"), "an unfinished one").unwrap();
    let made = kept.journal().back_up(to.clone(), vec![file, missing, images]).await.unwrap();
    assert_eq!(made.position, contents.head);
    assert_eq!(fs::read_to_string(to.join("a.key")).unwrap(), "secret");
    assert!(!to.join("no.key").exists() && !to.join("images/image.tmp").exists());
    fs::create_dir_all(target.join("lost+found")).unwrap();
    assert_eq!(store::restore(&to, &target).unwrap(), J::KIND);
    assert_eq!(fs::read_to_string(target.join("a.key")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(target.join("images/image")).unwrap(), "an image");
    for directory in [&target, &to] {
        let journal = backend::open::<J>(directory, J::Options::default()).await.unwrap();
        assert_eq!(Contents::of(&(Arc::clone(&journal) as _)).await, contents);
        journal.close().await;
    }
    let again = store::restore(&to, &target).unwrap_err();
    assert!(matches!(again, OpenError::Occupied(_)), "{again}");
    fs::remove_file(to.join("FORMAT")).unwrap();
    let unfinished = store::restore(&to, &elsewhere.path().join("other")).unwrap_err();
    assert!(matches!(unfinished, OpenError::Foreign(_)), "{unfinished}");
    assert!(!elsewhere.path().join("other").exists());
}

pub(crate) async fn a_backup_to_an_unsuitable_directory_is_refused<J: Keeper>() {
    let kept = Kept::<J>::begin();
    two_rentals(kept.journal()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (file, full) = (elsewhere.path().join("file"), elsewhere.path());
    fs::write(&file, "somebody's").unwrap();
    let directory = kept.path().to_owned();
    for (to, why) in [
        (full.to_owned(), "it holds files already"),
        (directory.clone(), "it holds files already"),
        (directory.join("backup"), "it is inside the data directory"),
        (file.join("below"), "it cannot be made"),
        (file.clone(), "it cannot be made"),
    ] {
        let refused = back_up(kept.journal(), &to).await.unwrap_err();
        let BackUpError::Refused(reason) = &refused else { panic!("{refused}") };
        assert!(reason.contains(why), "{reason}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "somebody's");
    assert!(!directory.join("backup").exists());
    let kept = kept.reopened().await;
    kept.fail_next(Failure::Torn);
    let _ = kept.journal().vault_write(vec![put("x", "y")]).await;
    let to = elsewhere.path().join("new");
    let failed = back_up(kept.journal(), &to).await.unwrap_err();
    assert!(matches!(failed, BackUpError::Failed(_)), "{failed}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "nothing is left of it");
    let refused = MemoryJournal::new().back_up(to, Vec::new()).await.unwrap_err();
    assert!(matches!(refused, BackUpError::Refused(_)), "{refused}");
}

pub(crate) async fn an_empty_store_is_backed_up<J: Keeper>() {
    let (kept, elsewhere) = (Kept::<J>::begin(), tempfile::tempdir().unwrap());
    let made = back_up(kept.journal(), elsewhere.path()).await.unwrap();
    assert_eq!(made.position, Position(0));
    let copied = Kept::<J>::open(elsewhere, J::Options::default()).await;
    registered(copied.journal(), 1, 1).await;
}

pub(crate) async fn closing_a_store_does_not_wait_for_its_backup<J: Keeper>() {
    let kept = Kept::<J>::begin();
    two_rentals(kept.journal()).await;
    for n in 0..200 {
        let rows = (0..50).map(|row| (format!("m/{n}/{row}").into_bytes(), Some(vec![7; 500])));
        kept.journal().view_apply(rows.collect()).await.unwrap();
    }
    let contents = Contents::of(kept.journal()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let making = kept.journal().back_up(elsewhere.path().to_owned(), Vec::new());
    let kept = kept.reopened().await;
    match making.await {
        Ok(made) => {
            assert_eq!(made.position, contents.head);
            let copied = Kept::<J>::open(elsewhere, J::Options::default()).await;
            assert_eq!(Contents::of(copied.journal()).await, contents);
        }
        Err(BackUpError::Failed(_)) => assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0),
        Err(refused) => panic!("{refused}"),
    }
    assert_eq!(Contents::of(kept.journal()).await, contents);
    let again = tempfile::tempdir().unwrap();
    assert_eq!(back_up(kept.journal(), again.path()).await.unwrap().position, contents.head);
}
