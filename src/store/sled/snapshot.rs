//! sled's snapshot (`snap.*`): where its log was read up to, and where the pages are that were found there.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    format::SEGMENT_BYTES,
    message::{Message, Says, fixed, varint},
};

/// A snapshot; of a store without one, what sled begins with.
#[derive(Default)]
pub(super) struct Snapshot {
    /// Up to where the log was read.
    pub stable: Option<i64>,
    /// The offset of the segment that was written to.
    pub active: Option<u64>,
    pub pages: Pages,
}

impl Snapshot {
    /// The one that sled takes for the newest in `store`; none if it cannot be read.
    pub(super) fn newest(store: &Path) -> io::Result<Option<Self>> {
        let paths: io::Result<Vec<PathBuf>> = fs::read_dir(store)?.map(|entry| Ok(entry?.path())).collect();
        let is_snapshot = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("snap.") && !name.ends_with(".in___motion")
        };
        match paths?.into_iter().filter(is_snapshot).max() {
            Some(path) => Ok(Self::of(&fs::read(path)?)),
            None => Ok(Some(Self::default())),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (bytes, sum) = bytes.split_last_chunk::<4>()?;
        let (mut bytes, _length) = bytes.split_last_chunk::<8>()?;
        if bytes.is_empty() || crc32fast::hash(bytes) != u32::from_le_bytes(*sum) {
            return None;
        }
        // None is 0, and everything else one more.
        let stable = match fixed(&mut bytes)? {
            0 => None,
            lsn => Some(if lsn < 0 { lsn } else { lsn - 1 }),
        };
        let active = varint(&mut bytes)?.checked_sub(1);
        Some(Self { stable, active, pages: Pages::of(bytes)? })
    }
}

/// In which segments pages are.
#[derive(Default)]
pub(super) struct Pages(HashMap<u64, Page>);

struct Page {
    /// The place in the log of what was said last; none of one that is freed.
    newest: Option<i64>,
    segments: Vec<u64>,
}

impl Pages {
    fn of(mut bytes: &[u8]) -> Option<Self> {
        let (mut pages, mut next) = (HashMap::new(), 0);
        while let Some((&parts, rest)) = bytes.split_first() {
            bytes = rest;
            let mut page = Page { newest: None, segments: Vec::new() };
            for _ in 0..parts.max(1) {
                let lsn = fixed(&mut bytes)?;
                let (is_blob, rest) = bytes.split_first()?;
                bytes = rest;
                page.segments.push(varint(&mut bytes)? / SEGMENT_BYTES as u64);
                if *is_blob != 0 {
                    fixed(&mut bytes)?;
                }
                if parts > 0 {
                    varint(&mut bytes)?;
                    page.newest = Some(lsn);
                }
            }
            pages.insert(next, page);
            next += 1;
        }
        Some(Self(pages))
    }

    /// Applies a message in a segment.
    pub(super) fn apply(&mut self, message: Message, lsn: i64, segment: u64) {
        let Message::Page { page, says } = message else { return };
        match says {
            Says::All => drop(self.0.insert(page, Page { newest: Some(lsn), segments: vec![segment] })),
            Says::Freed => drop(self.0.insert(page, Page { newest: None, segments: vec![segment] })),
            Says::More => {
                // Of a page that nothing is known of, sled takes nothing.
                if let Some(page) = self.0.get_mut(&page)
                    && page.newest.is_some_and(|newest| newest < lsn)
                {
                    page.newest = Some(lsn);
                    page.segments.push(segment);
                }
            }
        }
    }

    /// All of them; some more than once.
    pub(super) fn segments(&self) -> impl Iterator<Item = u64> {
        self.0.values().flat_map(|page| page.segments.iter().copied())
    }
}
