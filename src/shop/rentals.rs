//! Rentals: placing, canceling, looking.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{Span, error, field::display};

use super::{
    Done, Order, Page, PageRequest, PayOutcome, Placed, ProductView, RentalFilter, RentalView,
    RequestContext, Shop, ShopError,
    accounts::{address_key, bytes_of_hex, to_hex},
};
use crate::{
    actors::{
        checkouts::Checkout,
        entity::{
            ask::{Decided, RequestKey},
            reads,
        },
        payment::{Place, outcome_of},
        projection::mypage,
        receipts::{Begun, Outcome, Receipt, Turn},
    },
    domain::{
        Event, Money, Position, ProductId, Recorded, RentalId,
        address::Address,
        context::Context,
        id::uuid_v8,
        payment::PaymentEvent,
        rental::{CancelReason, Rental, RentalCommand, RentalStatus, Terms},
    },
    store::{StoreError, VaultWrite, codec},
};

/// A rental that is about to be placed.
struct Placing {
    id: RentalId,
    order: Order,
    product: ProductView,
    /// What the vault is to be told beside the address.
    begins: Vec<VaultWrite>,
    turn: Turn,
    arrived: Instant,
}

impl Shop {
    /// Places a rental and pays its fee. With a key that was used before, answers as it did then.
    ///
    /// # Errors
    /// [`ShopError`]; nothing is recorded, and nothing was charged, except where it says so.
    pub async fn place_rental(&self, order: Order, request: RequestContext) -> Result<Placed, ShopError> {
        let arrived = now();
        if let Some(checkout) = self.checkout_of(&order.method, order.customer_id).await? {
            return self.place_checked_out(order, &checkout, request, arrived).await;
        }
        let id = match request.key {
            Some(key) => RentalId(uuid_v8(key.hash)),
            None => self.sources.rental_id(),
        };
        if let Some(key) = request.key
            && let Some(replay) = self.replay(id, Some(key)).await?
        {
            return Ok(replay);
        }
        self.usable(&order.method, None)?;
        let product = self.orderable(order.product_id, order.expected_fee)?;
        // The id is what tells a repetition: the vault needs no receipt.
        let turn = Turn::unkeyed();
        let placing = Placing { id, order, product, begins: Vec::new(), turn, arrived };
        let placed = match self.place(placing, request).await {
            Err(ShopError::PaymentInProgress { .. }) if request.key.is_some() => {
                return Err(ShopError::KeyInProgress);
            }
            placed => placed?,
        };
        if placed.replayed
            && let Some(replay) = self.replay(id, Some(request.key.ok_or(ShopError::KeyInProgress)?)).await?
        {
            return Ok(replay);
        }
        Ok(placed)
    }

    /// Places the rental that a checkout is for: one, however often the checkout is sent, with whatever
    /// keys. A key is kept by its receipt here, since the id of the rental does not follow from it.
    async fn place_checked_out(
        &self,
        order: Order,
        checkout: &Checkout,
        request: RequestContext,
        arrived: Instant,
    ) -> Result<Placed, ShopError> {
        let turn = match self.receipts.begin(request.key).await? {
            Begun::First(turn) => turn,
            Begun::Again(Receipt { outcome: Outcome::Attempt { rental, .. }, .. }) => {
                return self.replay(rental, None).await?.ok_or(ShopError::KeyInProgress);
            }
            Begun::Again(_) => return Err(Receipt::of_something_else().into()),
        };
        let id = checkout.rental;
        checkout.places(order.product_id)?;
        if let Some(replay) = self.replay(id, None).await? {
            turn.remember(Outcome::Attempt { rental: id, attempt: checkout.attempt }).await?;
            return Ok(replay);
        }
        self.usable(&order.method, Some(checkout))?;
        self.in_time(checkout)?;
        let product = self.orderable(order.product_id, order.expected_fee)?;
        if product.offer.fee != checkout.fee {
            return Err(ShopError::FeeChanged { fee: product.offer.fee });
        }
        let begins = Self::begins(&order.method, Some(checkout))?;
        let placed = self.place(Placing { id, order, product, begins, turn, arrived }, request).await?;
        if placed.replayed
            && let Some(replay) = self.replay(id, None).await?
        {
            return Ok(replay);
        }
        Ok(placed)
    }

    async fn place(&self, placing: Placing, request: RequestContext) -> Result<Placed, ShopError> {
        let Placing { id, order, product, begins: mut vault, turn, arrived } = placing;
        let presence = self.enter(order.customer_id).await?;
        let ticket = self.payments.ticket()?;
        let terms = self.terms(&order, product, request);
        vault.push(VaultWrite { key: address_key(id), value: Some(codec::encode(&order.address)?) });
        let method = order.method;
        let place = Place { rental: id, terms, vault, method, request, ticket, presence, turn, arrived };
        let mut placed = self.payments.converse(place).await?;
        placed.rental.address = Some(order.address);
        Ok(placed)
    }

    /// The outcome of an earlier call that placed this rental, if there was one; by the same request, if it
    /// came with a key that the id follows from.
    async fn replay(&self, id: RentalId, key: Option<RequestKey>) -> Result<Option<Placed>, ShopError> {
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
        let outcome = outcome_of(&rental, self.payments.retry_after_ms());
        let rental = self.rental_view(id, rental).await?;
        let declined = matches!(outcome, PayOutcome::Declined { .. });
        let replay = Placed { rental, outcome, replayed: true, position: Position(loaded.version.0) };
        let code = if declined { decline_code(&self.timeline(id).await?) } else { None };
        Ok(Some(replay.because_of(code)))
    }

