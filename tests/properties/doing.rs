//! Takes the steps of a case: asks, breaks, kills; and has each answer judged.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use saem::{
    actors::{
        ask::{Because, RequestKey},
        shop::{Order, PayOutcome, Placed, Shop, ShopError},
    },
    domain::{
        EntityId, RentalId,
        address::Address,
        delivery::DeliveryStatus,
        id::uuid_v8,
        rental::{CancelReason, RentalStatus},
    },
    gateways::PaymentMethod,
    store::memory::FaultPlan,
};

use crate::{
    expect::{Before, Circumstances},
    model::{Command, Model, Placing, Step, Target, Token},
    world::World,
};

/// So many turns after a command whose commits fail, commits succeed again.
const SHAKEN_TURNS: usize = 30;

/// A command with whom it is for filled in.
#[derive(Clone, Debug)]
pub enum Ask {
    Place(Placing, Box<Order>),
    Pay(RentalId, Token),
    Cancel(RentalId, CancelReason),
    Dispatch(RentalId),
    Complete(RentalId),
    Restock { index: usize, product: saem::domain::ProductId, quantity: u32 },
    Withdraw(saem::domain::ProductId),
}

/// What a command led to.
#[derive(Clone, Debug)]
pub enum Done {
    Placed(Placed),
    Rental(RentalStatus),
    Delivery(DeliveryStatus),
    Product,
}

pub type Answer = Result<Done, ShopError>;

fn method(token: Token) -> PaymentMethod {
    PaymentMethod::Card { token: token.as_str().to_owned() }
}

/// The id a rental gets from its key.
pub fn keyed(customer: usize, key: u8) -> (u128, RentalId) {
    let hash = 0x5eed_0000_0000_0000_0000_0000_0000_0000 + (customer as u128) * 1_000_003 + u128::from(key);
    (hash, RentalId(uuid_v8(hash)))
}

/// The key of a request to place a rental, if it has one.
pub fn request_key(placing: &Placing) -> Option<RequestKey> {
    let Placing { customer, product, token, key } = *placing;
    let mut fingerprint = [0; 16];
    fingerprint[..2].copy_from_slice(&[product as u8, token as u8]);
    key.map(|key| RequestKey { hash: keyed(customer, key).0, fingerprint })
}

async fn ask(shop: Arc<Shop>, ask: Ask) -> Answer {
    let because = shop.because();
    Ok(match ask {
        Ask::Place(placing, order) => {
            let because = Because { key: request_key(&placing), ..because };
            Done::Placed(shop.place_rental(*order, because).await?)
        }
        Ask::Pay(id, token) => Done::Placed(shop.pay_rental(id, method(token), because).await?),
        Ask::Cancel(id, reason) => {
            Done::Rental(shop.cancel_rental(id, reason, because).await?.value.rental.status)
        }
        Ask::Dispatch(id) => {
            let done = shop.dispatch_delivery(id.delivery(), None, None, because).await?;
            Done::Delivery(done.value.delivery.status)
        }
        Ask::Complete(id) => {
            let done = shop.complete_delivery(id.delivery(), because).await?;
            Done::Delivery(done.value.delivery.status)
        }
        Ask::Restock { product, quantity, .. } => {
            shop.restock_product(product, quantity, because).await?;
            Done::Product
        }
        Ask::Withdraw(product) => {
            shop.withdraw_product(product, because).await?;
            Done::Product
        }
    })
}

pub async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

pub async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

