//! The backends that keep a store on disk. Adding one means: here, and in `open.rs`.

use std::fmt;

/// Storage engine of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sled,
    Redb,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Backend {
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name, in settings and in the `FORMAT` file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
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

    /// The file, relative to the data directory, without which there is no store.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Sled => "journal/db",
            Self::Redb => "journal.redb",
        }
    }
}
