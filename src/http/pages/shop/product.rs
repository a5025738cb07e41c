//! Price and stock of a product, as tags.

use maud::{Markup, html};

use crate::{domain::Money, http::pages::visitor::Visitor, shop::ProductView};

pub(crate) fn price(visitor: &Visitor, fee: Money) -> Markup {
    let once = visitor.t("렌탈료(일시납)", "one-time fee");
    html! { p class="price num" { (visitor.lang.won(fee)) " " small { (once) } } }
}

pub(crate) fn stock(visitor: &Visitor, product: &ProductView) -> Markup {
    match product.stock {
        _ if product.withdrawn => html! {
            span class="tag off" { (visitor.t("신규 렌탈 중단", "No longer for rent")) }
        },
        0 => html! { span class="tag bad" { (visitor.t("품절", "Sold out")) } },
        few @ 1..=3 => html! {
            span class="tag wait num" { (visitor.t("", "Only ")) (few) (visitor.t("대 남음", " left")) }
        },
        many => html! {
            span class="tag good num" { (visitor.t("재고 ", "")) (many) (visitor.t("대", " in stock")) }
        },
    }
}
