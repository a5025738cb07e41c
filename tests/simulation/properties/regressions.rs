//! Shrunk cases that failed.

use proptest::test_runner::Config;
use proptest_state_machine::StateMachineTest as _;
use saem::{
    CancelReason,
    internal::store::{Failure, FaultMode},
};

use super::{
    AShop,
    commands::{Command, Placing, Request, Seen, Step, Target, Token},
    model::Model,
};

fn with_fallback_defer(steps: Vec<Step>) {
    AShop::test_sequential(Config::default(), Model::new(true), steps, None);
}

fn with_fallback_refuse(steps: Vec<Step>) {
    AShop::test_sequential(Config::default(), Model::new(false), steps, None);
}

const fn asked(command: Command) -> Request {
    Request { command, key: None }
}

const fn place(product: usize, token: Token) -> Request {
    asked(Command::Place(Placing { customer: 0, product, token, seen: Seen::Nothing }))
}

const fn pay() -> Request {
    asked(Command::Pay { rental: 0, token: Token::Ok })
}

/// Two targets of one context are released in one commit: both are shown as released.
#[test]
fn two_context_commands_in_one_commit_are_both_seen() {
    with_fallback_defer(vec![
        Step::Doomed { request: place(2, Token::Ok), ms: 10, turns: 2 },
        Step::Do(asked(Command::Cancel { rental: 0, reason: CancelReason::Customer })),
        Step::Fault { target: Target::Product(2), mode: FaultMode::Panic, times: 6 },
        Step::Do(place(0, Token::Ok)),
        Step::Do(place(2, Token::LostResponse)),
        Step::Do(place(2, Token::Ok)),
    ]);
}

/// The intent of a payment could not be written: the rental still waits for the payment.
#[test]
fn unwritten_payment_is_not_called_unpayable() {
    for failure in [Failure::Before, Failure::Torn] {
        with_fallback_defer(vec![
            Step::Breaker { open: true },
            Step::Do(place(0, Token::Ok)),
            Step::Breaker { open: false },
            Step::Shaken { request: pay(), nth: 1, failure },
        ]);
    }
}

/// The same with a payment in quarantine.
#[test]
fn payment_in_quarantine_is_not_called_unpayable() {
    with_fallback_defer(vec![
        Step::Breaker { open: true },
        Step::Do(place(0, Token::Ok)),
        Step::Breaker { open: false },
        Step::Fault { target: Target::Payment(0), mode: FaultMode::Panic, times: 6 },
        Step::Pass { ms: 1_000 },
        Step::Do(pay()),
    ]);
}

/// The job runner fails during a job: its successor does the job.
#[test]
fn job_is_done_after_its_runner_failed() {
    let fail = |target| Step::Fault { target, mode: FaultMode::Panic, times: 1 };
    with_fallback_refuse(vec![
        Step::Do(place(0, Token::Ok)),
        Step::Do(asked(Command::Cancel { rental: 0, reason: CancelReason::Customer })),
        fail(Target::Service("errands", "agenda")),
        fail(Target::PaymentActor),
    ]);
}

/// Completing is two commits: with the delivery in quarantine, the rental is delivered.
#[test]
fn completing_a_delivery_in_quarantine_is_not_refused() {
    with_fallback_refuse(vec![
        Step::Do(place(0, Token::Ok)),
        Step::Turns(2),
        Step::Do(asked(Command::Dispatch { rental: 0 })),
        Step::Fault { target: Target::Delivery(0), mode: FaultMode::Panic, times: 6 },
        Step::Do(asked(Command::Complete { rental: 1 })),
    ]);
}
