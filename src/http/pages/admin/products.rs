//! `/admin`: purifiers, their prices, stock and images.

use super::{NUMBER, SHORT, Tab, Table, WIDE, page};
use crate::{
    domain::{
        Money, ProductId,
        product::{MAX_STOCK, Offer},
        text::{bounded, line},
    },
    http::{
        api::routes::products,
        pages::{
            admin,
            prelude::*,
            shop::{self, image, product::stock},
        },
    },
    shop::{PageRequest, ProductView},
};

#[derive(Default)]
struct ProductDraft {
    fields: FormFields,
    wrong: Vec<&'static str>,
    error: Option<ErrorText>,
}

pub(crate) async fn index(app: Data<App>, visitor: Visitor) -> PageResult {
    visitor.operator()?;
    Ok(index_page(&app, &visitor, &ProductDraft::default()).or_error_page(&visitor)?.show())
}

fn index_page<'a>(app: &App, visitor: &'a Visitor, draft: &ProductDraft) -> Result<Page<'a>, Problem> {
    let products = app.shop.products(None, &PageRequest { cursor: None, limit: 100 })?;
    let columns = [
        (visitor.t("제품", "Purifier"), WIDE),
        (visitor.t("렌탈료", "Fee"), NUMBER),
        (visitor.t("재고", "Stock"), SHORT),
        (visitor.t("입고", "Restock"), SHORT),
    ];
    let rows = products.items.iter().map(|product| product_row(app, visitor, product)).collect();
    let stock = visitor.t("재고 (대)", "Units in stock");
    let content = html! {
        div class="stack" {
            h1 { (visitor.t("정수기 관리", "Purifiers")) }
            (outcome(visitor, draft))
            details class="card" open[draft.error.is_some() || products.items.is_empty()] {
                summary { (visitor.t("새 정수기 등록", "Register a purifier")) }
                form class="stack more" method="post" action="/admin/products" data-once {
                    (csrf_field(visitor))
                    input type="hidden" name="key" value=(app.shop.nonce());
                    (offer_fields(visitor, &draft.fields, &draft.wrong))
                    (Field { kind: "number", wrong: wrong(visitor, &draft.wrong, "stock"),
                        ..Field::new("stock", stock, draft.fields.get("stock")) })
                    p { button class="button" { (visitor.t("등록", "Register")) } }
                }
            }
            (Table { label: visitor.t("정수기 목록", "Purifiers"), dense: false, columns: &columns, rows })
        }
    };
    Ok(page(visitor, Tab::Products, visitor.t("정수기 관리", "Purifiers"), content))
}

/// The error of a form, or else the notice of a finished action.
fn outcome(visitor: &Visitor, draft: &ProductDraft) -> Markup {
    draft.error.map_or_else(|| admin::done(visitor), |error| alert("bad", error, None))
}

fn product_row(app: &App, visitor: &Visitor, product: &ProductView) -> Vec<Markup> {
    let at = address(product.id);
    let label = visitor.t("입고 수량", "Units to add");
    let name = html! {
        a href=(at) { b { (visitor.marked(&product.offer.name)) } } br;
        span class="small soft" { (product.offer.model) }
    };
    let restock = html! {
        @if product.withdrawn { span class="soft" { "–" } } @else {
            form class="row" method="post" action={ (at) "/restock" } data-once {
                (csrf_field(visitor))
                input type="hidden" name="key" value=(app.shop.nonce());
                input type="number" name="quantity" value="1" min="1" max="100000" required
                    aria-label={ (label) ": " (product.offer.name) };
                button class="button quiet small" { (labelled(visitor.t("입고", "Add"), &product.offer.name)) }
            }
        }
    };
    vec![name, html! { (visitor.lang.won(product.offer.fee)) }, stock(visitor, product), restock]
}

fn wrong(visitor: &Visitor, wrong: &[&str], field: &str) -> Option<&'static str> {
    let rule = match field {
        "fee" => visitor.t("1원부터 1억 원까지 입력해 주세요.", "1 to 100,000,000 won."),
        "stock" => visitor.t("0부터 1,000,000까지 입력해 주세요.", "0 to 1,000,000."),
        "description" => visitor.t("2,000자까지 입력할 수 있습니다.", "Up to 2,000 characters."),
        _ => visitor.t("1자부터 100자까지 입력해 주세요.", "1 to 100 characters."),
    };
    wrong.contains(&field).then_some(rule)
}

