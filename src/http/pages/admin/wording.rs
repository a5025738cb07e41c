//! Texts for the operator where those for customers do not fit.

use crate::{
    actors::entity::ask::AskError,
    domain::{
        context::{Context, Group, Parked},
        rental::CancelReason,
    },
    http::{
        pages::text::{
            Lang,
            problems::{self, ErrorText, TitleAndText},
        },
        problem::{Problem, ProblemKind as Kind},
    },
};

const DONE: [(&str, [&str; 2]); 11] = [
    ("registered", ["정수기를 등록했습니다.", "The purifier is registered."]),
    ("saved", ["저장했습니다.", "Saved."]),
    ("restocked", ["입고했습니다.", "The units are added to the stock."]),
    ("image", ["사진을 올렸습니다.", "The image is uploaded."]),
    ("withdrawn", ["신규 렌탈을 중단했습니다.", "The purifier is withdrawn."]),
    ("canceled", ["렌탈을 취소했습니다.", "The rental is canceled."]),
    ("dispatched", ["출고 처리했습니다.", "The delivery is on its way."]),
    ("completed", ["설치 완료로 처리했습니다.", "The installation is recorded."]),
    ("retried", ["재시도를 요청했습니다.", "A retry was requested."]),
    ("dismissed", ["보류 건을 종결했습니다.", "The parked target is dismissed."]),
    ("revived", ["격리를 해제했습니다.", "The actor is out of quarantine."]),
];

pub(crate) fn done(lang: Lang, done: &str) -> Option<&'static str> {
    let (_, [ko, en]) = DONE.iter().find(|(name, _)| *name == done)?;
    Some(lang.t(ko, en))
}

pub(crate) fn error_text(lang: Lang, problem: &Problem) -> ErrorText {
    let pointer = problem.errors.first().map_or("", |error| error.pointer.as_str());
    if let Some([ko, en]) = field_rule(pointer) {
        let (korean, english) = ("입력 내용을 확인해 주세요", "Please check what you entered");
        return ErrorText::of(lang, [korean, ko], [english, en]);
    }
    let own = OPERATOR_TEXTS.iter().find(|(kind, ..)| *kind == problem.kind);
    own.map_or_else(|| problems::error_text(lang, problem), |(_, ko, en)| ErrorText::of(lang, *ko, *en))
}

/// Returns the rule of a field in a row of a list, where there is no room for an error beside the field.
fn field_rule(pointer: &str) -> Option<[&'static str; 2]> {
    Some(match pointer {
        "/quantity" => [
            "입고 수량은 1대부터 100,000대까지이고, 입고한 뒤의 재고는 1,000,000대를 넘을 수 없습니다.",
            "Add 1 to 100,000 units; the stock may not exceed 1,000,000.",
        ],
        "/carrier" => [
            "설치 기사는 100자까지 입력할 수 있고, 제어 문자는 쓸 수 없습니다.",
            "A technician's name has up to 100 characters, and no control characters.",
        ],
        "/trackingNumber" => [
            "방문 예정일은 100자까지 입력할 수 있고, 제어 문자는 쓸 수 없습니다.",
            "A visit date has up to 100 characters, and no control characters.",
        ],
        "/reason" => [
            "종결 사유를 1자부터 200자까지 입력해 주세요. 제어 문자는 쓸 수 없습니다.",
            "Give the reason in 1 to 200 characters and no control characters.",
        ],
        "/query/cursor" => [
            "목록에 없는 위치입니다. 목록을 처음부터 다시 열어 주세요.",
            "This part of the list does not exist. Please open the list from its start.",
        ],
        _ => return None,
    })
}

