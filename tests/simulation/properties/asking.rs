//! Requests for known customers, how a shop is asked, and its answers.

use std::{hash::Hasher as _, sync::Arc};

use saem::{
    CancelReason, Context, CustomerId, DeliveryStatus, EntityId, Money, Offer, Order, ParkedKey, PayOutcome,
    Phone, PlacedRental, Principal, ProductId, ProductView, RentalId, RentalStatus, RequestContext,
    RequestKey, Shop, ShopError,
    internal::{actors::reads, domain::Product},
};

use super::{
    commands::{Command, Placing, Request, Seen, Token},
    world::World,
};
use crate::{
    kit::runtime::{address, card},
    world::{NAME, PASSWORD},
};

/// A command for known customers and things.
#[derive(Clone, Debug)]
pub enum Ask {
    Place(Placing, Box<Order>),
    Pay(RentalId, Token),
    Cancel(RentalId, CancelReason),
    Dispatch(RentalId),
    Complete(RentalId),
    Register { offer: Offer, stock: u32 },
    Edit { product: ProductId, offer: Offer, expected: Offer },
    Restock { product: ProductId, quantity: u32 },
    Withdraw(ProductId),
    SignUp { number: usize, phone: Phone },
    Leave { number: usize, id: CustomerId },
    Rename { number: usize, id: CustomerId, name: String, password: Option<String> },
    LogIn { number: usize, phone: Phone, password: String, times: u32 },
    LogOut { number: usize, token: String },
    Maintain { context: Context, pause: bool },
    Retry(ParkedKey),
    Dismiss(ParkedKey),
    Revive(EntityId),
}

/// A request, to be sent once or repeatedly.
#[derive(Clone, Debug)]
pub struct Asked {
    pub ask: Ask,
    pub request: RequestContext,
}

/// The visible result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Placed { id: RentalId, status: RentalStatus, outcome: PayOutcome },
    Rental(RentalStatus, Option<CancelReason>),
    Delivery(DeliveryStatus),
    Product(ProductView),
    Customer { id: CustomerId, name: String, phone: String },
    Token(String),
    Context { paused: bool },
    Nothing,
}

/// An answer that is not a refusal.
#[derive(Clone, Debug)]
pub struct Answered {
    pub done: Done,
    pub replayed: bool,
}

pub type Reply = Result<Answered, ShopError>;

impl Ask {
    /// Scope of an idempotency key, like method and path.
    fn scope(&self) -> String {
        match self {
            Self::Place(..) => "place".to_owned(),
            Self::Pay(id, _) => format!("pay {id}"),
            Self::Cancel(id, _) => format!("cancel {id}"),
            Self::Dispatch(id) => format!("dispatch {id}"),
            Self::Complete(id) => format!("complete {id}"),
            Self::Restock { product, .. } => format!("restock {product}"),
            Self::Withdraw(product) => format!("withdraw {product}"),
            Self::Maintain { context, pause } => format!("{context:?} {pause}"),
            _ => self.effect().unwrap_or_default().to_owned(),
        }
    }

