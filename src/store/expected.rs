//! Panics that are expected: redb answers some damage of its file with one. It is caught, and becomes an
//! error that says what the panic said; whoever logs panics can tell that one from a fault of ours.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, is one that is caught and told as an error of the store: for a
/// process's panic hook.
#[must_use]
pub fn panic_is_expected() -> bool {
    EXPECTED.get()
}

/// Expects panics until it is dropped.
struct Expecting {
    before: bool,
}

impl Drop for Expecting {
    fn drop(&mut self) {
        EXPECTED.set(self.before);
    }
}

/// Does something that may panic, and answers what it answers, or the first line of what the panic said.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let _expecting = Expecting { before: EXPECTED.replace(true) };
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| first_line(&*panic))
}

fn first_line(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    words.and_then(|words| words.lines().next()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_expected_only_where_it_is_caught() {
        assert!(!panic_is_expected());
        assert_eq!(caught(panic_is_expected), Ok(true));
        assert!(!panic_is_expected());
        let inner = || {
            let said = caught(|| -> () { panic!("no page {}\nhere", 7) });
            (said, panic_is_expected())
        };
        assert_eq!(caught(inner), Ok((Err("no page 7".to_owned()), true)));
        assert!(!panic_is_expected());
        std::thread::scope(|scope| {
            let elsewhere = caught(|| scope.spawn(panic_is_expected).join());
            assert!(matches!(elsewhere, Ok(Ok(false))), "another thread's is not");
        });
    }
}
