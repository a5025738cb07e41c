//! Figures of several rounds, and the table they are shown in.

use std::fmt;

/// The median of some rounds, with the smallest and the largest.
#[derive(Clone, Copy)]
pub struct Spread {
    /// Half of the rounds had less.
    pub median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of at least one round.
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

/// A whole number, its thousands apart.
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

/// A table in Markdown, shown row by row.
pub struct Table;

impl Table {
    /// Begins.
    pub fn begin() -> Self {
        println!("| # | what | figure | target |\n| --- | --- | --- | --- |");
        Self
    }

    /// A figure of its own right.
    pub fn row(&self, number: &str, what: &str, figure: impl fmt::Display, target: &str) {
        println!("| {number} | {what} | {figure} | {target} |");
    }

    /// What others are compared with.
    pub fn baseline(&self, what: &str, figure: impl fmt::Display) {
        self.row("", what, figure, "");
    }
}
