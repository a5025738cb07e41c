//! Panics, caught where an actor works, so that one failure stays one failure.
//!
//! actix ends an actor whose future panics, silently and for good. Whatever runs domain code or talks
//! to the store therefore runs inside [`guarded`].

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;

/// Runs `work` to its end, or to the message of its panic.
///
/// What `work` owns is lost with the panic: give it the state that must not outlive one.
///
/// # Errors
/// The panic's message.
pub fn guarded<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    // An `async fn` would have room for `work` twice, and every future around it, too.
    AssertUnwindSafe(work).catch_unwind().map(|done| done.map_err(|panic| message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of an unknown kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_become_errors_with_their_message() {
        assert_eq!(guarded(async { 1 }).await, Ok(1));
        assert_eq!(
            guarded(async { panic!("in {}", "async") as u8 }).await,
            Err("panic: in async".to_owned())
        );
    }
}
