//! Waiting for a condition.
//!
//! `tokio::sync::watch` wakes its receivers in random order; a simulation must be repeatable.

use tokio::sync::Notify;

/// Waits until `look` returns something. Writers change the condition first, and notify `changed` afterwards.
pub(crate) async fn found<T>(changed: &Notify, look: impl Fn() -> Option<T>) -> T {
    loop {
        // Registered before the look, so that no change is missed.
        let next = changed.notified();
        if let Some(found) = look() {
            return found;
        }
        next.await;
    }
}
