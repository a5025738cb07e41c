//! Which changes a customer hears of, and in which words.
//!
//! Texts hold no personal data, and the Korean ones nothing that EUC-KR lacks: an SMS takes 90 bytes.

use super::{
    delivery::DeliveryEvent,
    event::Event,
    id::{NotificationId, RentalId, uuid_v8},
    money::Money,
    payment::PaymentEvent,
    position::Position,
    rental::{CancelReason, RentalEvent},
};

/// The language of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

impl Locale {
    /// Reads `ko` or `en`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ko" => Some(Self::Ko),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// A change that a customer hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The rental is placed, and to be paid later.
    RentalPlaced,
    /// It is paid.
    RentalConfirmed,
    /// It is over.
    RentalCanceled,
    /// The delivery is being prepared.
    DeliveryStarted,
    /// The courier left.
    DeliveryDispatched,
    /// The purifier is installed.
    DeliveryCompleted,
    /// The delivery is called off.
    DeliveryCanceled,
    /// The payment is undone.
    PaymentCanceled,
}

impl Notice {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::RentalPlaced,
        Self::RentalConfirmed,
        Self::RentalCanceled,
        Self::DeliveryStarted,
        Self::DeliveryDispatched,
        Self::DeliveryCompleted,
        Self::DeliveryCanceled,
        Self::PaymentCanceled,
    ];

    /// The event it is named after.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RentalPlaced => "RentalPlaced",
            Self::RentalConfirmed => "RentalConfirmed",
            Self::RentalCanceled => "RentalCanceled",
            Self::DeliveryStarted => "DeliveryStarted",
            Self::DeliveryDispatched => "DeliveryDispatched",
            Self::DeliveryCompleted => "DeliveryCompleted",
            Self::DeliveryCanceled => "DeliveryCanceled",
            Self::PaymentCanceled => "PaymentCanceled",
        }
    }
}

/// What a customer hears of an event, if anything.
#[must_use]
pub const fn notice(event: &Event) -> Option<Notice> {
    match event {
        // A placed rental is news only when it is not paid at once; that happens at most once.
        Event::Rental(RentalEvent::PaymentDeferred { .. }) => Some(Notice::RentalPlaced),
        Event::Rental(RentalEvent::RentalConfirmed { .. }) => Some(Notice::RentalConfirmed),
        Event::Rental(RentalEvent::RentalCanceled { .. }) => Some(Notice::RentalCanceled),
        Event::Delivery(DeliveryEvent::DeliveryStarted { .. }) => Some(Notice::DeliveryStarted),
        Event::Delivery(DeliveryEvent::DeliveryDispatched { .. }) => Some(Notice::DeliveryDispatched),
        Event::Delivery(DeliveryEvent::DeliveryCompleted) => Some(Notice::DeliveryCompleted),
        Event::Delivery(DeliveryEvent::DeliveryCanceled { .. }) => Some(Notice::DeliveryCanceled),
        Event::Payment(PaymentEvent::PaymentCanceled { .. }) => Some(Notice::PaymentCanceled),
        Event::Rental(_) | Event::Payment(_) | Event::Product(_) | Event::Account(_) | Event::Context(_) => {
            None
        }
    }
}

/// The id of the message about the event at `position`: the same, however often it is made.
#[must_use]
pub const fn id(position: Position, rental: RentalId) -> NotificationId {
    let spread = (position.0 as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    NotificationId(uuid_v8(rental.0.rotate_left(64) ^ spread))
}

/// What a message tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which product.
    pub product_name: String,
    /// The rental's fee.
    pub fee: Money,
    /// Why the rental was canceled.
    pub cancel_reason: Option<CancelReason>,
    /// What was refunded.
    pub refunded: Money,
    /// Carrier and tracking number, as far as known.
    pub tracking: Option<String>,
}

impl Facts {
    /// What `event` tells of a rental of this product, for this fee.
    #[must_use]
    pub fn of(event: &Event, product_name: &str, fee: Money) -> Self {
        let mut facts = Self { product_name: product_name.to_owned(), fee, ..Self::default() };
        match event {
            Event::Rental(RentalEvent::RentalCanceled { reason, .. }) => facts.cancel_reason = Some(*reason),
            Event::Payment(PaymentEvent::PaymentCanceled { amount }) => facts.refunded = *amount,
            Event::Delivery(DeliveryEvent::DeliveryDispatched { carrier, tracking_number }) => {
                let parts: Vec<&str> = carrier.iter().chain(tracking_number).map(String::as_str).collect();
                facts.tracking = (!parts.is_empty()).then(|| parts.join(" "));
            }
            Event::Rental(_) | Event::Payment(_) | Event::Delivery(_) => {}
            Event::Product(_) | Event::Account(_) | Event::Context(_) => {}
        }
        facts
    }
}

