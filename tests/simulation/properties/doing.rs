//! Takes the steps of a case (requests, faults, kills), and judges each answer.

use std::{cell::RefCell, rc::Rc, time::Duration};

use saem::{
    EntityId,
    internal::store::{Failure, FaultMode, FaultPlan},
};

use super::{
    asking::{Ask, Asked, Done, Reply, ask},
    commands::{Request, Step, Target},
    expect::{Before, Circumstances},
    model::Model,
    world::World,
};
use crate::kit::audit::promised;

/// Turns after a command during which its commits fail.
const SHAKEN_TURNS: usize = 30;

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
            Step::Do(request) => self.plain(model, request).await,
            Step::Both(one, other) => self.both(model, one, other).await,
            Step::Shaken { request, nth, failure } => {
                self.journal.plan(FaultPlan { nth, failure, for_ever: false });
                let Some(asked) = self.resolve(request).await else { return self.calm_down() };
                let before = self.before(&asked).await;
                let answer = ask(self.shop.clone(), asked.clone()).await;
                turns(SHAKEN_TURNS).await;
                self.calm_down();
                let circumstances = Circumstances { failure: Some(failure), ..self.circumstances(model) };
                self.judge(&asked, &before, &answer, &circumstances);
            }
            Step::Doomed { request, ms, turns } => self.doomed(model, request, ms, turns).await,
            Step::Crash => self.crash(model.breaker_open).await,
            Step::Restart => self.restart(model.breaker_open).await,
            Step::Turns(count) => turns(count).await,
            Step::Pass { ms } => pass(ms).await,
            Step::Breaker { open } => self.set_breaker(open),
            Step::Fault { target, mode, times } => {
                for _ in 0..times {
                    self.fail(target, mode).await;
                }
            }
        }
        self.notice().await;
    }

    async fn plain(&mut self, model: &Model, request: Request) {
        let Some(asked) = self.resolve(request).await else { return };
        let before = self.before(&asked).await;
        let answer = ask(self.shop.clone(), asked.clone()).await;
        self.judge(&asked, &before, &answer, &self.circumstances(model));
    }

    async fn both(&mut self, model: &Model, one: Request, other: Request) {
        let (Some(one), Some(other)) = (self.resolve(one).await, self.resolve(other).await) else { return };
        let before = (self.before(&one).await, self.before(&other).await);
        let (first, second) =
            tokio::join!(ask(self.shop.clone(), one.clone()), ask(self.shop.clone(), other.clone()));
        let circumstances = Circumstances { crossed: true, ..self.circumstances(model) };
        self.judge(&one, &before.0, &first, &circumstances);
        self.judge(&other, &before.1, &second, &circumstances);
    }

    /// Begins a command, and kills the process later. An answer counts if it came before.
    async fn doomed(&mut self, model: &Model, request: Request, ms: u64, count: usize) {
        let asked = self.resolve(request).await;
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
        let never = FaultPlan { nth: u64::MAX, failure: Failure::Before, for_ever: false };
        self.journal.plan(never);
    }

    fn circumstances(&self, model: &Model) -> Circumstances {
        Circumstances { model: model.clone(), failure: None, crossed: false }
    }

    async fn fail(&mut self, target: Target, mode: FaultMode) {
        let entity: EntityId = match target {
            Target::Service(kind, name) => {
                self.service_failures += 1;
                return self.shop.inject_fault(kind, Some(name), mode).await.unwrap();
            }
            Target::PaymentActor => {
                self.desk_failures += 1;
                // It may be resting from the failures before.
                let _ = self.shop.inject_fault("payment", None, mode).await;
                return;
            }
            Target::Product(index) => self.product(index).into(),
            Target::Customer(index) => match self.people[index].newest() {
                Some(customer) => customer.into(),
                None => return,
            },
            Target::Rental(_) | Target::Payment(_) | Target::Delivery(_) if self.rentals.is_empty() => return,
            Target::Rental(index) => self.rental(index).unwrap().into(),
            Target::Payment(index) => self.rental(index).unwrap().payment().into(),
            Target::Delivery(index) => self.rental(index).unwrap().delivery().into(),
        };
        *self.failures.entry(entity).or_default() += 1;
        self.shop.inject_fault(entity.kind.as_str(), Some(&entity.to_string()), mode).await.unwrap();
    }

    fn judge(&mut self, asked: &Asked, before: &Before, answer: &Reply, circumstances: &Circumstances) {
        if let Err(wrong) = self.expected(asked, before, answer, circumstances) {
            panic!("{asked:?} was answered {answer:?}: {wrong}; before: {before:?}");
        }
        self.remember(asked, Some(answer));
    }

    fn unanswered(&mut self, asked: &Asked) {
        self.remember(asked, None);
    }

    /// Records what was acknowledged: it must stay.
    fn remember(&mut self, asked: &Asked, answer: Option<&Reply>) {
        self.keys.remember(asked, answer);
        self.remember_person(&asked.ask, answer);
        if let Ask::Restock { product, quantity } = asked.ask {
            let done = answer.map(|answer| answer.as_ref().map(|answered| answered.replayed));
            self.restocked.remember(asked.request, product, quantity, matches!(done, Some(Ok(_))));
        }
        let Some(Ok(answered)) = answer else { return };
        if let Done::Placed { id, outcome, .. } = &answered.done {
            return self.acknowledged.push(promised(*id, outcome));
        }
        self.acknowledged.extend(match &asked.ask {
            Ask::Cancel(id, _) => vec![((*id).into(), "RentalCanceled")],
            Ask::Dispatch(id) => vec![(id.delivery().into(), "DeliveryDispatched")],
            Ask::Complete(id) => {
                vec![((*id).into(), "RentalDelivered"), (id.delivery().into(), "DeliveryCompleted")]
            }
            Ask::Edit { product, .. } => vec![((*product).into(), "ProductChanged")],
            Ask::Withdraw(product) => vec![((*product).into(), "ProductWithdrawn")],
            Ask::Leave { id, .. } => vec![((*id).into(), "CustomerLeft")],
            Ask::Rename { id, .. } => vec![((*id).into(), "CustomerChanged")],
            Ask::Register { .. } | Ask::SignUp { .. } => match &answered.done {
                Done::Product(product) => vec![(product.id.into(), "ProductRegistered")],
                Done::Customer { id, .. } => vec![((*id).into(), "CustomerSignedUp")],
                done => panic!("{done:?} is no answer to {asked:?}"),
            },
            _ => Vec::new(),
        });
    }
}
