//! Export: all of a shop as JSON lines, to be imported by this version or a later one, into any backend.
//!
//! The lines hold personal data and secrets, as the store does. The same store gives the same bytes.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{
    Progress,
    lines::{CommitLine, Counts, EXPORT_FORMAT, FileLine, Header, Hex, Line, Trailer, VaultLine, ViewLine},
    verify::beside as records,
};
use crate::{
    domain::Position,
    store::{
        FORMAT, Journal, StoreError,
        images::archive::{self, Archive},
    },
};

/// How many commits, records or rows are asked for at once.
const PAGE: usize = 1_024;
/// How much of a file goes into one line, in bytes.
const PIECE_BYTES: u64 = 32 * 1_024;
/// What no key of a view begins with.
const AFTER_VIEWS: u8 = 0xff;

/// Why there is no export. What was written of it has no last line, and is imported by nobody.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside it.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Where it is written to.
    #[error("the export cannot be written: {0}")]
    Out(#[from] io::Error),
    /// A record of the vault, or a row of a view: whoever imported it would have it damaged.
    #[error("{key}: {what}; saem verify names all that is damaged")]
    Damaged {
        /// Its key.
        key: String,
        /// How.
        what: String,
    },
    /// A commit would not come back as it is.
    #[error("the commit at {} cannot be written as JSON", .0.0)]
    Lossy(Position),
}

/// Writes all that is in `journal`, and the files `beside` that are there, as lines. A directory among them
/// has images: they become one [archive].
///
/// # Errors
/// [`ExportError`]
pub async fn export(
    journal: &Arc<dyn Journal>,
    beside: &[PathBuf],
    out: &mut dyn Write,
    progress: &mut Progress<'_>,
) -> Result<Counts, ExportError> {
    let mut lines = Lines { out, sha256: Sha256::new(), counts: Counts::default() };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    lines.write(&Header { saem: EXPORT_FORMAT, format: FORMAT, version })?;
    for path in beside.iter().filter(|path| path.exists()) {
        lines.beside(path)?;
    }
    progress.begin("events written");
    let mut last = Position::default();
    loop {
        let commits = journal.commits(last, PAGE).await?;
        let Some(newest) = commits.last() else { break };
        last = newest.last();
        for commit in commits {
            let events = commit.events.len() as u64;
            lines.commit(commit.into())?;
            progress.add(events);
        }
    }
    progress.begin("records of the vault written");
    let mut after = None;
    loop {
        let records = journal.vault_after(after, PAGE).await?;
        let Some((newest, _)) = records.last() else { break };
        after = Some(newest.clone());
        for (key, value) in records {
            if let Some(what) = records::wrong_with_record(&key, &value) {
                return Err(ExportError::Damaged { key, what });
            }
            lines.counts.vault += 1;
            lines.write(&Line::Vault(VaultLine { key, value: Hex(value) }))?;
            progress.add(1);
        }
    }
    progress.begin("rows of views written");
    let mut from = Vec::new();
    loop {
        let rows = journal.view_scan(from, vec![AFTER_VIEWS], PAGE).await?;
        let Some((newest, _)) = rows.last() else { break };
        from = [newest, &[0][..]].concat();
        for (key, value) in rows {
            if let Some(what) = records::wrong_with_row(&value) {
                let (key, what) = (key.escape_ascii().to_string(), what.to_owned());
                return Err(ExportError::Damaged { key, what });
            }
            lines.counts.views += 1;
            lines.write(&Line::View(ViewLine { key: Hex(key), value: Hex(value) }))?;
            progress.add(1);
        }
    }
    let sha256 = Hex(lines.sha256.clone().finalize().to_vec());
    lines.write(&Line::Trailer(Trailer { counts: lines.counts, sha256 }))?;
    lines.out.flush()?;
    Ok(lines.counts)
}

/// Where lines go, and what they come to so far.
struct Lines<'a> {
    out: &'a mut dyn Write,
    sha256: Sha256,
    counts: Counts,
}

impl Lines<'_> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.put(&serde_json::to_vec(line)?)
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        for part in [line, b"\n"] {
            self.sha256.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: CommitLine) -> Result<(), ExportError> {
        self.counts.commits += 1;
        self.counts.events += commit.events.len() as u64;
        let line = Line::Commit(commit);
        let bytes = serde_json::to_vec(&line).map_err(io::Error::from)?;
        // Better no export than one that is found to be another shop when it is needed.
        if serde_json::from_slice::<Line>(&bytes).ok().as_ref() != Some(&line) {
            let Line::Commit(CommitLine { position, .. }) = line else { unreachable!("it was made above") };
            return Err(ExportError::Lossy(Position(position)));
        }
        Ok(self.put(&bytes)?)
    }

    fn beside(&mut self, path: &Path) -> Result<(), ExportError> {
        let unreadable = |error| ExportError::File { path: path.to_owned(), error };
        if path.is_dir() {
            let archive = Archive::of(path).map_err(unreadable)?;
            return archive.map_or(Ok(()), |mut archive| self.file(path, archive::NAME, &mut archive));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.file(path, name, &mut File::open(path).map_err(unreadable)?)
    }

    /// Writes a file as pieces; `path` is named in errors.
    fn file(&mut self, path: &Path, name: &str, mut file: &mut dyn Read) -> Result<(), ExportError> {
        let unreadable = |error| ExportError::File { path: path.to_owned(), error };
        let mut offset = 0;
        loop {
            let mut bytes = Vec::new();
            (&mut file).take(PIECE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.is_empty() && offset > 0 {
                return Ok(());
            }
            self.counts.files += 1;
            let next = offset + bytes.len() as u64;
            let whole = bytes.is_empty();
            self.write(&Line::File(FileLine { name: name.to_owned(), offset, bytes: Hex(bytes) }))?;
            if whole {
                return Ok(());
            }
            offset = next;
        }
    }
}
