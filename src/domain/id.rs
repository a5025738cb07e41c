//! Ids: [TypeID](https://github.com/jetify-com/typeid)s over 128-bit UUIDs (RFC 9562, v7 or v8).
//!
//! A rental's payment and delivery share its 128 bits: that a rental has one payment and one delivery
//! needs no look-up and no uniqueness check.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// The text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a valid id")]
pub struct InvalidId;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

fn encode_suffix(mut bits: u128) -> [u8; SUFFIX_LEN] {
    let mut suffix = [b'0'; SUFFIX_LEN];
    for slot in suffix.iter_mut().rev() {
        *slot = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    suffix
}

pub(crate) fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("it is ASCII")
}

fn decode_suffix(suffix: &str) -> Result<u128, InvalidId> {
    // 26 × 5 bits are 130: a first character above '7' would overflow.
    if suffix.len() != SUFFIX_LEN || suffix.as_bytes()[0] > b'7' {
        return Err(InvalidId);
    }
    suffix.bytes().try_fold(0u128, |bits, byte| {
        let digit = ALPHABET.iter().position(|&a| a == byte).ok_or(InvalidId)?;
        Ok(bits << 5 | digit as u128)
    })
}

/// Returns a UUID version 8 (RFC 9562, section 5.8) of 128 random or hashed bits.
pub const fn uuid_v8(bits: u128) -> u128 {
    with_version(bits, 8)
}

/// Returns a UUID version 7 (RFC 9562, section 5.7) of a Unix time in ms and random bits. Sorts by time.
pub(crate) const fn uuid_v7(unix_ms: i64, random: u128) -> u128 {
    let time = (unix_ms as u128) << 80;
    with_version(time | (random & ((1 << 80) - 1)), 7)
}

const fn with_version(bits: u128, version: u128) -> u128 {
    let cleared = bits & !(0xf << 76) & !(0b11 << 62);
    cleared | version << 76 | 0b10 << 62
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// Prefix of the text form, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Returns the text form without allocating: responses hold many ids.
            fn text(self) -> [u8; Self::PREFIX.len() + 1 + SUFFIX_LEN] {
                let mut text = [b'_'; Self::PREFIX.len() + 1 + SUFFIX_LEN];
                text[..Self::PREFIX.len()].copy_from_slice(Self::PREFIX.as_bytes());
                text[Self::PREFIX.len() + 1..].copy_from_slice(&encode_suffix(self.0));
                text
            }

            /// Parses `prefix_suffix`.
            ///
            /// # Errors
            /// [`InvalidId`] for another prefix, length or alphabet.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let suffix = text.strip_prefix(concat!($prefix, "_")).ok_or(InvalidId)?;
                decode_suffix(suffix).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(ascii(&self.text()))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(ascii(&self.text()))
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    Self::parse(&text).map_err(D::Error::custom)
                } else {
                    u128::deserialize(deserializer).map(Self)
                }
            }
        }
    )*};
}

typed_ids! {
    /// Id of a product.
    ProductId = "product";
    /// Id of a customer: derived from a keyed hash of the phone number, so that a number signs up once.
    CustomerId = "customer";
    /// Id of a rental.
    RentalId = "rental";
    /// Id of a rental's payment: the same bits as the rental's id.
    PaymentId = "payment";
    /// Id of a rental's delivery: the same bits as the rental's id.
    DeliveryId = "delivery";
    /// Id of a text message.
    NotificationId = "notification";
    /// Id of a checkout, which fixes order and amount before a customer pays in a provider's window.
    CheckoutId = "checkout";
}

impl RentalId {
    /// Returns the id of the rental's payment.
    #[must_use]
    pub const fn payment(self) -> PaymentId {
        PaymentId(self.0)
    }

    /// Returns the id of the rental's delivery.
    #[must_use]
    pub const fn delivery(self) -> DeliveryId {
        DeliveryId(self.0)
    }
}

impl PaymentId {
    /// Returns the id of the payment's rental.
    #[must_use]
    pub const fn rental(self) -> RentalId {
        RentalId(self.0)
    }
}

