//! The simulator's ledger: its own record of captures, refunds, declines and voids. Tests and `saem verify`
//! compare it with the journal.
//!
//! An append-only text file with one line per operation, such as `captured payment_… 1 29900`. Each line is
//! one `write`, made before the operation is answered, so it survives `kill -9`. The file is not synced: it
//! stands for a provider's machine, which does not lose power with ours. A line torn by a crash belongs to
//! an operation that was never answered; opening the file truncates it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use serde::Serialize;
use thiserror::Error;

use super::ChargeKey;
use crate::domain::{Money, PaymentId};

/// State of a charge key in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// `refunded` if the amount was refunded in full.
    Captured {
        amount: Money,
        refunded: bool,
    },
    Declined {
        code: String,
    },
    /// Never to be charged.
    Voided,
}

/// All charges of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub payment_id: PaymentId,
    /// Amount of its first capture, in KRW.
    pub amount: Money,
    /// Number of captures over all attempts.
    pub captures: u32,
    /// Number of refunds over all attempts.
    pub refunds: u32,
    pub status: EntryStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EntryStatus {
    Captured,
    /// Every capture is refunded.
    Refunded,
}

/// A ledger that cannot be opened or written.
#[derive(Debug, Error)]
pub enum LedgerError {
    #[error("the simulator's ledger: {0}")]
    Io(#[from] io::Error),
    /// A complete line cannot be parsed. Lines are numbered from 1.
    #[error("the simulator's ledger, line {line}: not an operation")]
    Malformed { line: usize },
}

/// The ledger, with its whole content in memory.
pub struct Ledger {
    file: Option<File>,
    /// Amounts of captured keys. Compact keys, since a large shop has a million of them.
    captured: BTreeMap<Slot, Money>,
    refunded: BTreeSet<Slot>,
    refused: BTreeMap<ChargeKey, KeyState>,
}

/// A [`ChargeKey`] of 20 bytes instead of 32, without the padding of a `u128`. It sorts like the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    payment: [u8; 16],
    attempt: [u8; 4],
}

impl From<ChargeKey> for Slot {
    fn from(key: ChargeKey) -> Self {
        Self { payment: key.payment.0.to_be_bytes(), attempt: key.attempt.to_be_bytes() }
    }
}

impl From<Slot> for ChargeKey {
    fn from(slot: Slot) -> Self {
        let payment = PaymentId(u128::from_be_bytes(slot.payment));
        Self { payment, attempt: u32::from_be_bytes(slot.attempt) }
    }
}

/// Result of reading a possibly damaged ledger.
pub struct LedgerScan {
    /// Ledger made of the lines that can be parsed.
    pub ledger: Ledger,
    /// Numbers of the lines that cannot be parsed, from 1.
    pub malformed: Vec<usize>,
    /// Number of the last line if it is torn.
    pub torn: Option<usize>,
    /// Length of all complete lines, in bytes.
    whole: u64,
}

impl Ledger {
    /// Reads all parsable lines of the file at `path` without changing it; `None` if there is no file.
    ///
    /// # Errors
    /// I/O errors of the file.
    pub fn scan(path: &Path) -> io::Result<Option<LedgerScan>> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let (mut ledger, mut malformed, mut lines) = (Self::in_memory(), Vec::new(), 0);
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            lines += 1;
            match std::str::from_utf8(line.trim_ascii_end()).ok().and_then(parse) {
                Some((key, operation)) => ledger.apply(key, &operation),
                None => malformed.push(lines),
            }
        }
        let torn = (whole < bytes.len()).then_some(lines + 1);
        Ok(Some(LedgerScan { ledger, malformed, torn, whole: whole as u64 }))
    }

    /// Returns all captured keys in order.
    pub fn captured(&self) -> impl Iterator<Item = ChargeKey> {
        self.captured.keys().map(|slot| ChargeKey::from(*slot))
    }

    /// Creates an empty ledger without a file.
    #[must_use]
    pub const fn in_memory() -> Self {
        Self { file: None, captured: BTreeMap::new(), refunded: BTreeSet::new(), refused: BTreeMap::new() }
    }

    /// Opens the ledger at `path`, creates it if missing, and truncates a torn last line.
    ///
    /// # Errors
    /// [`LedgerError::Io`], or [`LedgerError::Malformed`] for a complete line that cannot be parsed.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let Some(LedgerScan { ledger, malformed, whole, .. }) = Self::scan(path)? else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        if let Some(&line) = malformed.first() {
            return Err(LedgerError::Malformed { line });
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file: Some(file), ..ledger })
    }

    /// Returns the state of a key; `None` if it was never used.
    #[must_use]
    pub fn state(&self, key: ChargeKey) -> Option<KeyState> {
        let slot = Slot::from(key);
        match self.captured.get(&slot) {
            Some(&amount) => Some(KeyState::Captured { amount, refunded: self.refunded.contains(&slot) }),
            None => self.refused.get(&key).cloned(),
        }
    }

    /// Appends an operation to the file and applies it.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; the operation then has no effect.
    pub fn record(&mut self, key: ChargeKey, operation: &Operation) -> Result<(), LedgerError> {
        if let Some(file) = &mut self.file {
            let whole = file.stream_position()?;
            if let Err(error) = file.write_all(line(key, operation).as_bytes()) {
                // A partial line would corrupt the next one.
                file.set_len(whole)?;
                file.seek(SeekFrom::Start(whole))?;
                return Err(error.into());
            }
        }
        self.apply(key, operation);
        Ok(())
    }

    fn apply(&mut self, key: ChargeKey, operation: &Operation) {
        let slot = Slot::from(key);
        match operation {
            Operation::Captured { amount } => {
                self.refunded.remove(&slot);
                self.captured.insert(slot, *amount);
            }
            Operation::Refunded if self.captured.contains_key(&slot) => {
                self.refunded.insert(slot);
            }
            Operation::Refunded => {}
            Operation::Declined { code } => self.refuse(key, KeyState::Declined { code: code.clone() }),
            Operation::Voided => self.refuse(key, KeyState::Voided),
        }
    }

    fn refuse(&mut self, key: ChargeKey, state: KeyState) {
        self.captured.remove(&key.into());
        self.refused.insert(key, state);
    }

    /// Returns the totals of every payment with at least one capture.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: BTreeMap<PaymentId, Entry> = BTreeMap::new();
        for (slot, amount) in &self.captured {
            let (payment_id, status) = (ChargeKey::from(*slot).payment, EntryStatus::Captured);
            let first = Entry { payment_id, amount: *amount, captures: 0, refunds: 0, status };
            let entry = entries.entry(payment_id).or_insert(first);
            entry.captures += 1;
            entry.refunds += u32::from(self.refunded.contains(slot));
            entry.status =
                if entry.refunds == entry.captures { EntryStatus::Refunded } else { EntryStatus::Captured };
        }
        entries.into_values().collect()
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Captured {
        amount: Money,
    },
    /// Refunded in full.
    Refunded,
    Declined {
        code: String,
    },
    Voided,
}

