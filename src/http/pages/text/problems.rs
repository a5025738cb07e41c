//! Texts of problems: what happened, whether anything was charged, and what to do next.

use super::Lang;
use crate::{
    domain::text::InvalidText,
    http::problem::{Problem, ProblemKind as Kind},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorText {
    pub title: &'static str,
    pub text: &'static str,
}

pub(crate) type TitleAndText = [&'static str; 2];

impl ErrorText {
    pub(crate) const fn of(lang: Lang, korean: TitleAndText, english: TitleAndText) -> Self {
        let [title, text] = match lang {
            Lang::Ko => korean,
            Lang::En => english,
        };
        Self { title, text }
    }
}

pub(crate) fn error_text(lang: Lang, problem: &Problem) -> ErrorText {
    let found = TEXTS.iter().find(|(kinds, ..)| kinds.contains(&problem.kind));
    let [korean, english] = found.map_or(DEFAULT_TEXTS, |(_, korean, english)| [*korean, *english]);
    ErrorText::of(lang, korean, english)
}

/// Returns when to try again after a rate limit, if that is more than a second away.
pub(crate) fn wait(lang: Lang, problem: &Problem) -> Option<String> {
    let ms = problem.retry_after_ms.filter(|ms| problem.kind == Kind::TooManyRequests && *ms > 1_000)?;
    let seconds = ms.div_ceil(1_000);
    Some(match (lang, seconds) {
        (Lang::Ko, ..=60) => format!("{seconds}초 뒤에 다시 시도할 수 있습니다."),
        (Lang::Ko, _) => format!("{}분 뒤에 다시 시도할 수 있습니다.", seconds.div_ceil(60)),
        (Lang::En, ..=60) => format!("You can try again in {seconds} s."),
        (Lang::En, _) => format!("You can try again in {} min.", seconds.div_ceil(60)),
    })
}

pub(crate) fn of_line(lang: Lang, typed: &str, rule: InvalidText) -> String {
    match (rule, lang) {
        (InvalidText::Control, _) => lang
            .t(
                "보이지 않는 문자나 여러 개를 이어 붙인 이모지는 쓸 수 없습니다. 지우고 다시 입력해 주세요.",
                "It holds an invisible character or a joined emoji, which cannot be used. Please remove it.",
            )
            .to_owned(),
        (InvalidText::Length { .. }, _) if typed.trim().is_empty() => {
            lang.t("이 항목을 입력해 주세요.", "Please fill this in.").to_owned()
        }
        (InvalidText::Length { max, .. }, Lang::Ko) => format!("너무 깁니다. {max}자까지 쓸 수 있습니다."),
        (InvalidText::Length { max, .. }, Lang::En) => format!("Too long: at most {max} characters."),
    }
}

const TEXTS: &[(&[Kind], TitleAndText, TitleAndText)] = &[
    (
        &[Kind::PaymentDeclined],
        [
            "카드 승인이 거절되었습니다",
            "결제되지 않았고 렌탈도 진행되지 않습니다. 다른 카드로 다시 시도해 주세요.",
        ],
        ["Your card was declined", "Nothing was charged and nothing was rented. Please try another card."],
    ),
    (
        &[Kind::AuthenticationRequired],
        [
            "카드사 본인 인증이 필요합니다",
            "이 카드로는 여기에서 결제할 수 없습니다. 결제되지 않았으니 다른 카드로 시도해 주세요.",
        ],
        [
            "Your bank requires authentication",
            "This card cannot be used here. Nothing was charged; please try another card.",
        ],
    ),
    (
        &[Kind::OutOfStock],
        [
            "품절되었습니다",
            "방금 재고가 모두 소진되었습니다. 결제되지 않았습니다. 다른 제품을 보시거나 재입고 후 다시 찾아 주세요.",
        ],
        [
            "Sold out",
            "The last unit has just been rented. Nothing was charged. Choose another purifier, or \
             come back after a restock.",
        ],
    ),
    (
        &[Kind::ProductWithdrawn],
        ["더 이상 렌탈하지 않는 제품입니다", "결제되지 않았습니다. 다른 제품을 골라 주세요."],
        ["No longer for rent", "Nothing was charged. Please choose another purifier."],
    ),
    (
        &[Kind::ProductNotFound],
        ["제품을 찾을 수 없습니다", "주소를 확인하시거나 목록에서 다시 골라 주세요."],
        ["Purifier not found", "Check the address, or choose one from the list."],
    ),
    (
        &[Kind::FeeChanged],
        ["렌탈료가 바뀌었습니다", "결제되지 않았습니다. 새 렌탈료를 확인하고 다시 신청해 주세요."],
        ["The fee has changed", "Nothing was charged. Please look at the new fee and order again."],
    ),
    (
        &[Kind::PaymentOverloaded],
        ["결제 요청이 많아 잠시 지연되고 있습니다", "결제되지 않았습니다. 잠시 후 다시 시도해 주세요."],
        ["Payments are delayed by high demand", "Nothing was charged. Please try again in a moment."],
    ),
    (
        &[Kind::PaymentUnavailable],
        ["결제를 확인할 수 없었습니다", "렌탈은 취소되었고, 결제된 금액이 있다면 환불됩니다."],
        ["The payment could not be confirmed", "The rental is canceled. Any amount charged is refunded."],
    ),
    (
        &[Kind::PaymentInProgress],
        [
            "앞선 결제를 확인하고 있습니다",
            "중복 결제를 막기 위해 결제 결과를 확인하고 있습니다. 잠시 후 다시 시도해 주세요.",
        ],
        [
            "Your previous payment is still being confirmed",
            "We wait for its result so that you are not charged twice. Please try again in a moment.",
        ],
    ),
    (
        &[Kind::RentalCanceled],
        ["렌탈이 취소되었습니다", "결제된 금액이 있다면 환불됩니다."],
        ["The rental was canceled", "Any amount charged is refunded."],
    ),
    (
        &[Kind::RentalNotPayable],
        ["결제할 수 있는 상태가 아닙니다", "이미 결제되었거나 취소된 렌탈입니다."],
        ["This rental cannot be paid now", "It is already paid or canceled."],
    ),
    (
        &[Kind::RentalNotCancelable],
        ["설치가 끝나 취소할 수 없습니다", "이미 설치된 정수기입니다. 판매자에게 문의해 주세요."],
        ["It can no longer be canceled", "The purifier is installed. Please ask the shop."],
    ),
    (
        &[Kind::PhoneTaken],
        ["이미 가입된 번호입니다", "이 번호로 로그인해 주세요."],
        ["This number already has an account", "Please log in with it."],
    ),
    (
        &[Kind::Unauthorized],
        ["로그인 정보가 맞지 않습니다", "휴대폰 번호와 비밀번호를 다시 확인해 주세요."],
        ["Wrong number or password", "Please check your number and password."],
    ),
    (
        &[Kind::Forbidden],
        [
            "요청을 확인할 수 없습니다",
            "다른 곳에서 보낸 요청이거나 오래된 화면입니다. 화면을 새로 고친 뒤 다시 시도해 주세요.",
        ],
        [
            "The request could not be verified",
            "The form came from another site or from an old page. Reload the page and try again.",
        ],
    ),
    (
        &[Kind::TooManyRequests],
        ["잠시 후 다시 시도해 주세요", "짧은 시간에 너무 많은 요청이 있었습니다."],
        ["Too many attempts", "There were too many requests in a short time. Please wait a moment."],
    ),
    (
        &[Kind::ContextPaused],
        ["점검 중입니다", "이 기능은 일시 중지되었습니다. 잠시 후 다시 시도해 주세요."],
        ["Under maintenance", "This function is paused. Please try again later."],
    ),
    (
        &[Kind::PreconditionFailed],
        ["그사이 다른 사람이 수정했습니다", "아래 최신 내용을 확인하고 다시 저장해 주세요."],
        ["Somebody else has changed it", "Check the current content below and save again."],
    ),
    (
        &[Kind::DeliveryOutOfOrder],
        ["지금은 할 수 없는 단계입니다", "출고한 다음에 설치 완료로 처리할 수 있습니다."],
        ["Not possible at this step", "A delivery must be sent out before it can be completed."],
    ),
    (
        &[Kind::DeliveryNotReady],
        ["아직 재고에서 출고되지 않았습니다", "잠시 후 다시 시도해 주세요."],
        ["No unit has been taken from stock yet", "Please try again in a moment."],
    ),
    (
        &[Kind::InvalidRequest, Kind::MalformedJson],
        ["입력 내용을 확인해 주세요", "표시된 항목을 고친 뒤 다시 보내 주세요."],
        ["Please check what you entered", "Fix the highlighted fields and send the form again."],
    ),
    (
        &[Kind::UnsupportedMediaType],
        ["지원하지 않는 형식입니다", "PNG, JPEG, WebP 사진만 올릴 수 있습니다."],
        ["Unsupported format", "Images may be PNG, JPEG or WebP."],
    ),
    (
        &[Kind::PayloadTooLarge],
        ["너무 큽니다", "내용을 줄여서 다시 보내 주세요."],
        ["Too large", "Please shorten it and send it again."],
    ),
    (
        &[Kind::NotFound, Kind::MethodNotAllowed],
        ["찾을 수 없습니다", "주소를 확인해 주세요. 다른 고객의 정보는 볼 수 없습니다."],
        ["Page not found", "Check the address. You cannot see other customers' data."],
    ),
    (
        &[Kind::IdempotencyInProgress, Kind::IdempotencyKeyReused],
        ["이미 처리하고 있습니다", "마이페이지에서 결과를 확인해 주세요."],
        ["Already being processed", "Check the result on My Page."],
    ),
];

const DEFAULT_TEXTS: [TitleAndText; 2] = [
    ["잠시 문제가 생겼습니다", "잠시 후 다시 시도해 주세요. 접수된 내용은 사라지지 않습니다."],
    ["Something went wrong", "Please try again in a moment. Nothing that was confirmed is lost."],
];
