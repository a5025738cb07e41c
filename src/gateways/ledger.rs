//! The simulator's ledger: what it captured, refunded, declined and voided; an oracle outside the store.
//!
//! An append-only text file, one line an operation, such as `captured payment_… 1 29900`. Each line is
//! one `write` before the operation is answered, so it survives `kill -9`. It is not synced: it stands
//! for somebody else's machine, whose power does not fail with ours. A line torn by a crash was never
//! answered, and is cut off when the file is opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use serde::Serialize;
use thiserror::Error;

use super::ChargeKey;
use crate::domain::{Money, PaymentId};

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Captured, and perhaps refunded since.
    Captured {
        /// How much.
        amount: Money,
        /// Whether it was given back, in full.
        refunded: bool,
    },
    /// Declined for good.
    Declined {
        /// Why.
        code: String,
    },
    /// Never to be charged.
    Voided,
}

/// Everything that was charged to one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which payment.
    pub payment_id: PaymentId,
    /// How much its first capture took.
    pub amount: Money,
    /// How often it was captured, by whatever attempt.
    pub captures: u32,
    /// How often a capture was given back.
    pub refunds: u32,
    /// `REFUNDED` once every capture is given back.
    pub status: EntryStatus,
}

/// Whether the gateway still has the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EntryStatus {
    /// It has.
    Captured,
    /// It gave all of it back.
    Refunded,
}

/// Why a ledger cannot be opened or written.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The file.
    #[error("the simulator's ledger: {0}")]
    Io(#[from] io::Error),
    /// A line in its middle.
    #[error("the simulator's ledger, line {line}: not an operation")]
    Malformed {
        /// Which, from 1 on.
        line: usize,
    },
}

/// The ledger.
pub struct Ledger {
    file: Option<File>,
    /// What was taken: a million of them count, so each is small.
    captured: BTreeMap<Slot, Money>,
    /// Which of it was given back.
    refunded: BTreeSet<Slot>,
    /// What was declined or voided.
    refused: BTreeMap<ChargeKey, Standing>,
}

/// A key, in the same order, without the padding that a `u128` brings along: 20 bytes instead of 32.
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

/// A ledger as it was found.
pub struct Survey {
    /// What its lines come to that can be read.
    pub ledger: Ledger,
    /// Lines that are none, from 1 on.
    pub malformed: Vec<usize>,
    /// The last one, if it is cut off.
    pub torn: Option<usize>,
    /// Nothing of it can be read.
    pub unreadable: bool,
}

impl Survey {
    /// Of a ledger that is there, and cannot be read.
    #[must_use]
    pub const fn unreadable() -> Self {
        Self { ledger: Ledger::in_memory(), malformed: Vec::new(), torn: None, unreadable: true }
    }
}

impl Ledger {
    /// Reads the ledger at `path`, all that can be read of it, and changes nothing; none if there is none.
    ///
    /// # Errors
    /// The file's.
    pub fn survey(path: &Path) -> io::Result<Option<Survey>> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        let (mut ledger, mut malformed, mut lines) = (Self::in_memory(), Vec::new(), 0);
        for line in text[..whole].lines() {
            lines += 1;
            match parse(line) {
                Some((key, operation)) => ledger.apply(key, &operation),
                None => malformed.push(lines),
            }
        }
        let torn = (whole < text.len()).then_some(lines + 1);
        Ok(Some(Survey { ledger, malformed, torn, unreadable: false }))
    }

    /// Which keys were captured, in their order.
    pub fn captured(&self) -> impl Iterator<Item = ChargeKey> {
        self.captured.keys().map(|slot| ChargeKey::from(*slot))
    }

    /// A ledger that nothing outlives, for tests.
    #[must_use]
    pub const fn in_memory() -> Self {
        Self { file: None, captured: BTreeMap::new(), refunded: BTreeSet::new(), refused: BTreeMap::new() }
    }

    /// Opens the ledger at `path`, or begins one.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut ledger = Self::in_memory();
        for (index, line) in text[..whole].lines().enumerate() {
            let (key, operation) = parse(line).ok_or(LedgerError::Malformed { line: index + 1 })?;
            ledger.apply(key, &operation);
        }
        ledger.file = Some(file);
        Ok(ledger)
    }

    /// What became of a key.
    #[must_use]
    pub fn standing(&self, key: ChargeKey) -> Option<Standing> {
        let slot = Slot::from(key);
        match self.captured.get(&slot) {
            Some(&amount) => Some(Standing::Captured { amount, refunded: self.refunded.contains(&slot) }),
            None => self.refused.get(&key).cloned(),
        }
    }

    /// Writes an operation down.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; then it did not happen.
    pub fn record(&mut self, key: ChargeKey, operation: &Operation) -> Result<(), LedgerError> {
        if let Some(file) = &mut self.file {
            let whole = file.stream_position()?;
            if let Err(error) = file.write_all(line(key, operation).as_bytes()) {
                // Half a line would swallow the next one.
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
            Operation::Declined { code } => self.refuse(key, Standing::Declined { code: code.clone() }),
            Operation::Voided => self.refuse(key, Standing::Voided),
        }
    }

    fn refuse(&mut self, key: ChargeKey, standing: Standing) {
        self.captured.remove(&key.into());
        self.refused.insert(key, standing);
    }

    /// Every payment that was ever captured.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: BTreeMap<PaymentId, Entry> = BTreeMap::new();
        for (slot, amount) in &self.captured {
            let payment_id = ChargeKey::from(*slot).payment;
            let status = EntryStatus::Captured;
            let entry = entries.entry(payment_id).or_insert(Entry {
                payment_id,
                amount: *amount,
                captures: 0,
                refunds: 0,
                status,
            });
            entry.captures += 1;
            entry.refunds += u32::from(self.refunded.contains(slot));
            entry.status =
                if entry.refunds == entry.captures { EntryStatus::Refunded } else { EntryStatus::Captured };
        }
        entries.into_values().collect()
    }
}

/// Something the simulator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It took the money.
    Captured {
        /// How much.
        amount: Money,
    },
    /// It gave it back.
    Refunded,
    /// It declined.
    Declined {
        /// Why.
        code: String,
    },
    /// It will never charge this key.
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
    fn what_was_written_is_read_and_a_torn_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("simulator.ledger");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.record(key(1, 1), &captured(29_900)).unwrap();
        ledger.record(key(1, 1), &Operation::Refunded).unwrap();
        ledger.record(key(2, 1), &Operation::Declined { code: "card_declined".to_owned() }).unwrap();
        ledger.record(key(3, 1), &Operation::Voided).unwrap();
        let standings = |ledger: &Ledger| [1, 2, 3].map(|payment| ledger.standing(key(payment, 1)));
        let before = standings(&ledger);
        assert!(before.iter().all(Option::is_some));
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"captured payment_0000"].concat()).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(standings(&ledger), before);
        assert_eq!(ledger.captured().collect::<Vec<_>>(), [key(1, 1)]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_malformed_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("simulator.ledger");
        std::fs::write(&path, format!("voided {} 1\nnonsense\n", PaymentId(1))).unwrap();
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Malformed { line: 2 })));
    }

    #[test]
    fn captures_of_different_attempts_are_counted_honestly() {
        let mut ledger = Ledger::in_memory();
        for attempt in [1, 2] {
            ledger.record(key(1, attempt), &captured(100)).unwrap();
        }
        ledger.record(key(1, 1), &Operation::Refunded).unwrap();
        let [entry] = &ledger.entries()[..] else { panic!("one payment") };
        assert_eq!((entry.captures, entry.refunds, entry.status), (2, 1, EntryStatus::Captured));
    }
}
