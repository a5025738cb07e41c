//! `/`: the purifiers, one of them, and renting it.

use actix_web::{HttpResponse, web};
use maud::{Markup, PreEscaped, html};

use super::{
    cards,
    layout::{Field, Instead, OrPage as _, Page, Place, hidden, see_other},
    picture,
    session::{Fields, Filled, Visitor},
    trouble::{Told, told},
};
use crate::{
    actors::shop::{Order, PageRequest, PayOutcome, Principal, ProductView},
    domain::{Money, ProductId, address::Address},
    gateways::AUTHENTICATION_REQUIRED,
    http::{App, problem::Problem, problem_kinds::Kind},
};

/// How many purifiers one page shows.
const SHOWN_MAX: usize = 60;

/// The shop's first page.
pub async fn index(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Instead> {
    let all = PageRequest { cursor: None, limit: SHOWN_MAX };
    let products = app.shop.products(None, &all).or_page(&visitor)?;
    let mut shown: Vec<_> = products.items.iter().filter(|product| !product.withdrawn).collect();
    // What can be rented comes first.
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
    Ok(Page { visitor: &visitor, place: Place::Shop, title, script: None, content }.show())
}

fn hero(visitor: &Visitor) -> Markup {
    let promises = [
        ("결제와 예약을 한 번에", "Pay and book in one step"),
        ("설치 전 언제든 취소·환불", "Cancel any time before it is installed"),
        ("배송 상황을 실시간으로", "Watch your delivery live"),
    ];
    html! {
        div class="hero" {
            div class="wide" {
                div class="words" {
                    h1 {
                        (visitor.t("매일 마시는 물,", "The water you drink every day,")) br;
                        (visitor.t("샘처럼 맑게.", "clear as a spring."))
                    }
                    p { (visitor.t(
                        "집에 맞는 정수기를 고르고, 한 번의 결제로 렌탈을 시작하세요. 배송부터 설치까지 마이페이지에서 바로 확인할 수 있습니다.",
                        "Choose the purifier that suits your home and start with one payment. Follow it \
                         from our door to your kitchen on My Page.",
                    )) }
                    ul class="promise" {
                        @for (korean, english) in promises { li { (check()) (visitor.t(korean, english)) } }
                    }
                }
            }
            (PreEscaped(include_str!("../../../ui/spring.svg")))
            (PreEscaped(include_str!("../../../ui/waves.svg")))
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
            div class="face" { (picture::of(product)) }
            div class="words" {
                p class="small soft" { (product.offer.model) }
                h3 { a href={ "/products/" (product.id) } { (product.offer.name) } }
                @if !product.offer.description.is_empty() {
                    p class="small soft" { (product.offer.description.lines().next().unwrap_or_default()) }
                }
                div class="row apart" { (price(visitor, product.offer.fee)) (stock(visitor, product)) }
            }
        }
    }
}

fn price(visitor: &Visitor, fee: Money) -> Markup {
    html! { p class="price num" { (visitor.lang.won(fee)) " " small { (visitor.t("렌탈료", "rental fee")) } } }
}

/// What there is of a product, in words.
pub(super) fn stock(visitor: &Visitor, product: &ProductView) -> Markup {
    match product.stock {
        _ if product.withdrawn => html! { span class="tag off" { (visitor.t(
            "렌탈 종료",
            "No longer for rent",
        )) } },
        0 => html! { span class="tag bad" { (visitor.t("품절", "Sold out")) } },
        few @ 1..=3 => html! {
            span class="tag wait num" { (visitor.t("", "Only ")) (few) (visitor.t("대 남음", " left")) }
        },
        many => html! {
            span class="tag good num" { (visitor.t("재고 ", "")) (many) (visitor.t("대", " in stock")) }
        },
    }
}

/// What stands in the order form, and what is wrong with it.
#[derive(Default)]
struct Draft {
    fields: Fields,
    wrong: Vec<String>,
    told: Option<Told>,
}

impl Draft {
    fn wrong(&self, visitor: &Visitor, field: &str) -> Option<&'static str> {
        let rule = match field {
            "postalCode" => visitor.t("우편번호 다섯 자리를 적어 주세요.", "Five digits, please."),
            "card" => visitor.t("카드를 확인해 주세요.", "Please check the card."),
            _ => visitor.t("이 항목을 확인해 주세요.", "Please check this."),
        };
        self.wrong.iter().any(|wrong| wrong == field).then_some(rule)
    }
}