const OPERATOR_TEXTS: [(Kind, TitleAndText, TitleAndText); 7] = [
    (
        Kind::Unauthorized,
        ["운영자 키가 맞지 않습니다", "operator.key 파일의 내용을 그대로 붙여 넣었는지 확인해 주세요."],
        ["Wrong operator key", "Please paste the content of the file operator.key as it is."],
    ),
    (
        Kind::RentalCanceled,
        ["이미 취소된 렌탈입니다", "그사이 취소되어 배송할 수 없습니다. 정수기를 보내지 마세요."],
        [
            "The rental was canceled",
            "It was canceled meanwhile and cannot be delivered: do not send the purifier.",
        ],
    ),
    (
        Kind::RentalNotCancelable,
        ["설치가 끝나 취소할 수 없습니다", "설치가 완료된 렌탈은 여기에서 취소할 수 없습니다."],
        [
            "It can no longer be canceled",
            "The purifier is installed, so this rental cannot be canceled here.",
        ],
    ),
    (
        Kind::DeliveryNotReady,
        [
            "아직 재고에서 출고되지 않았습니다",
            "잠시 후 다시 시도해 주세요. 계속 그렇다면 콘솔에서 제품 기능이 일시 중지되었거나 이 제품이 보류되었는지 \
             확인해 주세요. 보류 건을 종결했다면 출고할 수 없으니 렌탈을 취소해 주세요.",
        ],
        [
            "No unit has been taken from stock yet",
            "Please try again in a moment. If this persists, check on the console whether the product \
             function is paused or this product is parked. If it was dismissed, the purifier can never \
             be sent out: cancel the rental.",
        ],
    ),
    (
        Kind::ContextPaused,
        ["일시 중지된 기능입니다", "콘솔에서 재개한 다음 다시 시도해 주세요."],
        ["This function is paused", "Resume it on the console, and try again."],
    ),
    (
        Kind::NotFound,
        ["찾을 수 없습니다", "주소가 잘못되었거나, 그사이 이미 처리된 항목입니다."],
        ["Not found", "The address is wrong, or the item has been dealt with in the meantime."],
    ),
    (
        Kind::Forbidden,
        [
            "요청을 확인할 수 없습니다",
            "다시 로그인하기 전의 오래된 화면입니다. 돌아가서 새로 고친 뒤 다시 시도해 주세요.",
        ],
        [
            "The request could not be verified",
            "The page was opened before you logged in again. Go back, reload it and try again.",
        ],
    ),
];

pub(crate) const fn reason(lang: Lang, reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Customer => lang.t("고객이 취소했습니다", "Canceled by the customer"),
        _ => lang.reason(reason),
    }
}

pub(crate) const fn context(lang: Lang, context: Context) -> &'static str {
    match context {
        Context::Rental => lang.t("렌탈", "Rentals"),
        Context::Payment => lang.t("결제", "Payments"),
        Context::Delivery => lang.t("배송", "Deliveries"),
        Context::Product => lang.t("제품·재고", "Products and stock"),
        Context::Notification => lang.t("문자", "Messages"),
    }
}

/// Returns why a target is parked. Reasons of gateways are shown as they are.
pub(crate) fn parked_reason(lang: Lang, parked: &Parked) -> String {
    let known = [
        (AskError::Quarantined, "격리된 대상입니다"),
        (AskError::Timeout, "제때 응답하지 않았습니다"),
        (AskError::Shed, "기다리는 일이 너무 많습니다"),
        (AskError::Stopped, "액터가 실패해 재시작하고 있습니다"),
    ];
    let known = known.into_iter().find(|(error, _)| error.to_string() == parked.reason);
    match known {
        Some((_, korean)) => lang.t(korean, &parked.reason).to_owned(),
        None => parked.reason.clone(),
    }
}

