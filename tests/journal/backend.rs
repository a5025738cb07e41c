//! The backends under test: how each is begun, closed, crashed and made to fail.

use std::{fs, path::Path, sync::Arc};

use saem::store::{
    Journal, OpenError,
    memory::{Failure, FaultPlan, MemoryJournal},
    sled::{SledJournal, SledOptions},
};
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

/// The journal in sled, in a directory of its own.
pub(crate) struct Sled {
    sled: Arc<SledJournal>,
    journal: Arc<dyn Journal>,
    directory: TempDir,
    /// The one that crashed stays as it was: dropping it would have it write what a crash loses.
    _crashed: Option<Box<Self>>,
}

impl Sled {
    fn new(sled: Arc<SledJournal>, directory: TempDir) -> Self {
        Self { journal: Arc::clone(&sled) as _, sled, directory, _crashed: None }
    }

    /// An empty one, opened with `options`.
    pub(crate) fn begin_with(options: SledOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::new(SledJournal::open(directory.path(), options).unwrap(), directory)
    }

    /// Opens what is in `directory`.
    pub(crate) async fn open(directory: TempDir, options: SledOptions) -> Self {
        Self::new(open(directory.path(), options).await.unwrap(), directory)
    }

    /// Changes how much its disk must have left.
    pub(crate) fn require_free(&self, bytes: u64) {
        self.sled.require_free(bytes);
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
    pub(crate) async fn crashed_with(self, options: SledOptions) -> Self {
        // A failed flush stops the writer for good: nothing moves under the copy.
        self.sled.fail_next_flush();
        let _ = self.journal.vault_write(Vec::new()).await;
        let directory = tempfile::tempdir().unwrap();
        copy(self.directory.path(), directory.path());
        Self { _crashed: Some(Box::new(self)), ..Self::open(directory, options).await }
    }
}

impl Backend for Sled {
    fn begin() -> Self {
        Self::begin_with(SledOptions::default())
    }

    fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    async fn reopened(self) -> Self {
        Self::open(self.closed().await, SledOptions::default()).await
    }

    async fn crashed(self) -> Self {
        self.crashed_with(SledOptions::default()).await
    }

    fn fail_next(&self, _failure: Failure) {
        self.sled.fail_next_flush();
    }
}

/// Opens a store. Its last owner may be a thread that is just ending, so a lock is asked for again.
pub(crate) async fn open(directory: &Path, options: SledOptions) -> Result<Arc<SledJournal>, OpenError> {
    loop {
        match SledJournal::open(directory, options) {
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