    /// The event of a request with a key; none for requests without keys.
    pub const fn effect(&self) -> Option<&'static str> {
        match self {
            Self::Place(..) => Some("RentalPlaced"),
            Self::Pay(..) => Some("PaymentRequested"),
            Self::Cancel(..) => Some("RentalCanceled"),
            Self::Dispatch(_) => Some("DeliveryDispatched"),
            Self::Complete(_) => Some("DeliveryCompleted"),
            Self::Register { .. } => Some("ProductRegistered"),
            Self::Restock { .. } => Some("ProductRestocked"),
            Self::Withdraw(_) => Some("ProductWithdrawn"),
            Self::SignUp { .. } => Some("CustomerSignedUp"),
            Self::Maintain { pause: true, .. } => Some("ContextPaused"),
            Self::Maintain { pause: false, .. } => Some("ContextResumed"),
            Self::Edit { .. }
            | Self::Leave { .. }
            | Self::Rename { .. }
            | Self::LogIn { .. }
            | Self::LogOut { .. }
            | Self::Retry(_)
            | Self::Dismiss(_)
            | Self::Revive(_) => None,
        }
    }

    fn key(&self, shop: &Shop, key: u8) -> Option<RequestKey> {
        self.effect()?;
        let principal = match self {
            Self::Place(_, order) => Some(Principal::Customer(order.customer_id)),
            Self::SignUp { .. } => None,
            _ => Some(Principal::Operator),
        };
        #[allow(deprecated, reason = "the one hasher of the standard library that is the same everywhere")]
        let mut body = std::hash::SipHasher::new();
        body.write(format!("{self:?}").as_bytes());
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&body.finish().to_be_bytes());
        Some(shop.request_key(principal, &self.scope(), &key.to_string(), digest))
    }
}

fn placed(placed: PlacedRental) -> Answered {
    let outcome = match placed.outcome {
        PayOutcome::Deferred { .. } => PayOutcome::Deferred { retry_after_ms: 0 },
        PayOutcome::Unavailable { .. } => PayOutcome::Unavailable { retry_after_ms: 0 },
        outcome => outcome,
    };
    let done = Done::Placed { id: placed.rental.id, status: placed.rental.rental.status, outcome };
    Answered { done, replayed: placed.replayed }
}

fn new(done: Done) -> Answered {
    Answered { done, replayed: false }
}

pub async fn ask(shop: Arc<Shop>, asked: Asked) -> Reply {
    let Asked { ask, request } = asked;
    Ok(match ask {
        Ask::Place(_, order) => placed(shop.place_rental(*order, request).await?),
        Ask::Pay(id, token) => placed(shop.pay_rental(id, card(token.as_str()), request).await?),
        Ask::Cancel(id, reason) => {
            let done = shop.cancel_rental(id, reason, request).await?;
            let rental = &done.value.rental;
            let replayed = done.replayed;
            Answered { done: Done::Rental(rental.status, rental.cancel_reason), replayed }
        }
        Ask::Dispatch(id) => {
            let done = shop.dispatch_delivery(id.delivery(), None, None, request).await?;
            Answered { done: Done::Delivery(done.value.delivery.status), replayed: done.replayed }
        }
        Ask::Complete(id) => {
            let done = shop.complete_delivery(id.delivery(), request).await?;
            Answered { done: Done::Delivery(done.value.delivery.status), replayed: done.replayed }
        }
        Ask::Register { offer, stock } => product(shop.register_product(offer, stock, request).await?),
        Ask::Edit { product: id, offer, expected } => {
            product(shop.change_product(id, offer, expected, request).await?)
        }
        Ask::Restock { product: id, quantity } => product(shop.restock_product(id, quantity, request).await?),
        Ask::Withdraw(id) => product(shop.withdraw_product(id, request).await?),
        Ask::SignUp { number, phone } => {
            let (name, password) = (format!("{NAME}{number}"), PASSWORD.to_owned());
            let done = shop.sign_up(name, phone, password, request).await?;
            let (id, name, phone) = (done.value.id, done.value.name, done.value.phone);
            Answered { done: Done::Customer { id, name, phone }, replayed: done.replayed }
        }
        Ask::Leave { id, .. } => {
            shop.leave(id, request).await?;
            new(Done::Nothing)
        }
        Ask::Rename { id, name, password, .. } => {
            let value = shop.change_customer(id, Some(name), password, request).await?.value;
            new(Done::Customer { id: value.id, name: value.name, phone: value.phone })
        }
        Ask::LogIn { phone, password, times, .. } => {
            for _ in 1..times {
                let _ = shop.log_in(phone.clone(), password.clone(), None).await;
            }
            new(Done::Token(shop.log_in(phone, password, None).await?.token))
        }
        Ask::LogOut { token, .. } => {
            shop.log_out(&token).await?;
            new(Done::Nothing)
        }
        Ask::Maintain { context, pause } => {
            let done = match pause {
                true => shop.pause(context, request).await?,
                false => shop.resume(context, request).await?,
            };
            Answered { done: Done::Context { paused: done.value.paused }, replayed: done.replayed }
        }
        Ask::Retry(key) => {
            shop.retry_parked(key)?;
            new(Done::Nothing)
        }
        Ask::Dismiss(key) => {
            shop.dismiss_parked(key, "given up".to_owned(), request).await?;
            new(Done::Nothing)
        }
        Ask::Revive(id) => {
            shop.revive(id).await?;
            new(Done::Nothing)
        }
    })
}

