//! Languages of the pages: Korean and English texts stand side by side, so that neither is forgotten.

pub(crate) mod problems;

use actix_web::{HttpRequest, http::header};
use time::{OffsetDateTime, UtcOffset};

use crate::{
    domain::{
        Money, Timestamp,
        delivery::DeliveryStatus,
        rental::{CancelReason, RentalStatus},
    },
    http::{api::schema::utc, session::cookie},
    shop::{NotificationStatus, PaymentStatus},
};

pub(crate) const LANGUAGE: &str = "saem_lang";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    Ko,
    En,
}

impl Lang {
    pub(crate) const fn code(self) -> &'static str {
        self.t("ko", "en")
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Ko, Self::En].into_iter().find(|lang| lang.code() == name)
    }

    pub(crate) const fn t<'a>(self, korean: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Ko => korean,
            Self::En => english,
        }
    }

    /// Returns the value of the `lang` attribute of `text`, if its language is the other one: Korean with
    /// Hangul, English with a Latin word and no Hangul.
    pub(crate) fn foreign(self, text: &str) -> Option<&'static str> {
        let is_word = |word: &str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        let language = if text.chars().any(|c| ('가'..='힣').contains(&c)) {
            Self::Ko
        } else if text.split(|c: char| !c.is_alphabetic()).any(is_word) {
            Self::En
        } else {
            self
        };
        (language != self).then(|| language.code())
    }

    /// Returns the language of the cookie, else of `Accept-Language`, else Korean.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let chosen = cookie(request, LANGUAGE).and_then(Self::named);
        let asked = || asked_for(request.headers().get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
        chosen.or_else(asked).unwrap_or(Self::Ko)
    }

    pub(crate) fn won(self, amount: Money) -> String {
        match self {
            Self::Ko => format!("{amount}원"),
            Self::En => format!("₩{amount}"),
        }
    }

    pub(crate) fn moment(self, at: Timestamp) -> String {
        let at = in_korea(at);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute) = (at.hour(), at.minute());
        match self {
            Self::Ko => {
                let half = if hour < 12 { "오전" } else { "오후" };
                let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
                format!("{year}년 {month}월 {day}일 {half} {hour}:{minute:02}")
            }
            Self::En => {
                let month = &at.month().to_string()[..3];
                format!("{day} {month} {year}, {hour:02}:{minute:02}")
            }
        }
    }

    /// Returns the name of a rental's state, the same for customers and for the operator.
    pub(crate) const fn rental(self, rental: RentalStatus, delivery: Option<DeliveryStatus>) -> &'static str {
        match (rental, delivery) {
            (RentalStatus::Absent, _) => "",
            (RentalStatus::Placed, _) => self.t("결제 확인 중", "Confirming payment"),
            (RentalStatus::PaymentDeferred, _) => self.t("결제 대기", "Waiting for payment"),
            (
                RentalStatus::Confirmed,
                Some(status @ (DeliveryStatus::InTransit | DeliveryStatus::Delivered)),
            ) => self.delivery(status),
            (RentalStatus::Confirmed, _) => self.delivery(DeliveryStatus::Started),
            (RentalStatus::Delivered, _) => self.delivery(DeliveryStatus::Delivered),
            (RentalStatus::Canceled, _) => self.t("취소", "Canceled"),
        }
    }

    pub(crate) const fn reason(self, reason: CancelReason) -> &'static str {
        match reason {
            CancelReason::Customer => self.t("고객님이 취소하셨습니다", "Canceled by you"),
            CancelReason::Operator => self.t("판매자가 취소했습니다", "Canceled by the shop"),
            CancelReason::PaymentDeclined => self.t("카드 승인이 거절되었습니다", "The card was declined"),
            CancelReason::PaymentExpired => self.t("결제 기한이 지났습니다", "Not paid in time"),
            CancelReason::PaymentUnavailable => {
                self.t("결제를 확인할 수 없었습니다", "The payment could not be confirmed")
            }
            CancelReason::OutOfStock => self.t("재고가 모두 소진되었습니다", "Sold out before your order"),
        }
    }

    pub(crate) const fn payment(self, status: PaymentStatus) -> &'static str {
        match status {
            PaymentStatus::Requested => self.t("결제 요청", "Requested"),
            PaymentStatus::Unresolved => self.t("확인 중", "Being confirmed"),
            PaymentStatus::Approved => self.t("결제 완료", "Paid"),
            PaymentStatus::Declined => self.t("거절", "Declined"),
            PaymentStatus::Canceled => self.t("환불·취소", "Refunded or void"),
        }
    }

    pub(crate) const fn message(self, status: NotificationStatus) -> &'static str {
        match status {
            NotificationStatus::Pending => self.t("발송 중", "Being sent"),
            NotificationStatus::Sent => self.t("발송 완료", "Sent"),
            NotificationStatus::Delivered => self.t("수신 완료", "Delivered"),
            NotificationStatus::Failed => self.t("발송 실패", "Failed"),
        }
    }

    pub(crate) const fn delivery(self, status: DeliveryStatus) -> &'static str {
        match status {
            DeliveryStatus::Absent => "",
            DeliveryStatus::Started => self.t("배송 준비", "Being prepared"),
            DeliveryStatus::InTransit => self.t("배송 중", "On its way"),
            DeliveryStatus::Delivered => self.t("설치 완료", "Installed"),
            DeliveryStatus::Canceled => self.t("배송 취소", "Canceled"),
        }
    }
}

