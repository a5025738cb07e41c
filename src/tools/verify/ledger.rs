//! Compares the simulator's ledger with the journal: every capture and refund in the journal is in the
//! ledger, and the ledger belongs to the same shop.
//!
//! The ledger is written first, so it may hold captures and refunds that are not in the journal, if the
//! journal has the rental.

use std::path::{Path, PathBuf};

use super::{Findings, folding::Folding};
use crate::{
    domain::{Event, Money, PaymentId, Recorded, RentalId, payment::PaymentEvent},
    gateways::payment::{
        ChargeKey,
        ledger::{KeyState, Ledger, LedgerScan},
    },
};

const SUBJECT: &str = "simulator.ledger";
/// Provider of the payments in the ledger.
const PROVIDER: &str = "simulator";

pub(super) struct LedgerCheck {
    path: PathBuf,
    /// None if there is no ledger.
    scan: Option<LedgerScan>,
    /// Captures in the journal while there is no ledger.
    missing: u64,
}

struct JournalCapture {
    key: ChargeKey,
    amount: Money,
    refunded: bool,
}

impl LedgerCheck {
    /// Scans the ledger and reports malformed lines; none if it exists and cannot be read.
    pub(super) fn read(path: &Path, findings: &mut Findings, notes: &mut Vec<String>) -> Option<Self> {
        let unreadable = |error| findings.add(SUBJECT, format!("it cannot be read: {error}"));
        let scan = Ledger::scan(path).map_err(unreadable).ok()?;
        if let Some(scan) = &scan {
            for line in &scan.malformed {
                findings.add(SUBJECT, format!("line {line} is not an operation"));
            }
            if let Some(line) = scan.torn {
                notes.push(format!("{SUBJECT}: line {line} is cut off; the next start removes it"));
            }
        }
        Some(Self { path: path.to_owned(), scan, missing: 0 })
    }

    pub(super) fn compare(&mut self, folding: &Folding, findings: &mut Findings) {
        let mut rentals: Vec<_> = folding.timelines.iter().collect();
        rentals.sort_unstable_by_key(|(rental, _)| **rental);
        let captures = rentals.into_iter().flat_map(|(rental, timeline)| journal_captures(*rental, timeline));
        let Some(scan) = &self.scan else {
            self.missing += captures.count() as u64;
            return;
        };
        for capture in captures {
            if let Some(problem) = difference(&capture, scan.ledger.state(capture.key)) {
                findings.add(SUBJECT, problem);
            }
        }
        report_unknown_rentals(&scan.ledger, folding, findings);
    }

    /// Reports a missing ledger, after all passes.
    pub(super) fn report_missing(&self, findings: &mut Findings) {
        if self.missing > 0 {
            let (path, captures) = (self.path.display(), self.missing);
            findings.add(SUBJECT, format!("{path} is missing, but the journal has {captures} captures"));
        }
    }
}

/// Captures at the simulator in a rental's events.
fn journal_captures(rental: RentalId, timeline: &[Recorded]) -> Vec<JournalCapture> {
    use PaymentEvent as P;
    let (mut all, mut current) = (Vec::<JournalCapture>::new(), None);
    let key = |attempt| ChargeKey { payment: PaymentId(rental.0), attempt };
    for recorded in timeline {
        let Event::Payment(event) = &recorded.event else { continue };
        match event {
            P::PaymentApproved { attempt, amount, provider, .. }
            | P::PaymentCancelRequested { attempt, amount, provider, late_capture: Some(_) } => {
                current = Some(key(*attempt));
                if provider == PROVIDER {
                    all.push(JournalCapture { key: key(*attempt), amount: *amount, refunded: false });
                }
            }
            P::StrayCaptureFound { attempt, amount, provider, .. } if provider == PROVIDER => {
                all.push(JournalCapture { key: key(*attempt), amount: *amount, refunded: false });
            }
            P::PaymentCanceled { amount } if *amount > Money::ZERO => {
                let refunded = all.iter_mut().filter(|capture| Some(capture.key) == current);
                refunded.for_each(|capture| capture.refunded = true);
            }
            P::StrayCaptureRefunded { attempt } => {
                let refunded = all.iter_mut().filter(|capture| capture.key == key(*attempt));
                refunded.for_each(|capture| capture.refunded = true);
            }
            _ => {}
        }
    }
    all
}

fn difference(capture: &JournalCapture, state: Option<KeyState>) -> Option<String> {
    let ChargeKey { payment, attempt } = capture.key;
    let subject = format!("attempt {attempt} of {payment}");
    let Some(KeyState::Captured { amount, refunded }) = state else {
        return Some(format!("{subject} is captured in the journal, but not in the ledger"));
    };
    if amount != capture.amount {
        let (ledger, journal) = (amount.as_won(), capture.amount.as_won());
        return Some(format!("{subject} is {ledger} won in the ledger, and {journal} won in the journal"));
    }
    let missing = capture.refunded && !refunded;
    missing.then(|| format!("{subject} is refunded in the journal, but not in the ledger"))
}

fn report_unknown_rentals(ledger: &Ledger, folding: &Folding, findings: &mut Findings) {
    for ChargeKey { payment, attempt } in ledger.captured() {
        if folding.lanes.contains(payment.0) && !folding.timelines.contains_key(&RentalId(payment.0)) {
            let problem =
                format!("attempt {attempt} of {payment} was captured, but the journal has no such rental");
            findings.add(SUBJECT, problem);
        }
    }
}
