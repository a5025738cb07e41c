//! Routes of messages between simulated actors: late, out of order, and some twice.

use std::sync::Mutex;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{
    EntityId, RequestContext,
    internal::actors::{DelayHook, Delays, is_safe_to_repeat},
};

#[derive(Debug)]
pub struct Roads {
    delay_ms: u64,
    copies_percent: u32,
    dice: Mutex<StdRng>,
}

impl Roads {
    pub fn new(delay_ms: u64, copies_percent: u32, seed: u64) -> Self {
        Self { delay_ms, copies_percent, dice: Mutex::new(StdRng::seed_from_u64(seed)) }
    }
}

impl DelayHook for Roads {
    fn delays(&self, to: EntityId, request: &RequestContext) -> Delays {
        let mut dice = self.dice.lock().unwrap();
        let mut delay_ms = || if self.delay_ms == 0 { 0 } else { dice.random_range(0..=self.delay_ms) };
        let (straight, copy) = (delay_ms(), delay_ms());
        let twice = dice.random_range(0..100) < self.copies_percent && is_safe_to_repeat(to, request);
        Delays { delay_ms: straight, copy_ms: twice.then_some(copy) }
    }
}
