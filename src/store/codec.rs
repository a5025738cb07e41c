//! Encoding of values on disk, with bincode.
//!
//! Each value is a *frame*: the CRC-32 of the payload, then the payload, which is `enum Record { V1(…) }` in
//! bincode. Variants are only appended, here and in every enum of the domain: bincode would read a variant
//! that was inserted in the middle as another one, without an error. The checksum is verified before
//! decoding, lengths are limited, and no byte may be left over.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::domain::Aggregate;

/// Maximal length of a payload, in bytes.
const RECORD_MAX: usize = 64 * 1_024;
/// Maximal memory of a decoded value, in bytes. bincode counts the unpacked size: in the worst case, one byte
/// of a payload is a `u128` of 16 bytes.
const UNPACKED_MAX: usize = 16 * RECORD_MAX;
/// Initial capacity of a frame, in bytes: enough for most.
const FRAME_USUAL: usize = 256;
const CRC_LEN: usize = 4;

const CONFIG: Configuration<LittleEndian, Varint, Limit<UNPACKED_MAX>> =
    bincode::config::standard().with_limit::<UNPACKED_MAX>();

/// Payload of a frame. Append only.
#[derive(Serialize, Deserialize)]
enum Record<T> {
    V1(T),
}

struct Frame(Vec<u8>);

impl bincode::enc::write::Writer for &mut Frame {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Encodes a value as a frame; [`StoreError::Corrupt`] if it is too large to be read again.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut frame = Frame(Vec::with_capacity(FRAME_USUAL));
    frame.0.extend_from_slice(&[0; CRC_LEN]);
    bincode::serde::encode_into_writer(Record::V1(value), &mut frame, CONFIG)
        .map_err(|error| StoreError::Corrupt(format!("cannot be encoded: {error}")))?;
    let Frame(mut frame) = frame;
    if frame.len() - CRC_LEN > RECORD_MAX {
        return Err(StoreError::Corrupt(format!("{} bytes are too many for a frame", frame.len())));
    }
    let crc = crc32fast::hash(&frame[CRC_LEN..]);
    frame[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// True if the checksum of a frame is right.
pub fn is_whole(frame: &[u8]) -> bool {
    checked(frame).is_ok()
}

fn checked(frame: &[u8]) -> Result<&[u8], StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(what.to_owned());
    let (crc, payload) = frame.split_first_chunk::<CRC_LEN>().ok_or_else(|| corrupt("too short"))?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum is wrong"));
    }
    Ok(payload)
}

/// Decodes a frame; [`StoreError::Corrupt`] if its checksum, its format or its length is wrong.
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

pub fn encode_snapshot<A: Aggregate>(state: &A) -> Result<Vec<u8>, StoreError> {
    encode(state)
}

pub fn decode_snapshot<A: Aggregate>(frame: &[u8]) -> Result<A, StoreError> {
    decode(frame)
}

/// Appends the length of a frame (4 bytes, little-endian) and the frame to `chunk`.
pub(super) fn append(chunk: &mut Vec<u8>, frame: &[u8]) {
    let len = u32::try_from(frame.len()).expect("frames are limited");
    chunk.extend_from_slice(&len.to_le_bytes());
    chunk.extend_from_slice(frame);
}

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
    fn flipped_bits_are_detected() {
        let frame = encode(&("purifier".to_owned(), 29_900u64)).unwrap();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(String, u64)>(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn leftover_bytes_are_an_error_despite_a_right_checksum() {
        let mut frame = encode(&7u64).unwrap();
        frame.push(0);
        let crc = crc32fast::hash(&frame[CRC_LEN..]);
        frame[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode::<u64>(&frame), Err(StoreError::Corrupt("bytes are left over".to_owned())));
    }

    #[test]
    fn a_false_length_is_an_error_and_no_allocation() {
        // V1, then a string that claims to be 2^62 bytes long.
        let payload = [&[0u8, 253][..], &(1u64 << 62).to_le_bytes()].concat();
        let frame = [&crc32fast::hash(&payload).to_le_bytes()[..], &payload].concat();
        assert!(decode::<String>(&frame).is_err());
    }

    proptest! {
        #[test]
        fn frames_of_a_chunk_are_read_as_they_were_appended(values: Vec<Vec<u8>>) {
            let mut chunk = Vec::new();
            for value in &values {
                append(&mut chunk, &encode(value).unwrap());
            }
            let read: Result<Vec<Vec<u8>>, _> = frames(&chunk).map(|frame| decode(frame?)).collect();
            prop_assert_eq!(read, Ok(values));
        }

        #[test]
        fn random_bytes_are_never_a_panic(noise: Vec<u8>) {
            let _ = decode::<Vec<String>>(&noise);
            let _: Vec<_> = frames(&noise).collect();
        }
    }
}
