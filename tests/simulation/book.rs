//! The answers that customers and the operator received, and must find again.

use std::{collections::BTreeMap, ops::RangeInclusive};

use saem::{
    AskError, Done, EntityId, PayOutcome, PlacedRental, ProductId, RentalId, RentalView, ShopError,
    StoreError, internal::domain::Violation,
};

use crate::kit::audit::promised;

/// The part of an answer that its repetition must have, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    Placed { rental: RentalId, outcome: &'static str },
    Canceled,
    Done,
}

#[derive(Default)]
pub struct Book {
    /// Acknowledged events, each with its entity.
    pub promised: Vec<(EntityId, &'static str)>,
    /// First answers to requests with a key, by step.
    pub first: BTreeMap<usize, Repeatable>,
    /// Requested units by step, each with whether it was acknowledged.
    pub restocked: BTreeMap<usize, (ProductId, u32, bool)>,
    /// Rentals by step.
    pub rentals: BTreeMap<usize, RentalId>,
    /// Time, step and summary of every answer.
    pub log: Vec<(u64, usize, String)>,
    /// The first answer that breaks an invariant.
    pub wrong: Option<Violation>,
}

impl Book {
    /// Records the answer to a step.
    pub fn note(&mut self, at_ms: u64, step: usize, keyed: bool, told: Result<Repeatable, ShopError>) {
        let short = match &told {
            Ok(told) => format!("{told:?}"),
            Err(error) => error.to_string(),
        };
        self.log.push((at_ms, step, short));
        match told {
            Ok(told) if keyed => {
                let first = *self.first.entry(step).or_insert(told);
                if first != told {
                    self.blame("INV-7", format!("step {step} was told {first:?}, then {told:?}"));
                }
            }
            Ok(_) => {}
            Err(error) => {
                if let Some(invariant) = never(&error) {
                    self.blame(invariant, format!("step {step} was told {error:?}"));
                }
            }
        }
    }

    fn blame(&mut self, invariant: &'static str, what: String) {
        self.wrong.get_or_insert(Violation { invariant, what });
    }

    pub fn promise(&mut self, entity: impl Into<EntityId>, event: &'static str) {
        self.promised.push((entity.into(), event));
    }

    /// Units asked for: at least the acknowledged ones.
    pub fn restocks(&self, product: ProductId) -> RangeInclusive<u64> {
        let sum = |surely: bool| {
            let asked = self.restocked.values().filter(|(of, _, done)| *of == product && (*done || !surely));
            asked.map(|(_, quantity, _)| u64::from(*quantity)).sum()
        };
        sum(true)..=sum(false)
    }
}

/// The invariant that an error breaks; no fault of the simulation damages a record.
fn never(error: &ShopError) -> Option<&'static str> {
    match error {
        ShopError::Internal(_)
        | ShopError::Store(StoreError::Corrupt(_))
        | ShopError::Ask(AskError::Damaged(_)) => Some("INV-11"),
        _ => None,
    }
}

/// The answer to placing or paying, and the event that it promises.
pub fn placed(placed: &PlacedRental) -> (Repeatable, (EntityId, &'static str)) {
    let outcome = match placed.outcome {
        PayOutcome::Confirmed => "confirmed",
        PayOutcome::Deferred { .. } => "deferred",
        PayOutcome::Declined { .. } => "declined",
        PayOutcome::Canceled => "canceled",
        PayOutcome::Unavailable { .. } => "unavailable",
    };
    let id = placed.rental.id;
    (Repeatable::Placed { rental: id, outcome }, promised(id, &placed.outcome))
}

pub fn canceled(done: &Done<RentalView>) -> (Repeatable, (EntityId, &'static str)) {
    (Repeatable::Canceled, (done.value.id.into(), "RentalCanceled"))
}
