//! `/products/{id}`: a purifier and its order form.

use super::{cards, find, image, price, stock};
use crate::{
    domain::{Money, address::Address, text::line},
    gateways::payment::AUTHENTICATION_REQUIRED,
    http::pages::{form::SubmittedForm, prelude::*, text::problems::of_line},
    shop::{Order, PayOutcome, Principal, ProductView},
};

#[derive(Default)]
struct OrderDraft {
    fields: FormFields,
    wrong: Vec<&'static str>,
    error: Option<(ProblemKind, ErrorText)>,
}

impl OrderDraft {
    fn wrong(&self, visitor: &Visitor, field: &str) -> Option<String> {
        self.wrong.iter().find(|wrong| **wrong == field)?;
        let typed = self.fields.get(field);
        let rule = |min, max| line(typed, min, max).err().map(|rule| of_line(visitor.lang, typed, rule));
        match field {
            "recipient" => rule(1, 100),
            "line1" => rule(1, 200),
            "line2" => rule(0, 200),
            "card" => Some(visitor.t("카드를 골라 주세요.", "Please choose a card.").to_owned()),
            _ => {
                Some(visitor.t("우편번호 다섯 자리를 입력해 주세요.", "Please enter five digits.").to_owned())
            }
        }
    }

    /// Returns true if the error already says that the product is not available.
    fn says_sold_out(&self) -> bool {
        matches!(self.error, Some((ProblemKind::OutOfStock | ProblemKind::ProductWithdrawn, _)))
    }
}

pub(crate) async fn product(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let product = find(&app, &visitor, &id)?;
    Ok(show(&app, &visitor, &product, &OrderDraft::default()).await.show())
}

async fn show<'a>(app: &App, visitor: &'a Visitor, product: &'a ProductView, draft: &OrderDraft) -> Page<'a> {
    let offer = &product.offer;
    let ordering = ordering(app, visitor, product, draft).await;
    let content = html! {
        div class="wide stack" {
            p class="small" { a href="/" { "← " (visitor.t("정수기 목록", "All purifiers")) } }
            div class="two" {
                div class="stack stays" {
                    div class="big-face" { (image::of(product)) }
                }
                div class="stack" {
                    div class="tight" {
                        p class="soft" { (offer.model) }
                        h1 { (visitor.marked(&offer.name)) }
                        div class="row" { (price(visitor, offer.fee)) (stock(visitor, product)) }
                    }
                    @for line in offer.description.lines() {
                        @if !line.trim().is_empty() { p { (visitor.marked(line)) } }
                    }
                    (ordering)
                }
            }
        }
    };
    Page { visitor, section: Section::Shop, title: &offer.name, script: Some("form.js"), content }
}

async fn ordering(app: &App, visitor: &Visitor, product: &ProductView, draft: &OrderDraft) -> Markup {
    let other = html! { p { a href="/" { (visitor.t("다른 정수기 보기", "See other purifiers")) } } };
    let body = match visitor.principal {
        _ if draft.says_sold_out() && !product.available() => other,
        _ if product.withdrawn => html! {
            div class="notice" {
                b { (visitor.t("더 이상 렌탈하지 않는 제품입니다", "No longer for rent")) } (other)
            }
        },
        _ if product.stock == 0 => html! {
            div class="notice wait" { b { (visitor.t("지금은 품절입니다", "Sold out for now")) }
                p { (visitor.t(
                    "재입고되면 이 페이지에서 바로 렌탈하실 수 있습니다.",
                    "You can rent it here once it is restocked.",
                )) }
                (other) }
        },
        None if draft.error.is_some() => html! {
            (log_in_aside(visitor, product))
            (order_form(app, visitor, product, draft, ""))
        },
        None => log_in_first(visitor, product),
        Some(Principal::Operator) => html! {
            div class="notice" { p { (visitor.t("관리자 계정으로 보고 있습니다. ", "You are viewing this as the shop. "))
                a href={ "/admin/products/" (product.id) } { (visitor.t("이 제품 수정", "Edit this product")) } } }
        },
        Some(Principal::Customer(customer)) => {
            let name = app.shop.customer(customer).await.map(|customer| customer.name).unwrap_or_default();
            order_form(app, visitor, product, draft, &name)
        }
    };
    html! { @if let Some((_, error)) = draft.error { (alert("bad", error, None)) } (body) }
}

