//! Verify, export and import of a whole store, while no server has it open.
//!
//! All of it works through [`Journal`](crate::store::Journal), and so for every backend.

pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod lines;
pub(crate) mod verify;

/// Items between two progress lines.
const REPORT_EVERY: u64 = 100_000;

/// Progress of long work, reported as a line every 100,000 items.
pub struct Progress<'a> {
    report: &'a mut dyn FnMut(String),
    unit: String,
    done: u64,
    reported: u64,
}

impl<'a> Progress<'a> {
    pub fn new(report: &'a mut dyn FnMut(String)) -> Self {
        Self { report, unit: String::new(), done: 0, reported: 0 }
    }

    /// Starts counting items of another unit, such as `events read`.
    pub fn begin(&mut self, unit: impl Into<String>) {
        (self.unit, self.done, self.reported) = (unit.into(), 0, 0);
    }

    pub fn add(&mut self, n: u64) {
        self.done += n;
        if self.done - self.reported >= REPORT_EVERY {
            self.reported = self.done;
            (self.report)(format!("{} {}", self.done, self.unit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_reported_every_100_000_items() {
        let mut lines = Vec::new();
        let mut report = |line| lines.push(line);
        let mut progress = Progress::new(&mut report);
        progress.begin("events read");
        (0..250).for_each(|_| progress.add(1_000));
        progress.begin("rows written");
        progress.add(99_999);
        assert_eq!(lines, ["100000 events read", "200000 events read"]);
    }
}
