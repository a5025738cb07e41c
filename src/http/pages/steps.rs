//! A rental's way from the order to the kitchen, as steps: what is done, what is under way, what comes.

use maud::{Markup, html};

use super::{session::Visitor, words::Lang};
use crate::{
    actors::shop::{PaymentStatus, Row},
    domain::{
        Recorded, Timestamp,
        delivery::DeliveryStatus,
        rental::{CancelReason, RentalStatus},
    },
    http::schema::Time,
};

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Done,
    Now,
    Ahead,
    Stop,
}

impl Stage {
    const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Ahead => "ahead",
            Self::Stop => "stop",
        }
    }

    const fn said(self, lang: Lang) -> &'static str {
        match self {
            Self::Done => lang.t("완료", "done"),
            Self::Now => lang.t("진행 중", "under way"),
            Self::Ahead => lang.t("예정", "to come"),
            Self::Stop => lang.t("중단", "stopped"),
        }
    }
}

/// A step.
struct Step {
    stage: Stage,
    name: &'static str,
    note: Option<&'static str>,
    at: Option<Timestamp>,
}

/// When things happened, by the type of event.
struct Moments<'a>(&'a [std::sync::Arc<Recorded>]);

impl Moments<'_> {
    fn of(&self, name: &str) -> Option<Timestamp> {
        self.0.iter().rev().find(|recorded| recorded.event.name() == name).map(|recorded| recorded.meta.at)
    }
}

/// The steps of a rental, with the moments of its events.
#[must_use]
pub fn of(visitor: &Visitor, row: &Row, events: &[std::sync::Arc<Recorded>]) -> Markup {
    let moments = Moments(events);
    let steps = if row.rental_status == RentalStatus::Canceled {
        canceled(visitor.lang, row, &moments)
    } else {
        on_its_way(visitor.lang, row, &moments)
    };
    html! {
        ol class="steps across" {
            @for Step { stage, name, note, at } in steps {
                li class=(stage.class()) aria-current=[(stage == Stage::Now).then_some("step")] {
                    b { (name) } span class="unseen" { " (" (stage.said(visitor.lang)) ")" }
                    @if let Some(at) = at { time datetime=(Time(at)) { (visitor.lang.moment(at)) } }
                    @if let Some(note) = note { span class="note" { (note) } }
                }
            }
        }
    }
}

fn on_its_way(lang: Lang, row: &Row, moments: &Moments<'_>) -> Vec<Step> {
    let paid = matches!(row.rental_status, RentalStatus::Confirmed | RentalStatus::Delivered);
    let delivery = row.delivery_status;
    let left = matches!(delivery, Some(DeliveryStatus::InTransit | DeliveryStatus::Delivered));
    let arrived = delivery == Some(DeliveryStatus::Delivered);
    let installed = arrived || row.rental_status == RentalStatus::Delivered;
    let stage = |done: bool, now: bool| match (done, now) {
        (true, _) => Stage::Done,
        (false, true) => Stage::Now,
        (false, false) => Stage::Ahead,
    };
    let paying = match row.rental_status {
        RentalStatus::PaymentDeferred => Some(lang.t("결제를 기다립니다", "Waiting for your payment")),
        RentalStatus::Placed => Some(lang.t("확인하고 있습니다", "Being confirmed")),
        _ => None,
    };
    let payment = if paid { lang.t("결제 완료", "Paid") } else { lang.t("결제", "Payment") };
    let preparing = (paid && !left).then(|| lang.t("배송을 준비합니다", "We are preparing it"));
    let step = |stage, name, note, at| Step { stage, name, note, at };
    vec![
        step(Stage::Done, lang.t("신청 접수", "Ordered"), None, Some(row.placed_at)),
        step(stage(paid, true), payment, paying, moments.of("PaymentApproved").filter(|_| paid)),
        step(
            stage(left || installed, paid),
            lang.t("배송 출발", "On its way"),
            preparing,
            moments.of("DeliveryDispatched"),
        ),
        step(
            stage(installed, left),
            lang.t("설치 완료", "Installed"),
            (left && !installed).then(|| lang.t("기사님이 가고 있습니다", "The fitter is on the way")),
            moments.of("DeliveryCompleted"),
        ),
    ]
}

fn canceled(lang: Lang, row: &Row, moments: &Moments<'_>) -> Vec<Step> {
    let approved = moments.of("PaymentApproved");
    let step = |stage, name, note, at| Step { stage, name, note, at };
    let mut steps = vec![step(Stage::Done, lang.t("신청 접수", "Ordered"), None, Some(row.placed_at))];
    if approved.is_some() {
        steps.push(step(Stage::Done, lang.t("결제 완료", "Paid"), None, approved));
    }
    let reason = row.cancel_reason.map(|reason| lang.reason(reason));
    steps.push(step(Stage::Stop, lang.t("취소", "Canceled"), reason, moments.of("RentalCanceled")));
    let settled = moments.of("PaymentCanceled");
    steps.push(match row.payment_status {
        PaymentStatus::Canceled if approved.is_some() => {
            step(Stage::Done, lang.t("환불 완료", "Refunded"), None, settled)
        }
        PaymentStatus::Declined | PaymentStatus::Canceled => {
            step(Stage::Done, lang.t("청구 없음", "Not charged"), None, settled)
        }
        _ if row.cancel_reason == Some(CancelReason::PaymentDeclined) => {
            step(Stage::Done, lang.t("청구 없음", "Not charged"), None, None)
        }
        PaymentStatus::Requested | PaymentStatus::Unresolved | PaymentStatus::Approved => {
            let note = lang.t("처리하고 있습니다", "Under way");
            step(Stage::Now, lang.t("환불", "Refund"), Some(note), None)
        }
    });
    steps
}
