//! Planted bugs: faults that the simulation must find, as proof that it would find others like them.
//!
//! They exist only with feature `planted`, which no production build has. Without it [`is`] is constantly
//! false, and the faulty branches are compiled out.

/// Planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A product applies the same rental event twice.
    SkipFence,
    /// A command is answered before its commit is durable.
    AnswerBeforeDurable,
    /// A commit of unknown outcome counts as committed.
    UnknownIsDone,
    /// After a version conflict, the state in memory is taken for that of the newer version.
    SnapshotWithoutVersion,
    /// The gateway is charged before the charge request is durable.
    ChargeBeforeIntent,
    /// Paying later starts a new attempt while the last one is unresolved.
    NewKeyWithoutSettling,
    /// "Not found" from the gateway counts as a final answer.
    FindTakenAsFinal,
    /// The settle horizon is ignored: calls sent earlier are not waited for.
    HorizonIgnored,
    /// Each retry of a refund uses a new key.
    RefundTwice,
    /// Only the failed event is parked, and later events of its target are processed.
    HoldByEvent,
    /// A reactor's cursor advances past events that were read and not yet processed.
    CursorAheadOfEffect,
    /// A projection's cursor is written before its rows.
    CursorBeforeRows,
    /// A canceled delivery returns a unit to stock even if none was taken.
    EvidenceIgnored,
    /// A message is marked as sent before it is sent.
    MessageNotedBeforeSent,
    /// A repeated idempotency key is answered with the rental's current state.
    FirstAnswerForgotten,
    /// A pause whose answer was lost goes unnoticed.
    PauseNotNoticed,
}

/// All planted bugs.
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

/// Activates `bug` on this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Returns true if `bug` is active on this thread.
#[cfg(feature = "planted")]
#[must_use]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Returns false: this build has no planted bugs.
#[cfg(not(feature = "planted"))]
#[must_use]
pub(crate) const fn is(_bug: Bug) -> bool {
    false
}
