//! `/`: the purifiers with price and stock.

pub(crate) mod account;
pub(crate) mod cards;
pub(crate) mod image;
pub(crate) mod product;
pub(crate) mod renting;

use maud::PreEscaped;

use self::product::{price, stock};
use crate::{
    http::{api::routes::products, pages::prelude::*},
    shop::{PageRequest, ProductView},
};

const SHOWN_MAX: usize = 60;

pub(crate) async fn index(app: Data<App>, visitor: Visitor) -> PageResult {
    let all = PageRequest { cursor: None, limit: SHOWN_MAX };
    let products = app.shop.products(None, &all).or_error_page(&visitor)?;
    let mut shown: Vec<_> = products.items.iter().filter(|product| !product.withdrawn).collect();
    // Available products come first.
    shown.sort_by_key(|product| !product.available());
    let content = html! {
        (hero(&visitor))
        div class="wide section" {
            section aria-labelledby="all" class="stack" {
                div class="row apart" {
                    h2 id="all" { (visitor.t("정수기 고르기", "Choose a purifier")) }
                    span class="soft small num" {
                        @match visitor.t("ko", "en") {
                            "ko" => { (shown.len()) "개 제품" }
                            _ => { (shown.len()) " models" }
                        }
                    }
                }
                @if shown.is_empty() {
                    p class="card" { (visitor.t("곧 새 정수기를 준비하겠습니다.", "New purifiers are coming soon.")) }
                } @else {
                    ul class="grid" { @for product in shown { li { (tile(&visitor, product)) } } }
                }
            }
        }
    };
    let title = visitor.t("정수기 렌탈", "Rent a water purifier");
    Ok(Page { visitor: &visitor, section: Section::Shop, title, script: None, content }.show())
}

fn hero(visitor: &Visitor) -> Markup {
    let promises = [
        ("신청과 결제를 한 번에", "Order and pay in one step"),
        ("설치 전 언제든 취소·환불", "Cancel any time before it is installed"),
        ("배송 상황을 실시간으로", "Watch your delivery live"),
    ];
    html! {
        div class="hero" {
            div class="wide" {
                div class="words" {
                    h1 {
                        @match &visitor.brand.tagline {
                            Some(tagline) => (visitor.marked(tagline)),
                            None => {
                                (visitor.t("매일 마시는 물,", "The water you drink every day,")) br;
                                (visitor.t("샘처럼 맑게.", "clear as a spring."))
                            }
                        }
                    }
                    p { (visitor.t(
                        "집에 맞는 정수기를 고르고, 한 번의 결제로 렌탈을 시작하세요. 배송부터 설치까지 마이페이지에서 바로 확인할 수 있습니다.",
                        "Choose the purifier that suits your home and start with one payment. Follow the \
                         delivery and installation on My Page.",
                    )) }
                    ul class="promise" {
                        @for (korean, english) in promises { li { (check()) (visitor.t(korean, english)) } }
                    }
                }
            }
            (PreEscaped(include_str!("../../../../ui/spring.svg")))
            (PreEscaped(include_str!("../../../../ui/waves.svg")))
        }
    }
}

fn check() -> Markup {
    html! {
        svg viewBox="0 0 20 20" aria-hidden="true" focusable="false" {
            circle cx="10" cy="10" r="9" fill="#0a6a8a" {}
            path d="M6 10.300l2.700 2.700L14.200 7.500" fill="none" stroke="#fff" stroke-width="2"
                stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

fn tile(visitor: &Visitor, product: &ProductView) -> Markup {
    let gone = if product.available() { "" } else { " gone" };
    html! {
        article class={ "card product" (gone) } {
            div class="face" { (image::of(product)) }
            div class="words" {
                p class="small soft" { (product.offer.model) }
                h3 { a href={ "/products/" (product.id) } { (visitor.marked(&product.offer.name)) } }
                @if let Some(first) = product.offer.description.lines().next() {
                    p class="small soft clamp" { (visitor.marked(first)) }
                }
                div class="row apart" { (price(visitor, product.offer.fee)) (stock(visitor, product)) }
            }
        }
    }
}

pub(crate) fn find(app: &App, visitor: &Visitor, id: &str) -> Result<ProductView, PageError> {
    products::find(app, id).or_error_page(visitor)
}
