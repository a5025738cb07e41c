//! Product image: format by content, and name by digest.

use serde::{Deserialize, Serialize};

use super::{hex::to_hex, id::ascii};

/// Largest image, in bytes.
pub(crate) const IMAGE_BYTES_MAX: usize = 1_024 * 1_024;

/// SHA-256 of an image's bytes.
pub(crate) type Digest = [u8; 32];

/// Parses a digest exactly as [`to_hex`] writes it.
pub(crate) fn digest_of(hex: &str) -> Option<Digest> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 64 || !hex.bytes().all(lower_hex) {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(ascii(digits), 16).ok()?;
    }
    Some(digest)
}

/// File format of an image. Part of the journal's format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ImageFormat {
    Png,
    Jpeg,
    WebP,
}

impl ImageFormat {
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::WebP];

    /// Detects the format by the first bytes. The media type of a request is not trusted.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }
}

/// An image, identified by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Image {
    pub digest: Digest,
    pub format: ImageFormat,
}

impl Image {
    /// Parses a name exactly as `Display` writes it.
    pub fn parse(name: &str) -> Option<Self> {
        let (hex, extension) = name.split_once('.')?;
        let format = ImageFormat::ALL.into_iter().find(|format| format.extension() == extension)?;
        Some(Self { digest: digest_of(hex)?, format })
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", to_hex(&self.digest), self.format.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_detected_by_the_first_bytes() {
        assert_eq!(ImageFormat::of(b"\x89PNG\r\n\x1a\nrest"), Some(ImageFormat::Png));
        assert_eq!(ImageFormat::of(b"\xff\xd8\xff\xe0"), Some(ImageFormat::Jpeg));
        assert_eq!(ImageFormat::of(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some(ImageFormat::WebP));
        for other in [&b""[..], b"\x89PNG", b"GIF89a", b"RIFF\x01\x02\x03\x04WAVE", b"<svg/>", b"BM"] {
            assert_eq!(ImageFormat::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn image_names_survive_text_and_others_are_refused() {
        for format in ImageFormat::ALL {
            let image = Image { digest: [0xa5; 32], format };
            assert_eq!(Image::parse(&image.to_string()), Some(image));
        }
        let hex = "a5".repeat(32);
        for bad in [
            "".to_owned(),
            hex.clone(),
            format!("{hex}.gif"),
            format!("{hex}.PNG"),
            format!("{}.png", hex.to_uppercase()),
            format!("{hex}0.png"),
            format!("../{hex}.png"),
            format!("{hex}.png.png"),
            format!("{}.png", "가".repeat(32)),
        ] {
            assert_eq!(Image::parse(&bad), None, "{bad}");
        }
    }
}
