//! All images as one sequence of bytes: the file `product.images` of an export.
//!
//! A record is the digest (32 bytes), the length (4, little-endian) and the bytes of an image. Records are
//! written in the order of their digests. Earlier versions kept this file in the data directory, in the order
//! in which images were put; the last record of a digest counts, and an incomplete one may end the file.

use std::{
    io::{self, Cursor, Read, Write as _},
    path::{Path, PathBuf},
    vec,
};

use sha2::{Digest as _, Sha256};

use super::{create, digest_of, directory, file, paths, read};
use crate::domain::{
    hex::to_hex,
    image::{Digest, IMAGE_BYTES_MAX},
};

/// Name of the archive among the files of an export.
pub(crate) const NAME: &str = "product.images";

/// Length of the digest and the length, in bytes.
const HEAD_BYTES: usize = 36;

/// Reads the images of a directory as an archive, one at a time. Damaged ones are left out.
pub(crate) struct Archive {
    directory: PathBuf,
    digests: vec::IntoIter<Digest>,
    record: Cursor<Vec<u8>>,
}

impl Archive {
    /// The archive of the images in `directory`; none if it has no image.
    pub(crate) fn of(directory: &Path) -> io::Result<Option<Self>> {
        let mut digests = Vec::new();
        for path in paths(directory)? {
            digests.extend(digest_of(&path?));
        }
        digests.sort_unstable();
        let (empty, digests, record) = (digests.is_empty(), digests.into_iter(), Cursor::default());
        Ok((!empty).then(|| Self { directory: directory.to_owned(), digests, record }))
    }

    /// Goes on to the next record; returns false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        for digest in self.digests.by_ref() {
            let Some(bytes) = read(&self.directory, digest)? else {
                tracing::warn!(image = to_hex(&digest), "a damaged image is left out");
                continue;
            };
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            self.record = Cursor::new([&digest[..], &length.to_le_bytes(), &bytes].concat());
            return Ok(true);
        }
        Ok(false)
    }
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.record.read(buffer)? {
                0 if !buffer.is_empty() && self.advance()? => {}
                read => return Ok(read),
            }
        }
    }
}

/// Writes the images of an archive into `directory`. Damaged and incomplete records are left out, with a
/// warning.
pub(crate) fn unpack(archive: &mut impl Read, directory: &Path) -> io::Result<()> {
    directory::make(directory)?;
    loop {
        let mut head = Vec::new();
        archive.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if head.is_empty() {
            return Ok(());
        }
        let length = head.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        let mut bytes = Vec::new();
        if head.len() == HEAD_BYTES && (1..=IMAGE_BYTES_MAX).contains(&length) {
            archive.take(length as u64).read_to_end(&mut bytes)?;
        }
        if bytes.is_empty() || bytes.len() < length {
            tracing::warn!("the end of the archived images is damaged: it is left out");
            return Ok(());
        }
        let digest: Digest = Sha256::digest(&bytes).into();
        if head[..digest.len()] != digest {
            tracing::warn!("a damaged image is left out");
            continue;
        }
        create(&file(directory, digest))?.write_all(&bytes)?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        super::{
            Images,
            tests::{JPEG, PNG},
        },
        *,
    };
    use crate::domain::image::ImageFormat;

    fn packed(directory: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        Archive::of(directory).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn unpacked_images_are_those_that_were_packed() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        assert!(Archive::of(&from.path().join("missing")).unwrap().is_none());
        let images = Images::open(from.path()).unwrap();
        let first = images.put(ImageFormat::Png, PNG).unwrap();
        let second = images.put(ImageFormat::Jpeg, JPEG).unwrap();
        let archive = packed(from.path());
        assert_eq!(archive.len(), 2 * HEAD_BYTES + PNG.len() + JPEG.len());
        unpack(&mut &archive[..], to.path()).unwrap();
        let unpacked = Images::open(to.path()).unwrap();
        assert_eq!(unpacked.get(first).unwrap().as_deref(), Some(PNG));
        assert_eq!(unpacked.get(second).unwrap().as_deref(), Some(JPEG));
        assert_eq!(packed(to.path()), archive);
    }

    #[test]
    fn damaged_images_are_not_packed() {
        let directory = tempfile::tempdir().unwrap();
        let images = Images::open(directory.path()).unwrap();
        images.put(ImageFormat::Jpeg, JPEG).unwrap();
        let whole = packed(directory.path());
        let damaged = images.put(ImageFormat::Png, PNG).unwrap();
        fs::write(file(directory.path(), damaged.digest), "damaged").unwrap();
        assert_eq!(packed(directory.path()), whole);
    }

    #[test]
    fn an_archive_is_unpacked_up_to_where_a_crash_ended_it() {
        let record = |bytes: &[u8]| {
            let digest: Digest = Sha256::digest(bytes).into();
            [&digest[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
        };
        let (first, second) = (record(PNG), record(JPEG));
        let mut flipped = second.clone();
        *flipped.last_mut().unwrap() ^= 1;
        // Images in the order of their records, as earlier versions wrote them; a damaged one was put again.
        let whole = [&first[..], &flipped, &second].concat();
        for cut in 0..first.len() {
            let directory = tempfile::tempdir().unwrap();
            unpack(&mut &[&whole[..], &first[..cut]].concat()[..], directory.path()).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "{cut}");
            assert_eq!(packed(directory.path()).len(), first.len() + second.len(), "{cut}");
        }
        // A damaged length: nothing behind it can be told apart.
        let mut lost = whole.clone();
        lost[HEAD_BYTES - 1] = 0xff;
        let directory = tempfile::tempdir().unwrap();
        unpack(&mut &lost[..], directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
