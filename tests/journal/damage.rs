//! Damaged files: a store opens with everything that was acknowledged, or reads of what is damaged are
//! errors, or it is refused. No read returns something else, or less.
//!
//! `SEED` repeats a run, `DAMAGES` is the number of damages of each kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use futures_util::FutureExt as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{OpenError, SledOptions};
use tempfile::TempDir;

use crate::{
    backend::{self, Backend as _, Keeper, Kept, RedbJournal, Sled, SledJournal, copy},
    reading::two_rentals,
    samples::{Contents, put, registered, restocks},
};

/// Default number of damages of each kind, and its divisor for a store that takes long to open.
const DAMAGES: usize = 30;
const LARGE_FEWER: usize = 5;

/// A store with records of every kind, some in sled's snapshot and some only in its log.
pub(crate) async fn grown<J: Keeper>() -> (Kept<J>, Contents) {
    let sled = Kept::<J>::begin();
    two_rentals(sled.journal()).await;
    for id in 50..80 {
        registered(sled.journal(), id, 1).await;
    }
    let sled = sled.reopened().await;
    for id in 80..100 {
        let mut product = registered(sled.journal(), id, 1).await;
        product.commit(sled.journal(), restocks(3)).await;
        sled.journal().vault_write(vec![put(&format!("session/{id}"), "somebody")]).await.unwrap();
    }
    let contents = Contents::of(sled.journal()).await;
    (sled, contents)
}

/// Two such stores: one closed cleanly, and one killed after its mark was set.
pub(crate) async fn templates() -> [(TempDir, Contents); 2] {
    let (closed, contents) = grown::<SledJournal>().await;
    let closed = (closed.closed().await, contents);
    let (running, contents) = grown::<SledJournal>().await;
    marked(running.path()).await;
    let killed = running.crashed().await.closed().await;
    [closed, (killed, contents)]
}

/// A cleanly closed store of several segments, so that damage also hits old ones.
pub(crate) async fn large() -> (TempDir, Contents) {
    let (sled, _) = grown::<SledJournal>().await;
    for id in 0..120u8 {
        let value = format!("{id}/").repeat(4_000);
        sled.journal().vault_write(vec![put(&format!("large/{id:03}"), &value)]).await.unwrap();
        sled.journal().view_apply(vec![(vec![id; 9], Some(value.into_bytes()))]).await.unwrap();
    }
    let contents = Contents::of(sled.journal()).await;
    (sled.closed().await, contents)
}

/// Waits until the mark of an idle store covers all of it.
pub(crate) async fn marked(directory: &Path) {
    let read = || fs::read_to_string(directory.join("journal.mark")).ok();
    let before = read();
    while read() == before {
        tokio::task::yield_now().await;
    }
}

/// Outcome of opening a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OpenOutcome {
    /// Everything is read.
    Whole,
    /// Some reads are errors.
    Unreadable,
    /// Refused: its end is lost.
    Lost,
    /// Refused as damaged.
    Damaged,
}

/// Opens a damaged store, and compares it with what it had before.
async fn became<J: Keeper>(directory: &Path, contents: &Contents) -> Result<OpenOutcome, String> {
    let opening = std::panic::AssertUnwindSafe(backend::open::<J>(directory, J::Options::default()));
    let journal = match opening.catch_unwind().await {
        Ok(Ok(journal)) => journal,
        Ok(Err(OpenError::Lost { .. })) => return Ok(OpenOutcome::Lost),
        Ok(Err(OpenError::Damaged { .. } | OpenError::Unusable { .. } | OpenError::Lacking(_))) => {
            return Ok(OpenOutcome::Damaged);
        }
        Ok(Err(error)) => return Err(format!("refused for another reason: {error}")),
        Err(_) => return Err("opening panicked".to_owned()),
    };
    let became = contents.compared_with(&(journal.clone() as _)).await;
    journal.close().await;
    became.map(|whole| if whole { OpenOutcome::Whole } else { OpenOutcome::Unreadable })
}

pub(crate) fn copied(template: &Path) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(template, directory.path());
    directory
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// A flipped bit.
    Flip,
    /// A file that is cut off.
    Truncate,
    /// A sector of zeros.
    Block,
}

