//! Every command in every state of a context, and the text form of parked keys.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::domain::id::ProductId;

fn key() -> ParkedKey {
    ParkedKey { group: Group::Product, lane: 17, target: ProductId(42).into() }
}

fn parked(attempts: u32) -> Parked {
    Parked {
        position: Position(9),
        event: "DeliveryStarted".to_owned(),
        reason: "quarantined".to_owned(),
        attempts,
    }
}

#[test]
fn parked_keys_survive_text() {
    assert_eq!(ParkedKey::parse(&key().to_string()), Some(key()));
    for bad in
        ["", "product", "product.1", "product.x.product_1", "shop.1.product_01h455vb4pex5vsknk084sn02q"]
    {
        assert_eq!(ParkedKey::parse(bad), None, "{bad}");
    }
    // A target has a single key.
    for lane in ["017", "+17"] {
        let bad = key().to_string().replace("17", lane);
        assert_eq!(ParkedKey::parse(&bad), None, "{bad}");
    }
}

#[test]
fn every_state_answers_every_command() {
    use ContextCommand as C;
    let free = Maintenance::default();
    let busy = Maintenance { paused: true, parked: BTreeMap::from([(key(), parked(5))]) };
    let dismiss = || C::Dismiss { key: key(), reason: "broken".to_owned() };
    for (state, command, expected) in [
        (&free, C::Pause, Ok(vec![ContextEvent::ContextPaused])),
        (&free, C::Resume, Ok(vec![])),
        (
            &free,
            C::Park { key: key(), parked: parked(5) },
            Ok(vec![ContextEvent::TargetHeld { key: key(), parked: parked(5) }]),
        ),
        (&free, C::Release { key: key() }, Ok(vec![])),
        (&free, dismiss(), Err(ContextError::NotParked)),
        (&busy, C::Pause, Ok(vec![])),
        (&busy, C::Resume, Ok(vec![ContextEvent::ContextResumed])),
        (&busy, C::Park { key: key(), parked: parked(5) }, Ok(vec![])),
        (
            &busy,
            C::Park { key: key(), parked: parked(6) },
            Ok(vec![ContextEvent::TargetHeld { key: key(), parked: parked(6) }]),
        ),
        (&busy, C::Release { key: key() }, Ok(vec![ContextEvent::TargetReleased { key: key() }])),
        (
            &busy,
            dismiss(),
            Ok(vec![ContextEvent::TargetDismissed { key: key(), reason: "broken".to_owned() }]),
        ),
    ] {
        assert_eq!(state.decide(command.clone()), expected, "{command:?}");
    }
}

#[test]
fn parking_beyond_the_limit_is_refused() {
    let target = |n| ParkedKey { target: ProductId(n).into(), ..key() };
    let most = (0..PARKED_MAX as u128).map(|n| (target(n), parked(1)));
    let full = Maintenance { parked: most.collect(), ..Maintenance::default() };
    let more = |n| full.decide(ContextCommand::Park { key: target(n), parked: parked(2) });
    assert_eq!(more(PARKED_MAX as u128), Err(ContextError::TooManyParked));
    assert_eq!(more(7), Ok(vec![ContextEvent::TargetHeld { key: target(7), parked: parked(2) }]));
    let mut room = full.clone();
    room.parked.pop_first();
    let events = room.decide(ContextCommand::Park { key: target(PARKED_MAX as u128), parked: parked(2) });
    assert_eq!(events.map(|events| events.len()), Ok(1));
}

#[test]
fn release_and_dismissal_free_the_target() {
    let busy = Maintenance::default()
        .evolve(&ContextEvent::TargetHeld { key: key(), parked: parked(1) }, Timestamp(0));
    assert_eq!(busy.parked.len(), 1);
    let released = busy.clone().evolve(&ContextEvent::TargetReleased { key: key() }, Timestamp(0));
    let dismissed = ContextEvent::TargetDismissed { key: key(), reason: String::new() };
    assert!(released.parked.is_empty() && busy.evolve(&dismissed, Timestamp(0)).parked.is_empty());
}

#[test]
fn context_names_survive_text() {
    for context in Context::ALL {
        assert_eq!(Context::parse(context.as_str()), Some(context));
    }
    assert_eq!(Context::parse("Rental"), None);
}

proptest! {
    /// A repeated command adds no event, or is refused because nothing is parked any more.
    #[test]
    fn repeated_commands_change_nothing(path in vec((0u8..5, select(vec![1, 2])), 0..24)) {
        let mut state = Maintenance::default();
        for (kind, attempts) in path {
            let command = match kind {
                0 => ContextCommand::Pause,
                1 => ContextCommand::Resume,
                2 => ContextCommand::Park { key: key(), parked: parked(attempts) },
                3 => ContextCommand::Release { key: key() },
                _ => ContextCommand::Dismiss { key: key(), reason: String::new() },
            };
            let events = state.decide(command.clone()).unwrap_or_default();
            let after = events.iter().fold(state.clone(), |s, e| s.evolve(e, Timestamp(0)));
            prop_assert_eq!(events.is_empty(), after == state);
            prop_assert_eq!(after.decide(command).unwrap_or_default(), vec![]);
            state = after;
        }
    }
}
