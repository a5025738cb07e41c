//! What sled cuts off its log when it opens a store is copied before, and kept until it is known that nothing
//! acknowledged was in it.
//!
//! Each piece is a file of its own, `set-aside/journal.tail/db.N`: what stood in `db` from byte `N` on, up to
//! the end of a segment. Its name says where it belongs, and nothing needs to read it but `dd`; a sparse copy
//! of `db` could not tell a hole from zeroes, and would be as long as `db` to whoever copies the directory.
//!
//! | in `set-aside` | is |
//! | --- | --- |
//! | `journal.tail` | of a store that is being opened, or of one whose opening was interrupted |
//! | `journal.tail` with `refused` in it | of a store that was not opened since; `refused` says why |
//! | `journal.tail.N` | of such a one that was opened all the same, later; nobody reads it |
//!
//! **Invariant:** a place of `db` is copied once, until it is known what became of it: what a later opening
//! finds there is no longer what was lost. And what a crash leaves half copied has no name of a piece.

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
    room::{self, FULL_BYTES},
};

/// Why what is set aside is kept, beside it.
const REFUSED: &str = "refused";
/// How a piece begins its name.
const PIECE: &str = "db.";
/// How what is still being written ends its name.
const WRITING: &str = ".new";

/// Where what is cut off the store at `store` is kept.
fn place(store: &Path) -> PathBuf {
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    store.with_file_name(SET_ASIDE).join(format!("{name}.tail"))
}

/// Copies what sled is about to overwrite in the store at `store`; it is on disk when this returns.
///
/// # Errors
/// That the log is damaged where no crash damages it: sled would pass over what it cannot read, and the mark,
/// which is behind it, would be found. Only where nothing is checked, for want of a mark, it goes on.
///
/// The disk's. But the rest of one segment is nearly always what a killed process left, and a full disk must
/// not keep such a store from being opened: without room for that, it goes on without. More than that a crash
/// hardly leaves, and damage does; it would be gone for good.
pub(super) fn set_aside(store: &Path) -> sled::Result<()> {
    let place = place(store);
    // Once something was set aside, all that is overwritten counts: what was cut off may lead to it.
    let cut = log::cut(store, place.exists())?;
    if let Some(at) = cut.damaged {
        if store.with_file_name(mark::FILE).exists() {
            // sled may have given up before, and tried again without its snapshots.
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

/// What was set aside of each segment: from where on.
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

/// `pieces` without what is kept of them.
fn without(mut pieces: Vec<Range<u64>>, kept: &BTreeMap<u64, u64>) -> Vec<Range<u64>> {
    for piece in &mut pieces {
        if let Some(from) = kept.get(&(piece.start / SEGMENT_BYTES as u64)) {
            piece.end = piece.end.min(*from);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// sled needs room to open, too: what it finds must not be taken up by a copy.
fn has_room(store: &Path, bytes: u64) -> io::Result<()> {
    match room::free_bytes(store) {
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

/// Writes a file whole, or not under this name.
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

/// The store at `store` is open, and all is in it that was known to be on disk: what was set aside goes. What
/// is left of a time when that was not so is kept under a name of its own.
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
    // It goes, too, unless there is something else in it.
    let emptied = fs::remove_dir(aside).or_else(|_| files::sync(aside));
    if let Err(error) = settled.and(emptied) {
        warn!(place = %place.display(), %error, "what sled cut off its log could not be removed");
    }
}

/// The store in `directory` is not opened: what was set aside is kept, and whoever is told why is told where.
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