    /// A product, if it can be had for what is expected, as far as the catalogue knows.
    pub(crate) fn orderable(&self, id: ProductId, fee: Option<Money>) -> Result<ProductView, ShopError> {
        let product = self.catalogue.product(id).ok_or(ShopError::NotFound("product"))?;
        if product.withdrawn {
            return Err(ShopError::ProductWithdrawn);
        }
        if fee.is_some_and(|expected| expected != product.offer.fee) {
            return Err(ShopError::FeeChanged { fee: product.offer.fee });
        }
        // While products are down the catalogue may be behind: then the order stands, and whatever
        // turns out to be short is refunded.
        if product.stock == 0 && !self.contexts.paused(Context::Product) {
            return Err(ShopError::OutOfStock);
        }
        Ok(product)
    }

    fn terms(&self, order: &Order, product: ProductView, request: RequestContext) -> Terms {
        Terms {
            customer_id: order.customer_id,
            product_id: product.id,
            product_name: product.offer.name,
            fee: product.offer.fee,
            provider: self.gateways.current().provider().to_owned(),
            fingerprint: request.key.map(|key| key.fingerprint),
            correlation: request.correlation,
        }
    }

    /// Cancels a rental; safe to repeat.
    ///
    /// # Errors
    /// `AskError::Rejected` with `RentalError::NotCancelable` once it is delivered.
    pub async fn cancel_rental(
        &self,
        id: RentalId,
        reason: CancelReason,
        request: RequestContext,
    ) -> Result<Done<RentalView>, ShopError> {
        let asked = self.asked_once::<Rental>(request, async |turn| {
            let request = on_behalf(&self.rental(id).await?.rental, request)?;
            let (command, memo) = (RentalCommand::Cancel(reason), turn.of_state());
            Ok(self.exchange.ask_once(id, command, request, Vec::new(), memo).await?)
        });
        let Decided { state, position, replayed, .. } = asked.await?;
        let value = RentalView { id, rental: state, address: self.address(id).await? };
        Ok(Done { value, position, replayed })
    }

    /// A rental.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn rental(&self, id: RentalId) -> Result<RentalView, ShopError> {
        let rental = reads::read::<Rental>(&self.journal, id).await?;
        if rental.status == RentalStatus::Absent {
            return Err(ShopError::NotFound("rental"));
        }
        self.rental_view(id, rental).await
    }

    async fn rental_view(&self, id: RentalId, rental: Rental) -> Result<RentalView, ShopError> {
        let address = self.address(id).await?;
        Ok(RentalView { id, rental: Arc::new(rental), address })
    }

    pub(crate) async fn address(&self, id: RentalId) -> Result<Option<Address>, ShopError> {
        let address = self.journal.vault_get(address_key(id)).await?;
        Ok(address.map(|address| codec::decode(&address)).transpose()?)
    }

    /// Rentals, newest first.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub async fn rentals(
        &self,
        filter: RentalFilter,
        page: &PageRequest,
    ) -> Result<Page<RentalView>, ShopError> {
        let rows = self.current_rows(filter, page).await?;
        let mut items = Vec::with_capacity(rows.items.len());
        for row in rows.items {
            items.extend(unless_damaged(self.rental(row.rental_id).await)?);
        }
        Ok(Page { items, next_cursor: rows.next_cursor })
    }

    /// Like [`Self::rows`], as of now: lists of the write side show what was acknowledged before.
    pub(crate) async fn current_rows(
        &self,
        filter: RentalFilter,
        page: &PageRequest,
    ) -> Result<Page<super::Row>, ShopError> {
        let head = self.head();
        self.my_page_at(head).await;
        self.rows(filter, page).await
    }

    /// My Page's rows, newest first.
    pub(crate) async fn rows(
        &self,
        filter: RentalFilter,
        page: &PageRequest,
    ) -> Result<Page<super::Row>, ShopError> {
        let cursor = page.cursor.as_deref().map(|cursor| bytes_of_hex(cursor).ok_or(ShopError::BadCursor));
        let (items, next) = mypage::rows(&self.journal, filter, cursor.transpose()?, page.limit).await?;
        Ok(Page { items, next_cursor: next.map(|key| to_hex(&key)) })
    }

    /// Every event of a rental, over all contexts, oldest first.
    ///
    /// # Errors
    /// [`ShopError::Store`]
    pub async fn timeline(&self, id: RentalId) -> Result<Vec<Arc<Recorded>>, ShopError> {
        Ok(self.journal.timeline(id).await?)
    }
}

/// Why a rental's payment was declined, if it was.
pub(crate) fn decline_code(timeline: &[Arc<Recorded>]) -> Option<String> {
    timeline.iter().rev().find_map(|recorded| match &recorded.event {
        Event::Payment(PaymentEvent::PaymentDeclined { code, .. }) => Some(code.clone()),
        _ => None,
    })
}

/// An item of a list; one that is damaged is left out, since the others are not.
pub(crate) fn unless_damaged<T>(item: Result<T, ShopError>) -> Result<Option<T>, ShopError> {
    match item {
        Err(ShopError::Store(StoreError::Corrupt(what))) => {
            error!(what, "a list leaves out what is damaged");
            Ok(None)
        }
        item => item.map(Some),
    }
}

/// The rental's own correlation, with the request that touches it as the cause.
pub(crate) fn on_behalf(rental: &Rental, request: RequestContext) -> Result<RequestContext, ShopError> {
    let terms = rental.terms().map_err(|_| ShopError::NotFound("rental"))?;
    if request.correlation != terms.correlation {
        // Its log lines then tell both: the request's own, and the one that the rental is followed by.
        Span::current().record("on_behalf_of", display(terms.correlation));
    }
    Ok(request.on_behalf_of(terms.correlation))
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock, which deadlines and simulations share")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
