//! The data directory: its lock, its format, its state after a crash, and damage to its files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use saem::{
    AccountEvent, Backend as Kind, CustomerId, EntityId, OpenError, ProductEvent, ProductId, SledOptions,
    VaultWrite,
    internal::{
        domain::{Account, Product},
        store::{StoreOptions, VAULT_BYTES_MAX},
    },
};
use tempfile::TempDir;

use crate::{
    backend::{self, Backend as _, Keeper, Sled, SledJournal},
    reading::two_rentals,
    samples::{
        Contents, Entity, first_commit_is_damaged, first_product_is_damaged, folded, offer, registered,
    },
};

const BEHIND: SledOptions = SledOptions { cache_bytes: 16 << 20, write_behind: true, min_free_bytes: 0 };
const FOLDED: SledOptions = SledOptions { write_behind: false, ..BEHIND };

/// A store, opened with sled itself.
pub(crate) struct Raw {
    _db: sled::Db,
    pub(crate) tree: sled::Tree,
}

impl Raw {
    /// Opens the closed store in `directory`.
    pub(crate) async fn open(directory: &TempDir) -> Self {
        let config =
            sled::Config::new().path(directory.path().join("journal")).segment_size(2 * 1_024 * 1_024);
        loop {
            match config.open() {
                Ok(db) => return Self { tree: db.open_tree("journal").unwrap(), _db: db },
                Err(sled::Error::Io(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn keys(&self, part: u8) -> Vec<sled::IVec> {
        self.tree.scan_prefix([part]).keys().map(Result::unwrap).collect()
    }

    /// Flips a bit of a value; a negative `byte` counts from the end.
    pub(crate) fn flip(&self, key: &[u8], byte: isize) {
        let mut value = self.tree.get(key).unwrap().unwrap().to_vec();
        let index = if byte < 0 { value.len() - byte.unsigned_abs() } else { byte.unsigned_abs() };
        value[index] ^= 0x10;
        self.tree.insert(key, value).unwrap();
    }
}

/// Key of an index record.
pub(crate) fn entity_key(entity: EntityId) -> Vec<u8> {
    [&[b'e', entity.kind as u8][..], &entity.id.to_be_bytes()].concat()
}

#[test]
fn writing_behind_does_not_change_what_is_read() {
    crate::run(async {
        let mut contents = Vec::new();
        for (written, read) in [(BEHIND, BEHIND), (BEHIND, FOLDED), (FOLDED, BEHIND), (FOLDED, FOLDED)] {
            let sled = Sled::begin_with(written);
            two_rentals(sled.journal()).await;
            contents.push(Contents::of(sled.journal()).await);
            let sled = sled.crashed_with(read).await;
            contents.push(Contents::of(sled.journal()).await);
            let directory = sled.closed().await;
            let known = Raw::open(&directory).await.keys(b'e').len();
            assert_eq!(known > 0, read.write_behind);
            let sled = Sled::open(directory, written).await;
            contents.push(Contents::of(sled.journal()).await);
        }
        assert!(contents.windows(2).all(|pair| pair[0] == pair[1]));
    });
}

/// With more entities than stay in memory: many are written behind, a few at a time, others are not.
#[test]
fn a_crash_amid_writing_behind_loses_nothing() {
    const CUSTOMERS: u128 = 22_000;
    crate::run(async {
        let sled = Sled::begin_with(BEHIND);
        let mut customers: Vec<Entity<Account>> =
            (0..CUSTOMERS).map(|id| Entity::new(CustomerId(id))).collect();
        for (event, some) in [(AccountEvent::CustomerSignedUp, 1), (AccountEvent::CustomerLeft, 7)] {
            let mut queued = Vec::new();
            for customer in customers.iter_mut().step_by(some) {
                let draft = customer.draft([event]);
                queued.push((sled.journal().commit(draft.clone()), customer, draft));
            }
            for (commit, customer, draft) in queued {
                customer.committed(&draft, commit.await.unwrap());
            }
        }
        let head = *sled.journal().head().borrow();
        let directory = sled.crashed_with(FOLDED).await.closed().await;
        let raw = Raw::open(&directory).await;
        let written = raw.keys(b'e').len() as u128;
        assert!((1_000..CUSTOMERS).contains(&written), "{written}");
        drop(raw);
        let sled = Sled::open(directory, BEHIND).await;
        assert_eq!(*sled.journal().head().borrow(), head);
        for customer in &customers {
            let loaded = sled.journal().load(customer.id).await.unwrap();
            assert_eq!(loaded.version, customer.version, "{}", customer.id);
            assert_eq!(folded::<Account>(&loaded), customer.state, "{}", customer.id);
        }
    });
}

/// sled's newest snapshot in `store`.
pub(crate) fn snapshot(store: &Path) -> PathBuf {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
    entries.filter(is_snapshot).max().unwrap()
}

#[test]
fn torn_snapshots_are_set_aside_and_nothing_is_lost() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("left behind, torn", |store| {
            fs::write(store.join("snap.FFFFFFFFFFFFFFFF.generating"), "half a snapsh").unwrap();
        }),
        ("left behind, empty", |store| {
            let made = format!("{}.generating", snapshot(store).display());
            fs::write(made, "").unwrap();
        }),
        ("truncated", |store| {
            let bytes = fs::read(snapshot(store)).unwrap();
            fs::write(snapshot(store), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("emptied", |store| fs::write(snapshot(store), "").unwrap()),
        ("garbled", |store| {
            let mut bytes = fs::read(snapshot(store)).unwrap();
            bytes[0] ^= 1;
            fs::write(snapshot(store), bytes).unwrap();
        }),
    ];
    for (name, damage) in damages {
        crate::run(async move {
            let sled = Sled::begin();
            two_rentals(sled.journal()).await;
            let sled = sled.reopened().await;
            let contents = Contents::of(sled.journal()).await;
            let directory = sled.closed().await;
            damage(&directory.path().join("journal"));
            let aside = directory.path().join("set-aside");
            let sled = Sled::open(directory, BEHIND).await;
            assert_eq!(Contents::of(sled.journal()).await, contents, "{name}");
            assert!(fs::read_dir(&aside).unwrap().count() > 0, "{name}: kept, only not in the way");
            // It takes commits.
            let product = registered(sled.journal(), 50, 1).await;
            let sled = sled.reopened().await;
            assert_eq!(sled.journal().load(product.id).await.unwrap().version, product.version, "{name}");
        });
    }
}

pub(crate) async fn a_data_directory_in_use_is_refused<J: Keeper>() {
    let directory = tempfile::tempdir().unwrap();
    let first = J::open(directory.path(), J::Options::default()).unwrap();
    let second = J::open(directory.path(), J::Options::default()).map(drop).unwrap_err();
    assert!(matches!(second, OpenError::Locked(_)), "{second}");
    assert!(second.to_string().contains(&*directory.path().to_string_lossy()), "{second}");
    // Closing releases the lock, although the journal is still referenced.
    first.close().await;
    backend::open::<J>(directory.path(), J::Options::default()).await.unwrap();
    drop(first);
}

pub(crate) async fn another_format_is_refused_untouched<J: Keeper>() {
    let directory = tempfile::tempdir().unwrap();
    let open = |format: &str| {
        fs::write(directory.path().join("FORMAT"), format).unwrap();
        let refused = J::open(directory.path(), J::Options::default()).map(drop).unwrap_err();
        assert_eq!(fs::read_to_string(directory.path().join("FORMAT")).unwrap(), format);
        assert!(!directory.path().join(J::STORE).exists(), "{format}");
        refused
    };
    let name = if J::KIND == Kind::Sled { "" } else { " redb" };
    for newer in [J::FORMAT + 1, 7, u32::MAX] {
        let refused = open(&format!("saem {newer}{name}\n"));
        let OpenError::Newer { found, supported, .. } = refused else { panic!("{refused}") };
        assert_eq!((found, supported), (newer, J::FORMAT));
        let line = refused.to_string();
        let known = format!("format {}", J::FORMAT);
        assert!(line.contains(&format!("format {newer}")) && line.contains(&known), "{line}");
    }
    for older in 0..J::FORMAT {
        let refused = open(&format!("saem {older}{name}\n"));
        let OpenError::Older { found, supported, .. } = refused else { panic!("{refused}") };
        assert_eq!((found, supported), (older, J::FORMAT));
    }
    assert!(matches!(open("saem 7 postgres\n"), OpenError::Newer { found: 7, .. }));
    for foreign in ["", "saem", "saem one", "3", "postgres 16\n", "saem 3 2", "saem -1"] {
        let refused = open(foreign);
        assert!(matches!(refused, OpenError::Foreign(_)), "{foreign:?}: {refused}");
    }
    fs::write(directory.path().join("FORMAT"), [0xff, 0xfe]).unwrap();
    assert!(J::open(directory.path(), J::Options::default()).is_err());
    let file = directory.path().join("FORMAT");
    let refused = J::open(&file, J::Options::default()).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Unusable { .. }), "{refused}");
}

pub(crate) async fn data_of_another_backend_is_refused_untouched<J: Keeper>() {
    let own = J::KIND;
    for other in Kind::ALL.into_iter().filter(|kind| *kind != own) {
        let options = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: 0 };
        let [written, directory] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let journal = other.open(written.path(), options).unwrap();
        two_rentals(&journal).await;
        let contents = Contents::of(&journal).await;
        journal.close().await;
        // A copy that no thread of the other backend still uses.
        backend::copy(written.path(), directory.path());
        let there = files_in(directory.path());
        let opened = J::open(directory.path(), J::Options::default()).map(drop);
        for refused in [opened, J::compact(directory.path()).map(drop)] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, OpenError::OtherBackend { .. }), "{refused}");
            let line = refused.to_string();
            assert!(line.contains(&format!("a store of {other}, but store.backend is {own}")), "{line}");
        }
        assert_eq!(files_in(directory.path()), there);
        assert_eq!(Kind::of(directory.path()).unwrap(), Some(other));
        let again = other.open(directory.path(), options).unwrap();
        assert_eq!(Contents::of(&again).await, contents);
        again.close().await;
    }
}

