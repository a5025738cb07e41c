//! Styles, scripts and icons, built into the binary.
//!
//! Their URLs contain a hash of the content, so that browsers may cache them forever.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::header, web};
use sha2::{Digest as _, Sha256};

use crate::{
    domain::hex::to_hex,
    http::{headers::FOREVER, problem::Problem},
};

/// Name, media type and content.
const FILES: [(&str, &str, &str); 6] = [
    ("saem.css", "text/css; charset=utf-8", include_str!("../../../ui/saem.css")),
    ("form.js", "text/javascript; charset=utf-8", include_str!("../../../ui/form.js")),
    ("my.js", "text/javascript; charset=utf-8", include_str!("../../../ui/my.js")),
    ("admin.js", "text/javascript; charset=utf-8", include_str!("../../../ui/admin.js")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("../../../ui/console.js")),
    ("drop.svg", "image/svg+xml", include_str!("../../../ui/drop.svg")),
];

/// URLs in the order of `FILES`.
static URLS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let url = |(name, _, content): &(&str, &str, &str)| {
        format!("/assets/{}-{name}", to_hex(&Sha256::digest(content)[..6]))
    };
    FILES.iter().map(url).collect()
});

pub(crate) fn url(name: &str) -> &'static str {
    let at = FILES.iter().position(|(of, _, _)| *of == name).expect("the name is in FILES");
    &URLS[at]
}

pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let wanted = format!("/assets/{name}");
    let at = URLS.iter().position(|url| *url == wanted).ok_or_else(|| Problem::not_found("page"))?;
    let (_, media_type, content) = FILES[at];
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, FOREVER))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type(media_type)
        .body(content))
}