fn offer_fields(visitor: &Visitor, fields: &FormFields, wrongs: &[&'static str]) -> Markup {
    let wrong = |field| wrong(visitor, wrongs, field);
    html! {
        div class="fields" {
            div class="pair" {
                (Field { max: Some(100), wrong: wrong("name"),
                    ..Field::new("name", visitor.t("이름", "Name"), fields.get("name")) })
                (Field { max: Some(100), wrong: wrong("model"),
                    ..Field::new("model", visitor.t("모델", "Model"), fields.get("model")) })
            }
            div class="field" {
                label for="description" { (visitor.t("설명 (선택)", "Description (optional)")) }
                textarea id="description" name="description" maxlength="2000" { (fields.get("description")) }
                @if let Some(wrong) = wrong("description") { span class="wrong" { (wrong) } }
            }
            (Field { kind: "number", wrong: wrong("fee"),
                ..Field::new("fee", visitor.t("렌탈료 (원)", "Fee (won)"), fields.get("fee")) })
        }
    }
}

/// Parses the offer, or returns the invalid fields.
fn offer_of(fields: &FormFields) -> Result<Offer, Vec<&'static str>> {
    let name = line(fields.get("name"), 1, 100).map_err(|_| "name");
    let model = line(fields.get("model"), 1, 100).map_err(|_| "model");
    // Browsers send line breaks as CRLF.
    let description = fields.get("description").replace("\r\n", "\n");
    let description = bounded(&description, 0, 2_000).map_err(|_| "description");
    let fee = fields.get("fee").trim().parse().ok().filter(|fee| (1..=Money::MAX_FEE.as_won()).contains(fee));
    let fee = fee.map(Money::won).ok_or("fee");
    match (name, model, description, fee) {
        (Ok(name), Ok(model), Ok(description), Ok(fee)) => Ok(Offer { name, model, description, fee }),
        (name, model, description, fee) => {
            let wrong = [name.err(), model.err(), description.err(), fee.err()];
            Err(wrong.into_iter().flatten().collect())
        }
    }
}

pub(crate) async fn register(app: Data<App>, filled: Form) -> PageResult {
    let Form { visitor, context, fields } = filled;
    visitor.operator()?;
    let offer = offer_of(&fields);
    let stock = fields.get("stock").trim().parse().ok().filter(|stock| *stock <= MAX_STOCK);
    let registered = match (offer, stock) {
        (Ok(offer), Some(stock)) => app.shop.register_product(offer, stock, context).await,
        (offer, stock) => {
            let mut wrong = offer.err().unwrap_or_default();
            wrong.extend(stock.is_none().then_some("stock"));
            let error = Some(error_text(visitor.lang, &Problem::new(ProblemKind::InvalidRequest, "")));
            let page =
                index_page(&app, &visitor, &ProductDraft { fields, wrong, error }).or_error_page(&visitor)?;
            return Ok(page.show_as(ProblemKind::InvalidRequest.status()));
        }
    };
    let registered = registered.or_error_page(&visitor)?;
    let at = address(registered.value.id);
    Ok(see_other(&admin::with_done(&at, "registered")))
}

fn address(id: ProductId) -> String {
    format!("/admin/products/{id}")
}

fn find(app: &App, visitor: &Visitor, id: &str) -> Result<ProductView, PageError> {
    visitor.operator()?;
    shop::find(app, visitor, id)
}

pub(crate) async fn product(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let product = find(&app, &visitor, &id)?;
    Ok(edit_page(&visitor, &product, &drafted(&product)).show())
}

fn drafted(product: &ProductView) -> ProductDraft {
    let Offer { name, model, description, fee } = &product.offer;
    let fee = fee.as_won().to_string();
    let fields = [("name", name), ("model", model), ("description", description), ("fee", &fee)];
    ProductDraft { fields: FormFields::of(&fields), ..ProductDraft::default() }
}

/// Version that an edit starts from.
fn version(product: &ProductView) -> String {
    products::etag(product).trim_matches('"').to_owned()
}

fn edit_page<'a>(visitor: &'a Visitor, product: &'a ProductView, draft: &ProductDraft) -> Page<'a> {
    let at = address(product.id);
    let content = html! {
        div class="stack" {
            div class="row apart" {
                h1 { (visitor.marked(&product.offer.name)) }
                (stock(visitor, product))
            }
            (outcome(visitor, draft))
            div class="two even" {
                form class="card stack" method="post" action=(at) data-once {
                    h2 { (visitor.t("정보 수정", "Edit")) }
                    (csrf_field(visitor))
                    // An edit fails if the product has changed since the page was loaded.
                    input type="hidden" name="version" value=(version(product));
                    (offer_fields(visitor, &draft.fields, &draft.wrong))
                    p { button class="button" { (visitor.t("저장", "Save")) } }
                }
                div class="stack" {
                    div class="card stack" {
                        h2 { (visitor.t("사진", "Image")) }
                        div class="big-face" { (image::of(product)) }
                        (upload(visitor, product))
                    }
                    @if !product.withdrawn {
                        div class="card stack" {
                            h2 { (visitor.t("신규 렌탈 중단", "Withdraw")) }
                            p class="soft" { (withdrawing(visitor)) }
                            p { a class="button danger small" href={ (at) "/withdraw" } {
                                (visitor.t("신규 렌탈 중단하기", "Withdraw this purifier"))
                            } }
                        }
                    }
                }
            }
        }
    };
    page(visitor, Tab::Products, &product.offer.name, content)
}

