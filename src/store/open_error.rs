//! Results of opening and of compacting a store.

use std::{fmt, path::PathBuf};

use thiserror::Error;

use super::Backend;

/// Error of opening a store. Each message is one line.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has locked it.
    #[error("the data directory {0} is in use by another process")]
    Locked(String),
    /// The directory cannot be created, read or written.
    #[error("the data directory {path} cannot be used: {error}")]
    Unusable {
        /// The data directory.
        path: String,
        /// I/O error.
        error: std::io::Error,
    },
    /// A newer version wrote it.
    #[error("the data in {path} has format {found}; this version reads up to format {supported}")]
    Newer {
        /// The data directory.
        path: String,
        /// Its format.
        found: u32,
        /// The format that this version reads.
        supported: u32,
    },
    /// An older version wrote it.
    #[error(
        "the data in {path} has format {found}; this version reads format {supported}: run `saem export` of \
         the version that wrote it, then `saem import` of this one; nothing was touched"
    )]
    Older {
        /// The data directory.
        path: String,
        /// Its format.
        found: u32,
        /// The format that this version reads.
        supported: u32,
    },
    /// It belongs to another backend.
    #[error(
        "the data directory {path} holds a store of {holds}, but store.backend is {configured}: set \
         store.backend to {holds}, or store.path to another directory (saem export and saem import move a \
         shop from one backend to another); nothing was touched"
    )]
    OtherBackend {
        /// The data directory.
        path: String,
        /// Backend of its store.
        holds: Backend,
        /// Backend that was to open it.
        configured: Backend,
    },
    /// It is not Saem's.
    #[error("the data directory {0} holds files, but no FORMAT file of Saem's")]
    Foreign(String),
    /// Its store is missing.
    #[error(
        "the data directory {0} has a FORMAT file, but no store: its files were moved or deleted. Put them \
         back, or restore a backup; if there never was one, delete FORMAT"
    )]
    Lacking(String),
    /// It is empty.
    #[error("the data directory {0} is empty: it holds no data of Saem's")]
    Nothing(String),
    /// It should be empty, but is not.
    #[error("the directory {0} is not empty; nothing is overwritten")]
    Occupied(String),
    /// The end of the journal is missing, though it was on disk.
    #[error(
        "the end of the data in {path} is lost: event {durable} was on disk (mark {mark}), and what is found \
         ends with event {found} (mark {found_mark}); restore a backup, or delete the file journal.mark \
         there to go on without what is lost{aside}"
    )]
    Lost {
        /// The data directory.
        path: String,
        /// Position of the newest event that was known to be on disk.
        durable: u64,
        /// Position of the newest event that is found.
        found: u64,
        /// Number in the file `journal.mark`.
        mark: u64,
        /// Number in the store.
        found_mark: u64,
        /// Copies of what opening cut off.
        aside: Aside,
    },
    /// It is damaged.
    #[error("the data in {path} is damaged: {error}; restore a backup (docs/operations.md says how)")]
    Damaged {
        /// The data directory.
        path: String,
        /// Description of the damage.
        error: String,
    },
}

/// Directory with copies of what opening a store cut off, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aside(pub(super) Option<PathBuf>);

impl fmt::Display for Aside {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_deref().map_or(Ok(()), |aside| {
            write!(
                to,
                "; what was cut off is kept in {} (docs/operations.md says how to use it)",
                aside.display()
            )
        })
    }
}

/// Result of a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Size of the store before, in bytes.
    pub bytes_before: u64,
    /// Size of the store after, in bytes.
    pub bytes_after: u64,
}
