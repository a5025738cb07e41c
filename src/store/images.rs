//! Product images: one file each, in a directory beside the store, named by the SHA-256 of its bytes.
//!
//! A file is written under a temporary name, synced and renamed, and then its directory is synced: it is
//! complete or absent, and on disk before an event names it. Images are never changed or removed, so a backup
//! copies them after the moment that it is of. A file whose bytes do not match its name is damaged: it is not
//! served, and putting the same image again replaces it.

#[cfg(feature = "server")]
pub(crate) mod archive;

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{directory, files};
use crate::domain::{
    hex::to_hex,
    image::{Digest, IMAGE_BYTES_MAX, Image, ImageFormat},
};

/// Name of the directory of images, in the data directory.
#[cfg(feature = "server")]
pub(crate) const DIRECTORY: &str = "images";

/// Extension of a file that is being written. A crash may leave one.
const UNFINISHED: &str = "tmp";

/// All product images, by default in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Images(Arc<Storage>);

#[derive(Debug)]
enum Storage {
    Directory { path: PathBuf, writing: Mutex<()> },
    Memory(Mutex<HashMap<Digest, Vec<u8>>>),
}

impl Default for Images {
    fn default() -> Self {
        Self(Arc::new(Storage::Memory(Mutex::default())))
    }
}

impl Images {
    /// Opens the images in `directory`, which the first image creates, and removes files that a crash left
    /// unfinished.
    pub fn open(directory: &Path) -> io::Result<Self> {
        for path in paths(directory)? {
            let path = path?;
            if is_unfinished(&path) {
                files::remove(&path)?;
            }
        }
        let (path, writing) = (directory.to_owned(), Mutex::default());
        Ok(Self(Arc::new(Storage::Directory { path, writing })))
    }

    /// Stores an image; it is on disk when this returns. The same bytes again are the same image.
    pub fn put(&self, format: ImageFormat, bytes: &[u8]) -> io::Result<Image> {
        let digest: Digest = Sha256::digest(bytes).into();
        match &*self.0 {
            Storage::Directory { path, writing } => {
                let _writing = lock(writing);
                store(path, digest, bytes)?;
            }
            Storage::Memory(images) => {
                lock(images).entry(digest).or_insert_with(|| bytes.to_vec());
            }
        }
        Ok(Image { digest, format })
    }

    /// The bytes of an image; none if it is missing or damaged, or of another format.
    pub fn get(&self, image: Image) -> io::Result<Option<Vec<u8>>> {
        let bytes = match &*self.0 {
            Storage::Directory { path, .. } => read(path, image.digest)?,
            Storage::Memory(images) => lock(images).get(&image.digest).cloned(),
        };
        Ok(bytes.filter(|bytes| ImageFormat::of(bytes) == Some(image.format)))
    }
}

#[derive(Debug, Default)]
#[cfg(feature = "server")]
pub(crate) struct Survey {
    /// Names of the files that do not match their name, or cannot be read.
    pub damaged: std::collections::BTreeSet<Digest>,
    /// Number of files that a crash left unfinished: the next start removes them.
    pub unfinished: usize,
}

#[cfg(feature = "server")]
impl Survey {
    /// Reads every file in a directory of images, and changes nothing.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        let mut survey = Self::default();
        for path in paths(directory)? {
            let path = path?;
            if is_unfinished(&path) {
                survey.unfinished += 1;
            } else if let Some(digest) = digest_of(&path)
                && !matches!(read(directory, digest), Ok(Some(_)))
            {
                survey.damaged.insert(digest);
            }
        }
        Ok(survey)
    }
}

pub(crate) fn file(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(to_hex(&digest))
}

/// The digest that names a file; none if another name does.
#[cfg(feature = "server")]
fn digest_of(path: &Path) -> Option<Digest> {
    crate::domain::image::digest_of(path.file_name()?.to_str()?)
}

/// True for a file that is still being written, or that a crash left.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == UNFINISHED)
}

/// The paths of all files in a directory; none if it does not exist.
fn paths(directory: &Path) -> io::Result<impl Iterator<Item = io::Result<PathBuf>>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(entries.into_iter().flatten().map(|entry| Ok(entry?.path())))
}

