//! Parts of sled's log: heads of segments, and messages (see [`log`](super::log)).

use std::{borrow::Cow, fs, io, path::Path};

use super::format::SEGMENT_BYTES;

/// Length of the head of a segment, in bytes.
pub(super) const SEGMENT_HEAD_BYTES: usize = 20;
/// No message has a longer head: its checksum, its kind, and three numbers of up to nine bytes.
const HEAD_MAX: usize = 32;
/// Bytes that sled reads at once; after the end of the file it takes them for zeros.
const READ_AT_ONCE: usize = 128;

/// The bytes at the place of a segment's head.
pub(super) enum Head {
    Whole(Header),
    /// Nothing was written there, or it was given up.
    Nothing,
    Damaged,
}

/// The head of a segment.
pub(super) struct Header {
    /// Its place in the log.
    pub lsn: i64,
    /// Up to where the log was synced when it was begun.
    pub stable: i64,
}

impl Head {
    pub(super) fn of(bytes: [u8; SEGMENT_HEAD_BYTES]) -> Self {
        if bytes == [0; SEGMENT_HEAD_BYTES] {
            return Self::Nothing;
        }
        let [sum, lsn, stable] = [0..4, 4..12, 12..20].map(|part| &bytes[part]);
        let number = |part: &[u8]| fixed(&mut &*part).map_or(0, |number| number ^ i64::MAX);
        if (!crc32fast::hash(&bytes[4..])).to_le_bytes() == *sum {
            Self::Whole(Header { lsn: number(lsn), stable: number(stable) })
        } else {
            Self::Damaged
        }
    }

    pub(super) fn whole(self) -> Option<Header> {
        if let Self::Whole(header) = self { Some(header) } else { None }
    }
}

/// A message, with what matters for [`log`](super::log).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A message about a page.
    Page { page: u64, says: Says },
    /// A batch up to `last`, which counts as a whole or not at all.
    Batch { last: i64 },
    /// A message without content.
    Nothing,
    /// Padding up to the end of the segment.
    Filler,
    /// A message that cannot be read. With `at_all`, sled stops, and does not go on with the next segment.
    Unreadable { at_all: bool },
}

/// Content of a message about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The whole page.
    All,
    /// A change of the page.
    More,
    /// The page was freed.
    Freed,
}

const DAMAGED: Message = Message::Unreadable { at_all: false };

/// Takes the next number from `bytes`, as sled writes them: small ones in few bytes.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    let little = |rest: &[u8], length: usize| {
        let mut number = [0; 8];
        number[..length].copy_from_slice(rest.get(..length)?);
        Some(u64::from_le_bytes(number))
    };
    let (number, length) = match first {
        0..=240 => (u64::from(first), 0),
        241..=248 => (240 + 256 * (u64::from(first) - 241) + little(rest, 1)?, 1),
        249 => (2_288 + 256 * little(rest, 1)? + little(rest.get(1..)?, 1)?, 2),
        first => (little(rest, usize::from(first) - 247)?, usize::from(first) - 247),
    };
    *bytes = &rest[length..];
    Some(number)
}

/// Takes the next eight bytes for a number.
pub(super) fn fixed(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*number))
}

/// A message whose checksum is right.
struct Whole<'a> {
    kind: u8,
    /// The segment's number when it was written.
    number: u64,
    page: u64,
    body: Cow<'a, [u8]>,
    /// Its length, in bytes.
    length: usize,
}

