//! Products' pictures, in one file beside the store: each is written once, found by its content, and never
//! changed.
//!
//! A record is the picture's digest (32 bytes), its length (4, little-endian) and its bytes; the file only
//! grows, so a backup takes what it had at one moment. A picture is on disk before any event names it. What
//! a crash leaves of the last record is set aside and cut off, and so is all behind a damaged head, which
//! cannot be told from it; what does not read as its digest says is not served.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::files;
use crate::domain::image::{IMAGE_BYTES_MAX, Image, ImageFormat};

/// How many bytes of a record stand before the picture's.
const HEAD_BYTES: usize = 36;

/// The name of a picture's content.
pub type Digest = [u8; 32];

/// All pictures. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Images(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// Where the file is; none where nothing is to outlive the process.
    path: Option<PathBuf>,
    /// None before the first picture.
    file: Option<File>,
    /// How many bytes of the file are whole records.
    end: u64,
    /// Where a picture's bytes begin, and how many there are.
    places: HashMap<Digest, (u64, usize)>,
    /// What is kept without a file.
    memory: Vec<u8>,
}

impl Images {
    /// Opens the file of pictures, if there is one; what was not written whole is cut off.
    ///
    /// # Errors
    /// The file's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept { path: Some(path.to_owned()), ..Kept::default() };
                return Ok(Self(Arc::new(Mutex::new(kept))));
            }
            Err(error) => return Err(error),
        };
        let Walked { places, end, length } = walk(&file)?;
        if end < length {
            let aside = set_aside(path, &file, end, length)?;
            let (path, aside, bytes) = (path.display(), aside.display(), length - end);
            tracing::warn!(%path, %aside, bytes, "what stands at the end of the pictures is set aside");
            file.set_len(end)?;
            file.sync_all()?;
        }
        let kept = Kept { path: None, file: Some(file), end, places, memory: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(kept))))
    }

    /// Keeps a picture: it is on disk when this returns. The same bytes again are the same picture.
    ///
    /// # Errors
    /// The file's; then it is not kept.
    pub fn put(&self, format: ImageFormat, bytes: &[u8]) -> io::Result<Image> {
        let digest: Digest = Sha256::digest(bytes).into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is damaged is mended by this.
        if kept.read(digest)?.is_none() {
            kept.append(digest, bytes)?;
        }
        Ok(Image { digest, format })
    }

    /// A picture's bytes; none if there is no such picture, or it is damaged.
    ///
    /// # Errors
    /// The file's.
    pub fn get(&self, image: Image) -> io::Result<Option<Vec<u8>>> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).read(image.digest)?;
        // A name with another ending is no name of it.
        Ok(bytes.filter(|bytes| ImageFormat::of(bytes) == Some(image.format)))
    }
}

/// A file of pictures as it was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// The pictures that are whole.
    pub whole: HashSet<Digest>,
    /// Where records begin whose bytes are not what their digest says.
    pub damaged: Vec<u64>,
    /// How many bytes stand behind the last record: the next start sets them aside.
    pub rest: u64,
}

impl Survey {
    /// Reads all of a file of pictures, and changes nothing; none if there is none.
    ///
    /// # Errors
    /// The file's.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Walked { places, end, length } = walk(&file)?;
        let mut survey = Self { rest: length - end, ..Self::default() };
        for (digest, (at, bytes)) in places {
            let record = at - HEAD_BYTES as u64;
            if digest_at(&file, record, bytes)? == digest {
                survey.whole.insert(digest);
            } else {
                survey.damaged.push(record);
            }
        }
        survey.damaged.sort_unstable();
        Ok(Some(survey))
    }
}

/// Records, as their heads tell.
struct Walked {
    /// Where a picture's bytes begin, and how many there are.
    places: HashMap<Digest, (u64, usize)>,
    /// Where they end.
    end: u64,
    /// How many bytes the file has.
    length: u64,
}

fn walk(file: &File) -> io::Result<Walked> {
    let length = file.metadata()?.len();
    let (mut places, mut end) = (HashMap::new(), 0);
    let mut head = [0; HEAD_BYTES];
    while end + HEAD_BYTES as u64 <= length {
        file.read_exact_at(&mut head, end)?;
        let (digest, bytes) = head.split_first_chunk::<32>().expect("a head begins with a digest");
        let bytes = u32::from_le_bytes(*bytes.first_chunk().expect("and ends with a length")) as usize;
        let next = end + (HEAD_BYTES + bytes) as u64;
        // Only the last record can be one that was not synced.
        let whole = next <= length && (1..=IMAGE_BYTES_MAX).contains(&bytes);
        if !whole || (next == length && digest_at(file, end, bytes)? != *digest) {
            break;
        }
        places.insert(*digest, (end + HEAD_BYTES as u64, bytes));
        end = next;
    }
    Ok(Walked { places, end, length })
}

/// A new file, whose name is on disk, too.
fn begun(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    files::sync_above(path)?;
    Ok(file)
}

