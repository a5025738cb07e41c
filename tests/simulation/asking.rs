//! Requests of customers and of the operator; several are under way at the same time.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use saem::{
    CancelReason, Context, CustomerId, EntityId, Journal as _, MemoryJournal, Principal, ProductId, RentalId,
    RequestContext, Shop, ShopError,
    internal::domain::{Violation, invariants, uuid_v8},
};

use crate::{
    book::{self, Book, Repeatable},
    clock::Watch,
    kit::runtime::{card as card_method, order},
    plan::Card,
};

#[derive(Clone, Debug)]
pub struct Request {
    pub step: usize,
    pub ask: Ask,
    /// `true` gives it an idempotency key.
    pub keyed: bool,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Place { customer: CustomerId, product: ProductId, card: Card },
    Pay { rental: RentalId, card: Card },
    Cancel { rental: RentalId, reason: CancelReason },
    Dispatch(RentalId),
    Complete(RentalId),
    Restock { product: ProductId, quantity: u32 },
    Maintain { context: Context, pause: bool },
}

/// The answer, and the event that it promises.
type Reply = Result<(Repeatable, Option<(EntityId, &'static str)>), ShopError>;

impl Request {
    /// The request context; its key is the same each time.
    fn context(&self, shop: &Shop) -> RequestContext {
        let principal = match self.ask {
            Ask::Place { customer, .. } => Principal::Customer(customer),
            _ => Principal::Operator,
        };
        let key = || shop.request_key(Some(principal), "simulated", &self.step.to_string(), [0; 32]);
        RequestContext { key: self.keyed.then(key), ..shop.new_request() }
    }

    /// Id of the rental that it places, which follows from its key.
    pub fn rental(&self, shop: &Shop) -> Option<RentalId> {
        let places = matches!(self.ask, Ask::Place { .. });
        let key = self.context(shop).key.filter(|_| places)?;
        Some(RentalId(uuid_v8(key.hash)))
    }
}

async fn answer(shop: &Shop, ask: Ask, request: RequestContext) -> Reply {
    Ok(match ask {
        Ask::Place { customer, product, card } => {
            let placed = shop.place_rental(order(customer, product, card.token()), request).await?;
            let (told, promise) = book::placed(&placed);
            (told, Some(promise))
        }
        Ask::Pay { rental, card } => {
            let (_, promise) =
                book::placed(&shop.pay_rental(rental, card_method(card.token()), request).await?);
            // A repetition may know more: only the event counts. The payment of a rental that was canceled
            // meanwhile is canceled, not declined.
            (Repeatable::Done, Some(promise).filter(|(_, event)| *event != "PaymentDeclined"))
        }
        Ask::Cancel { rental, reason } => {
            let (told, promise) = book::canceled(&shop.cancel_rental(rental, reason, request).await?);
            (told, Some(promise))
        }
        Ask::Dispatch(rental) => {
            shop.dispatch_delivery(rental.delivery(), None, None, request).await?;
            (Repeatable::Done, Some((rental.delivery().into(), "DeliveryDispatched")))
        }
        Ask::Complete(rental) => {
            shop.complete_delivery(rental.delivery(), request).await?;
            (Repeatable::Done, Some((rental.into(), "RentalDelivered")))
        }
        Ask::Restock { product, quantity } => {
            shop.restock_product(product, quantity, request).await?;
            (Repeatable::Done, Some((product.into(), "ProductRestocked")))
        }
        Ask::Maintain { context, pause } => {
            match pause {
                true => shop.pause(context, request).await?,
                false => shop.resume(context, request).await?,
            };
            (Repeatable::Done, None)
        }
    })
}

/// Sends a request, and records its answer if one comes.
pub async fn send(
    shop: Arc<Shop>,
    request: Request,
    durable: Arc<MemoryJournal>,
    watch: Arc<Watch>,
    book: Rc<RefCell<Book>>,
) {
    let context = request.context(&shop);
    let answer = answer(&shop, request.ask.clone(), context).await;
    let durable_now = match &answer {
        Ok((_, Some((entity, event)))) => is_durable(&durable, *entity, event).await,
        _ => Ok(()),
    };
    let mut book = book.borrow_mut();
    if let Err(violation) = durable_now {
        book.wrong.get_or_insert(violation);
    }
    if let (Ask::Restock { .. }, Ok(_)) = (&request.ask, &answer)
        && let Some((_, _, done)) = book.restocked.get_mut(&request.step)
    {
        *done = true;
    }
    if let Ok((told, promise)) = &answer {
        if let Repeatable::Placed { rental, .. } = told {
            book.rentals.insert(request.step, *rental);
        }
        if let Some((entity, event)) = promise {
            book.promise(*entity, event);
        }
    }
    let told = answer.map(|(told, _)| told);
    book.note(watch.elapsed_ms(), request.step, request.keyed, told);
}

/// INV-7: what is acknowledged is already durable.
async fn is_durable(durable: &MemoryJournal, entity: EntityId, event: &str) -> Result<(), Violation> {
    let history = match entity.kind {
        saem::EntityKind::Product => return Ok(()),
        _ => durable.timeline(RentalId(entity.id)).await,
    };
    let history = history.map_err(|error| Violation { invariant: "INV-7", what: error.to_string() })?;
    let own: Vec<_> = history.into_iter().filter(|recorded| recorded.entity == entity).collect();
    invariants::acknowledged_stays(&own, event)
}
