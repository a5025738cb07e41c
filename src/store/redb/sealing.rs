//! Seals: checksums of rows, which also detect a row under another key or in another table.
//!
//! After a clean shutdown redb checks no page that it reads. So each value is stored after its seal: the
//! CRC-32 of table and key, then the CRC-32 of table, key and value. Every read checks it. A damaged key may
//! also hide its row or misdirect a search, which then ends beside it. So a search that finds nothing, or
//! that starts a range, checks the neighboring keys. The first checksum is for these, so that damage to their
//! values does not matter.
//!
//! **Invariant:** all reads of values go through this module; copies keep rows as they are, with their seals.

use std::ops::Bound;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, StorageError, TableHandle as _};

use super::format::{Rows, unavailable};
use crate::store::StoreError;

const CRC_LEN: usize = 4;

/// Checksums of table and key, and of table, key and value.
fn checksums(table: &str, key: &[u8], value: &[u8]) -> [[u8; CRC_LEN]; 2] {
    let mut crc = crc32fast::Hasher::new();
    for part in [table.as_bytes(), key] {
        crc.update(&part.len().to_le_bytes());
        crc.update(part);
    }
    let of_key = crc.clone().finalize();
    crc.update(value);
    [of_key, crc.finalize()].map(u32::to_le_bytes)
}

pub(super) fn seal(table: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    let [of_key, of_row] = checksums(table, key, value);
    [&of_key[..], &of_row, value].concat()
}

pub(super) fn unseal<'a>(table: &str, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let parts = sealed.split_first_chunk::<CRC_LEN>();
    let parts = parts.and_then(|(of_key, rest)| Some((of_key, rest.split_first_chunk::<CRC_LEN>()?)));
    match parts {
        Some((of_key, (of_row, value))) if [*of_key, *of_row] == checksums(table, key, value) => Ok(value),
        _ => Err(damaged(table, key, "its checksum is wrong")),
    }
}

/// Checks that a row was written under this key.
fn check_key(table: &str, key: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
    let [of_key, _] = checksums(table, key, &[]);
    if sealed.starts_with(&of_key) { Ok(()) } else { Err(damaged(table, key, "its key is damaged")) }
}

/// Error for a row. Of the key it shows only the kind, such as `person/`: the rest may be personal data.
fn damaged(table: &str, key: &[u8], what: &str) -> StoreError {
    const KIND_MAX: usize = 16;
    let kind = key.split(|byte| *byte == b'/').next().filter(|kind| kind.len() < key.len());
    let kind = kind.filter(|kind| kind.len() <= KIND_MAX && kind.iter().all(u8::is_ascii_lowercase));
    let kind = kind.map_or_else(String::new, |kind| format!(" of {}/", kind.escape_ascii()));
    StoreError::Corrupt(format!("a row{kind} in table {table}: {what}"))
}

/// A snapshot of a table whose keys are bytes.
pub(super) struct Table {
    definition: Rows<'static>,
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

pub(super) struct SealedRow {
    table: Rows<'static>,
    key: AccessGuard<'static, &'static [u8]>,
    sealed: AccessGuard<'static, &'static [u8]>,
}

type Read = Result<(AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>), StorageError>;

impl SealedRow {
    /// The key, unchecked.
    pub(super) fn unchecked_key(&self) -> &[u8] {
        self.key.value()
    }

    /// The key, if the row was written under it.
    pub(super) fn key(&self) -> Result<&[u8], StoreError> {
        check_key(self.table.name(), self.key.value(), self.sealed.value())?;
        Ok(self.key.value())
    }

    /// The value, if the row is as it was written.
    pub(super) fn value(&self) -> Result<&[u8], StoreError> {
        unseal(self.table.name(), self.key.value(), self.sealed.value())
    }
}

impl Table {
    pub(super) fn open(store: &ReadTransaction, rows: Rows<'static>) -> Result<Self, StoreError> {
        Ok(Self { definition: rows, rows: store.open_table(rows).map_err(unavailable)? })
    }

