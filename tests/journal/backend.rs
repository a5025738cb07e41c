//! The backends under test: how each is begun, closed, crashed and made to fail.

use std::{fs, path::Path, sync::Arc};

use saem::store::{
    Backend as Kind, Compacted, Journal, OpenError, StoreOptions,
    memory::{Failure, FaultPlan, MemoryJournal},
    redb::RedbOptions,
    sled::SledOptions,
};
pub(crate) use saem::store::{redb::RedbJournal, sled::SledJournal};
use tempfile::TempDir;

/// How a commit may fail on demand. A backend may not know all of these apart.
pub(crate) const FAILURES: [Failure; 3] = [Failure::Before, Failure::After, Failure::Torn];

/// A journal that can be closed, crashed and broken.
pub(crate) trait Backend: Sized {
    /// An empty one.
    fn begin() -> Self;
    fn journal(&self) -> &Arc<dyn Journal>;
    /// Closed in order, and opened again.
    async fn reopened(self) -> Self;
    /// What a process finds that starts after this one was killed.
    async fn crashed(self) -> Self;
    /// Makes the next commit fail, and poisons the journal with it.
    fn fail_next(&self, failure: Failure);
}

/// The journal in memory.
pub(crate) struct Memory {
    memory: Arc<MemoryJournal>,
    journal: Arc<dyn Journal>,
}

impl Memory {
    fn new(memory: Arc<MemoryJournal>) -> Self {
        Self { journal: Arc::clone(&memory) as _, memory }
    }
}

impl Backend for Memory {
    fn begin() -> Self {
        Self::new(MemoryJournal::new())
    }

    fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    async fn reopened(self) -> Self {
        self.journal.close().await;
        Self::new(self.memory.crash())
    }

    async fn crashed(self) -> Self {
        Self::new(self.memory.crash())
    }

    fn fail_next(&self, failure: Failure) {
        self.memory.plan(FaultPlan { nth: 1, failure, for_ever: true });
    }
}

/// A backend that keeps files, in a directory of its own.
pub(crate) struct Kept<J> {
    own: Arc<J>,
    journal: Arc<dyn Journal>,
    directory: TempDir,
    /// The one that crashed stays as it was: dropping it would have it write what a crash loses.
    _crashed: Option<Box<Self>>,
}

pub(crate) type Sled = Kept<SledJournal>;
pub(crate) type Redb = Kept<RedbJournal>;

/// What tests need of a backend that keeps files.
pub(crate) trait Keeper: Journal + Sized {
    type Options: Default + From<StoreOptions> + Copy;
    const KIND: Kind;
    /// The number of its format.
    const FORMAT: u32;
    /// Where its files are, in the data directory.
    const STORE: &'static str;
    fn open(directory: &Path, options: Self::Options) -> Result<Arc<Self>, OpenError>;
    fn compact(directory: &Path) -> Result<Compacted, OpenError> {
        let options = StoreOptions { cache_bytes: 16 << 20, min_free_bytes: 0 };
        Self::KIND.compact(directory, options)
    }
    fn fail_next_flush(&self);
    fn require_free(&self, bytes: u64);
}

impl Keeper for SledJournal {
    type Options = SledOptions;
    const KIND: Kind = Kind::Sled;
    const FORMAT: u32 = 3;
    const STORE: &'static str = "journal";

    fn open(directory: &Path, options: SledOptions) -> Result<Arc<Self>, OpenError> {
        Self::open(directory, options)
    }

    fn fail_next_flush(&self) {
        self.fail_next_flush();
    }

    fn require_free(&self, bytes: u64) {
        self.require_free(bytes);
    }
}

impl Keeper for RedbJournal {
    type Options = RedbOptions;
    const KIND: Kind = Kind::Redb;
    const FORMAT: u32 = 2;
    const STORE: &'static str = "journal.redb";

    fn open(directory: &Path, options: RedbOptions) -> Result<Arc<Self>, OpenError> {
        Self::open(directory, options)
    }

    fn fail_next_flush(&self) {
        self.fail_next_flush();
    }

    fn require_free(&self, bytes: u64) {
        self.require_free(bytes);
    }
}

impl<J: Keeper> Kept<J> {
    fn new(own: Arc<J>, directory: TempDir) -> Self {
        Self { journal: Arc::clone(&own) as _, own, directory, _crashed: None }
    }

    /// An empty one, opened with `options`.
    pub(crate) fn begin_with(options: J::Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::new(J::open(directory.path(), options).unwrap(), directory)
    }

    /// Opens what is in `directory`.
    pub(crate) async fn open(directory: TempDir, options: J::Options) -> Self {
        Self::new(open::<J>(directory.path(), options).await.unwrap(), directory)
    }

    /// The backend itself.
    pub(crate) fn own(&self) -> &J {
        &self.own
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Closes it in order; what is left is its directory.
    pub(crate) async fn closed(self) -> TempDir {
        self.journal.close().await;
        self.directory
    }

    /// As [`Backend::crashed`], opened with `options`.
    pub(crate) async fn crashed_with(self, options: J::Options) -> Self {
        // A failed flush stops the writer for good: nothing moves under the copy.
        self.own.fail_next_flush();
        let _ = self.journal.vault_write(Vec::new()).await;
        let directory = tempfile::tempdir().unwrap();
        copy(self.directory.path(), directory.path());
        Self { _crashed: Some(Box::new(self)), ..Self::open(directory, options).await }
    }
}

impl<J: Keeper> Backend for Kept<J> {
    fn begin() -> Self {
        Self::begin_with(J::Options::default())
    }

    fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    async fn reopened(self) -> Self {
        Self::open(self.closed().await, J::Options::default()).await
    }

    async fn crashed(self) -> Self {
        self.crashed_with(J::Options::default()).await
    }

    fn fail_next(&self, _failure: Failure) {
        self.own.fail_next_flush();
    }
}

/// Opens a store. Its last owner may be a thread that is just ending, so a lock is asked for again.
pub(crate) async fn open<J: Keeper>(directory: &Path, options: J::Options) -> Result<Arc<J>, OpenError> {
    loop {
        match J::open(directory, options) {
            Err(OpenError::Locked(_)) => tokio::task::yield_now().await,
            opened => return opened,
        }
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