fn log_in_first(visitor: &Visitor, product: &ProductView) -> Markup {
    let to = encoded(&format!("/products/{}", product.id));
    html! {
        div class="card stack" {
            p { (visitor.t(
                "렌탈하려면 로그인이 필요합니다. 가입은 1분이면 됩니다.",
                "Log in to rent it. Signing up takes a minute.",
            )) }
            div class="row" {
                a class="button" href={ "/sign-up?to=" (to) } {
                    (visitor.t("가입하고 렌탈하기", "Sign up and rent"))
                }
                a class="button quiet" href={ "/log-in?to=" (to) } { (visitor.t("로그인", "Log in")) }
            }
        }
    }
}

/// Log-in in a new window, which keeps the filled-in form open.
fn log_in_aside(visitor: &Visitor, product: &ProductView) -> Markup {
    let to = encoded(&format!("/products/{}", product.id));
    html! {
        p {
            a class="button" href={ "/log-in?to=" (to) } target="_blank" rel="noopener" {
                (visitor.t("새 창에서 로그인", "Log in (new window)"))
            }
        }
    }
}

fn order_form(app: &App, visitor: &Visitor, product: &ProductView, draft: &OrderDraft, name: &str) -> Markup {
    let fields = &draft.fields;
    let postal_code = fields.get("postalCode");
    // A name that the customer deleted stays deleted.
    let recipient = if fields.has("recipient") { fields.get("recipient") } else { name };
    let [no_recipient, no_code, no_line1, no_line2, no_card] =
        ["recipient", "postalCode", "line1", "line2", "card"].map(|field| draft.wrong(visitor, field));
    html! {
        form class="card stack" method="post" action={ "/products/" (product.id) "/rent" } data-once {
            h2 { (visitor.t("렌탈 신청", "Rent it")) }
            (csrf_field(visitor))
            input type="hidden" name="key" value=(app.shop.nonce());
            input type="hidden" name="fee" value=(product.offer.fee.as_won());
            div class="fields" {
                (Field { autocomplete: "name", max: Some(100), wrong: no_recipient.as_deref(),
                    ..Field::new("recipient", visitor.t("받는 분", "Recipient"), recipient) })
                div class="pair first-small" {
                    (Field { autocomplete: "postal-code", pattern: Some("[0-9]{5}"), max: Some(5),
                        wrong: no_code.as_deref(),
                        ..Field::new("postalCode", visitor.t("우편번호", "Postal code"), postal_code) })
                    (Field { autocomplete: "address-line1", max: Some(200), wrong: no_line1.as_deref(),
                        ..Field::new("line1", visitor.t("주소", "Address"), fields.get("line1")) })
                }
                (Field { autocomplete: "address-line2", max: Some(200), optional: true,
                    wrong: no_line2.as_deref(),
                    ..Field::new("line2", visitor.t("상세 주소 (선택)", "Flat or floor (optional)"),
                        fields.get("line2")) })
                (cards::choice(app, visitor, fields.get("card"), no_card.as_deref()))
            }
            button class="button full" {
                span class="num" { (visitor.lang.won(product.offer.fee)) }
                " " (visitor.t("결제하고 렌탈하기", "· pay and rent"))
            }
            p class="small soft" { (visitor.t(
                "결제가 확인되면 렌탈이 확정되고 배송을 준비합니다. 설치 전에는 언제든 취소하고 전액 환불받을 수 있습니다.",
                "Once the payment is confirmed we prepare your delivery. Until the installation you can \
                 cancel for a full refund.",
            )) }
        }
    }
}

