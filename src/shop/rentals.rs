//! Rentals: placing, canceling and reading.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{Span, error, field::display};

use super::{
    Done, Order, Page, PageRequest, PayOutcome, PlacedRental, ProductView, RentalFilter, RentalRow,
    RentalView, RequestContext, Result, Shop, ShopError,
};
use crate::{
    actors::{
        checkouts::Checkout,
        entity::{ask::Decided, reads},
        payment::Paying,
        people::address_key,
        projection::mypage,
        receipts::{KeyGuard, KeyLookup, Receipt, ReceiptOutcome},
        request::RequestKey,
    },
    domain::{
        Event, Money, Position, ProductId, Recorded, RentalId,
        address::Address,
        context::Context,
        hex::{bytes_of_hex, to_hex},
        id::uuid_v8,
        payment::PaymentEvent,
        rental::{CancelReason, Rental, RentalCommand, RentalStatus, Terms},
    },
    store::{StoreError, VaultWrite, codec},
};

impl Shop {
    /// Places a rental and pays its fee. With a key that was used before, returns the result of the first
    /// call.
    ///
    /// # Errors
    /// Nothing is recorded and nothing was charged, except where the variant says so. [`ShopError::NotFound`]
    /// for an unknown product; [`ShopError::ProductWithdrawn`], [`ShopError::FeeChanged`],
    /// [`ShopError::OutOfStock`]; [`ShopError::PaymentMethod`] and [`ShopError::CheckoutExpired`] for the
    /// payment method; [`ShopError::PaymentOverloaded`], [`ShopError::PaymentInProgress`];
    /// [`ShopError::KeyReused`], [`ShopError::KeyInProgress`]; [`ShopError::Ask`] and [`ShopError::Store`],
    /// after which a charge may have been sent: it is resolved or refunded by itself.
    pub async fn place_rental(&self, order: Order, request: RequestContext) -> Result<PlacedRental> {
        let arrived = now();
        match self.checkout_of(&order.method, order.customer_id).await? {
            Some(checkout) => self.place_checked_out(order, &checkout, request, arrived).await,
            None => self.place_directly(order, request, arrived).await,
        }
    }

    /// Places a rental without a checkout. Its id follows from the key, if there is one: no receipt is
    /// needed.
    async fn place_directly(
        &self,
        order: Order,
        request: RequestContext,
        arrived: Instant,
    ) -> Result<PlacedRental> {
        let id = match request.key {
            Some(key) => RentalId(uuid_v8(key.hash)),
            None => self.sources.rental_id(),
        };
        if request.key.is_some()
            && let Some(replay) = self.replay(id, request.key).await?
        {
            return Ok(replay);
        }
        self.usable(&order.method, None)?;
        let product = self.orderable(order.product_id, order.expected_fee)?;
        let (pay, terms) = self.place_command(id, &order, product, request, arrived).await?;
        match self.place(pay, terms, order.address, request.key).await {
            Err(ShopError::PaymentInProgress { .. }) if request.key.is_some() => {
                Err(ShopError::KeyInProgress)
            }
            placed => placed,
        }
    }

    /// Places the rental of a checkout: one, however often and with whatever keys the checkout is sent. The
    /// rental's id does not follow from the key, so the key has a receipt.
    async fn place_checked_out(
        &self,
        order: Order,
        checkout: &Checkout,
        request: RequestContext,
        arrived: Instant,
    ) -> Result<PlacedRental> {
        let key_guard = match self.receipts.begin(request.key).await? {
            KeyLookup::New(guard) => guard,
            KeyLookup::Seen(Receipt { outcome: ReceiptOutcome::Attempt { rental, .. }, .. }) => {
                return self.replay(rental, None).await?.ok_or(ShopError::KeyInProgress);
            }
            KeyLookup::Seen(_) => return Err(Receipt::of_something_else().into()),
        };
        let id = checkout.rental;
        checkout.places(order.product_id)?;
        if let Some(replay) = self.replay(id, None).await? {
            key_guard.remember(ReceiptOutcome::Attempt { rental: id, attempt: checkout.attempt }).await?;
            return Ok(replay);
        }
        self.usable(&order.method, Some(checkout))?;
        self.in_time(checkout)?;
        let product = self.orderable(order.product_id, order.expected_fee)?;
        if product.offer.fee != checkout.fee {
            return Err(ShopError::FeeChanged { fee: product.offer.fee });
        }
        let checkout_writes = Self::checkout_writes(&order.method, Some(checkout))?;
        let (mut pay, terms) = self.place_command(id, &order, product, request, arrived).await?;
        pay.vault.splice(0..0, checkout_writes);
        pay.key_guard = key_guard;
        self.place(pay, terms, order.address, None).await
    }

