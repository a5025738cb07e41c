//! Copies what sled is about to cut off its log when it opens a store. The copy is kept until the store is
//! open and known to have everything that was acknowledged.
//!
//! Each piece is a file, `set-aside/journal.tail/db.N`: the bytes of `db` from byte `N` on, up to the end of
//! a segment. The name says where it belongs, so that `dd` can put it back. A sparse copy of `db` could not
//! tell a hole from zeros, and copying the directory would make it as long as `db`.
//!
//! | in `set-aside` | belongs to |
//! | --- | --- |
//! | `journal.tail` | a store that is being opened, or whose opening was interrupted |
//! | `journal.tail` with `refused` in it | a store that was refused; `refused` says why |
//! | `journal.tail.N` | a refused store that was opened later all the same; it is not read again |
//!
//! **Invariant:** a part of `db` is copied once until the store is open: later openings find there what sled
//! wrote, no longer what was lost. A half-written copy does not have the name of a piece.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{
    OpenError,
    format::{SEGMENT_BYTES, SET_ASIDE, STORE},
    log::{self, Cut},
    mark,
};
use crate::store::{
    Aside, files,
    space::{self, FULL_BYTES},
};

/// File with the error that the store was refused with.
const REFUSED: &str = "refused";
/// Prefix of the name of a piece.
const PIECE: &str = "db.";
/// Suffix of the name of a file that is being written.
const WRITING: &str = ".new";

/// Directory of the pieces of the store at `store`.
fn place(store: &Path) -> PathBuf {
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    store.with_file_name(SET_ASIDE).join(format!("{name}.tail"))
}

/// Copies what sled is about to overwrite in the store at `store`; it is on disk when this returns.
///
/// # Errors
/// An error if the log is damaged where no crash damages it: sled would skip what it cannot read, and still
/// find the mark, which is behind it. Without a mark nothing is checked, and this is only a warning.
///
/// An I/O error if the copy fails. The exception is the rest of a single segment: that is nearly always what
/// a killed process left, and a full disk must not keep such a store from being opened, so it goes on without
/// a copy. More than that is hardly left by a crash, but by damage, and would be lost for good.
pub(super) fn set_aside(store: &Path) -> sled::Result<()> {
    let place = place(store);
    // After an earlier copy, everything that is overwritten counts: what was cut off may refer to it.
    let cut = log::cut(store, place.exists())?;
    if let Some(at) = cut.damaged {
        if store.with_file_name(mark::FILE).exists() {
            // An earlier attempt, with snapshots, may have failed.
            let touched = if place.exists() { "" } else { ", and nothing was touched" };
            return Err(sled::Error::ReportableBug(format!(
                "its log cannot be read at byte {at} of {STORE}/db, and goes on behind it{touched}; with the \
                 file {} deleted, what is there is passed over",
                mark::FILE
            )));
        }
        warn!(at, store = %store.display(), "the log cannot be read there; what is there is passed over");
    }
    let pieces = without(cut.pieces.clone(), &kept(&place)?);
    if pieces.is_empty() && cut.blobs.is_empty() {
        return Ok(());
    }
    let bytes: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
    let Err(error) = has_room(store, bytes).and_then(|()| copy(store, &place, &pieces, &cut)) else {
        return Ok(());
    };
    if cut.is_usual && cut.blobs.is_empty() {
        warn!(%error, bytes, "what sled cuts off its log is not set aside");
        return Ok(());
    }
    let what = format!("{bytes} bytes that sled would cut off its log cannot be set aside first: {error}");
    Err(io::Error::new(error.kind(), what).into())
}

/// The first byte of each segment that was set aside.
fn kept(place: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut kept = BTreeMap::new();
    if !place.is_dir() {
        return Ok(kept);
    }
    for entry in fs::read_dir(place)? {
        let name = entry?.file_name();
        let Some(from) = name.to_str().and_then(|name| name.strip_prefix(PIECE)) else { continue };
        if let Ok(from) = from.parse::<u64>() {
            let first = kept.entry(from / SEGMENT_BYTES as u64).or_insert(from);
            *first = from.min(*first);
        }
    }
    Ok(kept)
}