impl World {
    /// Takes a step, and judges what is answered.
    pub async fn take(&mut self, model: &Model, step: Step) {
        match step {
            Step::Do(command) => self.plain(model, command).await,
            Step::Both(one, other) => self.both(model, one, other).await,
            Step::Shaken { command, nth, failure } => {
                self.journal.plan(FaultPlan { nth, failure, for_ever: false });
                let Some(asked) = self.resolve(command) else { return self.calm_down() };
                let before = self.before(&asked).await;
                let answer = ask(self.shop.clone(), asked.clone()).await;
                turns(SHAKEN_TURNS).await;
                self.calm_down();
                let circumstances = Circumstances { failure: Some(failure), ..self.circumstances(model) };
                self.judge(&asked, &before, &answer, &circumstances);
            }
            Step::Doomed { command, ms, turns } => self.doomed(model, command, ms, turns).await,
            Step::Crash => self.crash(model.breaker_open).await,
            Step::Turns(count) => turns(count).await,
            Step::Pass { ms } => pass(ms).await,
            Step::Pause(context) => {
                let view = self.shop.pause(context, self.shop.because()).await.unwrap().value;
                assert!(view.paused, "{context:?} is paused");
            }
            Step::Resume(context) => {
                let view = self.shop.resume(context, self.shop.because()).await.unwrap().value;
                assert!(!view.paused, "{context:?} goes on");
            }
            Step::Breaker { open } => self.set_breaker(open),
            Step::Fault { target, mode, times } => {
                for _ in 0..times {
                    self.fail(target, mode);
                }
            }
        }
        self.notice_rentals().await;
    }

    async fn plain(&mut self, model: &Model, command: Command) {
        let Some(asked) = self.resolve(command) else { return };
        let before = self.before(&asked).await;
        let answer = ask(self.shop.clone(), asked.clone()).await;
        self.judge(&asked, &before, &answer, &self.circumstances(model));
    }

    async fn both(&mut self, model: &Model, one: Command, other: Command) {
        let (Some(one), Some(other)) = (self.resolve(one), self.resolve(other)) else { return };
        let before = (self.before(&one).await, self.before(&other).await);
        let (first, second) =
            tokio::join!(ask(self.shop.clone(), one.clone()), ask(self.shop.clone(), other.clone()));
        let circumstances = Circumstances { crossed: true, ..self.circumstances(model) };
        self.judge(&one, &before.0, &first, &circumstances);
        self.judge(&other, &before.1, &second, &circumstances);
    }

    /// Begins a command, and kills the process after a while. Only an answer that came before counts.
    async fn doomed(&mut self, model: &Model, command: Command, ms: u64, count: usize) {
        let asked = self.resolve(command);
        if let Some(asked) = asked {
            let before = self.before(&asked).await;
            let answer = Rc::new(RefCell::new(None));
            let (slot, asking) = (Rc::clone(&answer), ask(self.shop.clone(), asked.clone()));
            let task = actix_rt::spawn(async move { *slot.borrow_mut() = Some(asking.await) });
            pass(ms).await;
            turns(count).await;
            let answer = answer.borrow_mut().take();
            task.abort();
            match answer {
                Some(answer) => self.judge(&asked, &before, &answer, &self.circumstances(model)),
                None => self.unanswered(&asked),
            }
        }
        self.crash(model.breaker_open).await;
    }

    fn calm_down(&self) {
        let never =
            FaultPlan { nth: u64::MAX, failure: saem::store::memory::Failure::Before, for_ever: false };
        self.journal.plan(never);
    }

    fn circumstances(&self, model: &Model) -> Circumstances {
        Circumstances { model: model.clone(), failure: None, crossed: false }
    }

    /// Fills in whom a command is for; none when nobody is there yet.
    fn resolve(&self, command: Command) -> Option<Ask> {
        Some(match command {
            Command::Place(placing) => Ask::Place(placing, Box::new(self.order(placing))),
            Command::Pay { rental, token } => Ask::Pay(self.rental(rental)?, token),
            Command::Cancel { rental, reason } => Ask::Cancel(self.rental(rental)?, reason),
            Command::Dispatch { rental } => Ask::Dispatch(self.rental(rental)?),
            Command::Complete { rental } => Ask::Complete(self.rental(rental)?),
            Command::Restock { product, quantity } => {
                Ask::Restock { index: product, product: self.products[product], quantity }
            }
            Command::Withdraw { product } => Ask::Withdraw(self.products[product]),
        })
    }

