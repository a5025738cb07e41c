//! The backends under test: how each is created, closed, crashed and made to fail.

use std::{fs, path::Path, sync::Arc};

use saem::{
    Backend as Kind, Compacted, Journal, MemoryJournal, OpenError, RedbOptions, SledOptions,
    internal::store::{Failure, FaultPlan, StoreOptions},
};
pub(crate) use saem::{RedbJournal, SledJournal};
use tempfile::TempDir;

/// Injected failures of a commit. A backend may treat some of them alike.
pub(crate) const FAILURES: [Failure; 3] = [Failure::Before, Failure::After, Failure::Torn];

/// A store that can be closed, crashed and made to fail.
pub(crate) trait Backend: Sized {
    /// An empty store.
    fn begin() -> Self;
    fn journal(&self) -> &Arc<dyn Journal>;
    /// Closes and reopens it.
    async fn reopened(self) -> Self;
    /// The store as a process finds it after this one was killed.
    async fn crashed(self) -> Self;
    /// Makes the next commit fail, which poisons the store.
    fn fail_next(&self, failure: Failure);
}

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

/// A backend that keeps files, with its directory.
pub(crate) struct Kept<J> {
    own: Arc<J>,
    journal: Arc<dyn Journal>,
    directory: TempDir,
    /// The crashed store: dropping it would write what a crash loses.
    _crashed: Option<Box<Self>>,
}

pub(crate) type Sled = Kept<SledJournal>;
pub(crate) type Redb = Kept<RedbJournal>;

/// A backend that keeps files, as tests use it.
pub(crate) trait Keeper: Journal + Sized {
    type Options: Default + From<StoreOptions> + Copy;
    const KIND: Kind;
    /// Number of its data format.
    const FORMAT: u32;
    /// Its file or directory, in the data directory.
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

    /// Creates a store with these options.
    pub(crate) fn begin_with(options: J::Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::new(J::open(directory.path(), options).unwrap(), directory)
    }

    /// Opens the store in `directory`.
    pub(crate) async fn open(directory: TempDir, options: J::Options) -> Self {
        Self::new(open::<J>(directory.path(), options).await.unwrap(), directory)
    }

    pub(crate) fn own(&self) -> &J {
        &self.own
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Closes the store, and returns its directory.
    pub(crate) async fn closed(self) -> TempDir {
        self.journal.close().await;
        self.directory
    }

    /// As [`Backend::crashed`], opened with `options`.
    pub(crate) async fn crashed_with(self, options: J::Options) -> Self {
        // A failed flush stops the writer, so that nothing is written during the copy.
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

/// Opens a store, and retries while a thread that is just ending still has its lock.
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