/// What a message says.
#[must_use]
pub fn text(notice: Notice, locale: Locale, facts: &Facts) -> String {
    match locale {
        Locale::Ko => format!("[샘] {}", korean(notice, facts)),
        Locale::En => format!("[Saem] {}", english(notice, facts)),
    }
}

fn korean(notice: Notice, facts: &Facts) -> String {
    let Facts { product_name: name, fee, refunded, .. } = facts;
    match notice {
        Notice::RentalPlaced => format!("{name} 렌탈 접수. 잠시 후 마이페이지에서 {fee}원을 결제해 주세요."),
        Notice::RentalConfirmed => format!("{name} 렌탈이 확정되었습니다. 결제 금액 {fee}원."),
        Notice::RentalCanceled => match facts.cancel_reason {
            Some(CancelReason::OutOfStock) => format!("{name} 렌탈이 재고 부족으로 취소되었습니다."),
            Some(CancelReason::PaymentDeclined) => format!("{name} 렌탈이 결제 거절로 취소되었습니다."),
            Some(CancelReason::PaymentExpired) => format!("{name} 렌탈이 결제 기한 경과로 취소되었습니다."),
            Some(CancelReason::PaymentUnavailable) => format!("{name} 렌탈이 결제 장애로 취소되었습니다."),
            Some(CancelReason::Customer | CancelReason::Operator) | None => {
                format!("{name} 렌탈이 취소되었습니다.")
            }
        },
        Notice::DeliveryStarted => format!("{name} 배송 준비를 시작했습니다."),
        Notice::DeliveryDispatched => match &facts.tracking {
            Some(tracking) => format!("{name} 배송이 출발했습니다. {tracking}"),
            None => format!("{name} 배송이 출발했습니다."),
        },
        Notice::DeliveryCompleted => format!("{name} 설치가 완료되었습니다. 감사합니다."),
        Notice::DeliveryCanceled => format!("{name} 배송이 취소되었습니다."),
        Notice::PaymentCanceled if *refunded > Money::ZERO => {
            format!("{name} 결제 {refunded}원이 환불되었습니다.")
        }
        Notice::PaymentCanceled => format!("{name} 결제가 취소되었습니다. 청구된 금액은 없습니다."),
    }
}

