//! Product images: upload by the operator, and download.
//!
//! The address of an image is the digest of its content, so it can be cached for ever. The first bytes decide
//! the format: HTML under an image's name is refused.

use std::pin::Pin;

use actix_web::{FromRequest, dev::Payload, http::header};

use super::{
    prelude::*,
    products::{find, shown},
};
use crate::{
    actors::request::RequestContext,
    domain::{
        ProductId,
        image::{IMAGE_BYTES_MAX, Image, ImageFormat},
    },
    http::{body::Body, headers::FOREVER, limits::Limits},
};

const BODY: Body =
    Body { name: "image", max: (IMAGE_BYTES_MAX, "1 MiB"), broken: ProblemKind::RequestTimeout };

/// An uploaded image.
pub(crate) struct UploadedImage {
    format: ImageFormat,
    bytes: Vec<u8>,
}

impl FromRequest for UploadedImage {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let encoded =
            request.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
        let (within, payload) = (Limits::body_timeout(request), payload.take());
        Box::pin(async move {
            let rule = "an image must be PNG, JPEG or WebP";
            let unknown = || Problem::new(ProblemKind::UnsupportedMediaType, rule);
            if encoded {
                return Err(unknown());
            }
            let bytes = BODY.read(payload, within).await?;
            let format = ImageFormat::of(&bytes).ok_or_else(unknown)?;
            Ok(Self { format, bytes: bytes.into() })
        })
    }
}

/// Sets the image of a product.
///
/// PNG, JPEG or WebP, up to 1 MiB, as the body. The product's `imageUrl` is its address. Uploading the same
/// image again changes nothing.
#[utoipa::path(
    put, path = "/v1/products/{id}/image", tag = "products", operation_id = "changeProductImage",
    security(("bearer" = ["OPERATOR"])),
    params(("id" = ProductId, Path)),
    request_body(content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"))),
    responses((status = 200, description = "Changed", body = resources::Product,
        headers(("ETag"), ("Saem-Position")))),
    extensions(("x-problems" = json!(["product-not-found", "context-paused"]))),
)]
pub(crate) async fn change(
    app: Data<App>,
    _: Operator,
    context: RequestContext,
    id: Path<String>,
    UploadedImage { format, bytes }: UploadedImage,
) -> ApiResult {
    let product = find(&app, &id)?;
    let changed = app.shop.change_image(product.id, format, bytes, context).await?;
    Ok(shown(HttpResponse::Ok(), &changed))
}

/// Returns an image, which may be cached for ever.
#[utoipa::path(
    get, path = "/images/{file}", tag = "products", operation_id = "showImage",
    params(("file" = String, Path,
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.png")),
    responses((status = 200, description = "The image", content(
        (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"),
    ))),
)]
pub(crate) async fn show(app: Data<App>, file: Path<String>) -> ApiResult {
    let missing = || Problem::not_found("image");
    let image = Image::parse(&file).ok_or_else(missing)?;
    let bytes = app.shop.image(image).await?.ok_or_else(missing)?;
    Ok(HttpResponse::Ok()
        .content_type(image.format.media_type())
        .insert_header((header::CACHE_CONTROL, FOREVER))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(bytes))
}
