//! Places in the journal: positions, versions, and the lanes that events are handled in.

use serde::{Deserialize, Serialize};

/// Number of ordered lanes of each consumer group. Part of the format: never changes.
pub(crate) const LANES: u8 = 64;

/// Position of an event in the journal: 1 for the first event, 0 for "before all events".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Position of an entity's newest event; 0 for an entity that does not exist. Grows with gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// Returns the lane of a key. Part of the format: never changes.
pub(crate) const fn lane_of(key: u128) -> u8 {
    // The finalizer of splitmix64 over both halves: every bit of the key reaches the low six.
    let mut mixed = (key >> 64) as u64 ^ (key as u64).rotate_left(32);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as u8 % LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_never_change() {
        // Changing one of these breaks every existing journal.
        assert_eq!([0, 1, 2, 1 << 64, u128::MAX].map(lane_of), [0, 63, 62, 37, 0]);
        let far = [3, 99, 1_000_007, 1 << 100, 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057];
        assert_eq!(far.map(lane_of), [60, 53, 30, 2, 52]);
    }
}
