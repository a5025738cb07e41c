//! Records: golden frames with flipped bits, cuts, splices and inserted bytes; with a wrong checksum, and
//! with a corrected one, which lets the parser below it see the change.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use saem::{
    Address, Delivery, EntityId, Event, NewEvent, Rental,
    internal::{
        domain::{Account, Maintenance, Payment, Product},
        store::codec,
    },
};
use serde::{Serialize, de::DeserializeOwned};

const CRC_LEN: usize = 4;
const CASES: u32 = 4_096;

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    /// The rest is of another record.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        any::<(Index, Index, Index)>().prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

impl Change {
    fn apply(&self, frame: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |at: &Index, frame: &[u8]| at.index(frame.len() + 1);
        match self {
            Self::Flip(_, _) if frame.is_empty() => {}
            Self::Flip(at, bit) => {
                let at = at.index(frame.len());
                frame[at] ^= 1 << bit;
            }
            Self::Cut(at) => frame.truncate(place(at, frame)),
            Self::Insert(at, bytes) => {
                let at = place(at, frame);
                frame.splice(at..at, bytes.iter().copied());
            }
            Self::Splice(at, other, from) => {
                let other = other.get(corpus);
                frame.truncate(place(at, frame));
                frame.extend_from_slice(&other[place(from, other)..]);
            }
        }
    }
}

/// Key of a chunk of the journal, which holds frames but is none: a part of it may be one.
const CHUNK: &str = "6a";

/// All golden frames, and the other golden records.
fn corpus() -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut corpus = Vec::new();
    for file in fs::read_dir(golden).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let mut chunk = false;
        for line in text.lines() {
            if line.ends_with(':') {
                chunk = line.starts_with(CHUNK);
                corpus.push(Vec::new());
                continue;
            }
            if chunk {
                continue;
            }
            let digits = line.trim().as_bytes().chunks(2);
            let bytes = digits.map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            corpus.last_mut().unwrap().extend(bytes);
        }
    }
    assert!(corpus.len() > 50, "{} golden records", corpus.len());
    corpus
}

/// True if a frame is read as a `T`; a value that was read is written and read alike.
fn reads<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(frame: &[u8]) -> bool {
    let Ok(value) = codec::decode::<T>(frame) else { return false };
    // A value within its limit in memory may be above it on disk, and is then refused.
    if let Ok(written) = codec::encode(&value) {
        assert_eq!(codec::decode::<T>(&written).unwrap(), value);
    }
    true
}

/// True if a frame is read as any type.
fn is_anything(frame: &[u8]) -> bool {
    let readers = [
        reads::<Event>,
        reads::<NewEvent>,
        reads::<EntityId>,
        reads::<Address>,
        reads::<Rental>,
        reads::<Payment>,
        reads::<Delivery>,
        reads::<Product>,
        reads::<Account>,
        reads::<Maintenance>,
        reads::<Vec<String>>,
        reads::<(u8, u64)>,
    ];
    // All readers run, since none may panic.
    readers.map(|reads| reads(frame)).contains(&true)
}

fn with_right_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.len() >= CRC_LEN {
        let crc = crc32fast::hash(&frame[CRC_LEN..]).to_le_bytes();
        frame[..CRC_LEN].copy_from_slice(&crc);
    }
    frame
}

#[test]
fn changed_record_is_refused_or_read_without_a_panic() {
    let corpus = corpus();
    let cases = (any::<Index>(), vec(change(), 1..5));
    let tried = TestRunner::new(crate::config(CASES)).run(&cases, |(which, changes)| {
        let frame = which.get(&corpus);
        let mut changed = frame.clone();
        changes.iter().for_each(|change| change.apply(&mut changed, &corpus));
        if !corpus.contains(&changed) {
            prop_assert!(!is_anything(&changed), "read despite its checksum");
        }
        is_anything(&with_right_checksum(changed));
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
    assert!(corpus.iter().filter(|frame| is_anything(frame)).count() > 50, "unchanged ones are read");
}

#[test]
fn random_bytes_with_a_right_checksum_do_not_panic() {
    let noise = vec(any::<u8>(), 0..512);
    let tried = TestRunner::new(crate::config(CASES)).run(&noise, |noise| {
        is_anything(&noise);
        is_anything(&with_right_checksum([vec![0; CRC_LEN], vec![0], noise].concat()));
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