/// Copies what stands between two places of the file into one of its own, which is on disk when this returns.
fn set_aside(path: &Path, file: &File, from: u64, to: u64) -> io::Result<PathBuf> {
    let directory = path.with_file_name("set-aside");
    fs::create_dir_all(&directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = directory.join(format!("{name}.{from}"));
    let mut rest = file.try_clone()?;
    rest.seek(SeekFrom::Start(from))?;
    let mut copy = File::create(&aside)?;
    io::copy(&mut rest.take(to - from), &mut copy)?;
    copy.sync_all()?;
    files::sync(&directory)?;
    Ok(aside)
}

/// The digest of so many bytes of a picture whose record begins here.
fn digest_at(file: &File, record: u64, bytes: usize) -> io::Result<Digest> {
    let mut picture = vec![0; bytes];
    file.read_exact_at(&mut picture, record + HEAD_BYTES as u64)?;
    Ok(Sha256::digest(&picture).into())
}

impl Kept {
    fn append(&mut self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        if let Some(path) = self.path.take_if(|_| self.file.is_none()) {
            self.file = Some(begun(&path).inspect_err(|_| self.path = Some(path))?);
        }
        let record = [&digest[..], &length.to_le_bytes(), bytes].concat();
        match &mut self.file {
            None => self.memory.extend_from_slice(&record),
            Some(file) => {
                // After a write that failed, half a record may stand there.
                file.set_len(self.end)?;
                file.write_all(&record)?;
                file.sync_data()?;
            }
        }
        self.places.insert(digest, (self.end + HEAD_BYTES as u64, bytes.len()));
        self.end += record.len() as u64;
        Ok(())
    }

    fn read(&self, digest: Digest) -> io::Result<Option<Vec<u8>>> {
        let Some((at, length)) = self.places.get(&digest).copied() else { return Ok(None) };
        let mut bytes = vec![0; length];
        match &self.file {
            None => (&self.memory[at as usize..]).read_exact(&mut bytes)?,
            Some(file) => file.read_exact_at(&mut bytes, at)?,
        }
        Ok((Digest::from(Sha256::digest(&bytes)) == digest).then_some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsmall";

    #[test]
    fn what_is_put_is_found_by_its_content_also_when_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pictures");
        let images = Images::open(&path).unwrap();
        let first = images.put(ImageFormat::Png, PNG).unwrap();
        let second = images.put(ImageFormat::Jpeg, b"\xff\xd8\xffsmall").unwrap();
        assert_eq!(images.put(ImageFormat::Png, PNG).unwrap(), first);
        let written = fs::metadata(&path).unwrap().len();
        assert_eq!(written, (2 * HEAD_BYTES + PNG.len() + 8) as u64);
        for images in [images, Images::open(&path).unwrap()] {
            assert_eq!(images.get(first).unwrap().as_deref(), Some(PNG));
            assert_eq!(images.get(second).unwrap().as_deref(), Some(&b"\xff\xd8\xffsmall"[..]));
            assert_eq!(images.get(Image { format: ImageFormat::WebP, ..first }).unwrap(), None);
            assert_eq!(images.get(Image { digest: [0; 32], ..first }).unwrap(), None);
        }
    }

    #[test]
    fn what_a_crash_left_is_cut_off_wherever_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pictures");
        let first = Images::open(&path).unwrap().put(ImageFormat::Png, PNG).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
            let images = Images::open(&path).unwrap();
            assert_eq!(images.get(first).unwrap().as_deref(), Some(PNG), "{cut}");
            assert_eq!(fs::metadata(&path).unwrap().len(), whole.len() as u64, "{cut}");
            let second = images.put(ImageFormat::Png, b"\x89PNG\r\n\x1a\nother").unwrap();
            assert!(Images::open(&path).unwrap().get(second).unwrap().is_some(), "{cut}");
            let aside = directory.path().join(format!("set-aside/pictures.{}", whole.len()));
            assert!(cut == 0 || fs::read(aside).unwrap() == whole[..cut], "{cut}");
        }
    }

    #[test]
    fn what_stands_behind_a_damaged_head_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pictures");
        let images = Images::open(&path).unwrap();
        images.put(ImageFormat::Png, PNG).unwrap();
        images.put(ImageFormat::Jpeg, b"\xff\xd8\xffsmall").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEAD_BYTES - 1] = 0xff;
        fs::write(&path, &bytes).unwrap();
        Images::open(&path).unwrap();
        assert_eq!(fs::read(directory.path().join("set-aside/pictures.0")).unwrap(), bytes);
    }

    #[test]
    fn what_is_damaged_is_not_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pictures");
        let images = Images::open(&path).unwrap();
        let image = images.put(ImageFormat::Png, PNG).unwrap();
        images.put(ImageFormat::Jpeg, b"\xff\xd8\xffsmall").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEAD_BYTES + 9] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let images = Images::open(&path).unwrap();
        assert_eq!(images.get(image).unwrap(), None);
        let survey = Survey::read(&path).unwrap().unwrap();
        assert_eq!((survey.whole.len(), survey.damaged, survey.rest), (1, vec![0], 0));
        assert_eq!(images.put(ImageFormat::Png, PNG).unwrap(), image);
        for images in [images, Images::open(&path).unwrap()] {
            assert_eq!(images.get(image).unwrap().as_deref(), Some(PNG), "it is mended");
        }
        assert!(Survey::read(&path).unwrap().unwrap().damaged.is_empty());
        // The last record may be one whose bytes never got to the disk: it can be put again.
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        let images = Images::open(&path).unwrap();
        let again = images.put(ImageFormat::Jpeg, b"\xff\xd8\xffsmall").unwrap();
        assert!(images.get(again).unwrap().is_some());
    }

    #[test]
    fn without_a_file_pictures_are_kept_in_memory() {
        let images = Images::default();
        let image = images.put(ImageFormat::Png, PNG).unwrap();
        assert_eq!(images.clone().get(image).unwrap().as_deref(), Some(PNG));
    }
}
