//! Waiting until something holds.
//!
//! Not by a watched value of tokio's: that one wakes whoever waits in an order rolled by dice, and a
//! simulation must be repeatable.

use tokio::sync::Notify;

/// Returns what `look` finds, once it finds something. Whoever makes that so notifies all who wait for
/// `changed`, afterwards.
pub(crate) async fn found<T>(changed: &Notify, look: impl Fn() -> Option<T>) -> T {
    loop {
        // Before the look: what changes after it is noticed.
        let next = changed.notified();
        if let Some(found) = look() {
            return found;
        }
        next.await;
    }
}
