//! Progress of a rental, as steps and as one sentence for screen readers.

use std::sync::Arc;

use maud::{Markup, html};

use crate::{
    domain::{
        Event, Recorded, Timestamp,
        delivery::DeliveryStatus,
        payment::PaymentEvent,
        rental::{CancelReason, RentalStatus},
    },
    http::{
        api::schema::Time,
        pages::{text::Lang, visitor::Visitor},
    },
    shop::{PaymentStatus, RentalRow},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepState {
    Done,
    Now,
    Ahead,
    Stop,
}

impl StepState {
    const fn class_and_label(self, lang: Lang) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("done", lang.t("완료", "done")),
            Self::Now => ("now", lang.t("진행 중", "in progress")),
            Self::Ahead => ("ahead", lang.t("예정", "upcoming")),
            Self::Stop => ("stop", lang.t("중단", "stopped")),
        }
    }
}

/// State, name, note and time.
type Step = (StepState, &'static str, Option<&'static str>, Option<Timestamp>);

struct Moments<'a>(&'a [Arc<Recorded>]);

impl Moments<'_> {
    fn of(&self, name: &str) -> Option<Timestamp> {
        self.0.iter().rev().find(|recorded| recorded.event.name() == name).map(|recorded| recorded.meta.at)
    }

    /// Returns true if money was taken, even if that was found out later.
    fn captured(&self) -> bool {
        self.0.iter().any(|recorded| match &recorded.event {
            Event::Payment(PaymentEvent::PaymentApproved { .. }) => true,
            Event::Payment(PaymentEvent::PaymentCancelRequested { late_capture, .. }) => {
                late_capture.is_some()
            }
            _ => false,
        })
    }
}

fn departure(row: &RentalRow) -> (bool, bool) {
    let installed = row.rental_status == RentalStatus::Delivered
        || row.delivery_status == Some(DeliveryStatus::Delivered);
    (installed || row.delivery_status == Some(DeliveryStatus::InTransit), installed)
}

pub(crate) fn just_confirmed(row: &RentalRow) -> bool {
    row.rental_status == RentalStatus::Confirmed && !departure(row).0
}

/// Latest change that matters to a customer, as a sentence.
pub(crate) fn summary(lang: Lang, row: &RentalRow, events: &[Arc<Recorded>]) -> &'static str {
    match (row.rental_status, departure(row)) {
        (RentalStatus::Absent | RentalStatus::Placed, _) => {
            lang.t("결제를 확인하고 있습니다.", "The payment is being confirmed.")
        }
        (RentalStatus::PaymentDeferred, _) => lang.t("결제 대기 중입니다.", "Waiting for your payment."),
        (RentalStatus::Canceled, _) => match row.payment_status {
            PaymentStatus::Approved => {
                lang.t("취소되었습니다. 환불을 진행합니다.", "Canceled. The refund is in progress.")
            }
            PaymentStatus::Canceled if Moments(events).captured() => {
                lang.t("취소되었고, 환불을 마쳤습니다.", "Canceled and refunded.")
            }
            _ => lang.t("취소되었습니다.", "Canceled."),
        },
        (_, (_, true)) => lang.t("설치를 마쳤습니다.", "Installed."),
        (_, (true, _)) => lang.t("설치 기사님이 출발했습니다.", "The technician is on the way."),
        (_, _) => lang.t("결제되었습니다. 배송을 준비합니다.", "Paid. We are preparing your delivery."),
    }
}

pub(crate) fn fee(lang: Lang, row: &RentalRow, events: &[Arc<Recorded>]) -> &'static str {
    match (row.rental_status, row.payment_status) {
        // Until the last attempt is resolved, the customer may pay again.
        (RentalStatus::PaymentDeferred, PaymentStatus::Requested | PaymentStatus::Unresolved) => {
            lang.rental(row.rental_status, None)
        }
        (_, PaymentStatus::Requested | PaymentStatus::Unresolved) => lang.rental(RentalStatus::Placed, None),
        (RentalStatus::Canceled, PaymentStatus::Approved) => lang.t("환불 진행 중", "Being refunded"),
        (_, PaymentStatus::Canceled) if Moments(events).captured() => lang.t("환불 완료", "Refunded"),
        (_, PaymentStatus::Canceled) => lang.t("결제되지 않음", "Not charged"),
        (_, status) => lang.payment(status),
    }
}

