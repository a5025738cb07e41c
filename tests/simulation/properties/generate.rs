//! Random steps, more often those that can succeed or that concern the same entity.

use proptest::{
    prelude::*,
    sample::select,
    strategy::{BoxedStrategy, Union},
};
use saem::{
    CancelReason, Context,
    internal::store::{Failure, FaultMode},
};

use super::{
    commands::{Command, Placing, Request, Seen, Step, Target, Token},
    model::{CROWD, Model, NUMBERS},
};
use crate::kit::SERVICES;

pub fn step(model: &Model) -> BoxedStrategy<Step> {
    let failures = select(vec![Failure::Before, Failure::After, Failure::Torn]);
    let closing = if model.breaker_open { 5 } else { 1 };
    Union::new_weighted(vec![
        (14, request(model).prop_map(Step::Do).boxed()),
        (4, both(model).boxed()),
        (
            3,
            (request(model), 1_u64..=8, failures)
                .prop_map(|(request, nth, failure)| Step::Shaken { request, nth, failure })
                .boxed(),
        ),
        (
            4,
            (request(model), select(vec![0, 10, 20, 800, 2_500]), 0_usize..60)
                .prop_map(|(request, ms, turns)| Step::Doomed { request, ms, turns })
                .boxed(),
        ),
        (1, Just(Step::Crash).boxed()),
        (1, Just(Step::Restart).boxed()),
        (4, (1_usize..80).prop_map(Step::Turns).boxed()),
        (3, select(vec![10, 100, 1_000, 3_000, 12_000]).prop_map(|ms| Step::Pass { ms }).boxed()),
        (3, maintain(model).prop_map(Step::Do).boxed()),
        (1, Just(Step::Breaker { open: true }).boxed()),
        (closing, Just(Step::Breaker { open: false }).boxed()),
        (4, fault().boxed()),
    ])
    .boxed()
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        6 => Just(Token::Ok),
        1 => Just(Token::Decline),
        2 => Just(Token::LostResponse),
        1 => Just(Token::Timeout),
        1 => Just(Token::Error),
    ]
}

fn placing() -> impl Strategy<Value = Placing> {
    let seen = prop_oneof![4 => Just(Seen::Nothing), 2 => Just(Seen::TheFee), 1 => Just(Seen::AnotherFee)];
    (0..NUMBERS, 0..CROWD + 1, token(), seen).prop_map(|(customer, product, token, seen)| Placing {
        customer,
        product,
        token,
        seen,
    })
}

/// Few keys, so that requests share them.
fn key() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![2 => Just(None), 2 => (0_u8..2).prop_map(Some)]
}

fn request(model: &Model) -> BoxedStrategy<Request> {
    (command(model), key()).prop_map(|(command, key)| Request { command, key }).boxed()
}

fn maintain(model: &Model) -> impl Strategy<Value = Request> + use<> {
    let resumable: Vec<Context> =
        if model.paused.is_empty() { Context::ALL.into() } else { model.paused.iter().copied().collect() };
    let pause = |pause| move |context| Command::Maintain { context, pause };
    let command = prop_oneof![
        select(&Context::ALL[..]).prop_map(pause(true)),
        select(resumable).prop_map(pause(false))
    ];
    (command, key()).prop_map(|(command, key)| Request { command, key })
}

fn command(model: &Model) -> BoxedStrategy<Command> {
    let reason = select(vec![CancelReason::Customer, CancelReason::Operator]);
    let rental = prop_oneof![2 => Just(0_usize), 1 => 0_usize..6];
    let any = prop_oneof![
        10 => placing().prop_map(Command::Place),
        3 => (rental.clone(), token()).prop_map(|(rental, token)| Command::Pay { rental, token }),
        4 => (rental.clone(), reason).prop_map(|(rental, reason)| Command::Cancel { rental, reason }),
        4 => rental.clone().prop_map(|rental| Command::Dispatch { rental }),
        4 => rental.prop_map(|rental| Command::Complete { rental }),
        6 => catalogue(),
        6 => person(),
        2 => prop_oneof![
            2 => (0_usize..2).prop_map(|held| Command::Retry { held }),
            1 => (0_usize..2).prop_map(|held| Command::Dismiss { held }),
            2 => Just(Command::Revive),
        ],
    ];
    let fitting = model.fitting();
    if fitting.is_empty() {
        return any.boxed();
    }
    prop_oneof![2 => select(fitting), 1 => any].boxed()
}

