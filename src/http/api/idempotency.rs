//! `Idempotency-Key`: a repeated request gets the first response and has no second effect.

use actix_web::http::header::HeaderName;

use crate::{
    actors::request::RequestKey,
    http::{app::from_request, headers::only, problem::Problem},
    shop::{Principal, Shop},
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RULE: &str = "must have 1 to 255 printable ASCII characters";

/// The key of a request, if it has one, with the method and path that it is valid for.
pub(crate) struct IdempotencyKey {
    key: Option<String>,
    scope: String,
}

from_request! {
    IdempotencyKey, Problem: request => {
        let rule = || Problem::invalid_field("/headers/Idempotency-Key", RULE);
        let key = only(request, KEY).map(|key| key.and_then(parse).ok_or_else(rule));
        let scope = format!("{} {}", request.method(), request.path());
        key.transpose().map(|key| Self { key, scope })
    };
}

/// Parses a key, quoted (as a structured field) or bare.
fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let printable = bare.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (printable && (1..=255).contains(&bare.len())).then(|| bare.to_owned())
}

impl IdempotencyKey {
    /// Returns the key in the scope of this principal, method and path, with the digest of the body.
    pub(crate) fn of(
        &self,
        shop: &Shop,
        principal: Option<Principal>,
        digest: impl FnOnce() -> [u8; 32],
    ) -> Option<RequestKey> {
        let key = self.key.as_deref()?;
        Some(shop.request_key(principal, &self.scope, key, digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_are_one_key() {
        assert_eq!(parse("\"abc 1\""), Some("abc 1".to_owned()));
        assert_eq!(parse("abc 1"), Some("abc 1".to_owned()));
        assert_eq!(parse("a\u{7f}"), None);
    }
}
