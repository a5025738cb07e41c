//! A shop embedded in your own program, without HTTP: with your own payment gateway, your own SMS gateway,
//! and a follower that reads events as they are committed. `docs/embedding.md` explains the parts.
//!
//! `cargo run --example embedded`

use std::{
    collections::HashMap,
    error::Error,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use saem::{
    Address, Call, CancelReason, ChargeKey, Charged, CustomerId, Follower, Found, GatewayError, Gateways,
    InvalidMethod, Locale, MemoryJournal, Money, Offer, Order, PaymentGateway, PaymentMethod, Phone,
    Position, PriorCharge, ProductId, Sending, Shop, ShopError, ShopParts, ShopSettings, SmsError,
    SmsGateway, Sources, TextMessage, Voided,
};
use tokio::sync::mpsc;

/// Number of text messages sent in this example.
const MESSAGES: usize = 6;

/// A payment gateway for prepaid cards, kept in memory.
#[derive(Default)]
struct PrepaidCards(Mutex<Accounts>);

#[derive(Default)]
struct Accounts {
    /// Balance of each card, in KRW.
    cards: HashMap<String, u64>,
    /// Outcome of each charge key, which makes calls idempotent.
    charges: HashMap<ChargeKey, Charge>,
}

#[derive(Clone, PartialEq, Eq)]
enum Charge {
    Captured { card: String, amount: Money, refunded: bool },
    Declined,
    Voided,
}

const TOO_LITTLE: &str = "too_little_on_the_card";

impl PrepaidCards {
    fn with(cards: &[(&str, u64)]) -> Arc<Self> {
        let cards = cards.iter().map(|(card, won)| ((*card).to_owned(), *won)).collect();
        Arc::new(Self(Mutex::new(Accounts { cards, ..Accounts::default() })))
    }

    /// Runs `work` at once and wraps its result as a finished call. A real gateway would call over the
    /// network.
    fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Accounts) -> Result<T, GatewayError>,
    ) -> Call<T> {
        Box::pin(ready(work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))))
    }

    fn left(&self, card: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cards[card]
    }
}

impl PaymentGateway for PrepaidCards {
    fn provider(&self) -> &'static str {
        "prepaid"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        match method {
            PaymentMethod::Card { token } if token.starts_with("card-") => Ok(()),
            PaymentMethod::Card { .. } => {
                Err(InvalidMethod { field: "token", rule: "must be a card's, such as card-1" })
            }
            _ => Err(InvalidMethod { field: "type", rule: "must be CARD" }),
        }
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let PaymentMethod::Card { token: card } = method.clone() else {
            return Box::pin(ready(Err(GatewayError::Refused("no card".to_owned()))));
        };
        self.answer(|accounts| {
            let left = accounts.cards.entry(card.clone()).or_default();
            let charge =
                accounts.charges.entry(key).or_insert_with(|| match left.checked_sub(amount.as_won()) {
                    Some(less) => {
                        *left = less;
                        Charge::Captured { card, amount, refunded: false }
                    }
                    None => Charge::Declined,
                });
            Ok(match charge {
                Charge::Captured { .. } => Charged::Approved { reference: key.to_string() },
                Charge::Declined | Charge::Voided => Charged::Declined { code: TOO_LITTLE.to_owned() },
            })
        })
    }

    fn find(&self, sought: &PriorCharge) -> Call<Found> {
        let key = sought.key;
        self.answer(|accounts| {
            Ok(match accounts.charges.get(&key) {
                Some(Charge::Captured { amount, refunded, .. }) => Found::Captured {
                    reference: key.to_string(),
                    refunded: if *refunded { *amount } else { Money::won(0) },
                },
                Some(Charge::Declined | Charge::Voided) => Found::Declined { code: TOO_LITTLE.to_owned() },
                None => Found::Nothing,
            })
        })
    }

    fn refund(&self, sought: &PriorCharge) -> Call<()> {
        let key = sought.key;
        self.answer(|Accounts { cards, charges }| match charges.get_mut(&key) {
            Some(Charge::Captured { card, amount, refunded }) => {
                if !std::mem::replace(refunded, true) {
                    *cards.entry(card.clone()).or_default() += amount.as_won();
                }
                Ok(())
            }
            _ => Err(GatewayError::Refused("nothing was captured".to_owned())),
        })
    }

    fn void(&self, sought: &PriorCharge) -> Call<Voided> {
        let key = sought.key;
        self.answer(|accounts| {
            Ok(match accounts.charges.entry(key).or_insert(Charge::Voided) {
                Charge::Captured { .. } => Voided::Captured { reference: key.to_string() },
                Charge::Declined | Charge::Voided => Voided::Settled,
            })
        })
    }
}

