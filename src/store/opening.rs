//! What may come of opening a store, and of compacting one.

use std::{fmt, path::PathBuf};

use thiserror::Error;

use super::Backend;

/// Why a store cannot be opened: one clear line each.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data directory {0} is in use by another process")]
    Locked(String),
    /// The directory cannot be made, read or written.
    #[error("the data directory {path} cannot be used: {error}")]
    Unusable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It was written by a newer version.
    #[error("the data in {path} has format {found}; this version reads up to format {supported}")]
    Newer {
        /// Which.
        path: String,
        /// Its format.
        found: u32,
        /// The newest this version knows.
        supported: u32,
    },
    /// It was written by an older version.
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
    /// Another backend keeps its data there.
    #[error(
        "the data directory {path} holds a store of {holds}, but store.backend is {configured}: set \
         store.backend to {holds}, or store.path to another directory (saem export and saem import move a \
         shop from one backend to another); nothing was touched"
    )]
    OtherBackend {
        /// Which.
        path: String,
        /// Whose data it holds.
        holds: Backend,
        /// Who was to open it.
        configured: Backend,
    },
    /// It is not Saem's.
    #[error("the data directory {0} holds files, but no FORMAT file of Saem's")]
    Foreign(String),
    /// Its store is gone.
    #[error(
        "the data directory {0} has a FORMAT file, but no store: its files were moved or deleted. Put them \
         back, or restore a backup; if there never was one, delete FORMAT"
    )]
    Lacking(String),
    /// Nothing is in it.
    #[error("the data directory {0} is empty: it holds no data of Saem's")]
    Nothing(String),
    /// There is something in it already.
    #[error("the directory {0} is not empty; nothing is overwritten")]
    Occupied(String),
    /// It ends too early: what was on disk is not found any more.
    #[error(
        "the end of the data in {path} is lost: event {durable} was on disk (mark {mark}), and what is found \
         ends with event {found} (mark {found_mark}); restore a backup, or delete the file journal.mark \
         there to go on without what is lost{aside}"
    )]
    Lost {
        /// Which.
        path: String,
        /// The newest event that was known to be on disk.
        durable: u64,
        /// The newest event that is found.
        found: u64,
        /// The number that the store had then.
        mark: u64,
        /// The number that it has.
        found_mark: u64,
        /// Where what opening cut off is.
        aside: Aside,
    },
    /// It is damaged.
    #[error("the data in {path} is damaged: {error}; restore a backup (docs/operations.md says how)")]
    Damaged {
        /// Which.
        path: String,
        /// How.
        error: String,
    },
}

/// Where what opening cut off a store is kept, if it cut off anything.
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

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// How many bytes the store had.
    pub bytes_before: u64,
    /// How many it has.
    pub bytes_after: u64,
}
