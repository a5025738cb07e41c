//! Lines of an export, as JSON (`docs/export.md`).
//!
//! Events are readable JSON. Vault records, view rows and files are hexadecimal digits of the stored bytes.
//! Ids of more than 53 bits are strings, because many JSON parsers round larger numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    domain::{Causation, Correlation, EntityId, Event, Meta, NewEvent, Position, Timestamp},
    store::{CommitId, RecordedCommit},
};

/// Export format that this version writes, and the newest that it reads.
pub(crate) const EXPORT_FORMAT: u32 = 1;

/// Format of the values in the vault and in rows of views, the same for every backend: the newest that this
/// version reads, and the one that it writes.
pub(crate) const VALUES_FORMAT: u32 = 1;

/// First line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Export format.
    pub saem: u32,
    /// Store format of vault records and view rows.
    pub format: u32,
    /// Saem version that wrote the export.
    pub version: String,
}

/// Line after the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    File(FileLine),
    Commit(CommitLine),
    Vault(VaultLine),
    View(ViewLine),
    Trailer(Trailer),
}

/// Piece of a file beside the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    pub name: String,
    /// Offset of the piece in bytes. Pieces are in ascending order.
    pub offset: u64,
    pub bytes: Hex,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitLine {
    /// Position of the first event.
    pub position: Position,
    pub entity: EntityId,
    #[serde(with = "commit_hex")]
    pub id: u128,
    pub events: Vec<EventLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// Time, in ms since 1970.
    pub at: Timestamp,
    pub correlation: Correlation,
    #[serde(with = "CausationLine")]
    pub causation: Causation,
    pub event: Event,
}

/// JSON form of [`Causation`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Causation", rename_all = "lowercase")]
enum CausationLine {
    Request(#[serde(with = "span_hex")] u64),
    Event(Position),
    Schedule,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultLine {
    pub key: String,
    pub value: Hex,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewLine {
    pub key: Hex,
    /// Value; empty for rows that are all key.
    pub value: Hex,
}

/// Number of lines and events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pieces of files.
    pub files: u64,
    pub commits: u64,
    pub events: u64,
    pub vault: u64,
    pub views: u64,
}

/// Last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    #[serde(flatten)]
    pub counts: Counts,
    /// SHA-256 of all bytes before this line.
    pub sha256: Hex,
}

/// Bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl fmt::Debug for Hex {
    // The bytes may be personal data.
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
    ($($(#[$doc:meta])* $name:ident: $number:ty = $digits:literal;)*) => {$(
        $(#[$doc])*
        mod $name {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            pub(super) fn serialize<S: Serializer>(number: &$number, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(&format_args!("{number:0width$x}", width = $digits))
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$number, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                let plain = text.len() == $digits && text.bytes().all(|digit| digit != b'+');
                let number = <$number>::from_str_radix(&text, 16).ok().filter(|_| plain);
                number.ok_or_else(|| D::Error::custom(concat!("must be ", $digits, " hexadecimal digits")))
            }
        }
    )*};
}

numbers_as_hex! {
    /// Commit id as 32 digits.
    commit_hex: u128 = 32;
    /// Span id as 16 digits.
    span_hex: u64 = 16;
}

impl From<RecordedCommit> for CommitLine {
    fn from(commit: RecordedCommit) -> Self {
        let RecordedCommit { entity, commit_id, first, events } = commit;
        let line = |NewEvent { meta: Meta { at, correlation, causation }, event }| EventLine {
            at,
            correlation,
            causation,
            event,
        };
        Self { position: first, entity, id: commit_id.0, events: events.into_iter().map(line).collect() }
    }
}

impl From<CommitLine> for RecordedCommit {
    fn from(line: CommitLine) -> Self {
        let CommitLine { position, entity, id, events } = line;
        let new = |EventLine { at, correlation, causation, event }| NewEvent {
            meta: Meta { at, correlation, causation },
            event,
        };
        let events = events.into_iter().map(new).collect();
        Self { entity, commit_id: CommitId(id), first: position, events }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ids(#[serde(with = "commit_hex")] u128, #[serde(with = "span_hex")] u64);

    #[test]
    fn numbers_and_bytes_in_another_form_are_refused() {
        let commit = format!("{:032x}", 1);
        assert_eq!(text(Ids(1, u64::MAX)), format!("[\"{commit}\",\"ffffffffffffffff\"]"));
        assert_eq!(text(Hex(vec![0, 0x7f, 0xff])), "\"007fff\"");
        for bad in ["\"0\"", "\"+000000000000001\"", "\"000000000000000g\"", "1"] {
            assert!(serde_json::from_str::<Ids>(&format!("[\"{commit}\",{bad}]")).is_err(), "{bad}");
        }
        for bad in ["\"0\"", "\"0G\"", "\"AB\"", "\"정\"", "[]"] {
            assert!(serde_json::from_str::<Hex>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn written_numbers_and_bytes_are_read_back(bytes: Vec<u8>, id: u128, span: u64) {
            let read = |text: String| serde_json::from_str::<Hex>(&text).unwrap().0;
            prop_assert_eq!(read(text(Hex(bytes.clone()))), bytes);
            let ids = Ids(id, span);
            prop_assert_eq!(serde_json::from_str::<Ids>(&text(&ids)).unwrap(), ids);
        }
    }
}