/// Length of a sector, in bytes.
const SECTOR: usize = 512;

/// Damages a file at a place that is not zero, and describes the damage.
pub(crate) fn inflict(damage: Damage, path: &Path, dice: &mut StdRng) -> String {
    let bytes = fs::read(path).unwrap();
    let mut anywhere = std::iter::repeat_with(|| dice.random_range(0..bytes.len()));
    let at = anywhere.find(|at| bytes[*at] != 0).expect("something is written");
    let file = File::options().write(true).open(path).unwrap();
    match damage {
        Damage::Flip => {
            let bit = dice.random_range(0..8);
            file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
            format!("bit {bit} of byte {at} is flipped")
        }
        Damage::Truncate => {
            file.set_len(at as u64).unwrap();
            format!("it is cut off at {at}")
        }
        Damage::Block => {
            let at = at / SECTOR * SECTOR;
            let length = SECTOR.min(bytes.len() - at);
            file.write_all_at(&vec![0; length], at as u64).unwrap();
            format!("{length} bytes at {at} are zeroes")
        }
    }
}

/// Damages `count` copies of a store in each way, in the file that `which` names, and counts the outcomes.
async fn tried<J: Keeper>(
    (template, contents): &(TempDir, Contents),
    which: impl Fn(&Path) -> PathBuf,
    count: usize,
    dice: &mut StdRng,
) -> BTreeMap<(Damage, OpenOutcome), usize> {
    let (mut counts, mut wrong) = (BTreeMap::new(), Vec::new());
    for damage in [Damage::Flip, Damage::Truncate, Damage::Block] {
        for _ in 0..count {
            let directory = copied(template.path());
            let how = inflict(damage, &which(directory.path()), dice);
            match became::<J>(directory.path(), contents).await {
                Ok(became) => *counts.entry((damage, became)).or_insert(0) += 1,
                Err(what) => wrong.push(format!("{how}: {what}")),
            }
        }
    }
    println!("{counts:?}");
    assert_eq!(wrong, Vec::<String>::new());
    counts
}

/// Number of damages of each kind, and their random generator.
pub(crate) fn chosen() -> (usize, StdRng) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("to see these damages again: SEED={seed} cargo test --test journal damage");
    let count = number("DAMAGES").map_or(DAMAGES, |damages| usize::try_from(damages).unwrap());
    (count, StdRng::seed_from_u64(seed))
}

#[test]
fn damage_to_the_log_is_never_silent() {
    crate::run(async {
        let (count, mut dice) = chosen();
        let log = |directory: &Path| directory.join("journal/db");
        for template in templates().await {
            let counts = tried::<SledJournal>(&template, log, count, &mut dice).await;
            assert!(counts.keys().any(|(_, became)| *became == OpenOutcome::Lost), "else nothing was tried");
        }
        tried::<SledJournal>(&large().await, log, count / LARGE_FEWER, &mut dice).await;
    });
}

#[test]
fn damage_to_a_killed_redb_loses_at_most_its_last_batch() {
    crate::run(async {
        let (count, mut dice) = chosen();
        let (redb, contents) = grown::<RedbJournal>().await;
        // Damage to pages of this write makes redb fall back to the commit before it.
        redb.journal().vault_write(vec![put("session/last", "somebody")]).await.unwrap();
        let template = (copied(redb.path()), contents);
        let file = |directory: &Path| directory.join("journal.redb");
        let counts = tried::<RedbJournal>(&template, file, count, &mut dice).await;
        assert!(counts.keys().all(|(_, became)| *became != OpenOutcome::Unreadable), "{counts:?}");
    });
}

#[test]
fn damage_to_a_snapshot_loses_nothing() {
    crate::run(async {
        let (count, mut dice) = chosen();
        for template in templates().await {
            let counts = tried::<SledJournal>(&template, snapshot_in, count / 2, &mut dice).await;
            assert!(counts.keys().all(|(_, became)| *became == OpenOutcome::Whole), "{counts:?}");
        }
    });
}

/// sled's newest snapshot in a data directory.
fn snapshot_in(directory: &Path) -> PathBuf {
    crate::directory::snapshot(&directory.join("journal"))
}

