//! Notices to customers: the changes they are notified of, and the texts.
//!
//! Texts hold no personal data. Korean texts use only characters of EUC-KR, since an SMS has 90 bytes of it.

use super::{
    delivery::DeliveryEvent,
    event::Event,
    id::{NotificationId, RentalId, uuid_v8},
    money::Money,
    payment::PaymentEvent,
    position::Position,
    rental::{CancelReason, RentalEvent},
};

/// Language of notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    #[default]
    Ko,
    En,
}

impl Locale {
    /// Parses `ko` or `en`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ko" => Some(Self::Ko),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoticeStyle {
    pub locale: Locale,
    /// Stands before each text, such as `[샘]`.
    pub prefix: String,
}

/// Maximum length of a prefix in EUC-KR, in bytes: the longest Korean text then fits into one SMS.
#[cfg(any(test, feature = "server"))]
pub(crate) const PREFIX_BYTES_MAX: usize = 9;

impl From<Locale> for NoticeStyle {
    fn from(locale: Locale) -> Self {
        let prefix = match locale {
            Locale::Ko => "[샘]",
            Locale::En => "[Saem]",
        };
        Self { locale, prefix: prefix.to_owned() }
    }
}

/// Returns the length of `text` in EUC-KR, in bytes; none if EUC-KR cannot encode it or it has controls.
#[cfg(any(test, feature = "server"))]
pub(crate) fn euc_kr_len(text: &str) -> Option<usize> {
    let len = |c: char| match c {
        ' '..='~' => Some(1),
        '가'..='힣' => Some(2),
        _ => None,
    };
    text.chars().map(len).sum()
}

/// A change that customers are notified of, named after its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The rental is placed, and its payment deferred.
    RentalPlaced,
    RentalConfirmed,
    RentalCanceled,
    DeliveryStarted,
    DeliveryDispatched,
    DeliveryCompleted,
    DeliveryCanceled,
    /// The payment is refunded, or was never charged.
    PaymentCanceled,
}

