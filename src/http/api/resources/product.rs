//! JSON form of products.

use super::prelude::*;
use crate::shop::ProductView;

/// A water purifier for rent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    id: ProductId,
    #[schema(example = "맑은샘 정수기")]
    name: String,
    #[schema(example = "MS-100")]
    model: String,
    /// Description; may be empty.
    #[schema(example = "냉온정 직수형, 필터 6개월")]
    description: String,
    /// Address of the image, if there is one; another image has another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/images/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.png")]
    image_url: Option<String>,
    /// Fee of a rental.
    fee: Money,
    currency: Currency,
    /// Units in stock.
    #[schema(minimum = 0, example = 12)]
    stock: u32,
    /// True if it can be rented: in stock and not withdrawn.
    available: bool,
    created_at: Time,
    /// Time of the last edit or restock.
    updated_at: Time,
}

impl From<&ProductView> for Product {
    fn from(product: &ProductView) -> Self {
        Self {
            id: product.id,
            name: product.offer.name.clone(),
            model: product.offer.model.clone(),
            description: product.offer.description.clone(),
            image_url: product.image.map(|image| format!("/images/{image}")),
            fee: product.offer.fee,
            currency: Currency,
            stock: product.stock,
            available: product.available(),
            created_at: Time(product.created_at),
            updated_at: Time(product.updated_at),
        }
    }
}