    pub fn order(&self, placing: Placing) -> Order {
        let Placing { customer, product, .. } = placing;
        Order {
            customer_id: self.customers[customer],
            product_id: self.products[product],
            address: Address {
                recipient: "홍길동".to_owned(),
                postal_code: "04524".to_owned(),
                line1: "세종대로 110".to_owned(),
                line2: None,
            },
            method: method(placing.token),
            expected_fee: None,
        }
    }

    fn fail(&mut self, target: Target, mode: saem::actors::ask::FaultMode) {
        let entity: EntityId = match target {
            Target::Service(kind, name) => return self.shop.inject_fault(kind, Some(name), mode).unwrap(),
            Target::PaymentActor => {
                self.desk_failures += 1;
                // It may be resting from the failures before.
                let _ = self.shop.inject_fault("payment", None, mode);
                return;
            }
            Target::Product(index) => self.products[index].into(),
            Target::Rental(_) | Target::Payment(_) | Target::Delivery(_) if self.rentals.is_empty() => return,
            Target::Rental(index) => self.rental(index).unwrap().into(),
            Target::Payment(index) => self.rental(index).unwrap().payment().into(),
            Target::Delivery(index) => self.rental(index).unwrap().delivery().into(),
        };
        *self.failures.entry(entity).or_default() += 1;
        self.shop.inject_fault(entity.kind.as_str(), Some(&entity.to_string()), mode).unwrap();
    }

    fn judge(&mut self, asked: &Ask, before: &Before, answer: &Answer, circumstances: &Circumstances) {
        if let Err(wrong) = self.expected(asked, before, answer, circumstances) {
            panic!("{asked:?} was answered {answer:?}: {wrong}; before: {before:?}");
        }
        if let Ok(done) = answer {
            self.remember(asked, done);
        } else {
            self.unanswered(asked);
        }
    }

    fn unanswered(&mut self, asked: &Ask) {
        if let Ask::Restock { index, quantity, .. } = asked {
            self.restocked[*index].perhaps += u64::from(*quantity);
        }
    }

    /// What is acknowledged has to stay.
    fn remember(&mut self, asked: &Ask, done: &Done) {
        match (asked, done) {
            (Ask::Place(..) | Ask::Pay(..), Done::Placed(placed)) => {
                let id = placed.rental.id;
                let event = match placed.outcome {
                    PayOutcome::Confirmed => (id.into(), "RentalConfirmed"),
                    PayOutcome::Deferred { .. } => (id.into(), "PaymentDeferred"),
                    PayOutcome::Declined => (id.payment().into(), "PaymentDeclined"),
                    PayOutcome::Canceled | PayOutcome::Unavailable { .. } => (id.into(), "RentalCanceled"),
                };
                self.acknowledged.push(event);
                if let Ask::Place(Placing { customer, key: Some(key), .. }, _) = asked {
                    let first = (id, placed.outcome.clone());
                    let known = self.keys.entry((*customer, *key)).or_insert_with(|| first.clone());
                    assert_eq!(*known, first, "INV-7: the same key gets the same answer");
                }
            }
            (Ask::Cancel(id, _), _) => self.acknowledged.push(((*id).into(), "RentalCanceled")),
            (Ask::Dispatch(id), _) => self.acknowledged.push((id.delivery().into(), "DeliveryDispatched")),
            (Ask::Complete(id), _) => {
                self.acknowledged.push(((*id).into(), "RentalDelivered"));
                self.acknowledged.push((id.delivery().into(), "DeliveryCompleted"));
            }
            (Ask::Restock { index, quantity, .. }, _) => {
                self.restocked[*index].surely += u64::from(*quantity);
            }
            (Ask::Withdraw(product), _) => self.acknowledged.push(((*product).into(), "ProductWithdrawn")),
            (asked, done) => panic!("{done:?} is no answer to {asked:?}"),
        }
    }
}
