//! Compaction: all that was there is there, what was erased is not, and a crash at any step is made good.

use std::{fs, path::Path};

use saem::{
    domain::Position,
    store::{
        Journal as _, OpenError,
        sled::{SledJournal, SledOptions},
    },
};
use tempfile::TempDir;

use crate::{
    backend::{self, Sled, copy},
    reading::two_rentals,
    samples::{Said, erase, put, registered},
};

const ERASED: &str = "세종대로 110, erased";

/// A store where something was erased and overwritten, closed, and what it says.
async fn closed() -> (TempDir, Said) {
    let sled = Sled::begin_with(SledOptions::default());
    let journal = backend::Backend::journal(&sled);
    two_rentals(journal).await;
    for n in 0..200 {
        registered(journal, 1_000 + n, 1).await;
    }
    journal.vault_write(vec![put("address/1", ERASED), put("address/2", "kept")]).await.unwrap();
    journal.view_apply(vec![(b"row".to_vec(), Some(b"shown".to_vec()))]).await.unwrap();
    journal.vault_write(vec![erase("address/1")]).await.unwrap();
    let said = Said::by(journal).await;
    (sled.closed().await, said)
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

async fn says(directory: TempDir, said: &Said, step: &str) {
    let names = ["FORMAT", "journal"];
    let sled = Sled::open(directory, SledOptions::default()).await;
    let journal = backend::Backend::journal(&sled);
    assert_eq!(&Said::by(journal).await, said, "{step}");
    assert_eq!(journal.view_get(b"row".to_vec()).await.unwrap().as_deref(), Some(&b"shown"[..]), "{step}");
    registered(journal, 5_000, 1).await;
    let directory = sled.closed().await;
    let mut left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, names, "{step}");
}

#[test]
fn what_was_erased_is_gone_and_all_else_is_there() {
    crate::run(async {
        let (directory, said) = closed().await;
        fs::create_dir(directory.path().join("set-aside")).unwrap();
        fs::write(directory.path().join("set-aside/snap.1"), ERASED).unwrap();
        assert!(holds(&directory.path().join("journal"), ERASED), "else nothing is shown");
        let before = SledJournal::compact(directory.path(), SledOptions::default()).unwrap();
        assert!(before.bytes_before > 0 && before.bytes_after > 0);
        assert!(!holds(directory.path(), ERASED));
        let again = SledJournal::compact(directory.path(), SledOptions::default()).unwrap();
        assert_eq!(again.bytes_before, before.bytes_after);
        says(directory, &said, "compacted twice").await;
    });
}

/// What a crash leaves at each step, and what a whole copy is.
fn leave(at: usize, directory: &Path) {
    let [copying, copied, store, before] =
        ["compacting", "compacted", "journal", "journal.old"].map(|name| directory.join(name));
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

#[test]
fn a_crash_at_any_step_is_made_good_by_opening_or_compacting() {
    for at in 0..4 {
        crate::run(async move {
            let (directory, said) = closed().await;
            leave(at, directory.path());
            says(directory, &said, &format!("opened after {at}")).await;
            let (directory, said) = closed().await;
            leave(at, directory.path());
            SledJournal::compact(directory.path(), SledOptions::default()).unwrap();
            assert!(!holds(directory.path(), ERASED), "{at}");
            says(directory, &said, &format!("compacted after {at}")).await;
        });
    }
}

#[test]
fn a_store_in_use_or_of_another_format_is_left_alone() {
    crate::run(async {
        let directory = tempfile::tempdir().unwrap();
        let compact = || SledJournal::compact(directory.path(), SledOptions::default()).unwrap_err();
        assert!(matches!(compact(), OpenError::Foreign(_)));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was put there");
        let open = SledJournal::open(directory.path(), SledOptions::default()).unwrap();
        assert!(matches!(compact(), OpenError::Locked(_)));
        registered(&(std::sync::Arc::clone(&open) as _), 1, 1).await;
        assert_eq!(*open.head().borrow(), Position(1));
        open.close().await;
        fs::write(directory.path().join("FORMAT"), "saem 7\n").unwrap();
        assert!(matches!(compact(), OpenError::Newer { found: 7, .. }));
        let nowhere = directory.path().join("nowhere");
        let missing = SledJournal::compact(&nowhere, SledOptions::default()).unwrap_err();
        assert!(matches!(missing, OpenError::Unusable { .. }) && !nowhere.exists());
    });
}
