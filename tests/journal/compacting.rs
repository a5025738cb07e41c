//! Compaction: erased data is gone, all else is kept, and a crash at any step is repaired.

use std::{fs, path::Path};

use saem::{Backend as Kind, OpenError, Position, SledOptions};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Keeper, Kept, RedbJournal, SledJournal, copy},
    reading::two_rentals,
    samples::{Contents, erase, put, registered},
};

const ERASED: &str = "세종대로 110, erased";

/// A closed store in which something was erased and overwritten.
async fn closed<J: Keeper>() -> (TempDir, Contents) {
    let kept = Kept::<J>::begin();
    let journal = kept.journal();
    two_rentals(journal).await;
    for n in 0..200 {
        registered(journal, 1_000 + n, 1).await;
    }
    // Many records, so that pages become free and are used again.
    let erased: Vec<String> = (0..500).map(|n| format!("address/{n}")).collect();
    journal.vault_write(erased.iter().map(|key| put(key, ERASED)).collect()).await.unwrap();
    journal.vault_write(vec![put("address/kept", "kept")]).await.unwrap();
    journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
    journal.vault_write(erased.iter().map(|key| erase(key)).collect()).await.unwrap();
    let contents = Contents::of(journal).await;
    (kept.closed().await, contents)
}

/// True if any file below a directory contains these bytes.
fn holds(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    })
}

async fn has<J: Keeper>(directory: TempDir, contents: &Contents, step: &str) {
    let mark = (J::KIND == Kind::Sled).then_some("journal.mark");
    let names: Vec<_> = ["FORMAT", J::STORE].into_iter().chain(mark).collect();
    let kept = Kept::<J>::open(directory, J::Options::default()).await;
    let journal = kept.journal();
    assert_eq!(&Contents::of(journal).await, contents, "{step}");
    assert_eq!(journal.view_get(b"row".to_vec()).await.unwrap().as_deref(), Some(&b"shown"[..]), "{step}");
    registered(journal, 5_000, 1).await;
    let directory = kept.closed().await;
    let mut left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, names, "{step}");
}

pub(crate) async fn compaction_removes_erased_data_only<J: Keeper>() {
    let (directory, contents) = closed::<J>().await;
    assert!(holds(directory.path(), ERASED), "else nothing is shown");
    if J::KIND == Kind::Sled {
        fs::create_dir(directory.path().join("set-aside")).unwrap();
        fs::write(directory.path().join("set-aside/snap.1"), ERASED).unwrap();
    }
    let before = J::compact(directory.path()).unwrap();
    assert!(before.bytes_before > 0 && before.bytes_after > 0);
    assert!(!holds(directory.path(), ERASED));
    let again = J::compact(directory.path()).unwrap();
    assert_eq!(again.bytes_before, before.bytes_after);
    has::<J>(directory, &contents, "compacted twice").await;
}

/// The files after a crash at each step of sled's compaction.
fn leave(at: usize, directory: &Path) {
    let [copying, copied, store, before] =
        ["compacting", "compacted", "journal", "compacting.from"].map(|name| directory.join(name));
    let whole = || {
        let elsewhere = tempfile::tempdir().unwrap();
        copy(directory, elsewhere.path());
        SledJournal::compact(elsewhere.path(), SledOptions::default()).unwrap();
        fs::create_dir(&copied).unwrap();
        copy(&elsewhere.path().join("journal"), &copied);
    };
    match at {
        0 => {
            fs::create_dir(&copying).unwrap();
            fs::write(copying.join("db"), "half a co").unwrap();
        }
        1 => whole(),
        2 => {
            whole();
            fs::rename(&store, &before).unwrap();
        }
        _ => {
            whole();
            fs::rename(&store, &before).unwrap();
            fs::rename(&copied, &store).unwrap();
        }
    }
}

/// The files after a crash before redb's only step: half a copy, or a complete one that is not renamed.
fn leave_new(at: usize, directory: &Path) {
    let new = directory.join("journal.redb.new");
    if at == 0 {
        fs::write(new, "half a co").unwrap();
    } else {
        fs::copy(directory.join("journal.redb"), new).unwrap();
    }
}

/// Checks that a store in this state is opened and compacted.
async fn is_made_good<J: Keeper>(leave: fn(usize, &Path), at: usize) {
    let (directory, contents) = closed::<J>().await;
    leave(at, directory.path());
    has::<J>(directory, &contents, &format!("opened after {at}")).await;
    let (directory, contents) = closed::<J>().await;
    leave(at, directory.path());
    J::compact(directory.path()).unwrap();
    assert!(!holds(directory.path(), ERASED), "{at}");
    has::<J>(directory, &contents, &format!("compacted after {at}")).await;
}

#[test]
fn a_crash_during_compaction_is_repaired_by_the_next_start() {
    (0..4).for_each(|at| crate::run(is_made_good::<SledJournal>(leave, at)));
    (0..2).for_each(|at| crate::run(is_made_good::<RedbJournal>(leave_new, at)));
}

pub(crate) async fn compaction_refuses_a_store_in_use_or_of_another_format<J: Keeper>() {
    let directory = tempfile::tempdir().unwrap();
    let compact = || J::compact(directory.path()).unwrap_err();
    assert!(matches!(compact(), OpenError::Nothing(_)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was put there");
    let open = J::open(directory.path(), J::Options::default()).unwrap();
    assert!(matches!(compact(), OpenError::Locked(_)));
    registered(&(std::sync::Arc::clone(&open) as _), 1, 1).await;
    assert_eq!(*open.head().borrow(), Position(1));
    open.close().await;
    fs::write(directory.path().join("FORMAT"), "saem 7\n").unwrap();
    assert!(matches!(compact(), OpenError::Newer { found: 7, .. }));
    let nowhere = directory.path().join("nowhere");
    let missing = J::compact(&nowhere).unwrap_err();
    assert!(matches!(missing, OpenError::Unusable { .. }) && !nowhere.exists());
}