pub(crate) fn of(visitor: &Visitor, row: &RentalRow, events: &[Arc<Recorded>]) -> Markup {
    let moments = Moments(events);
    let steps = if row.rental_status == RentalStatus::Canceled {
        canceled(visitor.lang, row, &moments)
    } else {
        on_its_way(visitor.lang, row, &moments)
    };
    html! {
        ol class="steps across" {
            @for (state, name, note, at) in steps {
                @let (class, label) = state.class_and_label(visitor.lang);
                li class=(class) aria-current=[(state == StepState::Now).then_some("step")] {
                    b { (name) } span class="unseen" { " (" (label) ")" }
                    @if let Some(at) = at { time datetime=(Time(at)) { (visitor.lang.moment(at)) } }
                    @if let Some(note) = note { span class="note" { (note) } }
                }
            }
        }
    }
}

fn on_its_way(lang: Lang, row: &RentalRow, moments: &Moments<'_>) -> Vec<Step> {
    let paid = matches!(row.rental_status, RentalStatus::Confirmed | RentalStatus::Delivered);
    let (left, installed) = departure(row);
    let state = |done: bool, now: bool| match (done, now) {
        (true, _) => StepState::Done,
        (false, true) => StepState::Now,
        (false, false) => StepState::Ahead,
    };
    let paying = match row.rental_status {
        RentalStatus::PaymentDeferred => Some(lang.t("결제 대기 중입니다", "Waiting for your payment")),
        RentalStatus::Placed => Some(lang.t("확인하고 있습니다", "Being confirmed")),
        _ => None,
    };
    let payment = if paid { lang.t("결제 완료", "Paid") } else { lang.t("결제", "Payment") };
    let preparing = if paid && !left {
        lang.delivery(DeliveryStatus::Started)
    } else {
        lang.t("배송 준비", "Prepared")
    };
    let on_its_way = left && !installed;
    let sent =
        if on_its_way { lang.delivery(DeliveryStatus::InTransit) } else { lang.t("출고", "Sent out") };
    let coming = on_its_way.then(|| lang.t("설치 기사님이 출발했습니다", "The technician is on the way"));
    vec![
        (StepState::Done, lang.t("신청 접수", "Ordered"), None, Some(row.placed_at)),
        (state(paid, true), payment, paying, moments.of("PaymentApproved").filter(|_| paid)),
        (state(left, paid), preparing, None, moments.of("DeliveryStarted").filter(|_| left)),
        (state(installed, left), sent, coming, moments.of("DeliveryDispatched")),
        (
            state(installed, false),
            lang.delivery(DeliveryStatus::Delivered),
            None,
            moments.of("DeliveryCompleted"),
        ),
    ]
}

fn canceled(lang: Lang, row: &RentalRow, moments: &Moments<'_>) -> Vec<Step> {
    let approved = moments.of("PaymentApproved");
    let mut steps = vec![(StepState::Done, lang.t("신청 접수", "Ordered"), None, Some(row.placed_at))];
    if approved.is_some() {
        steps.push((StepState::Done, lang.t("결제 완료", "Paid"), None, approved));
    }
    let reason = row.cancel_reason.map(|reason| lang.reason(reason));
    steps.push((StepState::Stop, lang.t("취소", "Canceled"), reason, moments.of("RentalCanceled")));
    let settled = moments.of("PaymentCanceled");
    steps.push(match row.payment_status {
        PaymentStatus::Canceled if moments.captured() => {
            (StepState::Done, lang.t("환불 완료", "Refunded"), None, settled)
        }
        PaymentStatus::Declined | PaymentStatus::Canceled => {
            (StepState::Done, lang.t("결제되지 않음", "Not charged"), None, settled)
        }
        _ if row.cancel_reason == Some(CancelReason::PaymentDeclined) => {
            (StepState::Done, lang.t("결제되지 않음", "Not charged"), None, None)
        }
        PaymentStatus::Requested | PaymentStatus::Unresolved | PaymentStatus::Approved => {
            let note = lang.t("처리하고 있습니다", "In progress");
            (StepState::Now, lang.t("환불", "Refund"), Some(note), None)
        }
    });
    steps
}
