//! Bytes on disk: the one place that knows bincode.
//!
//! Everything written is a *frame*: the CRC-32 of the payload, then the payload, which is
//! `enum Record { V1(…) }` in bincode. Versions are only ever appended, here and in every enum of the
//! domain: bincode reads a variant that was inserted in the middle silently wrong. The checksum is
//! verified before anything is decoded, lengths are limited, and no byte may be left over.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::domain::Aggregate;

/// The largest record that is written, in bytes.
const RECORD_MAX: usize = 64 * 1_024;
/// How much memory reading one may take. bincode counts what a value takes unpacked; at worst, one byte
/// of a record stands for the 16 of a `u128`: so whatever was written can be read.
const UNPACKED_MAX: usize = 16 * RECORD_MAX;
/// How long most frames are at most, in bytes.
const FRAME_USUAL: usize = 256;
/// The length of a checksum, in bytes.
const CRC_LEN: usize = 4;

const CONFIG: Configuration<LittleEndian, Varint, Limit<UNPACKED_MAX>> =
    bincode::config::standard().with_limit::<UNPACKED_MAX>();

/// What a frame holds. Append only.
#[derive(Serialize, Deserialize)]
enum Record<T> {
    V1(T),
}

/// A frame as it is written: most have room from the start.
struct Frame(Vec<u8>);

impl bincode::enc::write::Writer for &mut Frame {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes a value as a frame.
///
/// # Errors
/// [`StoreError::Corrupt`] when it cannot be written, or is too large ever to be read.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut frame = Frame(Vec::with_capacity(FRAME_USUAL));
    frame.0.extend_from_slice(&[0; CRC_LEN]);
    bincode::serde::encode_into_writer(Record::V1(value), &mut frame, CONFIG)
        .map_err(|error| StoreError::Corrupt(format!("cannot be encoded: {error}")))?;
    let Frame(mut frame) = frame;
    if frame.len() - CRC_LEN > RECORD_MAX {
        return Err(StoreError::Corrupt(format!("{} bytes are too many for a record", frame.len())));
    }
    let crc = crc32fast::hash(&frame[CRC_LEN..]);
    frame[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// Whether a frame is as it was written, by its checksum.
#[must_use]
pub fn is_whole(frame: &[u8]) -> bool {
    checked(frame).is_ok()
}

/// What a frame holds, if its checksum is right.
fn checked(frame: &[u8]) -> Result<&[u8], StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let (crc, payload) = frame.split_first_chunk::<CRC_LEN>().ok_or_else(|| corrupt("too short"))?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum is wrong"));
    }
    Ok(payload)
}

/// Reads a frame.
///
/// # Errors
/// [`StoreError::Corrupt`] when its checksum, its format or its length is wrong.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let payload = checked(frame)?;
    let decoded = bincode::serde::decode_from_slice::<Record<T>, _>(payload, CONFIG);
    let (Record::V1(value), read) =
        decoded.map_err(|error| corrupt(&format!("cannot be decoded: {error}")))?;
    if read != payload.len() {
        return Err(corrupt("bytes are left over"));
    }
    Ok(value)
}

/// Writes an aggregate's state.
///
/// # Errors
/// As [`encode`].
pub fn encode_snapshot<A: Aggregate>(state: &A) -> Result<Vec<u8>, StoreError> {
    encode(state)
}

/// Reads an aggregate's state.
///
/// # Errors
/// As [`decode`].
pub fn decode_snapshot<A: Aggregate>(frame: &[u8]) -> Result<A, StoreError> {
    decode(frame)
}

/// Appends a frame to `chunk`, behind its length.
pub(super) fn append(chunk: &mut Vec<u8>, frame: &[u8]) {
    let len = u32::try_from(frame.len()).expect("frames are limited");
    chunk.extend_from_slice(&len.to_le_bytes());
    chunk.extend_from_slice(frame);
}

/// The frames of a chunk, one after the other.
pub(super) fn frames(mut chunk: &[u8]) -> impl Iterator<Item = Result<&[u8], StoreError>> {
    std::iter::from_fn(move || {
        if chunk.is_empty() {
            return None;
        }
        let split = chunk.split_first_chunk::<4>().and_then(|(len, rest)| {
            let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            rest.split_at_checked(len)
        });
        let Some((frame, rest)) = split else {
            chunk = &[];
            return Some(Err(StoreError::Corrupt("a chunk is torn".to_owned())));
        };
        chunk = rest;
        Some(Ok(frame))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let frame = encode(&("purifier".to_owned(), 29_900u64)).unwrap();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(String, u64)>(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn bytes_left_over_are_noticed_even_with_a_right_checksum() {
        let mut frame = encode(&7u64).unwrap();
        frame.push(0);
        let crc = crc32fast::hash(&frame[CRC_LEN..]);
        frame[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode::<u64>(&frame), Err(StoreError::Corrupt("bytes are left over".to_owned())));
    }

    #[test]
    fn a_length_that_lies_is_an_error_and_no_allocation() {
        // V1, then a string that claims to be 2^62 bytes long.
        let payload = [&[0u8, 253][..], &(1u64 << 62).to_le_bytes()].concat();
        let frame = [&crc32fast::hash(&payload).to_le_bytes()[..], &payload].concat();
        assert!(decode::<String>(&frame).is_err());
    }

    proptest! {
        #[test]
        fn frames_survive_a_chunk(values: Vec<Vec<u8>>) {
            let mut chunk = Vec::new();
            for value in &values {
                append(&mut chunk, &encode(value).unwrap());
            }
            let read: Result<Vec<Vec<u8>>, _> = frames(&chunk).map(|frame| decode(frame?)).collect();
            prop_assert_eq!(read, Ok(values));
        }

        #[test]
        fn noise_is_never_a_panic(noise: Vec<u8>) {
            let _ = decode::<Vec<String>>(&noise);
            let _: Vec<_> = frames(&noise).collect();
        }
    }
}