/// Returns the consequences of dismissing a target that waits since this event: the counterpart of the table
/// in `policies` and of the job queue.
pub(crate) fn consequence(lang: Lang, group: Group, event: &str) -> &'static str {
    let [korean, english] = match (event, group) {
        ("DeliveryStarted", _) => [
            "재고에서 정수기가 빠지지 않습니다. 그 렌탈은 더 이상 출고할 수 없으므로 직접 취소해야 합니다.",
            "The unit is never taken from stock. Its rental can then never be sent out: you must cancel it.",
        ],
        ("DeliveryCanceled", _) => [
            "취소된 렌탈의 정수기가 재고로 돌아오지 않습니다. 실제 수량을 확인해 직접 입고해 주세요.",
            "The unit of a canceled rental never goes back into stock: count, and restock it by hand.",
        ],
        ("RentalConfirmed", _) => [
            "결제는 끝났지만 배송이 시작되지 않습니다. 고객이 기다리지 않도록 렌탈을 취소해 환불해 주세요.",
            "The rental is paid, but its delivery never starts: cancel it, so that the customer is refunded.",
        ],
        ("PaymentCanceled", _) => [
            "환불은 끝났지만 배송이 취소되지 않고, 정수기도 재고로 돌아오지 않습니다.",
            "The refund is made, but the delivery is never canceled, nor the unit put back into stock.",
        ],
        ("RentalDelivered", _) => [
            "설치는 끝났지만 배송은 계속 배송 중으로 남습니다.",
            "The purifier is installed, but its delivery stays on its way for ever.",
        ],
        ("PaymentApproved", _) => [
            "결제는 승인되었지만 렌탈이 확정되지 않고 배송도 시작되지 않습니다. 렌탈을 취소해 환불해 주세요.",
            "The payment was approved, but the rental is never confirmed nor delivered: cancel it, so that \
             the customer is refunded.",
        ],
        ("PaymentDeclined", _) => [
            "카드 승인이 거절된 렌탈이 취소되지 않고 결제 확인 중으로 남습니다.",
            "The card was declined, but the rental is never canceled: it stays as if being confirmed.",
        ],
        ("StockShort", _) => [
            "재고가 모자라는데도 렌탈이 취소되지 않고 환불도 되지 않습니다. 직접 취소해 주세요.",
            "There was no unit left, but the rental is never canceled nor refunded: cancel it by hand.",
        ],
        ("RentalCanceled", _) => [
            "취소된 렌탈의 결제가 환불되지 않고, 배송도 취소되지 않으며, 정수기가 재고로 돌아오지 않습니다.",
            "The canceled rental's payment is never refunded, its delivery never canceled, and its unit \
             never put back into stock.",
        ],
        ("PaymentCancelRequested", _) => [
            "환불이 이루어지지 않습니다. 배송은 시작된 채, 재고는 빠진 채 남고, 고객은 탈퇴할 수 없습니다.",
            "The refund is never made. The delivery stays started and its unit taken, and the customer \
             cannot leave.",
        ],
        ("StrayCaptureFound", _) => [
            "중복으로 승인된 금액이 고객에게 돌아가지 않습니다. 결제 대행사에서 직접 환불해 주세요.",
            "What was charged twice is never given back: refund it at the payment provider by hand.",
        ],
        ("PaymentDeferred", _) => [
            "결제 기한이 지나도 렌탈이 취소되지 않고 결제 대기로 남습니다.",
            "The rental is never canceled for want of its payment: it waits for ever.",
        ],
        (_, Group::Agenda) => [
            "결제 결과를 다시 확인하지 않습니다. 렌탈은 결제 대기 상태로 남고, 승인된 금액이 있어도 알 수 없습니다.",
            "The payment's outcome is never asked for again: the rental stays as it waits, and whatever was \
             charged stays unknown.",
        ],
        (_, Group::Product) => [
            "이 제품의 재고가 바뀌지 않습니다. 실제 수량을 확인해 주세요.",
            "The stock of this product is not changed: please count it.",
        ],
        _ => [
            "여기에서 이어질 일이 일어나지 않습니다. 직접 마무리해야 합니다.",
            "What would follow from it never happens: you must see to it by hand.",
        ],
    };
    lang.t(korean, english)
}