impl Notice {
    /// Returns the name, which is stored with each message.
    pub(crate) const fn name(self) -> &'static str {
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

/// Returns the notice of an event, if customers are notified of it.
pub(crate) const fn notice(event: &Event) -> Option<Notice> {
    match event {
        // Placing has a notice only if the payment is deferred, which happens at most once.
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

/// Returns the id of the message about the event at `position`, always the same.
pub(crate) const fn id(position: Position, rental: RentalId) -> NotificationId {
    let spread = (position.0 as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    NotificationId(uuid_v8(rental.0.rotate_left(64) ^ spread))
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub product_name: String,
    pub fee: Money,
    pub cancel_reason: Option<CancelReason>,
    pub refunded: Money,
    /// Carrier and tracking number, if known.
    pub tracking: Option<String>,
}

impl Facts {
    /// Collects the facts of `event`, for a rental of this product at this fee.
    pub(crate) fn of(event: &Event, product_name: &str, fee: Money) -> Self {
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

pub(crate) fn text(notice: Notice, style: &NoticeStyle, facts: &Facts) -> String {
    let text = match style.locale {
        Locale::Ko => korean(notice, facts),
        Locale::En => english(notice, facts),
    };
    format!("{} {text}", style.prefix)
}

fn korean(notice: Notice, facts: &Facts) -> String {
    let Facts { product_name: name, fee, refunded, .. } = facts;
    match notice {
        Notice::RentalPlaced => {
            format!("{name} 렌탈 신청이 접수되었습니다. 마이페이지에서 {fee}원 결제해 주세요.")
        }
        Notice::RentalConfirmed => format!("{name} 렌탈이 확정되었습니다. 결제 금액 {fee}원."),
        Notice::RentalCanceled => {
            let reason = match facts.cancel_reason {
                Some(CancelReason::OutOfStock) => " 재고 부족으로",
                Some(CancelReason::PaymentDeclined) => " 결제 거절로",
                Some(CancelReason::PaymentExpired) => " 결제 기한 경과로",
                Some(CancelReason::PaymentUnavailable) => " 결제 장애로",
                Some(CancelReason::Customer | CancelReason::Operator) | None => "",
            };
            format!("{name} 렌탈이{reason} 취소되었습니다.")
        }
        Notice::DeliveryStarted => format!("{name} 배송 준비를 시작했습니다."),
        Notice::DeliveryDispatched => match &facts.tracking {
            Some(tracking) => format!("{name} 설치 기사님이 출발했습니다. {tracking}"),
            None => format!("{name} 설치 기사님이 출발했습니다."),
        },
        Notice::DeliveryCompleted => format!("{name} 설치가 완료되었습니다. 감사합니다."),
        Notice::DeliveryCanceled => format!("{name} 배송이 취소되었습니다."),
        Notice::PaymentCanceled if *refunded > Money::ZERO => {
            format!("{name} 결제 {refunded}원이 환불되었습니다.")
        }
        Notice::PaymentCanceled => format!("{name} 결제가 취소되었습니다. 결제된 금액은 없습니다."),
    }
}

fn english(notice: Notice, facts: &Facts) -> String {
    let Facts { product_name: name, fee, refunded, .. } = facts;
    match notice {
        Notice::RentalPlaced => {
            format!("Your rental of {name} is placed. Please pay {fee} KRW on My Page.")
        }
        Notice::RentalConfirmed => format!("Your rental of {name} is confirmed. Paid: {fee} KRW."),
        Notice::RentalCanceled => {
            let reason = match facts.cancel_reason {
                Some(CancelReason::OutOfStock) => ": it is out of stock",
                Some(CancelReason::PaymentDeclined) => ": the payment was declined",
                Some(CancelReason::PaymentExpired) => ": it was not paid in time",
                Some(CancelReason::PaymentUnavailable) => ": the payment could not be made",
                Some(CancelReason::Customer | CancelReason::Operator) | None => "",
            };
            format!("Your rental of {name} is canceled{reason}.")
        }
        Notice::DeliveryStarted => format!("Your {name} is being prepared for delivery."),
        Notice::DeliveryDispatched => match &facts.tracking {
            Some(tracking) => format!("The technician is on the way with your {name}: {tracking}."),
            None => format!("The technician is on the way with your {name}."),
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
    use crate::domain::samples::REASONS;

    const ALL: [Notice; 8] = [
        Notice::RentalPlaced,
        Notice::RentalConfirmed,
        Notice::RentalCanceled,
        Notice::DeliveryStarted,
        Notice::DeliveryDispatched,
        Notice::DeliveryCompleted,
        Notice::DeliveryCanceled,
        Notice::PaymentCanceled,
    ];

    fn every_text(style: &NoticeStyle) -> Vec<String> {
        let facts = |cancel_reason, refunded| Facts {
            product_name: "맑은샘 정수기".to_owned(),
            fee: Money::won(29_900),
            cancel_reason,
            refunded: Money::won(refunded),
            tracking: None,
        };
        let mut texts: Vec<String> = ALL.iter().map(|&notice| text(notice, style, &facts(None, 0))).collect();
        texts.extend(REASONS.map(|reason| text(Notice::RentalCanceled, style, &facts(Some(reason), 0))));
        texts.push(text(Notice::PaymentCanceled, style, &facts(None, 29_900)));
        texts
    }

    #[test]
    fn notices_name_sender_and_product() {
        for (locale, sender) in [(Locale::Ko, "[샘] "), (Locale::En, "[Saem] ")] {
            for text in every_text(&locale.into()) {
                assert!(text.starts_with(sender) && text.contains("맑은샘 정수기"), "{text}");
            }
        }
    }

    #[test]
    fn korean_texts_fit_into_one_sms() {
        let longest = NoticeStyle { locale: Locale::Ko, prefix: "x".repeat(PREFIX_BYTES_MAX) };
        for text in every_text(&longest) {
            let len = euc_kr_len(&text).unwrap();
            assert!(len <= 90, "{len}: {text}");
        }
    }

    #[test]
    fn notices_name_refunds_only() {
        let refunded = Facts { refunded: Money::won(29_900), ..Facts::default() };
        let canceled = |locale: Locale, facts: &Facts| text(Notice::PaymentCanceled, &locale.into(), facts);
        assert!(canceled(Locale::Ko, &refunded).contains("29,900원이 환불"));
        assert!(!canceled(Locale::Ko, &Facts::default()).contains("환불"));
        assert!(canceled(Locale::En, &refunded).contains("29,900 KRW"));
        assert!(canceled(Locale::En, &Facts::default()).contains("not charged"));
    }

    #[test]
    fn locales_are_parsed_by_code() {
        let codes = ["ko", "en", "fr", ""].map(Locale::parse);
        assert_eq!(codes, [Some(Locale::Ko), Some(Locale::En), None, None]);
    }

    #[test]
    fn facts_come_from_the_event() {
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
    fn ids_never_change() {
        // With other ids, messages that were sent already would be sent again.
        let pinned = 290_635_838_667_270_231_384_172_357_305_359_751_327;
        assert_eq!(id(Position(3), RentalId(0x77)).0, pinned);
    }
}
