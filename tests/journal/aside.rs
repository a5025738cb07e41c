//! Copies of what sled cuts off its log: made before it opens a store, and kept if something is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rand::{RngExt as _, rngs::StdRng};
use saem::{OpenError, SledOptions};
use tempfile::TempDir;

use crate::{
    backend::{self, Backend as _, Sled, SledJournal},
    damage::{Damage, chosen, copied, grown, inflict, templates},
    samples::{Contents, put, registered},
};

/// Length of a segment of sled's log.
const SEGMENT_BYTES: usize = 2 * 1_024 * 1_024;

/// Directory of the copies.
fn place(directory: &Path) -> PathBuf {
    directory.join("set-aside/journal.tail")
}

/// The copied pieces, by their offset in `db`.
fn pieces(place: &Path) -> BTreeMap<usize, Vec<u8>> {
    let entries = fs::read_dir(place).map(|entries| entries.map(Result::unwrap).collect()).unwrap_or(vec![]);
    let offset = |name: &str| name.strip_prefix("db.")?.parse().ok();
    let piece = |entry: fs::DirEntry| {
        Some((offset(entry.file_name().to_str().unwrap())?, fs::read(entry.path()).unwrap()))
    };
    entries.into_iter().filter_map(piece).collect()
}

/// Reads sled's file, once its lock is released.
async fn log(directory: &Path) -> Vec<u8> {
    let path = directory.join("journal/db");
    while File::open(&path).unwrap().try_lock().is_err() {
        tokio::task::yield_now().await;
    }
    fs::read(path).unwrap()
}

/// Opens a store, and closes it again.
pub(crate) async fn opened(directory: &Path) -> Result<Contents, OpenError> {
    let journal = backend::open::<SledJournal>(directory, SledOptions::default()).await?;
    let journal = journal as std::sync::Arc<dyn saem::Journal>;
    let contents = Contents::of(&journal).await;
    journal.close().await;
    Ok(contents)
}

/// Restores the copied pieces, as docs/operations.md says.
fn put_back(directory: &Path) {
    let db = File::options().write(true).open(directory.join("journal/db")).unwrap();
    for (offset, piece) in pieces(&place(directory)) {
        db.write_all_at(&piece, offset as u64).unwrap();
    }
    without_snapshots(directory);
}

