//! What a context answers to every command, and that its keys survive text.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::domain::id::ProductId;

fn key() -> HeldKey {
    HeldKey { group: Group::Product, lane: 17, target: ProductId(42).into() }
}

fn hold(attempts: u32) -> Hold {
    Hold {
        position: Position(9),
        event: "DeliveryStarted".to_owned(),
        reason: "quarantined".to_owned(),
        attempts,
    }
}

#[test]
fn held_keys_survive_text() {
    assert_eq!(HeldKey::parse(&key().to_string()), Some(key()));
    for bad in
        ["", "product", "product.1", "product.x.product_1", "shop.1.product_01h455vb4pex5vsknk084sn02q"]
    {
        assert_eq!(HeldKey::parse(bad), None, "{bad}");
    }
    // One target has one name.
    for lane in ["017", "+17"] {
        let bad = key().to_string().replace("17", lane);
        assert_eq!(HeldKey::parse(&bad), None, "{bad}");
    }
}

#[test]
fn every_state_answers_every_command() {
    use ContextCommand as C;
    let free = Maintenance::default();
    let busy = Maintenance { paused: true, held: BTreeMap::from([(key(), hold(5))]) };
    let dismiss = || C::Dismiss { key: key(), reason: "broken".to_owned() };
    for (state, command, expected) in [
        (&free, C::Pause, Ok(vec![ContextEvent::ContextPaused])),
        (&free, C::Resume, Ok(vec![])),
        (
            &free,
            C::Hold { key: key(), hold: hold(5) },
            Ok(vec![ContextEvent::TargetHeld { key: key(), hold: hold(5) }]),
        ),
        (&free, C::Release { key: key() }, Ok(vec![])),
        (&free, dismiss(), Err(ContextError::NotHeld)),
        (&busy, C::Pause, Ok(vec![])),
        (&busy, C::Resume, Ok(vec![ContextEvent::ContextResumed])),
        (&busy, C::Hold { key: key(), hold: hold(5) }, Ok(vec![])),
        (
            &busy,
            C::Hold { key: key(), hold: hold(6) },
            Ok(vec![ContextEvent::TargetHeld { key: key(), hold: hold(6) }]),
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
fn so_many_targets_are_held_and_no_more() {
    let target = |n| HeldKey { target: ProductId(n).into(), ..key() };
    let held = (0..HELD_MAX as u128).map(|n| (target(n), hold(1)));
    let full = Maintenance { held: held.collect(), ..Maintenance::default() };
    let more = |n| full.decide(ContextCommand::Hold { key: target(n), hold: hold(2) });
    assert_eq!(more(HELD_MAX as u128), Err(ContextError::TooManyHeld));
    assert_eq!(more(7), Ok(vec![ContextEvent::TargetHeld { key: target(7), hold: hold(2) }]));
    let mut room = full.clone();
    room.held.pop_first();
    let held = room.decide(ContextCommand::Hold { key: target(HELD_MAX as u128), hold: hold(2) });
    assert_eq!(held.map(|events| events.len()), Ok(1));
}

#[test]
fn what_is_released_or_dismissed_is_held_no_more() {
    let held =
        Maintenance::default().evolve(&ContextEvent::TargetHeld { key: key(), hold: hold(1) }, Timestamp(0));
    assert_eq!(held.held.len(), 1);
    let released = held.clone().evolve(&ContextEvent::TargetReleased { key: key() }, Timestamp(0));
    let dismissed = ContextEvent::TargetDismissed { key: key(), reason: String::new() };
    assert!(released.held.is_empty() && held.evolve(&dismissed, Timestamp(0)).held.is_empty());
}

#[test]
fn contexts_are_read_as_they_are_written() {
    for context in Context::ALL {
        assert_eq!(Context::parse(context.as_str()), Some(context));
    }
    assert_eq!(Context::parse("Rental"), None);
}

proptest! {
    /// A repeat adds no event, or is refused because nothing is held any more.
    #[test]
    fn repeated_commands_change_nothing(path in vec((0u8..5, select(vec![1, 2])), 0..24)) {
        let mut state = Maintenance::default();
        for (kind, attempts) in path {
            let command = match kind {
                0 => ContextCommand::Pause,
                1 => ContextCommand::Resume,
                2 => ContextCommand::Hold { key: key(), hold: hold(attempts) },
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