fn upload(visitor: &Visitor, product: &ProductView) -> Markup {
    html! {
        div class="drop field" {
            label for="image" { (visitor.t("사진 올리기", "Upload an image")) }
            input id="image" type="file" accept="image/png,image/jpeg,image/webp"
                data-to={ "/v1/products/" (product.id) "/image" }
                data-done=(admin::with_done(&address(product.id), "image"))
                data-failed=(visitor.t(
                    "올리지 못했습니다. 1 MiB 이하의 PNG, JPEG, WebP 사진인지 확인해 주세요.",
                    "It could not be uploaded: PNG, JPEG or WebP, up to 1 MiB.",
                ))
                aria-describedby="image-hint";
            span class="hint" id="image-hint" {
                (visitor.t("PNG, JPEG, WebP · 1 MiB 이하", "PNG, JPEG or WebP, up to 1 MiB"))
            }
            span class="wrong" id="image-wrong" role="alert" {}
        }
    }
}

pub(crate) async fn edit(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, fields } = filled;
    let product = find(&app, &visitor, &id)?;
    let edited = match offer_of(&fields) {
        Err(wrong) => Err((Problem::new(ProblemKind::InvalidRequest, ""), wrong)),
        Ok(_) if fields.get("version") != version(&product) => {
            Err((Problem::new(ProblemKind::PreconditionFailed, ""), Vec::new()))
        }
        Ok(offer) => {
            let changed = app.shop.change_product(product.id, offer, product.offer.clone(), context).await;
            changed.map_err(|error| (error.into(), Vec::new()))
        }
    };
    let Err((problem, wrong)) = edited else {
        return Ok(see_other(&admin::with_done(&address(product.id), "saved")));
    };
    let (error, product) = (error_text(visitor.lang, &problem), find(&app, &visitor, &id)?);
    let fields =
        if problem.kind == ProblemKind::PreconditionFailed { drafted(&product).fields } else { fields };
    let draft = ProductDraft { fields, wrong, error: Some(error) };
    Ok(edit_page(&visitor, &product, &draft).show_as(problem.kind.status()))
}

pub(crate) async fn restock(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, fields } = filled;
    let product = find(&app, &visitor, &id)?;
    let quantity = fields.get("quantity").trim().parse().ok().filter(|n| (1..=100_000).contains(n));
    let quantity = quantity.ok_or_else(|| Problem::invalid_field("/quantity", "must be 1 to 100000"));
    let quantity = quantity.or_error_page(&visitor)?;
    app.shop.restock_product(product.id, quantity, context).await.or_error_page(&visitor)?;
    Ok(see_other(&admin::with_done("/admin", "restocked")))
}

const fn withdrawing(visitor: &Visitor) -> &'static str {
    visitor.lang.t(
        "새 렌탈을 받지 않습니다. 진행 중인 렌탈은 그대로 이어집니다.",
        "No new rentals are taken. Current rentals continue.",
    )
}

pub(crate) async fn ask_withdraw(app: Data<App>, visitor: Visitor, id: Path<String>) -> PageResult {
    let product = find(&app, &visitor, &id)?;
    let at = address(product.id);
    if product.withdrawn {
        return Ok(see_other(&at));
    }
    let question = admin::Question {
        title: visitor.t("신규 렌탈을 중단할까요?", "Withdraw this purifier?"),
        about: &product.offer.name,
        consequences: &[withdrawing(&visitor), visitor.t("되돌릴 수 없습니다.", "This cannot be undone.")],
        to: &format!("{at}/withdraw"),
        yes: visitor.t("네, 중단합니다", "Yes, withdraw it"),
        no: visitor.t("아니요, 계속 렌탈합니다", "No, keep it for rent"),
        back: &at,
    };
    Ok(question.page(&visitor, Tab::Products).show())
}

pub(crate) async fn withdraw(app: Data<App>, id: Path<String>, filled: Form) -> PageResult {
    let Form { visitor, context, .. } = filled;
    let product = find(&app, &visitor, &id)?;
    app.shop.withdraw_product(product.id, context).await.or_error_page(&visitor)?;
    Ok(see_other(&admin::with_done(&address(product.id), "withdrawn")))
}
