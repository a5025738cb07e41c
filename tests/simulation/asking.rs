//! What customers and the operator ask of the shop, each request on its own way while others are.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use saem::{
    Address, CancelReason, CustomerId, Journal as _, MemoryJournal, Order, PaymentMethod, Principal,
    ProductId, RentalId, RequestContext, Shop, ShopError,
    internal::domain::{Context, EntityId, Violation, invariants, uuid_v8},
};

use crate::{
    book::{self, Book, Told},
    clock::Watch,
    plan::Card,
};

/// A request with everything it needs, ready to be sent, once or again.
#[derive(Clone, Debug)]
pub struct Request {
    pub step: usize,
    pub ask: Ask,
    /// With a key, the same request again is answered alike.
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

/// What was done, and by which event anybody can see it.
type Answer = Result<(Told, Option<(EntityId, &'static str)>), ShopError>;

impl Request {
    /// Why it is asked; with its key, if it has one: the same each time.
    fn context(&self, shop: &Shop) -> RequestContext {
        let principal = match self.ask {
            Ask::Place { customer, .. } => Principal::Customer(customer),
            _ => Principal::Operator,
        };
        let key = || shop.request_key(Some(principal), "simulated", &self.step.to_string(), [0; 32]);
        RequestContext { key: self.keyed.then(key), ..shop.new_request() }
    }

    /// The rental that it places, if that is known beforehand.
    pub fn rental(&self, shop: &Shop) -> Option<RentalId> {
        let places = matches!(self.ask, Ask::Place { .. });
        let key = self.context(shop).key.filter(|_| places)?;
        Some(RentalId(uuid_v8(key.hash)))
    }
}

fn method(card: Card) -> PaymentMethod {
    PaymentMethod::Card { token: card.token().to_owned() }
}

fn order(customer_id: CustomerId, product_id: ProductId, card: Card) -> Order {
    let text = |text: &str| text.to_owned();
    let (recipient, postal_code, line1) = (text("홍길동"), text("04524"), text("세종대로 110"));
    let address = Address { recipient, postal_code, line1, line2: None };
    Order { customer_id, product_id, address, method: method(card), expected_fee: None }
}

async fn answer(shop: &Shop, ask: Ask, request: RequestContext) -> Answer {
    Ok(match ask {
        Ask::Place { customer, product, card } => {
            let placed = shop.place_rental(order(customer, product, card), request).await?;
            let (told, promise) = book::placed(&placed);
            (told, Some(promise))
        }
        Ask::Pay { rental, card } => {
            let (_, promise) = book::placed(&shop.pay_rental(rental, method(card), request).await?);
            // Said again, it may have found out more: only the event counts. Of a rental that was canceled
            // meanwhile, the payment says so, and not that it was declined.
            (Told::Done, Some(promise).filter(|(_, event)| *event != "PaymentDeclined"))
        }
        Ask::Cancel { rental, reason } => {
            let (told, promise) = book::canceled(&shop.cancel_rental(rental, reason, request).await?);
            (told, Some(promise))
        }
        Ask::Dispatch(rental) => {
            shop.dispatch_delivery(rental.delivery(), None, None, request).await?;
            (Told::Done, Some((rental.delivery().into(), "DeliveryDispatched")))
        }
        Ask::Complete(rental) => {
            shop.complete_delivery(rental.delivery(), request).await?;
            (Told::Done, Some((rental.into(), "RentalDelivered")))
        }
        Ask::Restock { product, quantity } => {
            shop.restock_product(product, quantity, request).await?;
            (Told::Done, Some((product.into(), "ProductRestocked")))
        }
        Ask::Maintain { context, pause } => {
            match pause {
                true => shop.pause(context, request).await?,
                false => shop.resume(context, request).await?,
            };
            (Told::Done, None)
        }
    })
}

/// Sends a request, and has its answer written down if one comes.
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
        if let Told::Placed { rental, .. } = told {
            book.rentals.insert(request.step, *rental);
        }
        if let Some((entity, event)) = promise {
            book.promise(*entity, event);
        }
    }
    let told = answer.map(|(told, _)| told);
    book.note(watch.elapsed_ms(), request.step, request.keyed, told);
}

/// INV-7: what is acknowledged is durable at that moment, not later.
async fn is_durable(durable: &MemoryJournal, entity: EntityId, event: &str) -> Result<(), Violation> {
    let history = match entity.kind {
        saem::internal::domain::EntityKind::Product => return Ok(()),
        _ => durable.timeline(RentalId(entity.id)).await,
    };
    let history = history.map_err(|error| Violation { invariant: "INV-7", what: error.to_string() })?;
    let own: Vec<_> = history.into_iter().filter(|recorded| recorded.entity == entity).collect();
    invariants::acknowledged_stays(&own, event)
}
