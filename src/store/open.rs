//! Opening and compacting a store with the backend that keeps it.

use std::{fs, path::Path, sync::Arc};

use super::{
    Backend, Compacted, Journal, OpenError, directory,
    open_error::unusable,
    redb::{RedbJournal, RedbOptions},
    sled::{SledJournal, SledOptions},
};

/// Options of a store, for every backend.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Size of the backend's cache, in bytes.
    pub cache_bytes: u64,
    /// With less free space than this on its disk, the store takes no commits.
    pub min_free_bytes: u64,
}

impl Backend {
    /// The backend of a data directory; none if `directory` is not one. An error if this version does not
    /// read its format.
    pub fn of(directory: &Path) -> Result<Option<Self>, OpenError> {
        directory::backend(directory)
    }

    /// Opens the store in `directory`, or creates one.
    pub fn open(self, directory: &Path, options: StoreOptions) -> Result<Arc<dyn Journal>, OpenError> {
        Ok(match self {
            Self::Sled => SledJournal::open(directory, options.into())?,
            Self::Redb => RedbJournal::open(directory, options.into())?,
        })
    }

    /// Checks that `directory` is a data directory, of any backend, and changes nothing. If it is none, the
    /// error is [`OpenError::Nothing`] or [`OpenError::Foreign`].
    pub fn is_there(directory: &Path) -> Result<(), OpenError> {
        let mut entries = fs::read_dir(directory).map_err(unusable(directory))?;
        let path = directory.display().to_string();
        match Self::of(directory)? {
            Some(_) => Ok(()),
            None if entries.next().is_none() => Err(OpenError::Nothing(path)),
            None => Err(OpenError::Foreign(path)),
        }
    }

    /// Opens the store in `directory` to read it; creates none, and does not write the index behind.
    pub fn open_at_rest(
        self,
        directory: &Path,
        options: StoreOptions,
    ) -> Result<Arc<dyn Journal>, OpenError> {
        Self::is_there(directory)?;
        Ok(match self {
            Self::Sled => {
                SledJournal::open(directory, SledOptions { write_behind: false, ..options.into() })?
            }
            Self::Redb => RedbJournal::open(directory, options.into())?,
        })
    }

    /// Rewrites the closed store in `directory`, so that its files no longer hold what was erased. After an
    /// error nothing has changed.
    pub fn compact(self, directory: &Path, options: StoreOptions) -> Result<Compacted, OpenError> {
        Self::is_there(directory)?;
        match self {
            Self::Sled => SledJournal::compact(directory, options.into()),
            Self::Redb => RedbJournal::compact(directory, options.into()),
        }
    }
}

impl From<StoreOptions> for SledOptions {
    fn from(StoreOptions { cache_bytes, min_free_bytes }: StoreOptions) -> Self {
        Self { cache_bytes, min_free_bytes, ..Self::default() }
    }
}

impl From<StoreOptions> for RedbOptions {
    fn from(StoreOptions { cache_bytes, min_free_bytes }: StoreOptions) -> Self {
        Self { cache_bytes, min_free_bytes }
    }
}
