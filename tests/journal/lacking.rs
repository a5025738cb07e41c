//! A data directory without a store, a store without `FORMAT`, and files that Saem never touches.

use std::{fs, path::Path};

use saem::{
    Backend, OpenError,
    internal::store::{self, StoreOptions},
};

use crate::{
    backend::{self, Keeper, RedbJournal, SledJournal, copy},
    samples::registered,
};

const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: 0 };

/// A closed store with some commits.
async fn filled<J: Keeper>() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let journal: std::sync::Arc<dyn saem::Journal> =
        backend::open::<J>(directory.path(), J::Options::default()).await.unwrap();
    registered(&journal, 1, 3).await;
    journal.close().await;
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks that opening the directory is refused, also at rest, and creates nothing.
fn is_lacking(directory: &Path, backend: Backend) {
    let before = names(directory);
    for refused in [backend.open(directory, OPTIONS).err(), backend.open_at_rest(directory, OPTIONS).err()] {
        assert!(matches!(refused, Some(OpenError::Lacking(_))), "{refused:?}");
    }
    assert_eq!(names(directory), before);
}

#[test]
fn a_data_directory_without_its_store_is_refused() {
    crate::run(async {
        let (sled, redb) = (filled::<SledJournal>().await, filled::<RedbJournal>().await);
        fs::rename(sled.path().join("journal"), sled.path().join("journal.old")).unwrap();
        is_lacking(sled.path(), Backend::Sled);
        fs::write(redb.path().join("journal.redb"), "").unwrap();
        is_lacking(redb.path(), Backend::Redb);
        let lacks = store::restore(redb.path(), tempfile::tempdir().unwrap().path());
        assert!(matches!(lacks, Err(OpenError::Lacking(_))), "{lacks:?}");
    });
}

#[test]
fn creating_a_store_is_repeated_after_a_crash() {
    for backend in Backend::ALL {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("FORMAT.new"), "sae").unwrap();
        fs::create_dir(directory.path().join("journal")).unwrap();
        drop(backend.open(directory.path(), OPTIONS).unwrap());
        assert!(directory.path().join("FORMAT").exists() && !directory.path().join("FORMAT.new").exists());
    }
}

#[test]
fn an_unknown_directory_beside_the_store_stays() {
    crate::run(async {
        let directory = filled::<SledJournal>().await;
        let theirs = directory.path().join("journal.old");
        fs::create_dir(&theirs).unwrap();
        copy(&directory.path().join("journal"), &theirs);
        let journal = backend::open::<SledJournal>(directory.path(), Default::default()).await.unwrap();
        saem::Journal::close(&*journal).await;
        Backend::Sled.compact(directory.path(), OPTIONS).unwrap();
        assert!(theirs.join("db").exists());
    });
}

#[test]
fn a_failed_restore_leaves_nothing() {
    crate::run(async {
        let backup = filled::<SledJournal>().await;
        let to = tempfile::tempdir().unwrap();
        let inside = store::restore(backup.path(), &backup.path().join("inside"));
        assert!(matches!(inside, Err(OpenError::Unusable { .. })), "{inside:?}");
        // A dangling link cannot be copied.
        std::os::unix::fs::symlink("nowhere", backup.path().join("simulator.ledger")).unwrap();
        let error = store::restore(backup.path(), to.path()).unwrap_err();
        assert!(error.to_string().contains("simulator.ledger"), "{error}");
        assert_eq!(names(to.path()), [""; 0]);
        fs::remove_file(backup.path().join("simulator.ledger")).unwrap();
        fs::remove_dir(backup.path().join("inside")).unwrap();
        assert_eq!(store::restore(backup.path(), to.path()).unwrap(), Backend::Sled);
    });
}
