//! sled's log as sled 0.34.7 reads it when it opens, without writing: how far it gets, and what it overwrites
//! then.
//!
//! The log is `db`: segments of equal length in any order. A segment begins with a number, its *lsn*, which
//! says where in the log it belongs; messages follow, each with a checksum and its segment's number. From the
//! newest snapshot on, sled
//!
//! 1. reads the newest segments, those that may not have been synced, up to the first message that cannot be
//!    read: that is the log's end;
//! 2. reads all from the snapshot on, up to there, or up to a batch that is not whole. A message that cannot
//!    be read *before* the newest segments makes it skip the rest of that segment, without an error: that is
//!    damage, unless the segment was being used again;
//! 3. overwrites the rest of the segment it stopped in, every later segment, and every segment where no page
//!    of what it read is: also one whose head is damaged. Blobs from there on it removes.
//!
//! **Invariant:** this stops where sled does, or earlier (its sources: `pagecache/{iterator,snapshot,segment,
//! logger}.rs`). A place is never left out because sled is thought to read on.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    format::{LOCKED, SEGMENT_BYTES},
    message::{Head, Message, SEGMENT_HEAD_BYTES, holds, message},
    snapshot::Snapshot,
};

/// The same in the units of the log.
const SEGMENT: i64 = SEGMENT_BYTES as i64;
/// sled reads no message that begins nearer to its segment's end.
const MESSAGE_HEAD_MAX: i64 = 32;
/// So many segments may be written to while the heads of those before are not on disk.
const BEGUN_MAX: i64 = 8;
/// Zeros are compared in blocks of this length: bytewise would be slow.
const ZEROES: [u8; 4_096] = [0; 4_096];

/// The parts of a store that sled overwrites or removes when it opens it.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Ranges of `db`: each to the end of its segment, at most one per segment, and none of only zeros.
    pub pieces: Vec<Range<u64>>,
    pub blobs: Vec<PathBuf>,
    /// Offset in `db` of something within the log that sled cannot read, and skips.
    pub damaged: Option<u64>,
    /// True if it is at most the rest of one segment: more is hardly left by a killed process.
    pub is_usual: bool,
}

/// Finds what sled is about to overwrite in the store at `store`. Unused segments are left out, unless there
/// is damage, or `thorough` is set: there may be as many of them as of all others.
pub(super) fn cut(store: &Path, thorough: bool) -> io::Result<Cut> {
    let file = match File::open(store.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cut::default()),
        Err(error) => return Err(error),
    };
    // sled's own lock: a process that is closing the store may still write.
    file.try_lock().map_err(|_| io::Error::other(LOCKED))?;
    // sled refuses a store with an unreadable snapshot before it writes.
    let Some(mut snapshot) = Snapshot::newest(store)? else { return Ok(Cut::default()) };
    let log = Log { length: file.metadata()?.len(), file, blobs: store.join("blobs") };
    let active = snapshot.active;
    let end = log.read(&mut snapshot)?;
    let used = |at| snapshot.pages.segments().any(|used| used * SEGMENT_BYTES as u64 == at);
    let headless = log.damaged_heads(active)?.find(|at| Some(*at) == active || !used(*at));
    let mut damaged = end.damaged.or(headless);
    let mut pieces = log.overwritten(&end, &snapshot, thorough || end.skipped || damaged.is_some())?;
    if damaged.is_none() {
        damaged = log.beheaded(&end, &pieces)?;
        if damaged.is_some() {
            pieces = log.overwritten(&end, &snapshot, true)?;
        }
    }
    let is_usual = damaged.is_none() && pieces.iter().all(|piece| Some(piece.start) == end.rest());
    let blobs = log.blobs_from(end.at.or(snapshot.stable).unwrap_or(0))?;
    Ok(Cut { pieces, blobs, damaged, is_usual })
}

struct Log {
    file: File,
    length: u64,
    blobs: PathBuf,
}

/// The end of the log, as sled finds it.
struct End {
    /// The place in the log, if anything was read.
    at: Option<i64>,
    /// The offset of the segment it stopped in, unless that was read to its end.
    segment: Option<u64>,
    /// The segments it did not come to, by their place in the log.
    left: BTreeMap<i64, u64>,
    /// Those that have a head, by their number in the log, from the snapshot's on.
    numbers: BTreeSet<i64>,
    /// True if something was skipped.
    skipped: bool,
    /// Offset of damage.
    damaged: Option<u64>,
}

impl End {
    /// The offset from which on the rest of a segment is overwritten.
    fn rest(&self) -> Option<u64> {
        Some(self.segment? + self.at?.rem_euclid(SEGMENT) as u64)
    }
}

