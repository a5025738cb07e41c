//! What the journal holds: events of all aggregates, each with where it stands and what it follows from.

use serde::{Deserialize, Serialize};

use super::{
    account::AccountEvent,
    context::ContextEvent,
    delivery::DeliveryEvent,
    id::{EntityId, EntityKind, RentalId},
    payment::PaymentEvent,
    product::ProductEvent,
    rental::RentalEvent,
    time::Timestamp,
};

/// How many ordered lanes each consumer group has. Part of the format: fixed for ever.
pub const LANES: u8 = 64;

/// Where an event stands in the journal: 1 for the first, larger for later ones, 0 for "before all".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// The position of an entity's newest event; 0 for an entity that does not exist. Grows with gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// Ties together all that follows from one request: a W3C Trace Context trace id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(pub u128);

impl Correlation {
    /// Reads 32 lower-case hexadecimal digits, not all zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text).filter(|correlation| *correlation != Self::default())
    }

    /// As [`Self::parse`], but zeros, too: what Saem does by itself has no trace.
    fn read(text: &str) -> Option<Self> {
        let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !lower_hex {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl std::fmt::Display for Correlation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Correlation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Correlation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::read(&text).ok_or_else(|| serde::de::Error::custom("must be 32 hexadecimal digits"))
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

/// What an event follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Causation {
    /// A request from outside: the span id of its W3C trace context.
    Request(u64),
    /// An earlier event, by its position.
    Event(Position),
    /// Saem itself: something came due.
    Schedule,
}

/// What is known of an event beside what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// When it was decided.
    pub at: Timestamp,
    /// Shared by all events of one rental.
    pub correlation: Correlation,
    /// What it follows from.
    pub causation: Causation,
}

/// Something that happened. Part of the format: append only, here and in each aggregate's enum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// To a rental.
    Rental(RentalEvent),
    /// To a payment.
    Payment(PaymentEvent),
    /// To a delivery.
    Delivery(DeliveryEvent),
    /// To a product.
    Product(ProductEvent),
    /// To a customer's account.
    Account(AccountEvent),
    /// To a context's maintenance state.
    Context(ContextEvent),
}

impl Event {
    /// The event's type, as the contract names it (`RentalPlaced`).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rental(event) => event.name(),
            Self::Payment(event) => event.name(),
            Self::Delivery(event) => event.name(),
            Self::Product(event) => event.name(),
            Self::Account(event) => event.name(),
            Self::Context(event) => event.name(),
        }
    }

    /// The kind of entity the event belongs to.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Rental(_) => EntityKind::Rental,
            Self::Payment(_) => EntityKind::Payment,
            Self::Delivery(_) => EntityKind::Delivery,
            Self::Product(_) => EntityKind::Product,
            Self::Account(_) => EntityKind::Account,
            Self::Context(_) => EntityKind::Context,
        }
    }

    /// The rental this event of `entity` belongs to, if any: its timeline shows the event.
    #[must_use]
    pub const fn rental(&self, entity: EntityId) -> Option<RentalId> {
        match self {
            Self::Rental(_) | Self::Payment(_) | Self::Delivery(_) => Some(RentalId(entity.id)),
            Self::Product(event) => event.rental(),
            Self::Account(_) | Self::Context(_) => None,
        }
    }

    /// The lane this event of `entity` is handled in, by every group: its rental's, else its entity's.
    #[must_use]
    pub fn lane(&self, entity: EntityId) -> u8 {
        lane_of(self.rental(entity).map_or(entity.id, |rental| rental.0))
    }
}

/// The lane of a key. Part of the format: fixed for ever.
#[must_use]
pub const fn lane_of(key: u128) -> u8 {
    // The finaliser of splitmix64 over both halves: every bit of the key reaches the low six.
    let mut mixed = (key >> 64) as u64 ^ (key as u64).rotate_left(32);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as u8 % LANES
}

/// An event on its way into the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When, and what it follows from.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

/// An event as the journal holds it: durable, and with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it stands.
    pub position: Position,
    /// Whom it happened to.
    pub entity: EntityId,
    /// When, and what it follows from.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

impl Recorded {
    /// The rental whose timeline shows this event.
    #[must_use]
    pub const fn rental(&self) -> Option<RentalId> {
        self.event.rental(self.entity)
    }

