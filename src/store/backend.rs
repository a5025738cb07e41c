//! Which backend keeps a store on disk: the one place where they are listed.

use std::{fmt, fs, path::Path, sync::Arc};

use super::{
    Compacted, Journal, OpenError, directory,
    redb::{RedbJournal, RedbOptions},
    sled::{SledJournal, SledOptions},
};

/// What keeps a store on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// [`super::sled`]
    Sled,
    /// [`super::redb`]
    Redb,
}

/// How a store is opened, whatever keeps it.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// How much may be kept in memory, in bytes.
    pub cache_bytes: u64,
    /// With fewer bytes left on its disk, it takes no commits.
    pub min_free_bytes: u64,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Backend {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name, in settings and in the `FORMAT` file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }

    /// Number of the data format that this version reads and writes, as the `FORMAT` file has it.
    pub(super) const fn format(self) -> u32 {
        match self {
            // 3: one file per image. 2: one key for a rental, its payment and its delivery.
            Self::Sled => 3,
            // 2: one file per image.
            Self::Redb => 2,
        }
    }

    /// Without this file, relative to its directory, there is no store.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Sled => "journal/db",
            Self::Redb => "journal.redb",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Whose data a directory holds; none if it is not a data directory.
    ///
    /// # Errors
    /// [`OpenError`] if that cannot be told.
    pub fn of(directory: &Path) -> Result<Option<Self>, OpenError> {
        directory::backend(directory)
    }

    /// Opens the store in `directory`, or begins one.
    ///
    /// # Errors
    /// [`OpenError`], one clear line each.
    pub fn open(self, directory: &Path, options: StoreOptions) -> Result<Arc<dyn Journal>, OpenError> {
        Ok(match self {
            Self::Sled => SledJournal::open(directory, options.into())?,
            Self::Redb => RedbJournal::open(directory, options.into())?,
        })
    }

    /// Sees that `directory` is a data directory, of whatever backend; nothing is touched.
    ///
    /// # Errors
    /// [`OpenError`], which says whether there is anything else.
    pub fn is_there(directory: &Path) -> Result<(), OpenError> {
        let path = || directory.display().to_string();
        let mut entries =
            fs::read_dir(directory).map_err(|error| OpenError::Unusable { path: path(), error })?;
        match Self::of(directory)? {
            Some(_) => Ok(()),
            None if entries.next().is_none() => Err(OpenError::Nothing(path())),
            None => Err(OpenError::Foreign(path())),
        }
    }

    /// Opens the store that is in `directory` to read it, and begins none. What is written behind otherwise
    /// is not.
    ///
    /// # Errors
    /// [`OpenError`], one clear line each.
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

    /// Writes the store in `directory`, which nobody may have open, anew: what was erased is gone then.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing has changed.
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
