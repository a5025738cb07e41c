//! What the shop's customers and its operator wrote down: whatever they were told, and must find again.

use std::collections::BTreeMap;

use saem::{
    Done, PayOutcome, PlacedRental, ProductId, RentalId, RentalView, ShopError, StoreError,
    internal::{
        actors::AskError,
        domain::{Check, EntityId, Violation},
    },
};

/// What a request was told, as far as the same request must be told it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Placed { rental: RentalId, outcome: &'static str },
    Canceled,
    Done,
}

/// Everything that was told.
#[derive(Default)]
pub struct Book {
    /// Whose history an acknowledgement stands in, and by which event.
    pub promised: Vec<(EntityId, &'static str)>,
    /// What requests with a key were told first, by their step.
    pub first: BTreeMap<usize, Told>,
    /// Units asked for, by the step that did; and whether they were acknowledged.
    pub restocked: BTreeMap<usize, (ProductId, u32, bool)>,
    /// Rentals by the step that placed them.
    pub rentals: BTreeMap<usize, RentalId>,
    /// Every answer in short, with when it came.
    pub log: Vec<(u64, usize, String)>,
    /// An answer that must not be.
    pub wrong: Option<Violation>,
}

impl Book {
    /// Writes down what a step was told.
    pub fn note(&mut self, at_ms: u64, step: usize, keyed: bool, told: Result<Told, ShopError>) {
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

    /// The promise that an answer made, if it made one.
    pub fn promise(&mut self, entity: impl Into<EntityId>, event: &'static str) {
        self.promised.push((entity.into(), event));
    }

    /// INV-7 and INV-8: units added are those that were asked for.
    pub fn restocks_are_kept(&self, product: ProductId, added: u64) -> Check {
        let of = |surely: bool| {
            let asked = self.restocked.values();
            let counted = asked.filter(|(of, _, done)| *of == product && (*done || !surely));
            counted.map(|(_, quantity, _)| u64::from(*quantity)).sum::<u64>()
        };
        let (least, most) = (of(true), of(false));
        if (least..=most).contains(&added) {
            return Ok(());
        }
        let what = format!("{added} units were added to {product}, not {least} to {most}");
        Err(Violation { invariant: "INV-7", what })
    }
}

/// What no fault of a simulated world explains: it damages no record.
fn never(error: &ShopError) -> Option<&'static str> {
    match error {
        ShopError::Internal(_)
        | ShopError::Store(StoreError::Corrupt(_))
        | ShopError::Ask(AskError::Damaged(_)) => Some("INV-11"),
        _ => None,
    }
}

/// What placing or paying was told, and the event that stands for it.
pub fn placed(placed: &PlacedRental) -> (Told, (EntityId, &'static str)) {
    let id = placed.rental.id;
    let (outcome, promise) = match placed.outcome {
        PayOutcome::Confirmed => ("confirmed", (id.into(), "RentalConfirmed")),
        PayOutcome::Deferred { .. } => ("deferred", (id.into(), "PaymentDeferred")),
        PayOutcome::Declined { .. } => ("declined", (id.payment().into(), "PaymentDeclined")),
        PayOutcome::Canceled => ("canceled", (id.into(), "RentalCanceled")),
        PayOutcome::Unavailable { .. } => ("unavailable", (id.into(), "RentalCanceled")),
    };
    (Told::Placed { rental: id, outcome }, promise)
}

/// What canceling was told.
pub fn canceled(done: &Done<RentalView>) -> (Told, (EntityId, &'static str)) {
    (Told::Canceled, (done.value.id.into(), "RentalCanceled"))
}
