//! Bugs on purpose: the simulation must find each of them, or it would not find others like them.
//!
//! They exist with feature `planted` alone, which no build that serves anybody has: without it, [`is`] is a
//! constant, and what depends on it is not compiled in.

/// A bug, by what it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A product acts on the same event of a rental twice.
    SkipFence,
    /// Whoever asked is told before it is on disk.
    AnswerBeforeDurable,
    /// A commit that may or may not be on disk counts as done.
    UnknownIsDone,
    /// After a conflict, the state in memory is taken for the newer version's.
    SnapshotWithoutVersion,
    /// The gateway is charged before anything says so durably.
    ChargeBeforeIntent,
    /// Paying later begins a new attempt while the last one is open.
    NewKeyWithoutSettling,
    /// "Not found" is taken for an answer.
    FindTakenAsFinal,
    /// Calls that others sent are not waited out.
    HorizonIgnored,
    /// Each try of a refund is a refund of its own.
    RefundTwice,
    /// Only the event that failed is held, and later ones of its target pass.
    HoldByEvent,
    /// A reactor's cursor counts what was read, not what was done.
    CursorAheadOfEffect,
    /// A projection's cursor is written before its rows.
    CursorBeforeRows,
    /// A canceled delivery puts a unit back, whether or not one was taken.
    EvidenceIgnored,
    /// A message is crossed out before it is sent.
    MessageNotedBeforeSent,
    /// The same key again is told how the rental is now.
    FirstAnswerForgotten,
    /// A pause whose answer was lost is not noticed.
    PauseNotNoticed,
}

/// All of them.
pub const BUGS: [Bug; 16] = [
    Bug::SkipFence,
    Bug::AnswerBeforeDurable,
    Bug::UnknownIsDone,
    Bug::SnapshotWithoutVersion,
    Bug::ChargeBeforeIntent,
    Bug::NewKeyWithoutSettling,
    Bug::FindTakenAsFinal,
    Bug::HorizonIgnored,
    Bug::RefundTwice,
    Bug::HoldByEvent,
    Bug::CursorAheadOfEffect,
    Bug::CursorBeforeRows,
    Bug::EvidenceIgnored,
    Bug::MessageNotedBeforeSent,
    Bug::FirstAnswerForgotten,
    Bug::PauseNotNoticed,
];

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in whatever runs on this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted here.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this bug is planted here: never.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}