    /// The lane this event is handled in.
    #[must_use]
    pub fn lane(&self) -> u8 {
        self.event.lane(self.entity)
    }
}

macro_rules! events_of {
    ($($variant:ident($event:ty)),* $(,)?) => {$(
        impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        }

        impl<'a> TryFrom<&'a Event> for &'a $event {
            type Error = ();

            fn try_from(event: &'a Event) -> Result<Self, ()> {
                if let Event::$variant(event) = event { Ok(event) } else { Err(()) }
            }
        }
    )*};
}

events_of!(
    Rental(RentalEvent),
    Payment(PaymentEvent),
    Delivery(DeliveryEvent),
    Product(ProductEvent),
    Account(AccountEvent),
    Context(ContextEvent),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Aggregate, Money, ProductId,
        account::{Account, AccountCommand},
        context::Maintenance,
        delivery::Delivery,
        payment::Payment,
        product::Product,
        rental::Rental,
    };

    #[test]
    fn lanes_are_fixed_for_ever() {
        // Changing one of these breaks every journal written so far.
        assert_eq!([0, 1, 2, 1 << 64, u128::MAX].map(lane_of), [0, 63, 62, 37, 0]);
        let far = [3, 99, 1_000_007, 1 << 100, 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057];
        assert_eq!(far.map(lane_of), [60, 53, 30, 2, 52]);
    }

    #[test]
    fn lanes_spread_evenly_over_time_ordered_ids() {
        let mut counts = [0u32; LANES as usize];
        for n in 0..64_000u128 {
            let id = super::super::id::uuid_v7(1_700_000_000_000 + n as i64, n * 0x9e37_79b9_7f4a_7c15);
            counts[usize::from(lane_of(id))] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }

    #[test]
    fn correlations_are_trace_ids() {
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(Correlation::parse(text).unwrap().to_string(), text);
        for bad in ["", "4BF92F3577B34DA6A3CE929D0E0E4736", &"0".repeat(32), &"g".repeat(32), &"+".repeat(32)]
        {
            assert_eq!(Correlation::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_correlation_is_read_as_it_is_written() {
        use serde::de::value::{Error, StrDeserializer};
        let read = |text| Correlation::deserialize(StrDeserializer::<Error>::new(text));
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(read(text).unwrap().to_string(), text);
        assert!(read("4bf92f35").is_err());
    }

    /// One of each aggregate that has tests of its own elsewhere.
    fn samples() -> [Event; 6] {
        let product_id = ProductId(7);
        [
            AccountEvent::CustomerSignedUp.into(),
            ContextEvent::ContextPaused.into(),
            DeliveryEvent::DeliveryStarted { product_id }.into(),
            PaymentEvent::PaymentCanceled { amount: Money::ZERO }.into(),
            ProductEvent::ProductRestocked { quantity: 3 }.into(),
            RentalEvent::RentalConfirmed { product_id }.into(),
        ]
    }

    #[test]
    fn an_event_is_called_what_it_is() {
        // The name is in the contract, in the log and in the operator's list.
        for event in samples() {
            let shown = format!("{event:?}");
            let (_, own) = shown.split_once('(').expect("an event is its aggregate's");
            let own = own.split([' ', ')']).next().unwrap();
            assert_eq!(event.name(), own);
        }
    }

    #[test]
    fn an_aggregate_folds_its_own_events_and_no_others() {
        fn folding<A: Aggregate + PartialEq>() -> Vec<Event> {
            let changes = |event: &Event| A::default().fold(event, Timestamp(1)) != A::default();
            samples().into_iter().filter(changes).collect()
        }
        let [account, context, delivery, payment, product, rental] = samples();
        assert_eq!(folding::<Account>(), [account]);
        assert_eq!(folding::<Maintenance>(), [context]);
        assert_eq!(folding::<Delivery>(), [delivery]);
        assert_eq!(folding::<Payment>(), [payment]);
        assert_eq!(folding::<Product>(), [product]);
        assert_eq!(folding::<Rental>(), [rental]);
    }

    #[test]
    fn commands_share_a_commit_unless_their_events_are_large() {
        assert!(!Account::is_bulky(&AccountCommand::SignUp));
    }
}
