//! Reads of payments and deliveries; dispatch and completion of deliveries.

use std::sync::Arc;

use super::{
    DeliveryView, Done, Page, PageRequest, PaymentStatus, PaymentView, RentalFilter, RentalRow,
    RequestContext, Result, Shop, ShopError, rentals::on_behalf,
};
use crate::{
    actors::entity::{ask::Decided, reads},
    domain::{
        CustomerId, DeliveryId, Event, PaymentId,
        context::Context,
        delivery::{Delivery, DeliveryCommand, DeliveryStatus},
        payment::{Payment, PaymentPhase},
        policies::unit_is_out,
        rental::{Rental, RentalCommand, RentalError, RentalEvent, RentalStatus},
    },
};

impl Shop {
    /// Returns a rental's payment; it exists from `RentalPlaced` on.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn payment(&self, id: PaymentId) -> Result<PaymentView> {
        let rental = reads::read::<Rental>(&self.journal, id.rental()).await?;
        let terms = rental.terms().map_err(|_| ShopError::NotFound("payment"))?;
        let payment = reads::read::<Payment>(&self.journal, id).await?;
        let never_sent = rental.never_sent && payment.phase == PaymentPhase::New;
        Ok(PaymentView {
            id,
            customer_id: terms.customer_id,
            amount: terms.fee,
            status: status_of(&payment, &rental),
            attempts: if never_sent { 0 } else { payment.current() },
            provider: if payment.provider.is_empty() { terms.provider.clone() } else { payment.provider },
            provider_reference: payment.reference,
            requested_at: rental.placed_at,
            approved_at: payment.approved_at,
            declined_at: payment.declined_at,
            canceled_at: payment.canceled_at,
        })
    }

    /// Returns a page of the payments whose rentals match `filter`, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn payments(&self, filter: RentalFilter, page: &PageRequest) -> Result<Page<PaymentView>> {
        self.list(filter, page, async |row| self.payment(row.rental_id.payment()).await.map(Some)).await
    }

    /// Returns a delivery. Waits up to a second for the delivery of a paid rental to start.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryView> {
        let rental = reads::read::<Rental>(&self.journal, id.rental()).await?;
        let terms = rental.terms().map_err(|_| ShopError::NotFound("delivery"))?;
        let mut delivery = reads::read::<Delivery>(&self.journal, id).await?;
        if delivery.status == DeliveryStatus::Absent && rental.was_confirmed {
            let confirmed_by = self.journal.timeline(id.rental()).await?.last().map(|last| last.position);
            self.within_patience(self.progress.delivery.at(confirmed_by.unwrap_or_default())).await;
            delivery = reads::read::<Delivery>(&self.journal, id).await?;
        }
        if delivery.status == DeliveryStatus::Absent {
            return Err(ShopError::NotFound("delivery"));
        }
        self.delivery_view(id, terms.customer_id, Arc::new(delivery)).await
    }

    async fn delivery_view(
        &self,
        id: DeliveryId,
        customer_id: CustomerId,
        delivery: Arc<Delivery>,
    ) -> Result<DeliveryView> {
        let address = self.address(id.rental()).await?;
        Ok(DeliveryView { id, customer_id, delivery, address })
    }

    /// Returns a page of the deliveries whose rentals match `filter`, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn deliveries(&self, filter: RentalFilter, page: &PageRequest) -> Result<Page<DeliveryView>> {
        let delivery = async |row: &RentalRow| match row.delivery_status {
            Some(_) => self.delivery(row.rental_id.delivery()).await.map(Some),
            None => Ok(None),
        };
        self.list(filter, page, delivery).await
    }

    /// Dispatches a delivery: the technician has left.
    ///
    /// # Errors
    /// `AskError::Rejected` with `DeliveryError::NotReady` while its stock is not taken, and with
    /// [`RentalError::Canceled`].
    pub async fn dispatch_delivery(
        &self,
        id: DeliveryId,
        carrier: Option<String>,
        tracking_number: Option<String>,
        request: RequestContext,
    ) -> Result<Done<DeliveryView>> {
        let asked = self.asked_once::<Delivery>(request, async |key_guard| {
            self.not_paused(Context::Delivery)?;
            self.delivery(id).await?;
            let request = on_behalf(&reads::read::<Rental>(&self.journal, id.rental()).await?, request)?;
            let timeline = self.journal.timeline(id.rental()).await?;
            // The delivery is canceled only once the payment is settled, which may take long.
            let canceled = |event: &Event| matches!(event, Event::Rental(RentalEvent::RentalCanceled { .. }));
            if timeline.iter().any(|recorded| canceled(&recorded.event)) {
                return Err(RentalError::Canceled.into());
            }
            let stock_taken = unit_is_out(&timeline);
            let command = DeliveryCommand::Dispatch { carrier, tracking_number, stock_taken };
            Ok(self.exchange.ask_once(id, command, request, Vec::new(), key_guard.of_state()).await?)
        });
        self.handled(id, asked.await?).await
    }

    /// Completes a delivery: the purifier is installed. The rental decides if it may be.
    ///
    /// # Errors
    /// [`ShopError::DeliveryOutOfOrder`] before it is in transit, and `AskError::Rejected` with
    /// [`RentalError::Canceled`].
    pub async fn complete_delivery(
        &self,
        id: DeliveryId,
        request: RequestContext,
    ) -> Result<Done<DeliveryView>> {
        let asked = self.asked_once::<Delivery>(request, async |key_guard| {
            self.not_paused(Context::Delivery)?;
            match self.delivery(id).await?.delivery.status {
                DeliveryStatus::InTransit | DeliveryStatus::Delivered => {}
                DeliveryStatus::Canceled => return Err(RentalError::Canceled.into()),
                DeliveryStatus::Absent | DeliveryStatus::Started => {
                    return Err(ShopError::DeliveryOutOfOrder);
                }
            }
            let request = on_behalf(&reads::read::<Rental>(&self.journal, id.rental()).await?, request)?;
            self.exchange.ask::<Rental>(id.rental(), RentalCommand::MarkDelivered, request).await?;
            // The policy sends the same command; the later one changes nothing.
            let (command, receipt) = (DeliveryCommand::Complete, key_guard.of_state());
            Ok(self.exchange.ask_once(id, command, request, Vec::new(), receipt).await?)
        });
        self.handled(id, asked.await?).await
    }

    async fn handled(&self, id: DeliveryId, decided: Decided<Delivery>) -> Result<Done<DeliveryView>> {
        let Decided { state, position, replayed, .. } = decided;
        let rental = reads::read::<Rental>(&self.journal, id.rental()).await?;
        let customer = rental.terms().map_err(|_| ShopError::NotFound("delivery"))?.customer_id;
        Ok(Done { value: self.delivery_view(id, customer, state).await?, position, replayed })
    }
}

fn status_of(payment: &Payment, rental: &Rental) -> PaymentStatus {
    match payment.phase {
        // Deferred after a send, or canceled before anything is known: the outcome is open.
        PaymentPhase::New | PaymentPhase::Requested => match rental.status {
            RentalStatus::Canceled => PaymentStatus::Unresolved,
            RentalStatus::PaymentDeferred if !rental.never_sent => PaymentStatus::Unresolved,
            _ => PaymentStatus::Requested,
        },
        PaymentPhase::Canceling => PaymentStatus::Unresolved,
        PaymentPhase::Approved | PaymentPhase::Refunding => PaymentStatus::Approved,
        PaymentPhase::Declined => PaymentStatus::Declined,
        PaymentPhase::Canceled => PaymentStatus::Canceled,
    }
}
