//! Results of opening and of compacting a store.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Backend, StoreError};

/// Error of opening a store. Each message is one line.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the data directory {0} is in use by another process")]
    Locked(String),
    #[error("the data directory {path} cannot be used: {error}")]
    Unusable { path: String, error: io::Error },
    #[error("the data in {path} has format {found}; this version reads up to format {supported}")]
    Newer { path: String, found: u32, supported: u32 },
    #[error(
        "the data in {path} has format {found}; this version reads format {supported}: run `saem export` of \
         the version that wrote it, then `saem import` of this one; nothing was touched"
    )]
    Older { path: String, found: u32, supported: u32 },
    #[error(
        "the data directory {path} holds a store of {holds}, but store.backend is {configured}: set \
         store.backend to {holds}, or store.path to another directory (saem export and saem import move a \
         shop from one backend to another); nothing was touched"
    )]
    OtherBackend { path: String, holds: Backend, configured: Backend },
    #[error("the data directory {0} holds files, but no FORMAT file of Saem's")]
    Foreign(String),
    #[error(
        "the data directory {0} has a FORMAT file, but no store: its files were moved or deleted. Put them \
         back, or restore a backup; if there never was one, delete FORMAT"
    )]
    Lacking(String),
    #[error("the data directory {0} is empty: it holds no data of Saem's")]
    Nothing(String),
    #[error("the directory {0} is not empty; nothing is overwritten")]
    Occupied(String),
    /// The end of the journal is missing, though it was on disk. `aside` has copies of what opening cut off.
    #[error(
        "the end of the data in {path} is lost: event {durable} was on disk (mark {mark}), and what is found \
         ends with event {found} (mark {found_mark}); restore a backup, or delete the file journal.mark \
         there to go on without what is lost{aside}"
    )]
    Lost { path: String, durable: u64, found: u64, mark: u64, found_mark: u64, aside: Aside },
    #[error("the data in {path} is damaged: {error}; restore a backup (docs/operations.md says how)")]
    Damaged { path: String, error: String },
}

/// Makes I/O errors in a data directory [`OpenError::Unusable`].
pub(super) fn unusable(directory: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = directory.display().to_string();
    move |error| OpenError::Unusable { path: path.clone(), error }
}

/// Makes errors of the store in a data directory [`OpenError::Damaged`].
pub(super) fn damaged(directory: &Path) -> impl Fn(StoreError) -> OpenError {
    let path = directory.display().to_string();
    move |error| OpenError::Damaged { path: path.clone(), error: error.to_string() }
}

/// Directory with copies of what opening a store cut off, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aside(pub(super) Option<PathBuf>);

impl fmt::Display for Aside {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(aside) = self.0.as_deref().map(Path::display) else { return Ok(()) };
        write!(to, "; what was cut off is kept in {aside} (docs/operations.md says how to use it)")
    }
}

/// Size of a store before and after its compaction, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    pub bytes_before: u64,
    pub bytes_after: u64,
}
