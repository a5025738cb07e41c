//! Figures over several rounds, and the table that shows them.

use std::fmt;

/// Median, minimum and maximum of several rounds.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Computes the spread of at least one round.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let (min, max) = (rounds[0], rounds[rounds.len() - 1]);
        let middle = rounds.len() / 2;
        let median = if rounds.len() % 2 == 1 {
            rounds[middle]
        } else {
            f64::midpoint(rounds[middle - 1], rounds[middle])
        };
        Self { median, min, max }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        if *max < 100.0 {
            return write!(f, "{median:.2} ({min:.2} – {max:.2})");
        }
        write!(f, "{} ({} – {})", whole(*median), whole(*min), whole(*max))
    }
}

/// Formats a whole number with thousands separators.
pub fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table, printed row by row.
pub struct Table;

impl Table {
    /// Prints the head of the table.
    pub fn begin() -> Self {
        println!("| # | what | figure | target |\n| --- | --- | --- | --- |");
        Self
    }

    /// Prints a figure; `number` and `target` may be empty.
    pub fn row(&self, number: &str, what: &str, figure: impl fmt::Display, target: &str) {
        println!("| {number} | {what} | {figure} | {target} |");
    }

    /// Prints a figure for comparison, without a target.
    pub fn baseline(&self, what: &str, figure: impl fmt::Display) {
        self.row("", what, figure, "");
    }
}
