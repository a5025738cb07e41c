//! Aggregates whose events the journal holds, and the union of their errors.

use thiserror::Error;

use super::{
    account::{Account, AccountError, AccountEvent},
    aggregate::Aggregate,
    context::{ContextError, ContextEvent, Maintenance},
    delivery::{Delivery, DeliveryError, DeliveryEvent},
    event::Event,
    payment::{Payment, PaymentError, PaymentEvent},
    product::{Product, ProductError, ProductEvent},
    rental::{Rental, RentalError, RentalEvent},
    time::Timestamp,
};

/// An aggregate whose events are a variant of [`Event`] and whose errors are a variant of [`Rejection`].
pub trait Journaled: Aggregate<Event: Into<Event>, Error: Into<Rejection>> {
    /// Returns the aggregate's own event in `event`, or `None` for an event of another aggregate.
    fn own(event: &Event) -> Option<&Self::Event>;

    /// Returns the state after `event`, which was decided at `at`. Events of other aggregates change nothing.
    #[must_use]
    fn fold(self, event: &Event, at: Timestamp) -> Self {
        match Self::own(event) {
            Some(own) => self.evolve(own, at),
            None => self,
        }
    }
}

/// A command that an aggregate refused, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error(transparent)]
    Rental(#[from] RentalError),
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Product(#[from] ProductError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Context(#[from] ContextError),
}

macro_rules! journaled {
    ($($variant:ident: $aggregate:ty, $event:ty;)*) => {$(
        impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        }

        impl Journaled for $aggregate {
            fn own(event: &Event) -> Option<&$event> {
                if let Event::$variant(event) = event { Some(event) } else { None }
            }
        }
    )*};
}

journaled! {
    Rental: Rental, RentalEvent;
    Payment: Payment, PaymentEvent;
    Delivery: Delivery, DeliveryEvent;
    Product: Product, ProductEvent;
    Account: Account, AccountEvent;
    Context: Maintenance, ContextEvent;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Money, ProductId, account::AccountCommand};

    /// One event of each aggregate.
    fn samples() -> [Event; 6] {
        let product_id = ProductId(7);
        [
            AccountEvent::CustomerSignedUp.into(),
            ContextEvent::ContextPaused.into(),
            DeliveryEvent::DeliveryStarted { product_id }.into(),
            PaymentEvent::PaymentCanceled { amount: Money::ZERO }.into(),
            ProductEvent::ProductRestocked { quantity: 3 }.into(),
            RentalEvent::RentalConfirmed { product_id }.into(),
        ]
    }

    #[test]
    fn event_names_are_their_variants() {
        // The names are part of the API, of log lines and of the operator's pages.
        for event in samples() {
            let shown = format!("{event:?}");
            let (_, own) = shown.split_once('(').expect("an event is its aggregate's");
            let own = own.split([' ', ')']).next().unwrap();
            assert_eq!(event.name(), own);
        }
    }

    #[test]
    fn aggregates_fold_only_their_own_events() {
        fn folding<A: Journaled + PartialEq>() -> Vec<Event> {
            let changes = |event: &Event| A::default().fold(event, Timestamp(1)) != A::default();
            samples().into_iter().filter(changes).collect()
        }
        let [account, context, delivery, payment, product, rental] = samples();
        assert_eq!(folding::<Account>(), [account]);
        assert_eq!(folding::<Maintenance>(), [context]);
        assert_eq!(folding::<Delivery>(), [delivery]);
        assert_eq!(folding::<Payment>(), [payment]);
        assert_eq!(folding::<Product>(), [product]);
        assert_eq!(folding::<Rental>(), [rental]);
    }

    #[test]
    fn commands_with_small_events_share_a_commit() {
        assert!(!Account::is_bulky(&AccountCommand::SignUp));
    }
}
