//! Import: creates a data directory from an export, with the same positions, versions and commit ids.
//!
//! The data is written to the subdirectory `importing` and moved up once the last line has confirmed that the
//! export is complete. `FORMAT` is moved last ([`directory`]): without it no server opens the directory.
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

use self::{directory::ImportDirectory, loader::Loader};
use super::{
    Progress,
    lines::{Counts, EXPORT_FORMAT, FileLine, Header, Hex, Line, Trailer, VALUES_FORMAT},
    verify::records,
};
use crate::store::{
    CommitError, Journal, OpenError, StoreError,
    images::{self, archive},
};

mod directory;
pub(super) mod loader;

/// Maximum length of a line, in bytes. Written lines have at most a quarter of it.
const LINE_BYTES_MAX: u64 = 1_024 * 1_024;

/// Error while importing. Nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The input is no export, or has a format that this version cannot read.
    #[error("{0}; nothing was imported")]
    Refused(String),
    /// A line is invalid. Lines are numbered from 1.
    #[error("line {line}: {problem}; nothing was imported")]
    Line { line: u64, problem: String },
    /// The input cannot be read, or the directory cannot be written.
    #[error("the import failed: {0}")]
    Io(#[from] io::Error),
    #[error("the import failed: {0}")]
    Store(#[from] StoreError),
    #[error("the import failed: {0}")]
    Commit(#[from] CommitError),
}

/// Creates a data directory at `directory`, which must be new or empty, from the lines of `input`. `open`
/// creates a store in a directory. `names` are the permitted names of files beside the store.
///
/// # Errors
/// `ImportError`. No data directory is created then, and nothing is left behind unless the disk failed.
pub async fn import(
    input: &mut dyn BufRead,
    directory: &Path,
    names: &[&str],
    open: impl FnOnce(&Path) -> Result<Arc<dyn Journal>, OpenError>,
    progress: &mut Progress<'_>,
) -> Result<Counts, ImportError> {
    let target = ImportDirectory::create(directory)?;
    let journal = open(target.importing()).inspect_err(|_| target.discard())?;
    let mut lines = LineReader { input, number: 0, sha256: Sha256::new() };
    let loaded = load(&mut lines, &journal, target.importing(), names, progress).await;
    journal.close().await;
    let loaded = loaded.and_then(|counts| Ok(unpack_images(target.importing()).map(|()| counts)?));
    match loaded {
        Ok(counts) => target.finish().map(|()| counts),
        Err(error) => {
            target.discard();
            Err(error)
        }
    }
}

/// Loads all lines, and returns their counts if the last line confirms them.
async fn load(
    lines: &mut LineReader<'_>,
    journal: &Arc<dyn Journal>,
    directory: &Path,
    names: &[&str],
    progress: &mut Progress<'_>,
) -> Result<Counts, ImportError> {
    lines.header()?;
    progress.begin("lines read");
    let mut loader = Loader::new(Arc::clone(journal));
    let mut counts = Counts::default();
    loop {
        let before = lines.sha256.clone();
        let line = lines.next()?;
        progress.add(1);
        match line {
            Line::File(piece) => {
                counts.files += 1;
                append_to_file(directory, names, &piece).map_err(|problem| lines.invalid(problem))?;
            }
            Line::Commit(commit) => {
                counts.commits += 1;
                counts.events += commit.events.len() as u64;
                loader.commit(commit.into()).await?.map_err(|problem| lines.invalid(problem))?;
            }
            Line::Vault(record) => {
                counts.vault += 1;
                if let Some(damage) = records::record_damage(&record.key, &record.value.0) {
                    return Err(lines.invalid(damage));
                }
                loader.vault(record.key, record.value.0).await?;
            }
            Line::View(row) => {
                counts.views += 1;
                if let Some(damage) = records::row_damage(&row.value.0) {
                    return Err(lines.invalid(damage));
                }
                loader.view(row.key.0, row.value.0).await?;
            }
            Line::Trailer(trailer) => {
                loader.finish().await?;
                let sha256 = Hex(before.finalize().to_vec());
                if trailer != (Trailer { counts, sha256 }) {
                    let problem = "the lines before the last one are not those that were exported";
                    return Err(lines.invalid(problem));
                }
                return lines.end().map(|()| counts);
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

fn append_to_file(directory: &Path, names: &[&str], piece: &FileLine) -> Result<(), String> {
    if !names.contains(&piece.name.as_str()) {
        return Err(format!("no file {:?} belongs beside a store", piece.name));
    }
    let path = directory.join(&piece.name);
    let append = || -> io::Result<u64> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        file.write_all(&piece.bytes.0)?;
        Ok(length)
    };
    match append() {
        Ok(length) if length == piece.offset => Ok(()),
        Ok(length) => Err(format!("a piece at offset {} of a file with {length} bytes", piece.offset)),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads lines, numbers them and hashes their bytes.
struct LineReader<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    sha256: Sha256,
}

impl LineReader<'_> {
    fn invalid(&self, problem: impl Into<String>) -> ImportError {
        ImportError::Line { line: self.number, problem: problem.into() }
    }

    /// Reads the next line; empty at the end.
    fn read(&mut self) -> Result<Vec<u8>, ImportError> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        self.number += 1;
        self.sha256.update(&line);
        if line.is_empty() || line.pop() == Some(b'\n') {
            return Ok(line);
        }
        Err(self.invalid("it is cut off, or too long"))
    }

    fn header(&mut self) -> Result<(), ImportError> {
        let line = self.read()?;
        let header: Header = serde_json::from_slice(&line)
            .map_err(|_| ImportError::Refused("the input is no export of Saem".to_owned()))?;
        let Header { saem, format, version } = header;
        for (kind, found, known) in [("export", saem, EXPORT_FORMAT), ("data", format, VALUES_FORMAT)] {
            if found == 0 {
                return Err(ImportError::Refused(format!("there is no {kind} format 0")));
            }
            if found > known {
                let message = format!("the export of version {version} has {kind} format {found}");
                return Err(ImportError::Refused(format!("{message}; this version reads up to {known}")));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Line, ImportError> {
        let line = self.read()?;
        if line.is_empty() {
            return Err(self.invalid("the export is not whole: its last line is missing"));
        }
        // serde's message may quote the line, and so personal data: report only the column.
        let unreadable = |error: serde_json::Error| {
            self.invalid(format!("it cannot be read, from column {} on", error.column()))
        };
        let read: Line = serde_json::from_slice(&line).map_err(unreadable)?;
        if matches!(read, Line::Commit(_) | Line::Trailer(_))
            && !is_lossless(&line, &read).map_err(unreadable)?
        {
            return Err(self.invalid("it has fields that this version does not know"));
        }
        Ok(read)
    }

    fn end(&mut self) -> Result<(), ImportError> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        self.number += 1;
        Err(self.invalid("something follows the last line"))
    }
}

/// True if parsing dropped nothing. Events do not reject unknown fields themselves.
fn is_lossless(line: &[u8], read: &Line) -> serde_json::Result<bool> {
    let again = serde_json::to_vec(read)?;
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    Ok(again == line || value(&again)? == value(line)?)
}