/// The message at `at` in a segment, if it is whole.
fn whole(segment: &[u8], at: usize) -> Result<Whole<'_>, Message> {
    // Behind the end of the file.
    let Some(there) = segment.get(at..) else { return Err(Message::Unreadable { at_all: true }) };
    let mut head = [0; HEAD_MAX];
    let read = there.len().min(HEAD_MAX);
    head[..read].copy_from_slice(&there[..read]);
    let (sum, mut rest) = head.split_first_chunk::<4>().expect("a head has four bytes");
    let kind = rest[0];
    rest = &rest[1..];
    let [length, number, page] =
        [(); 3].map(|()| varint(&mut rest).expect("a head has room for three numbers"));
    let begins = HEAD_MAX - rest.len();
    if length > SEGMENT_BYTES.saturating_sub(at + begins) as u64 || !(1..=11).contains(&kind) {
        return Err(DAMAGED);
    }
    let ends = begins + length as usize;
    let body = match there.get(begins..ends) {
        Some(body) => Cow::Borrowed(body),
        None if ends > READ_AT_ONCE => return Err(Message::Unreadable { at_all: true }),
        None => {
            let mut body = there.get(begins..).unwrap_or_default().to_vec();
            body.resize(length as usize, 0);
            Cow::Owned(body)
        }
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&body);
    hasher.update(&head[4..begins]);
    if !hasher.finalize() != u32::from_le_bytes(*sum) {
        return Err(DAMAGED);
    }
    Ok(Whole { kind, number, page, body, length: ends })
}

/// True if a segment has, after `from`, a message that was written when the segment had one of these numbers.
pub(super) fn holds(segment: &[u8], from: usize, is_one: impl Fn(i64) -> bool) -> bool {
    (from..segment.len()).any(|at| {
        // Nearly every place is ruled out without its checksum.
        let mut head = segment.get(at + 5..).unwrap_or_default();
        let said = varint(&mut head).and_then(|_| varint(&mut head));
        said.is_some_and(|said| i64::try_from(said).is_ok_and(&is_one)) && whole(segment, at).is_ok()
    })
}

/// The message at `at` in a segment, and how long it is. The segment's number must be the one in it: else it
/// was written when the segment had another place in the log.
pub(super) fn message(segment: &[u8], at: usize, number: i64, blobs: &Path) -> io::Result<(Message, i64)> {
    let Whole { kind, number: said, page, body, length } = match whole(segment, at) {
        Ok(whole) => whole,
        Err(message) => return Ok((message, 0)),
    };
    if said != number as u64 {
        return Ok((DAMAGED, 0));
    }
    let message = match (kind, fixed(&mut &body[..])) {
        (1, _) => Message::Nothing,
        (2, _) => Message::Filler,
        (3, Some(last)) if body.len() == 8 => Message::Batch { last },
        (4, _) => Message::Page { page, says: Says::Freed },
        (5 | 6 | 8, _) => Message::Page { page, says: Says::All },
        (10, _) => Message::Page { page, says: Says::More },
        (7 | 9 | 11, Some(blob)) => match fs::read(blobs.join(blob.to_string())) {
            Ok(bytes) if is_whole(&bytes, kind) => {
                Message::Page { page, says: if kind == 11 { Says::More } else { Says::All } }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Message::Nothing,
            Err(error) => return Err(error),
            Ok(_) => Message::Unreadable { at_all: true },
        },
        _ => Message::Unreadable { at_all: true },
    };
    Ok((message, length as i64))
}

/// True if the checksum of a blob is right.
fn is_whole(blob: &[u8], kind: u8) -> bool {
    blob.split_first_chunk::<4>().is_some_and(|(sum, rest)| {
        rest.first() == Some(&kind) && crc32fast::hash(rest) == u32::from_le_bytes(*sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_sled_writes_them_within_their_bounds() {
        let numbers: [(&[u8], u64); 8] = [
            (&[0], 0),
            (&[240], 240),
            (&[241, 1], 241),
            (&[248, 255], 2_287),
            (&[249, 0, 1], 2_289),
            (&[249, 255, 255], 67_823),
            (&[250, 1, 2, 3], 0x03_02_01),
            (&[255, 1, 0, 0, 0, 0, 0, 0, 0x80], 1 << 63 | 1),
        ];
        for (written, number) in numbers {
            let with_more = [written, &[7]].concat();
            let mut bytes = &with_more[..];
            assert_eq!((varint(&mut bytes), bytes), (Some(number), &[7][..]), "{written:?}");
            assert_eq!(varint(&mut &written[..written.len() - 1]), None, "{written:?}");
        }
    }
}