impl Log {
    fn offsets(&self) -> impl Iterator<Item = u64> {
        (0..self.length).step_by(SEGMENT_BYTES)
    }

    /// Reads from the snapshot on, and brings it up to date.
    fn read(&self, snapshot: &mut Snapshot) -> io::Result<End> {
        let from = snapshot.stable.unwrap_or(0) / SEGMENT * SEGMENT;
        let (mut segments, mut stable) = (BTreeMap::new(), from);
        for offset in self.offsets() {
            if let Some(header) = self.head(offset)?.whole().filter(|header| header.lsn >= from) {
                segments.insert(header.lsn, offset);
                stable = stable.max(header.stable);
            }
        }
        let numbers = segments.keys().map(|lsn| lsn / SEGMENT).chain([from / SEGMENT]).collect();
        let (newest, missing) = newest(&segments, stable);
        let mut walk = Walk::new(self, newest, missing, false);
        while walk.next()?.is_some() {}
        let mut walk = Walk::new(self, segments, Some(walk.at.unwrap_or(0) - 1), true);
        while let Some((lsn, offset, message)) = walk.next()? {
            if lsn >= snapshot.stable.unwrap_or(-1) {
                snapshot.pages.apply(message, lsn, offset / SEGMENT_BYTES as u64);
            }
        }
        let Walk { at, segment, segments: left, skipped, damaged, .. } = walk;
        Ok(End { at, segment, left, numbers, skipped, damaged })
    }

    /// Ranges that are overwritten after `end`, given the pages of `snapshot`.
    fn overwritten(&self, end: &End, snapshot: &Snapshot, thorough: bool) -> io::Result<Vec<Range<u64>>> {
        let mut from: BTreeMap<u64, u64> = end.left.values().map(|offset| (*offset, *offset)).collect();
        from.extend(end.segment.zip(end.rest()));
        let active = if end.at.is_none() { snapshot.active } else { end.segment };
        let mut used: HashSet<u64> = snapshot.pages.segments().map(|at| at * SEGMENT_BYTES as u64).collect();
        used.extend(active);
        for offset in self.offsets().filter(|offset| !used.contains(offset)) {
            // A segment with a damaged head may have held anything. Others without a page hold nothing new.
            if thorough || self.head(offset)?.whole().is_none() {
                from.entry(offset).or_insert(offset);
            }
        }
        let (mut pieces, mut bytes) = (Vec::new(), Vec::new());
        for (segment, from) in from {
            self.segment(segment, &mut bytes)?;
            let rest = bytes.get((from - segment) as usize..).unwrap_or_default();
            if rest.chunks(ZEROES.len()).any(|bytes| bytes != &ZEROES[..bytes.len()]) {
                pieces.push(from..from + rest.len() as u64);
            }
        }
        Ok(pieces)
    }

    /// The segments with a damaged head. One that is overwritten loses its head first: zeroes are no damage,
    /// unless it is the `active` one.
    fn damaged_heads(&self, active: Option<u64>) -> io::Result<impl Iterator<Item = u64>> {
        let mut damaged = Vec::new();
        for offset in self.offsets() {
            match self.head(offset)? {
                Head::Damaged => damaged.push(offset),
                Head::Nothing if Some(offset) == active => damaged.push(offset),
                Head::Nothing | Head::Whole(_) => {}
            }
        }
        Ok(damaged.into_iter())
    }

    /// A segment among those that are overwritten that has lost its head, but has messages of one that is
    /// missing amid the log. What sled itself was interrupted in overwriting is older than its snapshot.
    fn beheaded(&self, end: &End, pieces: &[Range<u64>]) -> io::Result<Option<u64>> {
        let Some((first, last)) = end.numbers.first().zip(end.numbers.last()) else { return Ok(None) };
        let is_missing = |number| (first..last).contains(&&number) && !end.numbers.contains(&number);
        let mut bytes = Vec::new();
        for piece in pieces {
            let whole = piece.start.is_multiple_of(SEGMENT_BYTES as u64);
            if whole && matches!(self.head(piece.start)?, Head::Nothing) {
                self.segment(piece.start, &mut bytes)?;
                if holds(&bytes, SEGMENT_HEAD_BYTES, is_missing) {
                    return Ok(Some(piece.start));
                }
            }
        }
        Ok(None)
    }

    fn head(&self, offset: u64) -> io::Result<Head> {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(Head::of(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Head::Nothing),
            // sled would take this for a segment that is free.
            Err(error) => Err(error),
        }
    }

