//! The lines of an export, as JSON: `docs/export.md` shows each.
//!
//! Events are readable. What is not the journal's (records of the vault, rows of views, files) is in
//! hexadecimal digits, as it is stored. Whatever has more than 53 bits is text, since many who read JSON
//! lose the rest.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    domain::{Causation, Correlation, EntityId, Event, Meta, NewEvent, Position, Timestamp},
    store::{CommitId, RecordedCommit},
};

/// The newest form of export that this version reads, and the one it writes.
pub const EXPORT_FORMAT: u32 = 1;

/// The first line: what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The form of these lines.
    pub saem: u32,
    /// The format of what is stored in the vault and in rows of views.
    pub format: u32,
    /// Which version wrote it.
    pub version: String,
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A piece of a file beside the store.
    File(FileLine),
    /// A commit of the journal.
    Commit(CommitLine),
    /// A record of the vault.
    Vault(VaultLine),
    /// A row of a view.
    View(ViewLine),
    /// The last line.
    Trailer(Trailer),
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    /// Its name.
    pub name: String,
    /// Where in it the piece stands: pieces come in their order.
    pub offset: u64,
    /// The piece.
    pub bytes: Hex,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitLine {
    /// Where its first event stands.
    pub position: u64,
    /// Whose.
    pub entity: EntityId,
    /// Its name.
    pub id: Name,
    /// What happened.
    pub events: Vec<EventLine>,
}

/// An event of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// When, in ms since 1970.
    pub at: Timestamp,
    /// Shared by all events of one rental.
    pub correlation: Correlation,
    /// What it follows from.
    pub causation: CausationLine,
    /// What happened.
    pub event: Event,
}

/// What an event follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CausationLine {
    /// A request's span.
    Request(Span),
    /// An earlier event.
    Event(u64),
    /// Saem itself.
    Schedule,
}

/// A record of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultLine {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Hex,
}

/// A row of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewLine {
    /// Its key.
    pub key: Hex,
    /// Its value; empty where the key says all.
    pub value: Hex,
}

/// How many of each there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pieces of files.
    pub files: u64,
    /// Commits.
    pub commits: u64,
    /// Their events.
    pub events: u64,
    /// Records of the vault.
    pub vault: u64,
    /// Rows of views.
    pub views: u64,
}

/// The last line: what must have come before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// How many of each.
    #[serde(flatten)]
    pub counts: Counts,
    /// SHA-256 of all bytes before this line.
    pub sha256: Hex,
}

/// Bytes, in hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl fmt::Debug for Hex {
    // It may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let (pairs, odd) = text.as_bytes().as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        let bytes: Option<Vec<u8>> = bytes.collect();
        let bytes = bytes.filter(|_| odd.is_empty());
        bytes.map(Self).ok_or_else(|| D::Error::custom("must be pairs of lower-case hexadecimal digits"))
    }
}

macro_rules! numbers_as_hex {
    ($($(#[$doc:meta])* $name:ident($number:ty) = $digits:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $number);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{:0width$x}", self.0, width = $digits))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                let plain = text.len() == $digits && text.bytes().all(|digit| digit != b'+');
                let number = <$number>::from_str_radix(&text, 16).ok().filter(|_| plain);
                number.map(Self).ok_or_else(|| {
                    D::Error::custom(concat!("must be ", $digits, " hexadecimal digits"))
                })
            }
        }
    )*};
}

numbers_as_hex! {
    /// A commit's name.
    Name(u128) = 32;
    /// A request's span.
    Span(u64) = 16;
}

impl From<RecordedCommit> for CommitLine {
    fn from(commit: RecordedCommit) -> Self {
        let RecordedCommit { entity, commit_id, first, events } = commit;
        let events = events.into_iter().map(EventLine::from).collect();
        Self { position: first.0, entity, id: Name(commit_id.0), events }
    }
}

impl From<CommitLine> for RecordedCommit {
    fn from(line: CommitLine) -> Self {
        let CommitLine { position, entity, id, events } = line;
        let events = events.into_iter().map(NewEvent::from).collect();
        Self { entity, commit_id: CommitId(id.0), first: Position(position), events }
    }
}

impl From<NewEvent> for EventLine {
    fn from(new: NewEvent) -> Self {
        let NewEvent { meta: Meta { at, correlation, causation }, event } = new;
        let causation = match causation {
            Causation::Request(span) => CausationLine::Request(Span(span)),
            Causation::Event(position) => CausationLine::Event(position.0),
            Causation::Schedule => CausationLine::Schedule,
        };
        Self { at, correlation, causation, event }
    }
}

impl From<EventLine> for NewEvent {
    fn from(line: EventLine) -> Self {
        let EventLine { at, correlation, causation, event } = line;
        let causation = match causation {
            CausationLine::Request(span) => Causation::Request(span.0),
            CausationLine::Event(position) => Causation::Event(Position(position)),
            CausationLine::Schedule => Causation::Schedule,
        };
        Self { meta: Meta { at, correlation, causation }, event }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn numbers_and_bytes_are_read_only_as_they_are_written() {
        assert_eq!(text(Name(1)), format!("\"{:032x}\"", 1));
        assert_eq!(text(Span(u64::MAX)), "\"ffffffffffffffff\"");
        assert_eq!(text(Hex(vec![0, 0x7f, 0xff])), "\"007fff\"");
        for bad in ["\"0\"", "\"+000000000000001\"", "\"000000000000000g\"", "1"] {
            assert!(serde_json::from_str::<Span>(bad).is_err(), "{bad}");
        }
        for bad in ["\"0\"", "\"0G\"", "\"AB\"", "\"정\"", "[]"] {
            assert!(serde_json::from_str::<Hex>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>, name: u128, span: u64) {
            let read = |text: String| serde_json::from_str::<Hex>(&text).unwrap().0;
            prop_assert_eq!(read(text(Hex(bytes.clone()))), bytes);
            let text = text((Name(name), Span(span)));
            prop_assert_eq!(serde_json::from_str::<(Name, Span)>(&text).unwrap(), (Name(name), Span(span)));
        }
    }
}
