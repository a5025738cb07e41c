//! Expected panics: redb panics on some damage of its file. Such a panic is caught and becomes an error; a
//! panic hook can tell it from a bug.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// True if a panic of this thread would be caught now and become an error of the store. For the panic hook of
/// a process.
pub fn panic_is_expected() -> bool {
    EXPECTED.get()
}

/// Runs `work`; if it panics, returns the first line of the panic's message.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = EXPECTED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    result.map_err(|panic| first_line(&*panic))
}

fn first_line(panic: &(dyn Any + Send)) -> String {
    let message =
        panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    message.and_then(|message| message.lines().next()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_expected_only_while_they_are_caught() {
        assert!(!panic_is_expected());
        assert_eq!(caught(panic_is_expected), Ok(true));
        assert!(!panic_is_expected());
        let inner = || {
            let message = caught(|| -> () { panic!("no page {}\nhere", 7) });
            (message, panic_is_expected())
        };
        assert_eq!(caught(inner), Ok((Err("no page 7".to_owned()), true)));
        assert!(!panic_is_expected());
        std::thread::scope(|scope| {
            let elsewhere = caught(|| scope.spawn(panic_is_expected).join());
            assert!(matches!(elsewhere, Ok(Ok(false))), "another thread's is not");
        });
    }
}