    /// The bytes of the segment at `offset`, as far as the file goes.
    fn segment(&self, offset: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let length = self.length.saturating_sub(offset).min(SEGMENT_BYTES as u64);
        bytes.resize(length as usize, 0);
        self.file.read_exact_at(bytes, offset)
    }

    /// The blobs that were begun at `lsn` or later.
    fn blobs_from(&self, lsn: i64) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.blobs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let blobs: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let begun = |path: &PathBuf| path.file_name()?.to_str()?.parse::<i64>().ok();
        Ok(blobs?.into_iter().filter(|path| begun(path).is_some_and(|begun| begun >= lsn)).collect())
    }
}

/// The segments that may not have been synced when `stable` was, and the first one missing between them.
fn newest(segments: &BTreeMap<i64, u64>, stable: i64) -> (BTreeMap<i64, u64>, Option<i64>) {
    let (mut newest, mut expected) = (BTreeMap::new(), (stable / SEGMENT * SEGMENT).max(0));
    for (lsn, offset) in segments.range(expected..) {
        if *lsn != expected {
            return (newest, Some(expected));
        }
        newest.insert(*lsn, *offset);
        expected += SEGMENT;
    }
    (newest, None)
}

/// Goes from message to message, as sled's `LogIter` does.
struct Walk<'a> {
    log: &'a Log,
    segments: BTreeMap<i64, u64>,
    /// Place in the log after which it stops.
    until: Option<i64>,
    /// True if unreadable messages are skipped, to the end of their segment.
    skips: bool,
    skipped: bool,
    damaged: Option<u64>,
    /// The number of the newest segment that may have been begun.
    newest: i64,
    at: Option<i64>,
    segment: Option<u64>,
    bytes: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(log: &'a Log, segments: BTreeMap<i64, u64>, until: Option<i64>, skips: bool) -> Self {
        let newest = segments.last_key_value().map_or(0, |(lsn, _)| lsn / SEGMENT) + BEGUN_MAX;
        let (skipped, damaged, at, segment, bytes) = (false, None, None, None, Vec::new());
        Self { log, segments, until, skips, skipped, damaged, newest, at, segment, bytes }
    }

    fn is_beyond(&self, lsn: i64) -> bool {
        self.until.is_some_and(|until| lsn > until)
    }

    /// The next message that says something of a page, with its place in the log and its segment's offset.
    fn next(&mut self) -> io::Result<Option<(i64, u64, Message)>> {
        loop {
            let at = self.at.unwrap_or(0).rem_euclid(SEGMENT);
            if !(SEGMENT_HEAD_BYTES as i64..=SEGMENT - MESSAGE_HEAD_MAX).contains(&at) {
                self.segment = None;
            }
            let Some((lsn, offset)) = self.place()? else { return Ok(None) };
            if self.is_beyond(lsn) {
                return Ok(None);
            }
            let within = lsn.rem_euclid(SEGMENT) as usize;
            let (message, length) = message(&self.bytes, within, lsn / SEGMENT, &self.log.blobs)?;
            match message {
                Message::Batch { last } if self.is_beyond(last) => return Ok(None),
                Message::Unreadable { at_all: false } if self.skips => {
                    self.skipped = true;
                    // A segment that is used again may get its new head last: what it said was given up.
                    let later = lsn / SEGMENT + 1..=self.newest;
                    if !holds(&self.bytes, within, |number| later.contains(&number)) {
                        self.damaged = self.damaged.or(Some(offset + within as u64));
                    }
                    self.segment = None;
                }
                Message::Unreadable { .. } => return Ok(None),
                Message::Filler => self.segment = None,
                Message::Batch { .. } | Message::Nothing => self.at = Some(lsn + length),
                Message::Page { .. } => {
                    self.at = Some(lsn + length);
                    return Ok(Some((lsn, offset, message)));
                }
            }
        }
    }

    /// The next place: in the current segment, or at the beginning of the next one; none after the last.
    fn place(&mut self) -> io::Result<Option<(i64, u64)>> {
        if let Some((at, segment)) = self.at.zip(self.segment) {
            return Ok(Some((at, segment)));
        }
        let Some((&lsn, &offset)) = self.segments.first_key_value() else { return Ok(None) };
        if self.is_beyond(lsn) || lsn.rem_euclid(SEGMENT) != 0 {
            return Ok(None);
        }
        self.log.segment(offset, &mut self.bytes)?;
        self.segments.pop_first();
        self.segment = Some(offset);
        let at = lsn + SEGMENT_HEAD_BYTES as i64;
        self.at = Some(at);
        Ok(Some((at, offset)))
    }
}