    fn row(&self, read: Read) -> Result<SealedRow, StoreError> {
        let (key, sealed) = read.map_err(unavailable)?;
        Ok(SealedRow { table: self.definition, key, sealed })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(sealed) = self.rows.get(key).map_err(unavailable)? {
            return unseal(self.definition.name(), key, sealed.value()).map(|value| Some(value.to_vec()));
        }
        self.check_before(Bound::Included(key))?;
        let next = self.rows.range(key..).map_err(unavailable)?.next();
        if let Some(next) = next.map(|row| self.row(row)).transpose()?
            && next.key()? <= key
        {
            return Err(self.disordered());
        }
        Ok(None)
    }

    pub(super) fn from(
        &self,
        from: Bound<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<SealedRow, StoreError>> + '_, StoreError> {
        self.check_before(from)?;
        let rows = self.rows.range::<&[u8]>((from, Bound::Unbounded)).map_err(unavailable)?;
        // A damaged key out of order could make a paged read go in circles.
        let mut last = match from {
            Bound::Excluded(after) => Some(after.to_vec()),
            _ => None,
        };
        Ok(rows.map(move |row| {
            let row = self.row(row)?;
            let key = row.unchecked_key();
            if last.as_deref().is_some_and(|last| key <= last) {
                return Err(self.disordered());
            }
            last = Some(key.to_vec());
            Ok(row)
        }))
    }

    /// Checks that the row before `place` belongs there: a misdirected search ends after a row that does not.
    fn check_before(&self, place: Bound<&[u8]>) -> Result<(), StoreError> {
        let (until, key) = match place {
            Bound::Included(key) => (Bound::Excluded(key), key),
            Bound::Excluded(key) => (Bound::Included(key), key),
            Bound::Unbounded => return Ok(()),
        };
        let before = self.rows.range::<&[u8]>((Bound::Unbounded, until)).map_err(unavailable)?.next_back();
        let Some(before) = before.map(|row| self.row(row)).transpose()? else { return Ok(()) };
        // A paged read has returned this row already.
        if matches!(place, Bound::Excluded(_)) && before.unchecked_key() == key {
            return Ok(());
        }
        if before.key()? < key { Ok(()) } else { Err(self.disordered()) }
    }

    fn disordered(&self) -> StoreError {
        StoreError::Corrupt(format!("the keys of table {} are not in order", self.definition.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipped_bits_of_a_row_are_detected() {
        let (key, sealed) = (b"secret/phone", seal("vault", b"secret/phone", b"a secret"));
        assert_eq!(unseal("vault", key, &sealed), Ok(&b"a secret"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal("vault", key, &flipped).is_err(), "bit {bit}");
        }
        for bit in 0..key.len() * 8 {
            let mut flipped = *key;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal("vault", &flipped, &sealed).is_err(), "bit {bit}");
            assert!(check_key("vault", &flipped, &sealed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn rows_of_another_table_or_boundary_are_detected() {
        let sealed = seal("vault", b"a", b"bc");
        assert!(unseal("views", b"a", &sealed).is_err());
        assert!(unseal("vault", b"ab", &[&sealed[..8], b"c"].concat()).is_err());
        for len in 0..sealed.len() {
            assert!(unseal("vault", b"a", &sealed[..len]).is_err(), "{len}");
        }
        let empty = seal("vault", b"", b"");
        assert_eq!(unseal("vault", b"", &empty), Ok(&b""[..]));
        assert_eq!(check_key("vault", b"", &empty), Ok(()));
    }

    #[test]
    fn errors_show_no_personal_data() {
        let said = |key: &[u8]| damaged("vault", key, "gone").to_string();
        assert!(said(b"secret/request").ends_with("a row of secret/ in table vault: gone"));
        for key in [&b"session"[..], "이름/1".as_bytes(), b"01012345678/1", b"", b"x\x1b[0m/1"] {
            assert!(said(key).ends_with(": a row in table vault: gone"), "{}", said(key));
        }
    }
}
