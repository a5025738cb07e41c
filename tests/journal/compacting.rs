//! Compaction: all that was there is there, what was erased is not, and a crash at any step is made good.

use std::{fs, path::Path};

use saem::{
    domain::Position,
    store::{Backend as Kind, OpenError, sled::SledOptions},
};
use tempfile::TempDir;

use crate::{
    backend::{Backend as _, Keeper, Kept, RedbJournal, SledJournal, copy},
    reading::two_rentals,
    samples::{Said, erase, put, registered},
};

const ERASED: &str = "세종대로 110, erased";

/// A store where something was erased and overwritten, closed, and what it says.
async fn closed<J: Keeper>() -> (TempDir, Said) {
    let kept = Kept::<J>::begin();
    let journal = kept.journal();
    two_rentals(journal).await;
    for n in 0..200 {
        registered(journal, 1_000 + n, 1).await;
    }
    // Many, so that they fill pages: a page that is free is used again, and then shows nothing.
    let erased: Vec<String> = (0..500).map(|n| format!("address/{n}")).collect();
    journal.vault_write(erased.iter().map(|key| put(key, ERASED)).collect()).await.unwrap();
    journal.vault_write(vec![put("address/kept", "kept")]).await.unwrap();
    journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
    journal.vault_write(erased.iter().map(|key| erase(key)).collect()).await.unwrap();
    let said = Said::by(journal).await;
    (kept.closed().await, said)
}

/// Whether these bytes stand in any file below a directory.
fn holds(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    })
}

async fn says<J: Keeper>(directory: TempDir, said: &Said, step: &str) {
    let mark = (J::KIND == Kind::Sled).then_some("journal.mark");
    let names: Vec<_> = ["FORMAT", J::STORE].into_iter().chain(mark).collect();
    let kept = Kept::<J>::open(directory, J::Options::default()).await;
    let journal = kept.journal();
    assert_eq!(&Said::by(journal).await, said, "{step}");
    assert_eq!(journal.view_get(b"row".to_vec()).await.unwrap().as_deref(), Some(&b"shown"[..]), "{step}");
    registered(journal, 5_000, 1).await;
    let directory = kept.closed().await;
    let mut left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, names, "{step}");
}

pub(crate) async fn what_was_erased_is_gone_and_all_else_is_there<J: Keeper>() {
    let (directory, said) = closed::<J>().await;
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
    says::<J>(directory, &said, "compacted twice").await;
}

/// What a crash leaves at each step of sled's, and what a whole copy is.
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

/// What a crash leaves before redb's one step: half a copy, or a whole one that is not in its place.
fn leave_new(at: usize, directory: &Path) {
    let new = directory.join("journal.redb.new");
    if at == 0 {
        fs::write(new, "half a co").unwrap();
    } else {
        fs::copy(directory.join("journal.redb"), new).unwrap();
    }
}

/// Left so, a store is opened, and compacted, as if nothing had been.
async fn is_made_good<J: Keeper>(leave: fn(usize, &Path), at: usize) {
    let (directory, said) = closed::<J>().await;
    leave(at, directory.path());
    says::<J>(directory, &said, &format!("opened after {at}")).await;
    let (directory, said) = closed::<J>().await;
    leave(at, directory.path());
    J::compact(directory.path()).unwrap();
    assert!(!holds(directory.path(), ERASED), "{at}");
    says::<J>(directory, &said, &format!("compacted after {at}")).await;
}

#[test]
fn a_crash_at_any_step_is_made_good_by_opening_or_compacting() {
    (0..4).for_each(|at| crate::run(is_made_good::<SledJournal>(leave, at)));
    (0..2).for_each(|at| crate::run(is_made_good::<RedbJournal>(leave_new, at)));
}

pub(crate) async fn a_store_in_use_or_of_another_format_is_left_alone<J: Keeper>() {
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
