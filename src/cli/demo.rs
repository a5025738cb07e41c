//! Sample products for `saem serve --demo`.

use saem::{Money, Offer, PageRequest, Shop, ShopError};

/// Name, model, description, fee in KRW, stock.
const SAMPLES: [(&str, &str, &str, u64, u32); 3] = [
    ("샘 정수기 미니", "SAEM-100", "한두 명을 위한 작은 냉·정수기", 19_900, 10),
    ("샘 정수기 패밀리", "SAEM-300", "네 식구를 위한 냉·온·정수기", 29_900, 10),
    ("샘 얼음정수기", "SAEM-500", "얼음까지 나오는 냉·온·정수기", 42_900, 5),
];

/// Registers the sample products if the shop has none, and returns their number.
pub(super) async fn fill(shop: &Shop) -> Result<usize, ShopError> {
    if !shop.products(None, &PageRequest { cursor: None, limit: 1 })?.items.is_empty() {
        return Ok(0);
    }
    for (name, model, description, fee, stock) in SAMPLES {
        let offer = Offer {
            name: name.to_owned(),
            model: model.to_owned(),
            description: description.to_owned(),
            fee: Money::won(fee),
        };
        shop.register_product(offer, stock, shop.new_request()).await?;
    }
    Ok(SAMPLES.len())
}
