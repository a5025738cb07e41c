//! Metadata of an event: time, correlation and causation.

use serde::{Deserialize, Serialize};

use super::{position::Position, time::Timestamp};

/// Id shared by everything that follows from one request: a W3C Trace Context trace id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Correlation(pub u128);

impl Correlation {
    /// Parses 32 lower-case hexadecimal digits, not all zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text).filter(|correlation| *correlation != Self::default())
    }

    /// Like [`Self::parse`], but accepts zeros: work that Saem starts by itself has no trace.
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

/// Cause of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Causation {
    /// A request from outside: the span id of its W3C trace context.
    Request(u64),
    /// An earlier event, by its position.
    Event(Position),
    /// Saem itself: something came due.
    Schedule,
}

/// Time, correlation and cause of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Time of the decision.
    pub at: Timestamp,
    /// Shared by all events of one rental.
    pub correlation: Correlation,
    pub causation: Causation,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn correlations_are_trace_ids() {
        assert_eq!(Correlation::parse(TEXT).unwrap().to_string(), TEXT);
        for bad in ["", &TEXT.to_uppercase(), &"0".repeat(32), &"g".repeat(32), &"+".repeat(32)] {
            assert_eq!(Correlation::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn correlations_survive_serialization() {
        use serde::de::value::{Error, StrDeserializer};
        let read = |text| Correlation::deserialize(StrDeserializer::<Error>::new(text));
        assert_eq!(read(TEXT).unwrap().to_string(), TEXT);
        assert!(read("4bf92f35").is_err());
    }
}