fn product(done: saem::Done<ProductView>) -> Answered {
    Answered { done: Done::Product(done.value), replayed: done.replayed }
}

impl World {
    /// Fills in the customer and the rental; none if there is none yet.
    pub async fn resolve(&self, request: Request) -> Option<Asked> {
        let ask = self.ask_of(request.command).await?;
        let key = request.key.and_then(|key| ask.key(&self.shop, key));
        Some(Asked { ask, request: RequestContext { key, ..self.shop.new_request() } })
    }

    async fn ask_of(&self, command: Command) -> Option<Ask> {
        Some(match command {
            Command::Place(placing) => Ask::Place(placing, Box::new(self.order(placing)?)),
            Command::Pay { rental, token } => Ask::Pay(self.rental(rental)?, token),
            Command::Cancel { rental, reason } => Ask::Cancel(self.rental(rental)?, reason),
            Command::Dispatch { rental } => Ask::Dispatch(self.rental(rental)?),
            Command::Complete { rental } => Ask::Complete(self.rental(rental)?),
            Command::Register { stock } => Ask::Register { offer: new_offer(), stock },
            Command::Edit { product, stale } => {
                let product = self.product(product);
                let now = reads::read::<Product>(&self.as_journal(), product).await.unwrap();
                let now = now.offer.unwrap();
                let fee = Money::won(now.fee.as_won() + 1_000);
                let expected = if stale { Offer { fee, ..now.clone() } } else { now.clone() };
                Ask::Edit { product, offer: Offer { fee, ..now }, expected }
            }
            Command::Restock { product, quantity } => {
                Ask::Restock { product: self.product(product), quantity }
            }
            Command::Withdraw { product } => Ask::Withdraw(self.product(product)),
            Command::Maintain { context, pause } => Ask::Maintain { context, pause },
            Command::Retry { held } => Ask::Retry(self.held(held)?),
            Command::Dismiss { held } => Ask::Dismiss(self.held(held)?),
            Command::Revive => Ask::Revive(self.quarantined().await.first().copied()?),
            Command::SignUp { .. }
            | Command::Leave { .. }
            | Command::Rename { .. }
            | Command::LogIn { .. }
            | Command::LogOut { .. } => return self.personal(command),
        })
    }

    fn held(&self, nth: usize) -> Option<ParkedKey> {
        let held = self.shop.parked();
        (!held.is_empty()).then(|| held[nth % held.len()].key)
    }

    fn order(&self, placing: Placing) -> Option<Order> {
        let Placing { customer, product, .. } = placing;
        let product_id = self.product(product);
        let fee = self.shop.product(product_id)?.offer.fee;
        Some(Order {
            customer_id: self.people[customer].newest()?,
            product_id,
            address: address(),
            method: card(placing.token.as_str()),
            expected_fee: match placing.seen {
                Seen::Nothing => None,
                Seen::TheFee => Some(fee),
                Seen::AnotherFee => Some(Money::won(fee.as_won() + 1)),
            },
        })
    }
}

fn new_offer() -> Offer {
    let (name, model, description) = ("새 샘".to_owned(), "MS-9".to_owned(), String::new());
    Offer { name, model, description, fee: Money::won(19_900) }
}