/// All files below a directory, with their bytes.
fn files_in(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// A closed store with two products and a rental: everything is written behind, and each commit is a chunk.
async fn closed() -> TempDir {
    let sled = Sled::begin();
    two_rentals(sled.journal()).await;
    registered(sled.journal(), 2, 1).await;
    sled.closed().await
}

#[test]
fn reading_a_damaged_commit_is_an_error() {
    // In its length, its checksum, its version, its first and its last byte.
    for byte in [0, 3, 4, 8, 9, -1] {
        crate::run(async move {
            let directory = closed().await;
            let raw = Raw::open(&directory).await;
            raw.flip(&raw.keys(b'j')[0], byte);
            drop(raw);
            first_commit_is_damaged(Sled::open(directory, BEHIND).await.journal(), byte).await;
        });
    }
}

#[test]
fn a_store_whose_tail_is_damaged_is_not_opened() {
    for (part, byte) in [(b'j', -1), (b'j', 0), (b'm', 0), (b'm', -1)] {
        crate::run(async move {
            let directory = closed().await;
            let raw = Raw::open(&directory).await;
            raw.flip(raw.keys(part).last().unwrap(), byte);
            drop(raw);
            let refused = backend::open::<SledJournal>(directory.path(), BEHIND).await.map(drop).unwrap_err();
            assert!(matches!(refused, OpenError::Damaged { .. }), "{part} {byte}: {refused}");
        });
    }
}

#[test]
fn a_damaged_entity_does_not_affect_others() {
    crate::run(async {
        let directory = closed().await;
        let raw = Raw::open(&directory).await;
        raw.flip(&entity_key(ProductId(1).into()), -1);
        drop(raw);
        first_product_is_damaged(Sled::open(directory, BEHIND).await.journal()).await;
    });
}

#[test]
fn large_values_stay_in_synced_files() {
    crate::run(async {
        let sled = Sled::begin();
        let journal = sled.journal();
        for round in 0..10 {
            let commits = (0..1_000).map(|n| {
                let mut product = Entity::<Product>::new(ProductId(1 + round * 1_000 + n));
                let mut offer = offer();
                offer.description = "x".repeat(300);
                journal.commit(product.draft([ProductEvent::ProductRegistered { offer, stock: 1 }]))
            });
            for committed in futures_util::future::join_all(commits).await {
                committed.unwrap();
            }
            // The largest values of the vault.
            let value = Some(vec![0xff; VAULT_BYTES_MAX]);
            let large = |n: u128| VaultWrite { key: format!("large/{}", n * 7 % 100), value: value.clone() };
            journal.vault_write((0..100).map(large).collect()).await.unwrap();
        }
        let directory = sled.closed().await;
        let blobs = directory.path().join("journal/blobs");
        assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
    });
}