#[test]
fn a_store_with_a_file_missing_or_emptied_is_whole_or_refused() {
    const WHOLE: &[&str] = &["journal.mark", "journal/snap", "journal/blobs"];
    const REFUSED: &[&str] = &["journal", "journal/db"];
    crate::run(async {
        for template in &templates().await {
            for (names, expected) in
                [(WHOLE, [OpenOutcome::Whole; 2]), (REFUSED, [OpenOutcome::Lost, OpenOutcome::Damaged])]
            {
                for name in names {
                    for emptied in [false, true] {
                        let directory = copied(template.0.path());
                        let path = match *name {
                            "journal/snap" => snapshot_in(directory.path()),
                            name => directory.path().join(name),
                        };
                        if emptied && path.is_file() {
                            fs::write(&path, "").unwrap();
                        } else if path.is_file() {
                            fs::remove_file(&path).unwrap();
                        } else {
                            fs::remove_dir_all(&path).unwrap();
                        }
                        let became = became::<SledJournal>(directory.path(), &template.1).await.unwrap();
                        assert!(expected.contains(&became), "{name}, emptied: {emptied}: {became:?}");
                    }
                }
            }
        }
    });
}

/// An earlier copy of a store, with its later mark: its newest part is lost.
async fn shortened() -> (TempDir, Contents) {
    let (sled, contents) = grown::<SledJournal>().await;
    let sled = sled.reopened().await;
    let directory = sled.closed().await;
    let before = copied(directory.path());
    let sled = Sled::open(directory, SledOptions::default()).await;
    registered(sled.journal(), 200, 1).await;
    let directory = sled.closed().await;
    fs::copy(directory.path().join("journal.mark"), before.path().join("journal.mark")).unwrap();
    (before, contents)
}

#[test]
fn a_lost_end_is_refused_until_the_mark_is_deleted() {
    crate::run(async {
        let (directory, contents) = shortened().await;
        let refused = backend::open::<SledJournal>(directory.path(), SledOptions::default())
            .await
            .map(drop)
            .unwrap_err();
        let OpenError::Lost { durable, found, .. } = refused else { panic!("{refused}") };
        assert_eq!((durable, found), (contents.head.0 + 1, contents.head.0));
        let line = refused.to_string();
        assert!(line.contains("restore a backup") && line.contains("journal.mark"), "{line}");
        let compacting = SledJournal::compact(directory.path(), SledOptions::default()).unwrap_err();
        assert!(matches!(compacting, OpenError::Lost { .. }), "{compacting}");
        fs::remove_file(directory.path().join("journal.mark")).unwrap();
        let sled = Sled::open(directory, SledOptions::default()).await;
        assert_eq!(Contents::of(sled.journal()).await, contents, "what is left is served");
        registered(sled.journal(), 201, 1).await;
        let contents = Contents::of(sled.journal()).await;
        let sled = sled.reopened().await;
        assert_eq!(Contents::of(sled.journal()).await, contents, "and marked anew");
    });
}

#[test]
fn a_mark_is_set_under_constant_load() {
    crate::run(async {
        let sled = Sled::begin();
        let mut product = registered(sled.journal(), 1, 1).await;
        let read = || fs::read_to_string(sled.path().join("journal.mark")).ok();
        let mut marks = BTreeSet::new();
        // Without a pause: the writer counts as idle only after hundreds of such commits.
        while marks.len() < 2 {
            product.commit(sled.journal(), restocks(1)).await;
            marks.extend(read().filter(|mark| !mark.is_empty()));
        }
        let sled = sled.crashed().await;
        assert_eq!(sled.journal().load(product.id).await.unwrap().version, product.version);
    });
}

#[test]
fn a_loss_of_vault_records_alone_is_detected() {
    crate::run(async {
        let (sled, _) = grown::<SledJournal>().await;
        let directory = sled.closed().await;
        let before = copied(directory.path());
        let sled = Sled::open(directory, SledOptions::default()).await;
        sled.journal().vault_write(vec![put("session/new", "somebody")]).await.unwrap();
        let directory = sled.closed().await;
        fs::copy(directory.path().join("journal.mark"), before.path().join("journal.mark")).unwrap();
        let refused =
            backend::open::<SledJournal>(before.path(), SledOptions::default()).await.map(drop).unwrap_err();
        assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
    });
}