/// Removes the snapshots, so that sled reads all of its log.
fn without_snapshots(directory: &Path) {
    for entry in fs::read_dir(directory.join("journal")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// Offsets of bytes that have changed, and were not copied.
fn gone(before: &[u8], after: &[u8], pieces: &BTreeMap<usize, Vec<u8>>) -> Vec<usize> {
    let is_kept = |at: usize| {
        let piece = pieces.range(..=at).next_back();
        piece.is_some_and(|(from, piece)| piece.get(at - from) == Some(&before[at]))
    };
    let gone = |at: &usize| before[*at] != 0 && after.get(*at) != Some(&before[*at]) && !is_kept(*at);
    different(before, after).filter(gone).collect()
}

/// The segments without live pages: sled overwrites them when it opens an undamaged store.
async fn given_up((template, contents): &(TempDir, Contents)) -> BTreeSet<usize> {
    let directory = copied(template.path());
    let before = fs::read(directory.path().join("journal/db")).unwrap();
    assert_eq!(&opened(directory.path()).await.unwrap(), contents);
    let after = log(directory.path()).await;
    let segments = before.chunks(SEGMENT_BYTES).enumerate().map(|(number, before)| {
        let from = after.len().min(number * SEGMENT_BYTES);
        let after = &after[from..after.len().min(from + before.len())];
        // The head is overwritten first.
        (number, before[..20].iter().any(|byte| *byte != 0) && !after.starts_with(&before[..20]))
    });
    segments.filter(|(_, given_up)| *given_up).map(|(number, _)| number).collect()
}

/// Offsets of blocks in which two files differ.
fn different(one: &[u8], other: &[u8]) -> impl Iterator<Item = usize> {
    const BLOCK: usize = 4_096;
    let block = |bytes: &[u8], from| bytes.get(from..bytes.len().min(from + BLOCK)).map(<[u8]>::to_vec);
    let blocks = (0..one.len()).step_by(BLOCK).filter(move |from| block(one, *from) != block(other, *from));
    blocks.flat_map(|from| from..one.len().min(from + BLOCK)).collect::<Vec<_>>().into_iter()
}

/// A cleanly closed store of many segments. Its views are not synced in some of them.
async fn long() -> (TempDir, Contents) {
    let (sled, _) = grown::<SledJournal>().await;
    for id in 0..500u32 {
        let value = format!("{id}/").repeat(3_000);
        let views = vec![(id.to_be_bytes().to_vec(), Some(value.clone().into_bytes()))];
        sled.journal().view_apply(views).await.unwrap();
        if id < 250 {
            sled.journal().vault_write(vec![put(&format!("large/{:03}", id % 200), &value)]).await.unwrap();
        }
    }
    registered(sled.journal(), 300, 1).await;
    let contents = Contents::of(sled.journal()).await;
    (sled.closed().await, contents)
}

/// Outcome of opening a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OpenOutcome {
    Opened,
    /// Refused before anything was changed.
    Untouched,
    /// Refused, with this number of copied pieces.
    Kept(usize),
}

/// Damages a copy of a store and opens it. Bytes that sled overwrote must have been copied; with the copies
/// restored and the damage repaired, the store must be complete.
async fn tried(
    (template, contents): &(TempDir, Contents),
    given_up: &BTreeSet<usize>,
    damage: Damage,
    dice: &mut StdRng,
) -> OpenOutcome {
    let directory = copied(template.path());
    let db = directory.path().join("journal/db");
    let whole = fs::read(&db).unwrap();
    let how = inflict(damage, &db, dice);
    let before = fs::read(&db).unwrap();
    let refused = opened(directory.path()).await;
    let after = log(directory.path()).await;
    let kept = pieces(&place(directory.path()));
    let refused = match refused {
        Ok(found) => {
            assert!(!directory.path().join("set-aside").exists(), "{how}");
            assert_eq!(found, *contents, "{how}");
            return OpenOutcome::Opened;
        }
        Err(refused) => refused,
    };
    assert!(matches!(refused, OpenError::Lost { .. } | OpenError::Damaged { .. }), "{how}: {refused}");
    let mut gone = gone(&before, &after, &kept);
    gone.retain(|at| !given_up.contains(&(at / SEGMENT_BYTES)));
    assert!(gone.is_empty(), "{how}: {} bytes from {} on: {refused}", gone.len(), gone[0]);
    let names_copies = refused.to_string().contains(&*place(directory.path()).to_string_lossy());
    assert_eq!(names_copies, !kept.is_empty(), "{how}: {refused}");
    let untouched = refused.to_string().contains("nothing was touched");
    assert!(!untouched || (kept.is_empty() && before == after), "{how}: {refused}");
    if damage != Damage::Truncate {
        put_back(directory.path());
        let file = File::options().write(true).open(&db).unwrap();
        for at in different(&whole, &before) {
            file.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
        assert_eq!(&opened(directory.path()).await.unwrap(), contents, "{how}");
    }
    if untouched { OpenOutcome::Untouched } else { OpenOutcome::Kept(kept.len()) }
}

#[test]
fn what_sled_cuts_off_a_refused_store_can_be_put_back() {
    crate::run(async {
        let (count, mut dice) = chosen();
        let [closed, killed] = templates().await;
        for (template, fewer) in [(closed, 3), (killed, 3), (long().await, 4)] {
            let (mut counts, given_up) = (BTreeMap::new(), given_up(&template).await);
            for damage in [Damage::Flip, Damage::Truncate, Damage::Block] {
                for _ in 0..count / fewer {
                    *counts.entry(tried(&template, &given_up, damage, &mut dice).await).or_insert(0) += 1;
                }
            }
            println!("{counts:?}, given up: {given_up:?}");
            assert!(
                counts.keys().any(|became| matches!(became, OpenOutcome::Kept(1..))),
                "else nothing was tried"
            );
        }
    });
}

/// Bytes behind the end of the log, as a crash leaves them, cause no warning and leave no copies.
#[test]
fn nothing_is_kept_after_a_plain_crash() {
    crate::run(async {
        let (_, mut dice) = chosen();
        let [_, (template, contents)] = templates().await;
        for torn in [0, 1, 100, 100_000] {
            let directory = copied(template.path());
            let db = directory.path().join("journal/db");
            let bytes = fs::read(&db).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 20;
            assert!(end < SEGMENT_BYTES - 100_000, "it is all in the first segment");
            let half: Vec<u8> = (0..torn).map(|_| dice.random()).collect();
            File::options().write(true).open(&db).unwrap().write_all_at(&half, end as u64).unwrap();
            assert_eq!(opened(directory.path()).await.unwrap(), contents, "{torn}");
            assert!(!directory.path().join("set-aside").exists(), "{torn}");
        }
        let (sled, contents) = grown::<SledJournal>().await;
        let sled = sled.crashed().await;
        assert_eq!(Contents::of(sled.journal()).await, contents);
        assert!(!sled.path().join("set-aside").exists());
    });
}

/// A full disk must not keep the store of a killed process from being opened. A damaged log is not cut off
/// without a copy.
#[test]
fn without_room_a_crash_is_repaired_and_damage_is_untouched() {
    crate::run(async {
        let (_, mut dice) = chosen();
        // A file in place of the directory acts as a full disk.
        let full = |directory: &Path| fs::write(directory.join("set-aside"), "").unwrap();
        let [_, (template, contents)] = templates().await;
        let directory = copied(template.path());
        let db = directory.path().join("journal/db");
        let bytes = fs::read(&db).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 20;
        File::options().write(true).open(&db).unwrap().write_all_at(b"half a message", end as u64).unwrap();
        full(directory.path());
        assert_eq!(opened(directory.path()).await.unwrap(), contents);
        let template = long().await.0;
        let mut tries = 0..200;
        let damaged = loop {
            tries.next().expect("more than one segment is cut off some time");
            let [tried, damaged] = [(); 2].map(|()| copied(template.path()));
            let _ = inflict(Damage::Flip, &damaged.path().join("journal/db"), &mut dice);
            fs::copy(damaged.path().join("journal/db"), tried.path().join("journal/db")).unwrap();
            let _ = opened(tried.path()).await;
            if pieces(&place(tried.path())).len() > 1 {
                break damaged;
            }
        };
        full(damaged.path());
        let bytes = log(damaged.path()).await;
        let refused = opened(damaged.path()).await.unwrap_err();
        assert!(refused.to_string().contains("cannot be set aside first"), "{refused}");
        assert_eq!(log(damaged.path()).await, bytes);
    });
}

/// A store that is refused because of a damaged byte in its log, and what it had before.
async fn refused() -> (TempDir, Contents) {
    let [(template, contents), _] = templates().await;
    let directory = copied(template.path());
    let db = directory.path().join("journal/db");
    without_snapshots(directory.path());
    let bytes = fs::read(&db).unwrap();
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    File::options().write(true).open(&db).unwrap().write_all_at(&[!bytes[middle]], middle as u64).unwrap();
    let refused = opened(directory.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
    (directory, contents)
}

#[test]
fn later_starts_do_not_replace_what_was_kept() {
    crate::run(async {
        let (directory, _) = refused().await;
        let first = pieces(&place(directory.path()));
        let (&from, _) = first.iter().next().unwrap();
        let db = directory.path().join("journal/db");
        for round in 1..4 {
            // The bytes behind the end of the log are no longer those that were lost.
            let db = File::options().write(true).open(&db).unwrap();
            db.write_all_at(b"something else", (from + 5_000 * round) as u64).unwrap();
            let refused = opened(directory.path()).await.unwrap_err();
            assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
            let line = refused.to_string();
            assert!(line.contains(&*place(directory.path()).to_string_lossy()), "{line}");
            let why = fs::read_to_string(place(directory.path()).join("refused")).unwrap();
            assert!(why.contains("is lost"), "{why}");
            assert_eq!(pieces(&place(directory.path())), first);
        }
        // Going on without the lost data keeps the copy; the next loss gets its own directory.
        fs::remove_file(directory.path().join("journal.mark")).unwrap();
        let sled = Sled::open(directory, SledOptions::default()).await;
        registered(sled.journal(), 300, 1).await;
        let directory = sled.closed().await;
        assert!(!place(directory.path()).exists());
        let before = directory.path().join("set-aside/journal.tail.1");
        assert_eq!(pieces(&before), first);
        opened(directory.path()).await.unwrap();
        assert_eq!(pieces(&before), first);
    });
}

/// A process that was killed while it opened the store may have cut off its log already, or not.
#[test]
fn an_interrupted_start_keeps_its_copies_until_one_succeeds() {
    crate::run(async {
        let (directory, contents) = refused().await;
        let place = place(directory.path());
        let first = pieces(&place);
        fs::remove_file(place.join("refused")).unwrap();
        fs::write(place.join("db.77.new"), "half a pie").unwrap();
        opened(directory.path()).await.unwrap_err();
        assert_eq!(pieces(&place).iter().next(), first.iter().next());
        fs::remove_file(place.join("refused")).unwrap();
        put_back(directory.path());
        let log = directory.path().join("journal/db");
        let bytes = fs::read(&log).unwrap();
        let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
        File::options()
            .write(true)
            .open(&log)
            .unwrap()
            .write_all_at(&[!bytes[middle]], middle as u64)
            .unwrap();
        assert_eq!(opened(directory.path()).await.unwrap(), contents);
        assert!(!directory.path().join("set-aside").exists(), "nothing was missing: nothing is kept");
    });
}

/// Offset of the first segment of the log.
fn oldest(log: &[u8]) -> usize {
    let place =
        |segment: &usize| i64::from_le_bytes(log[segment + 4..segment + 12].try_into().unwrap()) ^ i64::MAX;
    let written = |segment: &usize| log[segment + 4..segment + 12] != [0; 8];
    (0..log.len()).step_by(SEGMENT_BYTES).filter(written).min_by_key(place).unwrap()
}

/// sled would skip it, and find the mark behind it.
#[test]
fn damage_amid_the_log_is_refused_until_the_mark_is_deleted() {
    crate::run(async {
        let (_, mut dice) = chosen();
        let (template, contents) = long().await;
        let within = dice.random_range(50..SEGMENT_BYTES / 2);
        // In the head of a segment, in its whole sector, in its first message, and in another one.
        for (at, length) in [(3, 1), (0, 512), (22, 1), (within, 1)] {
            let directory = copied(template.path());
            let db = directory.path().join("journal/db");
            let whole = fs::read(&db).unwrap();
            let at = oldest(&whole) + at;
            let mut bytes = whole.clone();
            let damage = if length > 1 { 0 } else { !bytes[at] };
            bytes[at..at + length].fill(damage);
            fs::write(&db, &bytes).unwrap();
            for _ in 0..2 {
                let refused = opened(directory.path()).await.unwrap_err();
                assert!(matches!(refused, OpenError::Damaged { .. }), "{at}: {refused}");
                let line = refused.to_string();
                assert!(line.contains("cannot be read at byte") && line.contains("journal.mark"), "{line}");
                assert_eq!(log(directory.path()).await, bytes, "{at}");
                assert!(!directory.path().join("set-aside").exists(), "{at}");
            }
            let compacting = SledJournal::compact(directory.path(), SledOptions::default()).unwrap_err();
            assert!(matches!(compacting, OpenError::Damaged { .. }), "{compacting}");
            assert_eq!(log(directory.path()).await, bytes, "{at}");
            fs::remove_file(directory.path().join("journal.mark")).unwrap();
            let passed_over = opened(directory.path()).await;
            let after = log(directory.path()).await;
            let aside = place(directory.path());
            let kept = if passed_over.is_ok() { aside.with_extension("tail.1") } else { aside };
            assert!(gone(&bytes, &after, &pieces(&kept)).is_empty(), "{at}: {:?}", passed_over.map(drop));
            fs::write(&db, &whole).unwrap();
            without_snapshots(directory.path());
            assert_eq!(opened(directory.path()).await.unwrap(), contents, "{at}");
        }
    });
}