/// An SMS gateway that passes messages to a channel.
struct ChannelSms(mpsc::UnboundedSender<TextMessage>);

impl SmsGateway for ChannelSms {
    fn provider(&self) -> &'static str {
        "channel"
    }

    fn send(&self, message: TextMessage) -> Sending {
        let sent = self.0.send(message).map_err(|_| SmsError("the receiver is gone".to_owned()));
        Box::pin(ready(sent))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Actors need an actix system.
    actix_rt::System::new().block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (journal, cards) = (MemoryJournal::new(), PrepaidCards::with(&[("card-1", 50_000), ("card-2", 100)]));
    let (sender, mut messages) = mpsc::unbounded_channel();
    let parts = ShopParts {
        journal: journal.clone(),
        gateways: Gateways::from(Arc::clone(&cards)),
        sms: Arc::new(ChannelSms(sender)),
        sources: Sources::system(),
    };
    let settings = ShopSettings {
        locale: Locale::En,
        ..ShopSettings::new("an operator's key has 32 characters or more")
    };
    let shop = Shop::open(parts, settings).await?;
    let (product, customer) = set_up(&shop).await?;

    println!("A rental is placed and paid with a card of 50,000 won.");
    let paid = shop.place_rental(order(customer, product, "card-1"), shop.new_request()).await?;
    println!("  {:?}; the card has {} won left", paid.outcome, cards.left("card-1"));

    println!("Another one, with a card of 100 won.");
    let unpaid = shop.place_rental(order(customer, product, "card-2"), shop.new_request()).await?;
    println!("  {:?}", unpaid.outcome);

    println!("A third one, with a token that is no card.");
    match shop.place_rental(order(customer, product, "cash"), shop.new_request()).await {
        Err(ShopError::PaymentMethod(invalid)) => println!("  refused: {} {}", invalid.field, invalid.rule),
        other => return Err(format!("not refused: {other:?}").into()),
    }

    println!("The first rental is canceled. All events up to the returned unit, from the journal:");
    shop.cancel_rental(paid.rental.id, CancelReason::Customer, shop.new_request()).await?;
    let mut follower = Follower::new(journal.clone(), Position::default());
    'following: loop {
        for recorded in follower.next(64).await? {
            println!("  {:>2} {}", recorded.position.0, recorded.event.name());
            if recorded.event.name() == "ProductIncreased" {
                break 'following;
            }
        }
    }
    println!("The card has {} won again. Messages to the customer:", cards.left("card-1"));
    for _ in 0..MESSAGES {
        let message = messages.recv().await.ok_or("the courier has stopped")?;
        println!("  {} {}", message.phone.masked(), message.text);
    }
    shop.close().await;
    Ok(())
}

/// Registers a product and signs up a customer.
async fn set_up(shop: &Shop) -> Result<(ProductId, CustomerId), Box<dyn Error>> {
    let offer = Offer {
        name: "Clear Spring".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    };
    let product = shop.register_product(offer, 10, shop.new_request()).await?.value;
    let phone = Phone::parse("010-1234-5678")?;
    let signed_up =
        shop.sign_up("Gildong Hong".to_owned(), phone, "correct horse".to_owned(), shop.new_request());
    Ok((product.id, signed_up.await?.value.id))
}

fn order(customer_id: CustomerId, product_id: ProductId, card: &str) -> Order {
    Order {
        customer_id,
        product_id,
        address: Address {
            recipient: "Gildong Hong".to_owned(),
            postal_code: "04524".to_owned(),
            line1: "110, Sejong-daero, Jung-gu, Seoul".to_owned(),
            line2: None,
        },
        method: PaymentMethod::Card { token: card.to_owned() },
        expected_fee: None,
    }
}
