//! Money in whole Korean won. The won has no minor unit in use, so an integer is exact.

use serde::{Deserialize, Serialize};

use super::id::ascii;

/// An amount in whole won.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(u64);

impl Money {
    /// 0 won.
    pub const ZERO: Self = Self(0);
    /// Highest fee of a product.
    pub const MAX_FEE: Self = Self(100_000_000);

    /// Returns an amount of `won`.
    #[must_use]
    pub const fn won(won: u64) -> Self {
        Self(won)
    }

    /// Returns the amount in won.
    #[must_use]
    pub const fn as_won(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Money {
    /// Groups digits by thousands, as prices are written: `29,900`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.0.to_string();
        let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(ascii).collect();
        f.write_str(&groups.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn won_are_grouped_by_thousands() {
        for (won, shown) in [(0, "0"), (999, "999"), (29_900, "29,900"), (100_000_000, "100,000,000")] {
            assert_eq!(Money::won(won).to_string(), shown);
        }
    }
}