pub(crate) async fn rent(app: Data<App>, id: Path<String>, typed: SubmittedForm) -> PageResult {
    let Form { visitor, context, fields } = match typed {
        // After a log-out or a new log-in, the customer need not fill in the form again.
        SubmittedForm::Current(Form { visitor, fields, .. }) | SubmittedForm::Stale(visitor, fields)
            if visitor.principal.is_none() =>
        {
            return show_again(&app, &visitor, &id, fields, ProblemKind::Unauthorized).await;
        }
        SubmittedForm::Stale(visitor, fields) => {
            return show_again(&app, &visitor, &id, fields, ProblemKind::Forbidden).await;
        }
        SubmittedForm::Current(filled) => filled,
    };
    let customer_id = visitor.customer()?;
    let product = find(&app, &visitor, &id)?;
    let again = async |problem: Problem, fields: FormFields, wrong: Vec<&'static str>| {
        let draft =
            OrderDraft { fields, wrong, error: Some((problem.kind, error_text(visitor.lang, &problem))) };
        // Stock or fee may have changed.
        let product = app.shop.product(product.id).unwrap_or_else(|| product.clone());
        show(&app, &visitor, &product, &draft).await.show_as(problem.kind.status())
    };
    let (address, method) = (address_of(&fields), cards::chosen(&fields));
    let (address, method) = match (address, method) {
        (Ok(address), Some(method)) => (address, method),
        (address, method) => {
            let mut wrong: Vec<_> = address.err().unwrap_or_default();
            wrong.extend(method.is_none().then_some("card"));
            let problem = Problem::new(ProblemKind::InvalidRequest, "invalid fields");
            return Ok(again(problem, fields, wrong).await);
        }
    };
    let expected_fee = fields.get("fee").parse().ok().map(Money::won);
    let order = Order { customer_id, product_id: product.id, address, method, expected_fee };
    let placed = match app.shop.place_rental(order, context).await {
        Ok(placed) => placed,
        Err(error) => return Ok(again(error.into(), fields, Vec::new()).await),
    };
    let kind = match &placed.outcome {
        PayOutcome::Confirmed | PayOutcome::Deferred { .. } => {
            return Ok(see_other(&format!("/my/rentals/{}?new", placed.rental.id)));
        }
        PayOutcome::Declined { code } if code.as_deref() == Some(AUTHENTICATION_REQUIRED) => {
            ProblemKind::AuthenticationRequired
        }
        PayOutcome::Declined { .. } => ProblemKind::PaymentDeclined,
        PayOutcome::Canceled => ProblemKind::RentalCanceled,
        PayOutcome::Unavailable { .. } => ProblemKind::PaymentUnavailable,
    };
    Ok(again(Problem::new(kind, ""), fields, Vec::new()).await)
}

/// Shows the form again as filled in, without placing an order: the session has ended or changed.
async fn show_again(
    app: &App,
    visitor: &Visitor,
    id: &str,
    fields: FormFields,
    kind: ProblemKind,
) -> PageResult {
    let product = find(app, visitor, id)?;
    let (title, text) = if kind == ProblemKind::Unauthorized {
        let text = visitor.t(
            "아직 신청과 결제가 되지 않았습니다. 입력하신 내용은 아래에 그대로 있습니다. 새 창에서 로그인한 뒤, \
             이 화면으로 돌아와 다시 신청해 주세요.",
            "Nothing was ordered or charged, and your entries are kept below. Log in in a new window, \
             then come back to this page and order again.",
        );
        (visitor.t("로그인이 필요합니다", "Please log in"), text)
    } else {
        let text = visitor.t(
            "이 화면을 연 뒤에 로그인 상태가 바뀌었습니다. 아직 신청과 결제가 되지 않았습니다. 입력하신 내용을 확인하고 \
             다시 신청해 주세요.",
            "You logged in or out after opening this page. Nothing was ordered or charged. Check your \
             entries and order again.",
        );
        (visitor.t("한 번 더 확인해 주세요", "Please confirm once more"), text)
    };
    let draft =
        OrderDraft { fields, error: Some((kind, ErrorText { title, text })), ..OrderDraft::default() };
    Ok(show(app, visitor, &product, &draft).await.show_as(kind.status()))
}

/// Parses the address, or returns the invalid fields.
fn address_of(fields: &FormFields) -> Result<Address, Vec<&'static str>> {
    let text = |name: &str| fields.get(name).to_owned();
    let line2 = Some(text("line2")).filter(|line2| !line2.trim().is_empty());
    let postal_code = fields.get("postalCode").trim().to_owned();
    let address = Address { recipient: text("recipient"), postal_code, line1: text("line1"), line2 };
    address.checked().map_err(|wrong| wrong.into_iter().map(|(field, _)| field).collect())
}
