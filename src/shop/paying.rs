//! Payment of deferred rentals, and the answers to repeated requests.
//!
//! | first call | receipt | answer to a repeat |
//! | --- | --- | --- |
//! | began attempt n | in the commit of `PaymentRequested` n | outcome of attempt n on the timeline |
//! | found an earlier attempt captured | in the commit of `RentalConfirmed` | confirmed |
//! | deferred: breaker open, or no answer | written at the end | deferred |
//! | refused or overloaded | none | handled as a first call |
//!
//! A crash after `PaymentRequested` leaves attempt n open: until the timeline has its outcome, a repeat gets
//! the current rental. The money is guarded by attempts, not by receipts.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    PayOutcome, PlacedRental, RentalView, RequestContext, Result, Shop, ShopError,
    rentals::{now, on_behalf},
};
use crate::{
    actors::{
        payment::Paying,
        receipts::{KeyGuard, KeyLookup, ReceiptOutcome},
    },
    domain::{
        Event, Journaled as _, Position, Recorded, RentalId,
        payment::{Attempt, PaymentEvent},
        rental::{Rental, RentalEvent, RentalStatus},
    },
    gateways::payment::PaymentMethod,
};

impl Shop {
    /// Pays a deferred rental. With a key that was used before, returns the result of the first call.
    ///
    /// # Errors
    /// [`ShopError::RentalNotPayable`], [`ShopError::PaymentInProgress`] and the errors of placing.
    pub async fn pay_rental(
        &self,
        id: RentalId,
        method: PaymentMethod,
        request: RequestContext,
    ) -> Result<PlacedRental> {
        let arrived = now();
        match self.receipts.begin(request.key).await? {
            KeyLookup::New(key_guard) => self.pay_first(id, method, request, key_guard, arrived).await,
            KeyLookup::Seen(receipt) => self.pay_again(id, &receipt.outcome).await,
        }
    }

    async fn pay_first(
        &self,
        id: RentalId,
        method: PaymentMethod,
        request: RequestContext,
        key_guard: KeyGuard,
        arrived: Instant,
    ) -> Result<PlacedRental> {
        let rental = self.rental(id).await?;
        let customer = rental.rental.terms().map_err(|_| ShopError::NotFound("rental"))?.customer_id;
        let checkout = self.checkout_of(&method, customer).await?;
        if let Some(checkout) = &checkout {
            checkout.pays(id)?;
            let receipt = ReceiptOutcome::Attempt { rental: id, attempt: checkout.attempt };
            if checkout.used {
                let paid = self.pay_again(id, &receipt).await?;
                key_guard.remember(receipt).await?;
                return Ok(paid);
            }
        }
        self.usable(&method, checkout.as_ref())?;
        checkout.as_ref().map_or(Ok(()), |checkout| self.in_time(checkout))?;
        let vault = Self::checkout_writes(&method, checkout.as_ref())?;
        let attempt = checkout.map(|checkout| checkout.attempt);
        if rental.rental.status != RentalStatus::PaymentDeferred {
            return Err(ShopError::RentalNotPayable);
        }
        let lock = self.lock_customer(customer).await?;
        let ticket = self.payments.ticket()?;
        let request = on_behalf(&rental.rental, request)?;
        let pay = Paying { rental: id, method, vault, request, ticket, lock, key_guard, arrived };
        let mut paid = self.payments.pay_later(pay, attempt).await?;
        paid.rental.address = rental.address;
        if paid.outcome == PayOutcome::Canceled {
            return Err(ShopError::RentalNotPayable);
        }
        Ok(paid)
    }

    async fn pay_again(&self, id: RentalId, before: &ReceiptOutcome) -> Result<PlacedRental> {
        let timeline = self.timeline(id).await?;
        let position = timeline.last().map(|last| last.position).unwrap_or_default();
        let (rental, outcome) = match before {
            ReceiptOutcome::Attempt { rental, attempt } if *rental == id => {
                paid_by(&timeline, *attempt, self.payments.retry_after_ms())?
            }
            _ => {
                let (_, rental) = before.state::<Rental>()?;
                let outcome = PayOutcome::of(&rental, self.payments.retry_after_ms());
                (rental, outcome)
            }
        };
        let address = self.address(id).await?;
        let rental = RentalView { id, rental: Arc::new(rental), address };
        Ok(PlacedRental { rental, outcome, replayed: true, position })
    }
}

/// Returns the outcome of an attempt, with the rental as of then.
fn paid_by(
    timeline: &[Arc<Recorded>],
    attempt: Attempt,
    retry_after_ms: u64,
) -> Result<(Rental, PayOutcome)> {
    let mut events = timeline.iter();
    let ended = events.find_map(|recorded| match &recorded.event {
        Event::Payment(PaymentEvent::PaymentApproved { attempt: n, .. }) if *n == attempt => {
            Some((recorded.position, None))
        }
        Event::Payment(PaymentEvent::PaymentDeclined { attempt: n, code, .. }) if *n == attempt => {
            Some((recorded.position, Some(code.clone())))
        }
        _ => None,
    });
    match ended {
        Some((_, None)) => match events.find_map(|next| Some((next.position, Rental::own(&next.event)?))) {
            Some((position, RentalEvent::RentalConfirmed { .. })) => {
                Ok((as_of(timeline, position), PayOutcome::Confirmed))
            }
            // The rental was canceled in the meantime.
            Some(_) => Err(ShopError::RentalNotPayable),
            // The confirmation follows.
            None => Err(ShopError::KeyInProgress),
        },
        Some((declined, code)) => Ok((as_of(timeline, declined), PayOutcome::Declined { code })),
        None => match as_of(timeline, Position(u64::MAX)) {
            rental if rental.status == RentalStatus::PaymentDeferred => {
                Ok((rental, PayOutcome::Deferred { retry_after_ms }))
            }
            _ => Err(ShopError::RentalNotPayable),
        },
    }
}

fn as_of(timeline: &[Arc<Recorded>], position: Position) -> Rental {
    let until_then = timeline.iter().take_while(|recorded| recorded.position <= position);
    until_then.fold(Rental::default(), |rental, recorded| rental.fold(&recorded.event, recorded.meta.at))
}