/// `pieces` without what is set aside already.
fn without(mut pieces: Vec<Range<u64>>, kept: &BTreeMap<u64, u64>) -> Vec<Range<u64>> {
    for piece in &mut pieces {
        if let Some(from) = kept.get(&(piece.start / SEGMENT_BYTES as u64)) {
            piece.end = piece.end.min(*from);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// sled needs free space to open the store, too: a copy must not take it.
fn has_room(store: &Path, bytes: u64) -> io::Result<()> {
    match space::free_bytes(store) {
        Ok(free_bytes) if free_bytes < bytes + FULL_BYTES => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

fn copy(store: &Path, place: &Path, pieces: &[Range<u64>], cut: &Cut) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let db = File::open(store.join("db"))?;
    for piece in pieces {
        (&db).seek(SeekFrom::Start(piece.start))?;
        let mut bytes = (&db).take(piece.end - piece.start);
        write(place, &format!("{PIECE}{}", piece.start), &mut bytes)?;
    }
    for blob in &cut.blobs {
        let name = blob.file_name().unwrap_or_default().to_string_lossy();
        if !place.join(format!("blob.{name}")).exists() {
            write(place, &format!("blob.{name}"), &mut File::open(blob)?)?;
        }
    }
    if let Some(at) = cut.damaged {
        write(place, REFUSED, &mut format!("the log cannot be read at byte {at}\n").as_bytes())?;
    }
    let aside = place.parent().expect("it is below a directory");
    [place, aside].into_iter().try_for_each(files::sync)?;
    files::sync_above(aside)
}

/// Writes a file under a temporary name, and renames it.
fn write(place: &Path, name: &str, bytes: &mut dyn io::Read) -> io::Result<()> {
    let writing = place.join(format!("{name}{WRITING}"));
    let write = |bytes| {
        let mut file = File::create(&writing)?;
        io::copy(bytes, &mut file)?;
        file.sync_all()?;
        fs::rename(&writing, place.join(name))
    };
    write(bytes).inspect_err(|_| files::discard(&writing))
}

/// Removes what was set aside, once the store at `store` is open and has everything that was known to be on
/// disk. If the store was refused before, it is renamed and kept.
pub(super) fn settle(store: &Path) {
    let place = place(store);
    if !place.exists() {
        return;
    }
    let settled = if place.join(REFUSED).exists() {
        let free = (1..).map(|number| PathBuf::from(format!("{}.{number}", place.display())));
        let aside = free.into_iter().find(|path| !path.exists()).expect("there are numbers enough");
        warn!(aside = %aside.display(), "what sled cut off its log is kept: something is missing in it");
        fs::rename(&place, aside)
    } else {
        files::remove(&place)
    };
    let aside = place.parent().expect("it is below a directory");
    // Fails if there is something else in the directory.
    let emptied = fs::remove_dir(aside).or_else(|_| files::sync(aside));
    if let Err(error) = settled.and(emptied) {
        warn!(place = %place.display(), %error, "what sled cut off its log could not be removed");
    }
}

/// Keeps what was set aside of a store that is refused with `error`, and adds its directory to the error.
pub(super) fn refused(directory: &Path, error: OpenError) -> OpenError {
    let place = place(&directory.join(STORE));
    if !place.exists() || !matches!(error, OpenError::Lost { .. } | OpenError::Damaged { .. }) {
        return error;
    }
    let line = format!("{error}\n");
    if let Err(error) = write(&place, REFUSED, &mut line.as_bytes()).and_then(|()| files::sync(&place)) {
        warn!(place = %place.display(), %error, "why it is kept could not be written there");
    }
    let kept = Aside(Some(place));
    match error {
        OpenError::Lost { path, durable, found, mark, found_mark, .. } => {
            OpenError::Lost { path, durable, found, mark, found_mark, aside: kept }
        }
        OpenError::Damaged { path, error } => OpenError::Damaged { path, error: format!("{error}{kept}") },
        error => error,
    }
}
