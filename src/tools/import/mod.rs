//! Import: makes a data directory of an export. Positions, versions and commits are the same ones.
//!
//! All is put into `importing`, below the directory, and moved up once the last line has said that it is
//! whole; `FORMAT` comes last ([`place`]). A directory without it was not finished, and no server opens it.
//!
//! **Invariant:** the directory is locked meanwhile, as a server would lock it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use self::{filling::Filling, place::Place};
use super::{
    Progress,
    lines::{Counts, EXPORT_FORMAT, FileLine, Header, Hex, Line, Trailer},
    verify::beside,
};
use crate::store::{
    CommitError, FORMAT, Journal, OpenError, StoreError,
    images::{self, archive},
};

pub(super) mod filling;
mod place;

/// The longest line that is read, in bytes: the longest that is written has a quarter of it.
const LINE_BYTES_MAX: u64 = 1_024 * 1_024;

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is read is no export, or not one that this version can import.
    #[error("{0}; nothing was imported")]
    Refused(String),
    /// A line of it.
    #[error("line {line}: {what}; nothing was imported")]
    Line {
        /// Which, from 1 on.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The export cannot be read, or the directory not be written.
    #[error("the import failed: {0}")]
    Io(#[from] io::Error),
    /// The new store.
    #[error("the import failed: {0}")]
    Store(#[from] StoreError),
    /// The new store, writing.
    #[error("the import failed: {0}")]
    Commit(#[from] CommitError),
}

/// Makes a data directory at `directory`, which must be new or empty, of the lines of `input`. `open` begins
/// a store in a directory; files may have these `names`.
///
/// # Errors
/// [`ImportError`]; then there is no data directory, and nothing of it is left unless the disk failed.
pub async fn import(
    input: &mut dyn BufRead,
    directory: &Path,
    names: &[&str],
    open: impl FnOnce(&Path) -> Result<Arc<dyn Journal>, OpenError>,
    progress: &mut Progress<'_>,
) -> Result<Counts, ImportError> {
    let place = Place::take(directory)?;
    let journal = open(place.importing()).inspect_err(|_| place.discard())?;
    let mut lines = Lines { input, number: 0, sha256: Sha256::new() };
    let filled = fill(&mut lines, &journal, place.importing(), names, progress).await;
    journal.close().await;
    let filled = filled.and_then(|counts| Ok(unpack_images(place.importing()).map(|()| counts)?));
    match filled {
        Ok(counts) => place.finish().map(|()| counts),
        Err(error) => {
            place.discard();
            Err(error)
        }
    }
}

/// Puts all lines where they belong; answers how many, if the last one says the same.
async fn fill(
    lines: &mut Lines<'_>,
    journal: &Arc<dyn Journal>,
    directory: &Path,
    names: &[&str],
    progress: &mut Progress<'_>,
) -> Result<Counts, ImportError> {
    lines.header()?;
    progress.begin("lines read");
    let mut filling = Filling::new(Arc::clone(journal));
    let mut counts = Counts::default();
    loop {
        let before = lines.sha256.clone();
        let line = lines.next()?;
        progress.add(1);
        match line {
            Line::File(piece) => {
                counts.files += 1;
                put_file(directory, names, &piece).map_err(|what| lines.wrong(what))?;
            }
            Line::Commit(commit) => {
                counts.commits += 1;
                counts.events += commit.events.len() as u64;
                filling.commit(commit.into()).await?.map_err(|what| lines.wrong(what))?;
            }
            Line::Vault(record) => {
                counts.vault += 1;
                let wrong = beside::wrong_with_record(&record.key, &record.value.0);
                wrong.map_or(Ok(()), |what| Err(lines.wrong(what)))?;
                filling.vault(record.key, record.value.0).await?;
            }
            Line::View(row) => {
                counts.views += 1;
                let wrong = beside::wrong_with_row(&row.value.0);
                wrong.map_or(Ok(()), |what| Err(lines.wrong(what)))?;
                filling.view(row.key.0, row.value.0).await?;
            }
            Line::Trailer(trailer) => {
                filling.finish().await?;
                let sha256 = Hex(before.finalize().to_vec());
                if trailer != (Trailer { counts, sha256 }) {
                    return Err(lines.wrong("what stands before the last line is not what was exported"));
                }
                lines.end()?;
                return Ok(counts);
            }
        }
    }
}

/// Replaces the archive of images by a directory of images.
fn unpack_images(directory: &Path) -> io::Result<()> {
    let path = directory.join(archive::NAME);
    if !path.exists() {
        return Ok(());
    }
    archive::unpack(&mut BufReader::new(File::open(&path)?), &directory.join(images::DIRECTORY))?;
    fs::remove_file(&path)
}

/// Appends a piece to its file.
fn put_file(directory: &Path, names: &[&str], piece: &FileLine) -> Result<(), String> {
    if !names.contains(&piece.name.as_str()) {
        return Err(format!("there is no file {:?} beside a store", piece.name));
    }
    let put = || {
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(directory.join(&piece.name))?;
        let length = file.metadata()?.len();
        file.write_all(&piece.bytes.0)?;
        Ok(length)
    };
    match put() {
        Ok(length) if length == piece.offset => Ok(()),
        Ok(length) => Err(format!("a piece for {} of a file that has {length} bytes", piece.offset)),
        Err(error) => Err(io::Error::to_string(&error)),
    }
}

/// The lines of an export, as they are read.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    sha256: Sha256,
}

impl Lines<'_> {
    fn wrong(&self, what: impl Into<String>) -> ImportError {
        ImportError::Line { line: self.number, what: what.into() }
    }

    /// The next line; empty at the end.
    fn read(&mut self) -> Result<Vec<u8>, ImportError> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        self.number += 1;
        self.sha256.update(&line);
        if line.is_empty() || line.pop() == Some(b'\n') {
            return Ok(line);
        }
        Err(self.wrong("it is cut off, or too long"))
    }

    fn header(&mut self) -> Result<(), ImportError> {
        let line = self.read()?;
        let header: Header = serde_json::from_slice(&line)
            .map_err(|_| ImportError::Refused("this is no export of Saem's".to_owned()))?;
        for (what, found, known) in [("export", header.saem, EXPORT_FORMAT), ("data", header.format, FORMAT)]
        {
            if found == 0 {
                let told = format!("an export has no {what} format 0");
                return Err(ImportError::Refused(told));
            }
            if found > known {
                let by = header.version;
                let told = format!("the export of version {by} has {what} format {found}");
                return Err(ImportError::Refused(format!("{told}; this version reads up to {known}")));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Line, ImportError> {
        let line = self.read()?;
        if line.is_empty() {
            return Err(self.wrong("the export is not whole: its last line is missing"));
        }
        // What serde says may quote the line, and so personal data: only where it is wrong is told.
        let unreadable = |error: serde_json::Error| ImportError::Line {
            line: self.number,
            what: format!("it cannot be read, from column {} on", error.column()),
        };
        let read: Line = serde_json::from_slice(&line).map_err(unreadable)?;
        if matches!(read, Line::Commit(_) | Line::Trailer(_)) && !is_all(&line, &read).map_err(unreadable)? {
            return Err(self.wrong("it holds what this version does not know, and would lose"));
        }
        Ok(read)
    }

    fn end(&mut self) -> Result<(), ImportError> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        self.number += 1;
        Err(self.wrong("something follows the last line"))
    }
}

/// Whether nothing of a line was passed over: events do not say when they have a field too many.
fn is_all(line: &[u8], read: &Line) -> serde_json::Result<bool> {
    let again = serde_json::to_vec(read)?;
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    Ok(again == line || value(&again)? == value(line)?)
}