fn catalogue() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => (0_u32..3).prop_map(|stock| Command::Register { stock }),
        2 => (0..CROWD, any::<bool>()).prop_map(|(product, stale)| Command::Edit { product, stale }),
        3 => (0..CROWD, 1_u32..3).prop_map(|(product, quantity)| Command::Restock { product, quantity }),
        1 => (0..CROWD - 1).prop_map(|product| Command::Withdraw { product }),
    ]
}

/// Rare, since hashing passwords is slow.
fn person() -> impl Strategy<Value = Command> {
    let customer = 0..NUMBERS;
    prop_oneof![
        2 => customer.clone().prop_map(|customer| Command::SignUp { customer }),
        4 => customer.clone().prop_map(|customer| Command::Leave { customer }),
        2 => (customer.clone(), prop::bool::weighted(0.2))
            .prop_map(|(customer, password)| Command::Rename { customer, password }),
        3 => (customer.clone(), prop::bool::weighted(0.7))
            .prop_map(|(customer, right)| Command::LogIn { customer, right, times: 1 }),
        1 => customer.clone().prop_map(|customer| Command::LogIn { customer, right: false, times: 6 }),
        2 => customer.prop_map(|customer| Command::LogOut { customer }),
    ]
}

/// Two requests, often about the same entity.
fn both(model: &Model) -> impl Strategy<Value = Step> + use<> {
    let same_key = (command(model), 0_u8..2).prop_map(|(command, key)| {
        let request = Request { command, key: Some(key) };
        Step::Both(request, request)
    });
    let same_rental = (0_usize..3, token(), 0..4).prop_map(|(rental, token, which)| {
        let cancel = Command::Cancel { rental, reason: CancelReason::Customer };
        let pay = Command::Pay { rental, token };
        let (one, other) = match which {
            0 => (pay, cancel),
            1 => (pay, pay),
            2 => (cancel, Command::Dispatch { rental }),
            _ => (Command::Complete { rental }, cancel),
        };
        Step::Both(one.into(), other.into())
    });
    let same_customer = (placing(), person()).prop_map(|(placing, other)| {
        let customer = placing.customer;
        let other = match other {
            Command::SignUp { .. } => Command::SignUp { customer },
            Command::LogIn { .. } => Command::LogIn { customer, right: true, times: 1 },
            _ => Command::Leave { customer },
        };
        Step::Both(Command::Place(placing).into(), other.into())
    });
    prop_oneof![
        2 => same_key,
        1 => same_rental,
        1 => same_customer,
        2 => (request(model), request(model)).prop_map(|(one, other)| Step::Both(one, other)),
    ]
}

fn fault() -> impl Strategy<Value = Step> {
    let target = prop_oneof![
        1 => (0_usize..3).prop_map(Target::Rental),
        1 => (0_usize..3).prop_map(Target::Payment),
        1 => (0_usize..3).prop_map(Target::Delivery),
        2 => (0..CROWD).prop_map(Target::Product),
        1 => (0..NUMBERS).prop_map(Target::Customer),
        2 => Just(Target::PaymentActor),
        3 => select(&SERVICES[..]).prop_map(|(kind, name)| Target::Service(kind, name)),
    ];
    let mode = select(vec![FaultMode::Panic, FaultMode::Stop]);
    // Six failures in a row lead to quarantine.
    let times = prop_oneof![3 => Just(1_u32), 1 => Just(6)];
    (target, mode, times).prop_map(|(target, mode, times)| Step::Fault { target, mode, times })
}
