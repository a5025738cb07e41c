//! What pages say, and in which language: both stand side by side wherever something is said, so that neither
//! is forgotten. Money and moments are written as people here read them.

pub(crate) mod problems;

use actix_web::{HttpRequest, http::header};
use time::{OffsetDateTime, UtcOffset};

use crate::{
    domain::{
        Money, Timestamp,
        delivery::DeliveryStatus,
        rental::{CancelReason, RentalStatus},
    },
    shop::PaymentStatus,
};

/// The cookie that keeps a choice of language.
pub(crate) const LANGUAGE: &str = "saem_lang";
/// Korea's clock is this far ahead of UTC, all year.
const KOREA: (i8, i8, i8) = (9, 0, 0);

/// A language that pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    /// Korean.
    Ko,
    /// English.
    En,
}

impl Lang {
    /// What it is called in HTML and in paths.
    pub(crate) const fn code(self) -> &'static str {
        self.t("ko", "en")
    }

    /// The language of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Ko, Self::En].into_iter().find(|lang| lang.code() == name)
    }

    /// The Korean or the English of two texts.
    pub(crate) const fn t<'a>(self, korean: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Ko => korean,
            Self::En => english,
        }
    }

    /// The language that was chosen, or else the one that the browser asks for, or else Korean.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let chosen = crate::http::session::cookie(request, LANGUAGE).and_then(Self::named);
        let asked = || {
            let value = request.headers().get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            asked_for(value)
        };
        chosen.or_else(asked).unwrap_or(Self::Ko)
    }

    /// An amount.
    pub(crate) fn won(self, amount: Money) -> String {
        let digits = amount.as_won().to_string();
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        match self {
            Self::Ko => format!("{grouped}원"),
            Self::En => format!("₩{grouped}"),
        }
    }

    /// A moment, by Korea's clock.
    pub(crate) fn moment(self, at: Timestamp) -> String {
        let at = in_korea(at);
        let (month, day) = (u8::from(at.month()), at.day());
        let (hour, minute) = (at.hour(), at.minute());
        match self {
            Self::Ko => {
                let half = if hour < 12 { "오전" } else { "오후" };
                let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
                format!("{month}월 {day}일 {half} {hour}:{minute:02}")
            }
            Self::En => {
                let month = &at.month().to_string()[..3];
                format!("{day} {month}, {hour:02}:{minute:02}")
            }
        }
    }

    /// Where a rental is, in a word or two.
    pub(crate) const fn rental(self, status: RentalStatus) -> &'static str {
        match status {
            RentalStatus::Absent => "",
            RentalStatus::Placed => self.t("결제 확인 중", "Confirming payment"),
            RentalStatus::PaymentDeferred => self.t("결제 대기", "Waiting for payment"),
            RentalStatus::Confirmed => self.t("확정", "Confirmed"),
            RentalStatus::Delivered => self.t("설치 완료", "Installed"),
            RentalStatus::Canceled => self.t("취소", "Canceled"),
        }
    }

    /// Why a rental was canceled.
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

    /// What is known of a payment.
    pub(crate) const fn payment(self, status: PaymentStatus) -> &'static str {
        match status {
            PaymentStatus::Requested => self.t("결제 요청", "Requested"),
            PaymentStatus::Unresolved => self.t("확인 중", "Being confirmed"),
            PaymentStatus::Approved => self.t("결제 완료", "Paid"),
            PaymentStatus::Declined => self.t("거절", "Declined"),
            PaymentStatus::Canceled => self.t("환불·취소", "Refunded or void"),
        }
    }

    /// Where a delivery is.
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

/// A moment with its milliseconds, by Korea's clock, for whoever compares.
pub(crate) fn exact(at: Timestamp) -> String {
    let at = in_korea(at);
    format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), at.millisecond())
}

fn in_korea(at: Timestamp) -> OffsetDateTime {
    let (hour, minute, seconds) = KOREA;
    let korea = UtcOffset::from_hms(hour, minute, seconds).unwrap_or(UtcOffset::UTC);
    let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000);
    utc.unwrap_or(OffsetDateTime::UNIX_EPOCH).to_offset(korea)
}

/// The one of our languages that `Accept-Language` likes best.
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
    fn amounts_and_times_are_formatted_for_people() {
        let at = Timestamp(1_795_600_980_000);
        assert_eq!(Lang::Ko.moment(at), "11월 25일 오후 7:03");
        assert_eq!(Lang::En.moment(at), "25 Nov, 19:03");
        assert_eq!(exact(Timestamp(at.0 + 7)), "19:03:00.007");
        for (won, ko) in [(0, "0원"), (900, "900원"), (29_900, "29,900원"), (100_000_000, "100,000,000원")]
        {
            assert_eq!(Lang::Ko.won(Money::won(won)), ko);
        }
        assert_eq!(Lang::En.won(Money::won(29_900)), "₩29,900");
    }
}
