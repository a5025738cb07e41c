//! Export: writes a whole shop as JSON lines, for import by this or a later version into any backend.
//!
//! The lines hold personal data and secrets. The same store always gives the same bytes.

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
    lines::{
        CommitLine, Counts, EXPORT_FORMAT, FileLine, Header, Hex, Line, Trailer, VALUES_FORMAT, VaultLine,
        ViewLine,
    },
    verify::records,
};
use crate::{
    domain::Position,
    store::{
        Journal, StoreError,
        images::archive::{self, Archive},
    },
};

/// Commits, records or rows per read.
const PAGE: usize = 1_024;
/// Maximum bytes of a file per line.
const PIECE_BYTES: u64 = 32 * 1_024;

/// Error while exporting. The output has no last line then, and import refuses it.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside the store cannot be read.
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("the export cannot be written: {0}")]
    Output(#[from] io::Error),
    /// A vault record or view row is damaged.
    #[error("{key}: {problem}; saem verify lists all damage")]
    Damaged { key: String, problem: String },
    /// A commit, named by its first position, would change on its way through JSON.
    #[error("the commit at {} cannot be represented in JSON", .0.0)]
    Lossy(Position),
}

/// Writes all data of `journal` and all existing files `beside` it as lines. A directory among them holds
/// images and becomes one archive.
pub async fn export(
    journal: &Arc<dyn Journal>,
    beside: &[PathBuf],
    out: &mut dyn Write,
    progress: &mut Progress<'_>,
) -> Result<Counts, ExportError> {
    let mut lines = LineWriter { out, sha256: Sha256::new(), counts: Counts::default() };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    lines.write(&Header { saem: EXPORT_FORMAT, format: VALUES_FORMAT, version })?;
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
            if let Some(problem) = records::record_damage(&key, &value) {
                return Err(ExportError::Damaged { key, problem });
            }
            lines.counts.vault += 1;
            lines.write(&Line::Vault(VaultLine { key, value: Hex(value) }))?;
            progress.add(1);
        }
    }
    progress.begin("rows of views written");
    let mut from = Vec::new();
    loop {
        let rows = journal.view_scan(from, vec![records::AFTER_VIEWS], PAGE).await?;
        let Some((newest, _)) = rows.last() else { break };
        from = [newest, &[0][..]].concat();
        for (key, value) in rows {
            if let Some(problem) = records::row_damage(&value) {
                let (key, problem) = (key.escape_ascii().to_string(), problem.to_owned());
                return Err(ExportError::Damaged { key, problem });
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

/// Writes lines, counts them and hashes their bytes.
struct LineWriter<'a> {
    out: &'a mut dyn Write,
    sha256: Sha256,
    counts: Counts,
}

impl LineWriter<'_> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.write_bytes(&serde_json::to_vec(line)?)
    }

    fn write_bytes(&mut self, line: &[u8]) -> io::Result<()> {
        for part in [line, b"\n"] {
            self.sha256.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: CommitLine) -> Result<(), ExportError> {
        self.counts.commits += 1;
        self.counts.events += commit.events.len() as u64;
        let (position, line) = (commit.position, Line::Commit(commit));
        let bytes = serde_json::to_vec(&line).map_err(io::Error::from)?;
        // Refuse now, rather than when the export is needed.
        if serde_json::from_slice::<Line>(&bytes).ok().as_ref() != Some(&line) {
            return Err(ExportError::Lossy(position));
        }
        Ok(self.write_bytes(&bytes)?)
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