    /// Locks the customer, takes a ticket, and makes the command for the payment actor.
    async fn place_command(
        &self,
        rental: RentalId,
        order: &Order,
        product: ProductView,
        request: RequestContext,
        arrived: Instant,
    ) -> Result<(Paying, Terms)> {
        let lock = self.lock_customer(order.customer_id).await?;
        let ticket = self.payments.ticket()?;
        let terms = Terms {
            customer_id: order.customer_id,
            product_id: product.id,
            product_name: product.offer.name,
            fee: product.offer.fee,
            provider: self.gateways.current().provider().to_owned(),
            fingerprint: request.key.map(|key| key.fingerprint),
            correlation: request.correlation,
        };
        let address = VaultWrite { key: address_key(rental), value: Some(codec::encode(&order.address)?) };
        let (method, vault, key_guard) = (order.method.clone(), vec![address], KeyGuard::unkeyed());
        Ok((Paying { rental, method, vault, request, ticket, lock, key_guard, arrived }, terms))
    }

    async fn place(
        &self,
        pay: Paying,
        terms: Terms,
        address: Address,
        key: Option<RequestKey>,
    ) -> Result<PlacedRental> {
        let id = pay.rental;
        let mut placed = self.payments.place(pay, terms).await?;
        if placed.replayed
            && let Some(replay) = self.replay(id, key).await?
        {
            return Ok(replay);
        }
        placed.rental.address = Some(address);
        Ok(placed)
    }

    /// Returns the outcome of an earlier call that placed this rental, if there was one. With a key that the
    /// id follows from, that call must have been the same request.
    async fn replay(&self, id: RentalId, key: Option<RequestKey>) -> Result<Option<PlacedRental>> {
        let loaded = self.journal.load(id.into()).await?;
        let rental = reads::restore::<Rental>(&loaded)?;
        let Ok(terms) = rental.terms() else { return Ok(None) };
        if key.is_some_and(|key| terms.fingerprint != Some(key.fingerprint)) {
            return Err(ShopError::KeyReused);
        }
        let Some(rental) = rental.when_placed() else {
            let retry_after_ms = self.payments.retry_after_ms();
            let running = ShopError::PaymentInProgress { retry_after_ms };
            return Err(key.map_or(running, |_| ShopError::KeyInProgress));
        };
        let outcome = PayOutcome::of(&rental, self.payments.retry_after_ms());
        let rental = self.rental_view(id, rental).await?;
        let declined = matches!(outcome, PayOutcome::Declined { .. });
        let replay = PlacedRental { rental, outcome, replayed: true, position: Position(loaded.version.0) };
        let code = if declined { decline_code(&self.timeline(id).await?) } else { None };
        Ok(Some(replay.with_decline_code(code)))
    }

    /// Returns the product, if the catalogue shows it in stock and at the expected fee.
    pub(crate) fn orderable(&self, id: ProductId, fee: Option<Money>) -> Result<ProductView> {
        let product = self.catalogue.product(id).ok_or(ShopError::NotFound("product"))?;
        if product.withdrawn {
            return Err(ShopError::ProductWithdrawn);
        }
        if fee.is_some_and(|expected| expected != product.offer.fee) {
            return Err(ShopError::FeeChanged { fee: product.offer.fee });
        }
        // While the product context is paused the catalogue may be behind: the order stands, and a shortage
        // is refunded later.
        if product.stock == 0 && !self.contexts.paused(Context::Product) {
            return Err(ShopError::OutOfStock);
        }
        Ok(product)
    }