fn english(notice: Notice, facts: &Facts) -> String {
    let Facts { product_name: name, fee, refunded, .. } = facts;
    match notice {
        Notice::RentalPlaced => {
            format!("Your rental of {name} is placed. Please pay {fee} KRW on My Page a little later.")
        }
        Notice::RentalConfirmed => format!("Your rental of {name} is confirmed. Paid: {fee} KRW."),
        Notice::RentalCanceled => match facts.cancel_reason {
            Some(CancelReason::OutOfStock) => {
                format!("Your rental of {name} is canceled: it is out of stock.")
            }
            Some(CancelReason::PaymentDeclined) => {
                format!("Your rental of {name} is canceled: the payment was declined.")
            }
            Some(CancelReason::PaymentExpired) => {
                format!("Your rental of {name} is canceled: it was not paid in time.")
            }
            Some(CancelReason::PaymentUnavailable) => {
                format!("Your rental of {name} is canceled: the payment could not be made.")
            }
            Some(CancelReason::Customer | CancelReason::Operator) | None => {
                format!("Your rental of {name} is canceled.")
            }
        },
        Notice::DeliveryStarted => format!("Your {name} is being prepared for delivery."),
        Notice::DeliveryDispatched => match &facts.tracking {
            Some(tracking) => format!("Your {name} is on its way: {tracking}."),
            None => format!("Your {name} is on its way."),
        },
        Notice::DeliveryCompleted => format!("Your {name} is installed. Thank you."),
        Notice::DeliveryCanceled => format!("The delivery of your {name} is canceled."),
        Notice::PaymentCanceled if *refunded > Money::ZERO => {
            format!("{refunded} KRW for {name} were refunded.")
        }
        Notice::PaymentCanceled => format!("The payment for {name} is canceled. You were not charged."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_text(locale: Locale) -> Vec<String> {
        let reasons = [
            CancelReason::Customer,
            CancelReason::Operator,
            CancelReason::PaymentDeclined,
            CancelReason::PaymentExpired,
            CancelReason::PaymentUnavailable,
            CancelReason::OutOfStock,
        ];
        let facts = |cancel_reason, refunded| Facts {
            product_name: "맑은샘 정수기".to_owned(),
            fee: Money::won(29_900),
            cancel_reason,
            refunded: Money::won(refunded),
            tracking: None,
        };
        let mut texts: Vec<String> =
            Notice::ALL.iter().map(|&notice| text(notice, locale, &facts(None, 0))).collect();
        texts.extend(reasons.map(|reason| text(Notice::RentalCanceled, locale, &facts(Some(reason), 0))));
        texts.push(text(Notice::PaymentCanceled, locale, &facts(None, 29_900)));
        texts
    }

    #[test]
    fn every_notice_says_who_speaks_and_about_what() {
        for (locale, sender) in [(Locale::Ko, "[샘] "), (Locale::En, "[Saem] ")] {
            for text in every_text(locale) {
                assert!(text.starts_with(sender) && text.contains("맑은샘 정수기"), "{text}");
            }
        }
    }

    #[test]
    fn korean_texts_fit_into_one_sms() {
        for text in every_text(Locale::Ko) {
            let euc_kr_len: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
            assert!(euc_kr_len <= 90, "{euc_kr_len}: {text}");
            let in_euc_kr = |c: char| c.is_ascii() || ('가'..='힣').contains(&c);
            assert!(text.chars().all(in_euc_kr), "{text}");
        }
    }

    #[test]
    fn a_refund_names_its_amount_and_only_then() {
        let refunded = Facts { refunded: Money::won(29_900), ..Facts::default() };
        assert!(text(Notice::PaymentCanceled, Locale::Ko, &refunded).contains("29,900원이 환불"));
        assert!(!text(Notice::PaymentCanceled, Locale::Ko, &Facts::default()).contains("환불"));
    }

    #[test]
    fn ids_differ_by_rental_and_by_position() {
        let ids = [(1, 1), (1, 2), (2, 1)].map(|(position, rental)| id(Position(position), RentalId(rental)));
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }

    #[test]
    fn a_language_is_read_by_its_code() {
        let codes = ["ko", "en", "fr", ""].map(Locale::parse);
        assert_eq!(codes, [Some(Locale::Ko), Some(Locale::En), None, None]);
    }

    #[test]
    fn a_refund_is_named_in_english_and_only_then() {
        let refunded = Facts { refunded: Money::won(29_900), ..Facts::default() };
        assert!(text(Notice::PaymentCanceled, Locale::En, &refunded).contains("29,900 KRW"));
        assert!(text(Notice::PaymentCanceled, Locale::En, &Facts::default()).contains("not charged"));
    }

    #[test]
    fn facts_are_what_the_event_tells() {
        let dispatched = |carrier: Option<&str>, number: Option<&str>| {
            let (carrier, tracking_number) = (carrier.map(str::to_owned), number.map(str::to_owned));
            let event = Event::Delivery(DeliveryEvent::DeliveryDispatched { carrier, tracking_number });
            Facts::of(&event, "Ice", Money::won(5)).tracking
        };
        assert_eq!(dispatched(Some("CJ"), Some("12")).as_deref(), Some("CJ 12"));
        assert_eq!(dispatched(None, Some("12")).as_deref(), Some("12"));
        assert_eq!(dispatched(None, None), None);
        let canceled = Event::Payment(PaymentEvent::PaymentCanceled { amount: Money::won(5) });
        let facts = Facts { product_name: "Ice".to_owned(), fee: Money::won(5), ..Facts::default() };
        assert_eq!(Facts::of(&canceled, "Ice", Money::won(5)), Facts { refunded: Money::won(5), ..facts });
    }

    #[test]
    fn ids_are_fixed_for_ever() {
        // Changing them sends what was sent before once more, under another id.
        let pinned = 290_635_838_667_270_231_384_172_357_305_359_751_327;
        assert_eq!(id(Position(3), RentalId(0x77)).0, pinned);
    }
}
