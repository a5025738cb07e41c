//! What is done to a store as a whole, while no server has it: verify it, export it, import it.
//!
//! | module | does |
//! | --- | --- |
//! | [`verify`](mod@verify) | reads everything, and compares what is derived with the journal |
//! | [`export`](mod@export) | writes everything as JSON lines: `docs/export.md` |
//! | [`import`](mod@import) | makes a data directory of such lines |
//! | [`lines`] | these lines |
//!
//! All of it works through [`Journal`](crate::store::Journal), so it does for every backend.

pub mod export;
pub mod import;
pub mod lines;
pub mod verify;

/// So many pieces of work go by without a word.
const SAY_EVERY: u64 = 100_000;

/// Says how far long work has got: now and then, so that quick work says nothing.
pub struct Progress<'a> {
    tell: &'a mut dyn FnMut(String),
    what: String,
    done: u64,
    said: u64,
}

impl<'a> Progress<'a> {
    /// Tells `tell`, a line at a time.
    pub fn new(tell: &'a mut dyn FnMut(String)) -> Self {
        Self { tell, what: String::new(), done: 0, said: 0 }
    }

    /// From now on it is about `what`, such as `events read`.
    pub fn begin(&mut self, what: impl Into<String>) {
        (self.what, self.done, self.said) = (what.into(), 0, 0);
    }

    /// So many more are done.
    pub fn add(&mut self, more: u64) {
        self.done += more;
        if self.done - self.said >= SAY_EVERY {
            self.said = self.done;
            (self.tell)(format!("{} {}", self.done, self.what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_work_says_nothing_and_long_work_now_and_then() {
        let mut said = Vec::new();
        let mut tell = |line| said.push(line);
        let mut progress = Progress::new(&mut tell);
        progress.begin("events read");
        (0..250).for_each(|_| progress.add(1_000));
        progress.begin("rows written");
        progress.add(99_999);
        assert_eq!(said, ["100000 events read", "200000 events read"]);
    }
}