/// A purifier that a page is about.
pub(super) fn find(app: &App, visitor: &Visitor, id: &str) -> Result<ProductView, Instead> {
    let product = ProductId::parse(id).ok().and_then(|id| app.shop.product(id));
    product.ok_or_else(|| Problem::new(Kind::ProductNotFound, "there is no such product")).or_page(visitor)
}

/// One purifier, and the form to rent it.
pub async fn product(
    app: web::Data<App>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Instead> {
    let product = find(&app, &visitor, &id)?;
    Ok(show(&app, &visitor, &product, &Draft::default()).await.show())
}

async fn show<'a>(app: &App, visitor: &'a Visitor, product: &'a ProductView, draft: &Draft) -> Page<'a> {
    let offer = &product.offer;
    let ordering = ordering(app, visitor, product, draft).await;
    let content = html! {
        div class="wide stack" {
            p class="small" { a href="/" { "← " (visitor.t("정수기 목록", "All purifiers")) } }
            div class="two" {
                div class="stack stays" {
                    div class="big-face" { (picture::of(product)) }
                }
                div class="stack" {
                    div class="tight" {
                        p class="soft" { (offer.model) }
                        h1 { (offer.name) }
                        div class="row" { (price(visitor, offer.fee)) (stock(visitor, product)) }
                    }
                    @for line in offer.description.lines() {
                        @if !line.trim().is_empty() { p { (line) } }
                    }
                    (ordering)
                }
            }
        }
    };
    Page { visitor, place: Place::Shop, title: &offer.name, script: Some("form.js"), content }
}

async fn ordering(app: &App, visitor: &Visitor, product: &ProductView, draft: &Draft) -> Markup {
    let told = draft.told.map(|told| {
        html! {
            div class="notice bad" role="alert" { b { (told.title) } p { (told.text) } }
        }
    });
    let body = match visitor.principal {
        _ if product.withdrawn => html! {
            div class="notice" { b { (visitor.t("더 이상 렌탈하지 않는 제품입니다", "No longer for rent")) }
                p { a href="/" { (visitor.t("다른 정수기 보기", "See other purifiers")) } } }
        },
        _ if product.stock == 0 => html! {
            div class="notice wait" { b { (visitor.t("지금은 품절입니다", "Sold out for now")) }
                p { (visitor.t(
                    "재입고되면 이 페이지에서 바로 렌탈하실 수 있습니다.",
                    "Once it is restocked you can rent it right here.",
                )) }
                p { a href="/" { (visitor.t("다른 정수기 보기", "See other purifiers")) } } }
        },
        None => {
            let to = super::account::encoded(&format!("/products/{}", product.id));
            html! {
                div class="card stack" {
                    p { (visitor.t(
                        "렌탈하려면 로그인이 필요합니다. 가입은 1분이면 됩니다.",
                        "Log in to rent it. Signing up takes a minute.",
                    )) }
                    div class="row" {
                        a class="button" href={ "/sign-up?to=" (to) } { (visitor.t(
                            "가입하고 렌탈하기",
                            "Sign up and rent",
                        )) }
                        a class="button quiet" href={ "/log-in?to=" (to) } { (visitor.t("로그인", "Log in")) }
                    }
                }
            }
        }
        Some(Principal::Operator) => html! {
            div class="notice" { p { (visitor.t("매장 계정으로 보고 있습니다. ", "You look at it as the shop. "))
                a href={ "/admin/products/" (product.id) } { (visitor.t("이 제품 수정", "Edit this product")) } } }
        },
        Some(Principal::Customer(customer)) => {
            let name = app.shop.customer(customer).await.map(|customer| customer.name).unwrap_or_default();
            order_form(app, visitor, product, draft, &name)
        }
    };
    html! { @if let Some(told) = told { (told) } (body) }
}

fn order_form(app: &App, visitor: &Visitor, product: &ProductView, draft: &Draft, name: &str) -> Markup {
    let value = |field: &str| draft.fields.get(field).to_owned();
    let (recipient, postal_code) = (value("recipient"), value("postalCode"));
    let (line1, line2) = (value("line1"), value("line2"));
    let recipient = if recipient.is_empty() { name } else { &recipient };
    let wrong = |field| draft.wrong(visitor, field);
    html! {
        form class="card stack" method="post" action={ "/products/" (product.id) "/rent" } data-once {
            h2 { (visitor.t("렌탈 신청", "Rent it")) }
            (hidden(visitor))
            input type="hidden" name="key" value=(app.shop.nonce());
            input type="hidden" name="fee" value=(product.offer.fee.as_won());
            div class="fields" {
                (Field { autocomplete: "name", max: Some(100), wrong: wrong("recipient"),
                    ..Field::new("recipient", visitor.t("받는 분", "Recipient"), recipient) })
                div class="pair first-small" {
                    (Field { autocomplete: "postal-code", pattern: Some("[0-9]{5}"), max: Some(5),
                        wrong: wrong("postalCode"),
                        ..Field::new("postalCode", visitor.t("우편번호", "Postal code"), &postal_code) })
                    (Field { autocomplete: "address-line1", max: Some(200), wrong: wrong("line1"),
                        ..Field::new("line1", visitor.t("주소", "Address"), &line1) })
                }
                (Field { autocomplete: "address-line2", max: Some(200), optional: true, wrong: wrong("line2"),
                    ..Field::new("line2", visitor.t("상세 주소 (선택)", "Flat or floor (optional)"), &line2) })
                (cards::choice(app, visitor, draft.fields.get("card"), wrong("card")))
            }
            button class="button full" {
                span class="num" { (visitor.lang.won(product.offer.fee)) }
                " " (visitor.t("결제하고 렌탈하기", "· pay and rent"))
            }
            p class="small soft" { (visitor.t(
                "결제가 확인되면 렌탈이 확정되고 배송을 준비합니다. 설치 전에는 언제든 취소하고 전액 환불받을 수 있습니다.",
                "Once the payment is confirmed we prepare your delivery. Until it is installed you can \
                 cancel and get all of it back.",
            )) }
        }
    }
}

/// Rents a purifier, and leads to where it can be watched; or says why not.
pub async fn rent(
    app: web::Data<App>,
    id: web::Path<String>,
    filled: Filled,
) -> Result<HttpResponse, Instead> {
    let Filled { visitor, because, fields } = filled;
    let customer_id = visitor.customer()?;
    let product = find(&app, &visitor, &id)?;
    let again = async |problem: Problem, fields: Fields, wrong: Vec<String>| {
        let draft = Draft { fields, wrong, told: Some(told(visitor.lang, &problem)) };
        // What it is now: the stock may have gone, or the fee have changed.
        let product = app.shop.product(product.id).unwrap_or_else(|| product.clone());
        show(&app, &visitor, &product, &draft).await.show_as(problem.kind.status())
    };
    let (address, method) = (address_of(&fields), cards::chosen(&fields));
    let (address, method) = match (address, method) {
        (Ok(address), Some(method)) => (address, method),
        (address, method) => {
            let mut wrong: Vec<_> = address.err().unwrap_or_default();
            wrong.extend(method.is_none().then(|| "card".to_owned()));
            let problem = Problem::new(Kind::InvalidRequest, "fields break their rules");
            return Ok(again(problem, fields, wrong).await);
        }
    };
    let expected_fee = fields.get("fee").parse().ok().map(Money::won);
    let order = Order { customer_id, product_id: product.id, address, method, expected_fee };
    let placed = match app.shop.place_rental(order, because).await {
        Ok(placed) => placed,
        Err(error) => return Ok(again(error.into(), fields, Vec::new()).await),
    };
    let kind = match &placed.outcome {
        PayOutcome::Confirmed | PayOutcome::Deferred { .. } => {
            return Ok(see_other(&format!("/my/rentals/{}?new", placed.rental.id)));
        }
        PayOutcome::Declined { code } if code.as_deref() == Some(AUTHENTICATION_REQUIRED) => {
            Kind::AuthenticationRequired
        }
        PayOutcome::Declined { .. } => Kind::PaymentDeclined,
        PayOutcome::Canceled => Kind::RentalCanceled,
        PayOutcome::Unavailable { .. } => Kind::PaymentUnavailable,
    };
    Ok(again(Problem::new(kind, ""), fields, Vec::new()).await)
}

/// The address, or the fields that break its rules.
fn address_of(fields: &Fields) -> Result<Address, Vec<String>> {
    let text = |name: &str| fields.get(name).to_owned();
    let line2 = Some(text("line2")).filter(|line2| !line2.trim().is_empty());
    let (recipient, postal_code, line1) = (text("recipient"), text("postalCode"), text("line1"));
    let postal_code = postal_code.trim().to_owned();
    let address = Address { recipient, postal_code, line1, line2 }.checked();
    address.map_err(|wrong| wrong.into_iter().map(|(field, _)| field.to_owned()).collect())
}