impl DeliveryId {
    /// Returns the id of the delivery's rental.
    #[must_use]
    pub const fn rental(self) -> RentalId {
        RentalId(self.0)
    }
}

/// Kind of an entity that owns commits in the journal. Part of the format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    Rental,
    Payment,
    Delivery,
    Product,
    Account,
    Context,
}

impl EntityKind {
    /// All kinds, in the order of the format.
    pub const ALL: [Self; 6] =
        [Self::Rental, Self::Payment, Self::Delivery, Self::Product, Self::Account, Self::Context];

    /// Returns the kind's name in URLs, logs and ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rental => "rental",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
            Self::Account => "customer",
            Self::Context => "context",
        }
    }
}

/// Id of an entity of any kind. A commit belongs to one entity, and an actor serves one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityId {
    pub kind: EntityKind,
    pub id: u128,
}

impl std::hash::Hash for EntityId {
    /// Hashes a single word, for speed: a command looks its entity up a dozen times.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let halves = (self.id >> 64) as u64 ^ self.id as u64;
        state.write_u64(halves.rotate_left(self.kind as u32));
    }
}

impl EntityId {
    /// Parses `rental_…`, `product_…` and so on, as [`std::fmt::Display`] writes them.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (prefix, suffix) = text.split_once('_').ok_or(InvalidId)?;
        let kind = EntityKind::ALL.into_iter().find(|kind| kind.as_str() == prefix).ok_or(InvalidId)?;
        Ok(Self { kind, id: decode_suffix(suffix)? })
    }
}

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.kind, self.id).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            Self::parse(&text).map_err(D::Error::custom)
        } else {
            <(EntityKind, u128)>::deserialize(deserializer).map(|(kind, id)| Self { kind, id })
        }
    }
}

impl std::fmt::Display for EntityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.kind.as_str(), ascii(&encode_suffix(self.id)))
    }
}

impl std::fmt::Debug for EntityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

macro_rules! entity_of {
    ($($id:ident => $kind:ident),* $(,)?) => {$(
        impl From<$id> for EntityId {
            fn from(id: $id) -> Self {
                Self { kind: EntityKind::$kind, id: id.0 }
            }
        }
    )*};
}

entity_of!(
    RentalId => Rental,
    PaymentId => Payment,
    DeliveryId => Delivery,
    ProductId => Product,
    CustomerId => Account,
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_the_typeid_specification_hold() {
        for (suffix, bits) in [
            ("00000000000000000000000000", 0),
            ("00000000000000000000000001", 1),
            ("0000000000000000000000000z", 31),
            ("7zzzzzzzzzzzzzzzzzzzzzzzzz", u128::MAX),
            ("01h455vb4pex5vsknk084sn02q", 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        ] {
            assert_eq!(decode_suffix(suffix), Ok(bits));
            assert_eq!(&encode_suffix(bits), suffix.as_bytes());
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "rental_",
            "rental",
            "payment_01h455vb4pex5vsknk084sn02q",
            "rental_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "rental_01h455vb4pex5vsknk084sn02",
            "rental_01H455VB4PEX5VSKNK084SN02Q",
            "rental_정수기정수기정수",
            "rental_01h455vb4pex5vsknk084sn0il",
        ] {
            assert_eq!(RentalId::parse(text), Err(InvalidId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn ids_survive_text_and_keep_version_bits(bits: u128, ms in 0i64..1 << 47) {
            let id = RentalId(uuid_v8(bits));
            prop_assert_eq!(RentalId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(EntityId::parse(&id.to_string()), Ok(EntityId::from(id)));
            prop_assert_eq!(id.0 >> 76 & 0xf, 8);
            let v7 = uuid_v7(ms, bits);
            prop_assert_eq!((v7 >> 80) as i64, ms);
            prop_assert_eq!(v7 >> 76 & 0xf, 7);
            prop_assert_eq!(v7 >> 62 & 0b11, 0b10);
        }
    }

    #[test]
    fn entity_ids_debug_as_their_text() {
        let id = EntityId::from(RentalId(uuid_v8(7)));
        assert!(format!("{id:?}").contains(&id.to_string()), "{id:?}");
    }
}
