//! `Idempotency-Key`: the same request again gets the same answer, and happens once.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderName};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::{actors::ask::RequestKey, domain::CustomerId};

/// Tells that an answer is an earlier one, again.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RULE: &str = "must have 1 to 255 printable ASCII characters";

/// The key of a request, if it came with one, with the method and the path it is for.
pub struct IdempotencyKey {
    key: Option<String>,
    scope: String,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let scope = format!("{} {}", request.method(), request.path());
        let mut values = request.headers().get_all(KEY);
        let first = values.next();
        let more = values.next().is_some();
        let key = first.map(|value| {
            let key = value.to_str().ok().and_then(parse).filter(|_| !more);
            key.ok_or_else(|| Problem::invalid_field("/headers/Idempotency-Key", RULE))
        });
        std::future::ready(key.transpose().map(|key| Self { key, scope }))
    }
}

/// Quoted (as a structured field) or bare.
fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let printable = bare.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (printable && (1..=255).contains(&bare.len())).then(|| bare.to_owned())
}

impl IdempotencyKey {
    /// The key in its scope: this customer, method and path.
    #[must_use]
    pub fn of(&self, customer: CustomerId, fingerprint: [u8; 16]) -> Option<RequestKey> {
        let key = self.key.as_ref()?;
        let hash: [u8; 32] = Sha256::digest(format!("{customer}\n{}\n{key}", self.scope)).into();
        let (bits, _) = hash.split_first_chunk::<16>().expect("a SHA-256 has 32 bytes");
        Some(RequestKey { hash: u128::from_be_bytes(*bits), fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_are_one_key() {
        assert_eq!(parse("\"abc 1\""), Some("abc 1".to_owned()));
        assert_eq!(parse("abc 1"), Some("abc 1".to_owned()));
        for bad in ["", "\"\"", "정수기", "a\u{7f}", &"x".repeat(256)] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
