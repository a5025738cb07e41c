//! Runs a plan.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use saem::{
    CancelReason, EntityId,
    internal::{actors::guarded, domain::Check},
};

use crate::{
    asking::{Ask, Request},
    clock::BEGINNING,
    disk::Planned,
    kit::SERVICES,
    plan::{Fault, Plan, Step, Target, What},
    world::World,
};

/// The result of a plan.
#[derive(Debug)]
pub struct Run {
    /// Of the text.
    pub hash: u64,
    pub events: usize,
    pub answers: usize,
    /// The broken invariant.
    pub wrong: Option<String>,
    /// The history as text.
    pub text: String,
    /// Operations of the store during the steps: true for a write.
    pub operations: Vec<bool>,
    /// True if every planned fault of the store occurred.
    pub struck: bool,
}

/// Runs a plan from its beginning to rest.
pub fn run(plan: &Plan) -> Run {
    // Before the system: making it needs its own.
    crate::world::template();
    crate::kit::runtime::paused().block_on(async {
        let mut world = World::begin(plan.seed, plan.weather).await;
        world.disk.forget_operations();
        let wrong = match guarded(live(&mut world, plan)).await {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation.to_string()),
            Err(panic) => Some(panic),
        };
        told(&world, wrong)
    })
}

async fn live(world: &mut World, plan: &Plan) -> Check {
    for step in &plan.steps {
        world.pass(Duration::from_millis(step.after_ms)).await;
        world.take(*step).await;
        // Others run first, so that the request is not always the first.
        tokio::task::yield_now().await;
        world.look().await?;
    }
    (world.operations, world.struck) = (world.disk.operations(), !world.disk.has_plans());
    world.come_to_rest().await
}

fn told(world: &World, wrong: Option<String>) -> Run {
    let book = world.book.borrow();
    let mut text = String::new();
    for recorded in &world.seen.history {
        let (at_ms, position) = (recorded.meta.at.ms_since(BEGINNING), recorded.position.0);
        let (entity, event) = (recorded.entity, &recorded.event);
        let _ = writeln!(text, "{at_ms:>8} ms  event {position:>4}  {entity}  {event:?}");
    }
    for (at_ms, step, answer) in &book.log {
        let _ = writeln!(text, "{at_ms:>8} ms  step {step:>4}  {answer}");
    }
    for entry in saem::PaymentGateway::ledger(&world.bank).unwrap_or_default() {
        let _ = writeln!(text, "{entry:?}");
    }
    let mut hasher = DefaultHasher::new();
    (text.as_str(), &wrong).hash(&mut hasher);
    let (events, answers) = (world.seen.history.len(), book.log.len());
    let (operations, struck) = (world.operations.clone(), world.struck);
    Run { hash: hasher.finish(), events, answers, wrong, text, operations, struck }
}

impl World {
    /// Lets time pass; a process that dies meanwhile is replaced.
    pub async fn pass(&mut self, time: Duration) {
        let disk = self.disk.clone();
        let died = tokio::select! {
            biased;
            () = disk.died() => true,
            () = tokio::time::sleep(time) => false,
        };
        if died {
            self.crash(true, 1, None).await;
        }
    }

    /// Takes a step.
    async fn take(&mut self, Step { id, what, .. }: Step) {
        let ask = match what {
            What::Fault(fault) => return self.suffer(fault).await,
            What::Breaker { open } => return self.set_breaker(open),
            What::Retry => {
                for held in self.shop.parked() {
                    // It may be released already.
                    let _ = self.shop.retry_parked(held.key);
                }
                return;
            }
            What::Again { step } => {
                if let Some(request) = self.requests.get(&step).cloned().filter(|request| request.keyed) {
                    self.send(request);
                }
                return;
            }
            asked => self.ask(asked),
        };
        if let Some((ask, keyed)) = ask {
            if let Ask::Restock { product, quantity } = ask {
                self.book.borrow_mut().restocked.insert(id, (product, quantity, false));
            }
            self.send(Request { step: id, ask, keyed });
        }
    }

    /// The request of a step, with true for a key; none if its rental does not exist.
    fn ask(&self, what: What) -> Option<(Ask, bool)> {
        Some(match what {
            What::Place { customer, product, card, keyed } => {
                let (customer, product) = (self.customers[customer], self.products[product]);
                (Ask::Place { customer, product, card }, keyed)
            }
            What::Pay { rental, card } => (Ask::Pay { rental: self.rental(rental)?, card }, false),
            What::Cancel { rental, by_operator } => {
                let reason = if by_operator { CancelReason::Operator } else { CancelReason::Customer };
                (Ask::Cancel { rental: self.rental(rental)?, reason }, true)
            }
            What::Dispatch { rental } => (Ask::Dispatch(self.rental(rental)?), true),
            What::Complete { rental } => (Ask::Complete(self.rental(rental)?), true),
            What::Restock { product, quantity } => {
                (Ask::Restock { product: self.products[product], quantity }, true)
            }
            What::Pause { context } => (Ask::Maintain { context, pause: true }, false),
            What::Resume { context } => (Ask::Maintain { context, pause: false }, false),
            What::Again { .. } | What::Retry | What::Breaker { .. } | What::Fault(_) => return None,
        })
    }

    async fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Fail { target, mode, times } => {
                for _ in 0..times {
                    let disk = self.disk.clone();
                    tokio::select! {
                        biased;
                        // The process is dead.
                        () = disk.died() => return,
                        // It reads the store, which may panic as planned.
                        _ = guarded(self.fail(target, mode)) => {}
                    }
                }
            }
            Fault::Store { nth, outcome, for_ever } => {
                self.disk.plan(Planned { nth, outcome, for_ever });
            }
            Fault::Gateway(mood) => self.bank.set_mood(mood),
            Fault::Sms { down } => self.phones.set_down(down),
            Fault::SmsPanic => self.phones.panic_next(),
            Fault::Clock { jump_ms } => self.watch.jump(jump_ms),
            Fault::Crash { arrives, batches, again } => self.crash(arrives, batches, again).await,
            Fault::Restart => self.restart().await,
        }
    }

    async fn fail(&self, target: Target, mode: saem::internal::store::FaultMode) {
        let entity: Option<EntityId> = match target {
            Target::Rental(step) => self.rental(step).map(Into::into),
            Target::Payment(step) => self.rental(step).map(|rental| rental.payment().into()),
            Target::Delivery(step) => self.rental(step).map(|rental| rental.delivery().into()),
            Target::Product(index) => Some(self.products[index].into()),
            Target::PaymentActor => {
                // It may rest after earlier failures.
                let _ = self.shop.inject_fault("payment", None, mode).await;
                return;
            }
            Target::Service(index) => {
                let (kind, name) = SERVICES[index];
                self.shop.inject_fault(kind, Some(name), mode).await.expect("it is always there");
                return;
            }
        };
        if let Some(entity) = entity {
            // It reads its correlation from the store, which may fail.
            let _ = self.shop.inject_fault(entity.kind.as_str(), Some(&entity.to_string()), mode).await;
        }
    }
}