/// Formats date and time with milliseconds, in Korean time.
pub(crate) fn exact(at: Timestamp) -> String {
    let at = in_korea(at);
    let time = format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), at.millisecond());
    format!("{} {time}", at.date())
}

/// Korean time is UTC+9 all year.
fn in_korea(at: Timestamp) -> OffsetDateTime {
    utc(at).to_offset(UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC))
}

/// Returns the supported language with the highest weight in `Accept-Language`.
fn asked_for(value: &str) -> Option<Lang> {
    let mut best: Option<(Lang, f32)> = None;
    for part in value.split(',') {
        let (range, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).unwrap_or(0.0);
        let primary = range.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let better = weight > best.map_or(0.0, |(_, weight)| weight);
        best = Lang::named(&primary).filter(|_| better).map(|lang| (lang, weight)).or(best);
    }
    best.map(|(lang, _)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_supported_language_is_chosen() {
        for (value, expected) in [
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Some(Lang::Ko)),
            ("en-GB,en;q=0.9,ko;q=0.8", Some(Lang::En)),
            ("fr-FR, fr;q=0.9, en;q=0.5, ko;q=0.4", Some(Lang::En)),
            ("ko;q=0.2, en;q=0.3", Some(Lang::En)),
            ("EN", Some(Lang::En)),
            ("ko;q=0, fr", None),
            ("fr, *", None),
            ("", None),
            ("en;q=x", None),
        ] {
            assert_eq!(asked_for(value), expected, "{value}");
        }
    }

    #[test]
    fn texts_in_the_other_language_are_marked() {
        for (text, in_korean, in_english) in [
            ("샘 정수기 Mini", None, Some("ko")),
            ("Saem Mini", Some("en"), None),
            ("RentalPlaced", Some("en"), None),
            ("A-1 · 29,900", None, None),
            ("", None, None),
        ] {
            assert_eq!((Lang::Ko.foreign(text), Lang::En.foreign(text)), (in_korean, in_english), "{text}");
        }
    }

    #[test]
    fn amounts_and_times_are_formatted_for_people() {
        let at = Timestamp(1_795_600_980_000);
        assert_eq!(Lang::Ko.moment(at), "2026년 11월 25일 오후 7:03");
        assert_eq!(Lang::En.moment(at), "25 Nov 2026, 19:03");
        assert_eq!(exact(Timestamp(at.0 + 7)), "2026-11-25 19:03:00.007");
        assert_eq!(Lang::Ko.won(Money::won(29_900)), "29,900원");
        assert_eq!(Lang::En.won(Money::won(29_900)), "₩29,900");
    }
}