    /// Cancels a rental; safe to repeat. The rental aggregate decides: see `decide` in `domain/rental.rs`.
    ///
    /// # Errors
    /// `AskError::Rejected` with `RentalError::NotCancelable` once it is delivered.
    pub async fn cancel_rental(
        &self,
        id: RentalId,
        reason: CancelReason,
        request: RequestContext,
    ) -> Result<Done<RentalView>> {
        let asked = self.asked_once::<Rental>(request, async |key_guard| {
            let request = on_behalf(&self.rental(id).await?.rental, request)?;
            let (command, receipt) = (RentalCommand::Cancel(reason), key_guard.of_state());
            Ok(self.exchange.ask_once(id, command, request, Vec::new(), receipt).await?)
        });
        let Decided { state, position, replayed, .. } = asked.await?;
        let value = RentalView { id, rental: state, address: self.address(id).await? };
        Ok(Done { value, position, replayed })
    }

    /// Returns a rental.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn rental(&self, id: RentalId) -> Result<RentalView> {
        let rental = reads::read::<Rental>(&self.journal, id).await?;
        if rental.status == RentalStatus::Absent {
            return Err(ShopError::NotFound("rental"));
        }
        self.rental_view(id, rental).await
    }

    async fn rental_view(&self, id: RentalId, rental: Rental) -> Result<RentalView> {
        let address = self.address(id).await?;
        Ok(RentalView { id, rental: Arc::new(rental), address })
    }

    pub(crate) async fn address(&self, id: RentalId) -> Result<Option<Address>> {
        let address = self.journal.vault_get(address_key(id)).await?;
        Ok(address.map(|address| codec::decode(&address)).transpose()?)
    }

    /// Returns a page of rentals, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn rentals(&self, filter: RentalFilter, page: &PageRequest) -> Result<Page<RentalView>> {
        self.list(filter, page, async |row| self.rental(row.rental_id).await.map(Some)).await
    }

    /// Returns a page of what `read` returns for the rentals that match `filter`, newest first. Waits for My
    /// Page, so that the list shows all acknowledged changes. Damaged items are left out, so that the others
    /// are shown.
    pub(crate) async fn list<T>(
        &self,
        filter: RentalFilter,
        page: &PageRequest,
        read: impl AsyncFn(&RentalRow) -> Result<Option<T>>,
    ) -> Result<Page<T>> {
        self.my_page_at(self.head()).await;
        let Page { items: rows, next_cursor } = self.rows(filter, page).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            match read(row).await {
                Err(ShopError::Store(StoreError::Corrupt(what))) => {
                    error!(what, "a list leaves out a damaged item")
                }
                item => items.extend(item?),
            }
        }
        Ok(Page { items, next_cursor })
    }

    pub(crate) async fn rows(&self, filter: RentalFilter, page: &PageRequest) -> Result<Page<RentalRow>> {
        let cursor = page.cursor.as_deref().map(|cursor| bytes_of_hex(cursor).ok_or(ShopError::BadCursor));
        let (items, next) = mypage::rows(&self.journal, filter, cursor.transpose()?, page.limit).await?;
        Ok(Page { items, next_cursor: next.map(|key| to_hex(&key)) })
    }

    /// Returns all events of a rental, over all contexts, oldest first.
    ///
    /// # Errors
    /// [`ShopError::Store`]
    pub async fn timeline(&self, id: RentalId) -> Result<Vec<Arc<Recorded>>> {
        Ok(self.journal.timeline(id).await?)
    }
}

pub(crate) fn decline_code(timeline: &[Arc<Recorded>]) -> Option<String> {
    timeline.iter().rev().find_map(|recorded| match &recorded.event {
        Event::Payment(PaymentEvent::PaymentDeclined { code, .. }) => Some(code.clone()),
        _ => None,
    })
}

/// Returns the request context with the rental's own correlation.
pub(crate) fn on_behalf(rental: &Rental, request: RequestContext) -> Result<RequestContext> {
    let terms = rental.terms().map_err(|_| ShopError::NotFound("rental"))?;
    if request.correlation != terms.correlation {
        // The log lines then have both correlation ids: the request's and the rental's.
        Span::current().record("on_behalf_of", display(terms.correlation));
    }
    Ok(request.on_behalf_of(terms.correlation))
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock, which deadlines and simulations share")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