fn line(key: ChargeKey, operation: &Operation) -> String {
    let ChargeKey { payment, attempt } = key;
    match operation {
        Operation::Captured { amount } => format!("captured {payment} {attempt} {}\n", amount.as_won()),
        Operation::Refunded => format!("refunded {payment} {attempt}\n"),
        Operation::Declined { code } => format!("declined {payment} {attempt} {code}\n"),
        Operation::Voided => format!("voided {payment} {attempt}\n"),
    }
}

fn parse(line: &str) -> Option<(ChargeKey, Operation)> {
    let words: Vec<&str> = line.split(' ').collect();
    let (&[verb, payment, attempt], rest) = words.split_first_chunk::<3>()?;
    let key = ChargeKey { payment: PaymentId::parse(payment).ok()?, attempt: attempt.parse().ok()? };
    let operation = match (verb, rest) {
        ("captured", [amount]) => Operation::Captured { amount: Money::won(amount.parse().ok()?) },
        ("refunded", []) => Operation::Refunded,
        ("declined", [code]) => Operation::Declined { code: (*code).to_owned() },
        ("voided", []) => Operation::Voided,
        _ => return None,
    };
    Some((key, operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(payment: u128, attempt: u32) -> ChargeKey {
        ChargeKey { payment: PaymentId(payment), attempt }
    }

    fn captured(won: u64) -> Operation {
        Operation::Captured { amount: Money::won(won) }
    }

    #[test]
    fn written_operations_are_read_and_a_torn_line_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("simulator.ledger");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.record(key(1, 1), &captured(29_900)).unwrap();
        ledger.record(key(1, 1), &Operation::Refunded).unwrap();
        ledger.record(key(2, 1), &Operation::Declined { code: "card_declined".to_owned() }).unwrap();
        ledger.record(key(3, 1), &Operation::Voided).unwrap();
        let states = |ledger: &Ledger| [1, 2, 3].map(|payment| ledger.state(key(payment, 1)));
        let before = states(&ledger);
        assert!(before.iter().all(Option::is_some));
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"captured payment_0000"].concat()).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(states(&ledger), before);
        assert_eq!(ledger.captured().collect::<Vec<_>>(), [key(1, 1)]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_malformed_line_is_reported_by_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("simulator.ledger");
        for nonsense in [&b"nonsense\n"[..], b"declined \xff\n"] {
            let first = format!("voided {} 1\n", PaymentId(1));
            std::fs::write(&path, [first.as_bytes(), nonsense].concat()).unwrap();
            assert!(matches!(Ledger::open(&path), Err(LedgerError::Malformed { line: 2 })));
        }
    }

    #[test]
    fn captures_of_all_attempts_are_counted() {
        let mut ledger = Ledger::in_memory();
        for attempt in [1, 2] {
            ledger.record(key(1, attempt), &captured(100)).unwrap();
        }
        ledger.record(key(1, 1), &Operation::Refunded).unwrap();
        let [entry] = &ledger.entries()[..] else { panic!("one payment") };
        assert_eq!((entry.captures, entry.refunds, entry.status), (2, 1, EntryStatus::Captured));
    }
}