/// The bytes of an image; none if its file is missing or damaged.
fn read(directory: &Path, digest: Digest) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(file(directory, digest)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // A longer file is damaged, and is not read to its end.
    file.take(IMAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok((Digest::from(Sha256::digest(&bytes)) == digest).then_some(bytes))
}

/// Writes an image to its file, unless it is there and undamaged.
fn store(directory: &Path, digest: Digest, bytes: &[u8]) -> io::Result<()> {
    directory::make(directory)?;
    files::sync_above(directory)?;
    if !matches!(read(directory, digest), Ok(Some(_))) {
        let file = file(directory, digest);
        let unfinished = file.with_extension(UNFINISHED);
        let written = write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, file));
        written.inspect_err(|_| files::discard(&unfinished))?;
    }
    // Also for a file that was there: an earlier sync may have failed after the rename.
    files::sync(directory)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsmall";
    pub(super) const JPEG: &[u8] = b"\xff\xd8\xffsmall";

    #[test]
    fn images_are_found_by_digest_after_reopening() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("images");
        let images = Images::open(&directory).unwrap();
        assert!(!directory.exists(), "the first image creates it");
        let first = images.put(ImageFormat::Png, PNG).unwrap();
        let second = images.put(ImageFormat::Jpeg, JPEG).unwrap();
        assert_eq!(images.put(ImageFormat::Png, PNG).unwrap(), first);
        assert_eq!(paths(&directory).unwrap().count(), 2);
        for images in [images, Images::open(&directory).unwrap()] {
            assert_eq!(images.get(first).unwrap().as_deref(), Some(PNG));
            assert_eq!(images.get(second).unwrap().as_deref(), Some(JPEG));
            assert_eq!(images.get(Image { format: ImageFormat::WebP, ..first }).unwrap(), None);
            assert_eq!(images.get(Image { digest: [0; 32], ..first }).unwrap(), None);
        }
    }

    #[test]
    fn unfinished_files_are_removed_at_start() {
        let directory = tempfile::tempdir().unwrap();
        let images = Images::open(directory.path()).unwrap();
        let image = images.put(ImageFormat::Png, PNG).unwrap();
        let unfinished = file(directory.path(), [7; 32]).with_extension(UNFINISHED);
        fs::write(&unfinished, &PNG[..5]).unwrap();
        let other = directory.path().join("README");
        fs::write(&other, "not Saem's").unwrap();
        assert_eq!(Survey::read(directory.path()).unwrap().unfinished, 1);
        let images = Images::open(directory.path()).unwrap();
        assert!(!unfinished.exists() && other.exists());
        assert_eq!(images.get(image).unwrap().as_deref(), Some(PNG));
    }

    #[test]
    fn a_damaged_image_is_not_served_and_is_replaced_by_a_put() {
        let directory = tempfile::tempdir().unwrap();
        let images = Images::open(directory.path()).unwrap();
        let image = images.put(ImageFormat::Png, PNG).unwrap();
        images.put(ImageFormat::Jpeg, JPEG).unwrap();
        let file = file(directory.path(), image.digest);
        let longer = [PNG, &vec![0; IMAGE_BYTES_MAX]].concat();
        for damaged in [&b""[..], &PNG[1..], &longer] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(images.get(image).unwrap(), None);
            assert_eq!(Survey::read(directory.path()).unwrap().damaged, [image.digest].into());
            assert_eq!(images.put(ImageFormat::Png, PNG).unwrap(), image);
            assert_eq!(images.get(image).unwrap().as_deref(), Some(PNG));
            assert!(Survey::read(directory.path()).unwrap().damaged.is_empty());
        }
    }

    #[test]
    fn a_failed_write_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let images = Images::open(directory.path()).unwrap();
        let digest: Digest = Sha256::digest(PNG).into();
        // A directory in its place: the rename fails.
        fs::create_dir(file(directory.path(), digest)).unwrap();
        assert!(images.put(ImageFormat::Png, PNG).is_err());
        assert_eq!(paths(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn memory_keeps_images_without_files() {
        let images = Images::default();
        let image = images.put(ImageFormat::Png, PNG).unwrap();
        assert_eq!(images.clone().get(image).unwrap().as_deref(), Some(PNG));
    }
}
