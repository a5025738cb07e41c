//! Catching panics, so that one failure stays one failure.
//!
//! actix silently ends an actor whose future panics. All code that runs domain logic or calls the store
//! therefore runs inside [`guarded`].

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;

use crate::store::FaultMode;

/// Runs `work`; a panic becomes an error with its message.
///
/// State that `work` owns is dropped by a panic: give it the state that must not survive one.
///
/// # Errors
/// Message of the panic.
pub fn guarded<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    // An `async fn` would be twice as large as `work`, and so would every future around it.
    AssertUnwindSafe(work).catch_unwind().map(|done| done.map_err(|panic| message(&*panic)))
}

/// Fails as an injected fault: panics, hangs, or returns the reason of a stop.
pub(crate) async fn injected_fault(mode: FaultMode) -> String {
    match mode {
        FaultMode::Panic => panic!("injected fault"),
        FaultMode::Stop => "stopped by an injected fault".to_owned(),
        FaultMode::Hang => std::future::pending().await,
    }
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
