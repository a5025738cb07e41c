//! Payment method: test cards with the simulator, otherwise a token.

use maud::{Markup, html};

use crate::{
    gateways::payment::PaymentMethod,
    http::{
        App,
        pages::{form::FormFields, layout::Field, visitor::Visitor},
    },
};

/// Token, name and outcome of the simulator's cards, in Korean and in English.
const CARDS: [(&str, [&str; 2], [&str; 2]); 6] = [
    ("tok_ok", ["정상 카드", "A good card"], ["바로 승인됩니다.", "Approved at once."]),
    ("tok_decline", ["한도 초과 카드", "A card over its limit"], ["승인이 거절됩니다.", "Declined."]),
    ("tok_slow", ["느린 카드사", "A slow bank"], ["조금 기다리면 승인됩니다.", "Approved after a moment."]),
    (
        "tok_timeout",
        ["응답 없는 카드사", "A bank that does not answer"],
        ["결제되지 않고, 나중에 결제하도록 안내합니다.", "Not charged; you are asked to pay a little later."],
    ),
    (
        "tok_error",
        ["장애 중인 카드사", "A bank that is down"],
        ["결제되지 않고, 나중에 결제합니다.", "Not charged; you pay later."],
    ),
    (
        "tok_lost_response",
        ["응답이 사라지는 카드사", "A bank whose answer is lost"],
        [
            "승인되지만 확인이 늦습니다. 중복 결제되지 않습니다.",
            "Charged, but confirmed late. Never charged twice.",
        ],
    ),
];

pub(crate) fn choice(app: &App, visitor: &Visitor, chosen: &str, wrong: Option<&str>) -> Markup {
    if app.shop.provider() != "simulator" {
        let label = visitor.t("결제 수단 토큰", "Payment token");
        let hint = visitor.t("결제 대행사가 발급한 토큰입니다.", "As your payment provider gave it.");
        return html! { (Field { wrong, hint: Some(hint), ..Field::new("card", label, "") }) };
    }
    let chosen = if chosen.is_empty() { "tok_ok" } else { chosen };
    let both = |[korean, english]: [&'static str; 2]| visitor.t(korean, english);
    html! {
        fieldset class="field" aria-describedby="card-hint" {
            legend { (visitor.t("결제 카드", "Card")) }
            span class="hint" id="card-hint" { (visitor.t(
                "데모 쇼핑몰이므로 실제로 결제되지 않습니다. 카드를 골라 여러 상황을 경험해 보세요.",
                "This is a demo shop: no money moves. Choose a card to see what happens with it.",
            )) }
            @if let Some(wrong) = wrong { span class="wrong" { (wrong) } }
            div class="choices" {
                @for (token, name, story) in CARDS.iter().take(2) {
                    (card(token, both(*name), both(*story), chosen))
                }
                details open[CARDS.iter().skip(2).any(|(token, _, _)| *token == chosen)] {
                    summary { (visitor.t("다른 상황의 카드", "Cards for other cases")) }
                    div class="choices" {
                        @for (token, name, story) in CARDS.iter().skip(2) {
                            (card(token, both(*name), both(*story), chosen))
                        }
                    }
                }
            }
        }
    }
}

fn card(token: &str, name: &str, story: &str, chosen: &str) -> Markup {
    html! {
        label class="choice" {
            input type="radio" name="card" value=(token) checked[token == chosen] required;
            span { b { (name) } span { (story) } }
        }
    }
}

pub(crate) fn chosen(fields: &FormFields) -> Option<PaymentMethod> {
    let token = fields.get("card").trim();
    (!token.is_empty()).then(|| PaymentMethod::Card { token: token.to_owned() })
}
