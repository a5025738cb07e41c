//! The simulator's ledger, compared with the journal: what the journal says was captured and refunded at the
//! simulator, the ledger says, too, and it is of the same shop.
//!
//! The ledger is written first: it may hold captures and refunds that the journal has not heard of, as long
//! as it knows the rental.

use std::path::{Path, PathBuf};

use super::{
    Findings,
    folding::{Folding, Part},
};
use crate::{
    domain::{Event, Money, PaymentId, Recorded, RentalId, payment::PaymentEvent},
    gateways::payment::{
        ChargeKey,
        ledger::{KeyState, Ledger, LedgerScan},
    },
};

/// What findings are about.
const SUBJECT: &str = "simulator.ledger";
/// Whose money is in the ledger.
const PROVIDER: &str = "simulator";

/// A ledger that was read.
pub(super) struct Book {
    path: PathBuf,
    survey: Option<LedgerScan>,
    /// How many captures a ledger that is not there does not hold.
    missed: u64,
}

/// What the journal says became of the money of one attempt.
struct Told {
    key: ChargeKey,
    amount: Money,
    refunded: bool,
}

impl Book {
    /// Reads it, and says what in it is none of its lines.
    pub(super) fn read(path: &Path, findings: &mut Findings, notes: &mut Vec<String>) -> Self {
        let survey = Ledger::scan(path).unwrap_or_else(|error| {
            findings.add(SUBJECT, format!("it cannot be read: {error}"));
            Some(LedgerScan::unreadable())
        });
        if let Some(survey) = &survey {
            for line in &survey.malformed {
                findings.add(SUBJECT, format!("line {line} is not an operation"));
            }
            if let Some(line) = survey.torn {
                notes.push(format!("{SUBJECT}: line {line} is cut off; the next start removes it"));
            }
        }
        Self { path: path.to_owned(), survey, missed: 0 }
    }

    /// Compares it with the payments of one reading.
    pub(super) fn compare(&mut self, folding: &Folding, findings: &mut Findings) {
        let mut rentals: Vec<_> = folding.timelines.iter().collect();
        rentals.sort_unstable_by_key(|(rental, _)| **rental);
        let told = rentals.into_iter().flat_map(|(rental, timeline)| told(*rental, timeline));
        let Some(survey) = &self.survey else {
            self.missed += told.count() as u64;
            return;
        };
        if survey.unreadable {
            return;
        }
        for told in told {
            if let Some(what) = differs(&told, survey.ledger.state(told.key)) {
                findings.add(SUBJECT, what);
            }
        }
        strangers(&survey.ledger, folding, folding.part, findings);
    }

    /// That there is none is told once.
    pub(super) fn judge(&self, findings: &mut Findings) {
        if self.missed > 0 {
            let (path, missed) = (self.path.display(), self.missed);
            let what = format!("{path} is not there, though the simulator captured {missed} times");
            findings.add(SUBJECT, what);
        }
    }
}

/// What a rental's events say of captures and refunds at the simulator.
fn told(rental: RentalId, timeline: &[Recorded]) -> Vec<Told> {
    use PaymentEvent as P;
    let (mut all, mut current) = (Vec::<Told>::new(), None);
    let key = |attempt| ChargeKey { payment: PaymentId(rental.0), attempt };
    for recorded in timeline {
        let Event::Payment(event) = &recorded.event else { continue };
        match event {
            P::PaymentApproved { attempt, amount, provider, .. }
            | P::PaymentCancelRequested { attempt, amount, provider, late_capture: Some(_) } => {
                current = Some(key(*attempt));
                if provider == PROVIDER {
                    all.push(Told { key: key(*attempt), amount: *amount, refunded: false });
                }
            }
            P::StrayCaptureFound { attempt, amount, provider, .. } if provider == PROVIDER => {
                all.push(Told { key: key(*attempt), amount: *amount, refunded: false });
            }
            P::PaymentCanceled { amount } if *amount > Money::ZERO => {
                let refunded = all.iter_mut().filter(|told| Some(told.key) == current);
                refunded.for_each(|told| told.refunded = true);
            }
            P::StrayCaptureRefunded { attempt } => {
                let refunded = all.iter_mut().filter(|told| told.key == key(*attempt));
                refunded.for_each(|told| told.refunded = true);
            }
            _ => {}
        }
    }
    all
}

/// How the ledger differs from what the journal tells.
fn differs(told: &Told, standing: Option<KeyState>) -> Option<String> {
    let ChargeKey { payment, attempt } = told.key;
    let whose = format!("attempt {attempt} of {payment}");
    let Some(KeyState::Captured { amount, refunded }) = standing else {
        return Some(format!("the journal says that {whose} was captured, the ledger does not"));
    };
    if amount != told.amount {
        let (ledger, journal) = (amount.as_won(), told.amount.as_won());
        return Some(format!("{whose} is {ledger} won in the ledger, and {journal} won in the journal"));
    }
    let missing = told.refunded && !refunded;
    missing.then(|| format!("the journal says that {whose} was refunded, the ledger does not"))
}

/// Finds captures of rentals that the journal does not know.
fn strangers(ledger: &Ledger, folding: &Folding, part: Part, findings: &mut Findings) {
    for ChargeKey { payment, attempt } in ledger.captured() {
        if part.has(payment.0) && !folding.timelines.contains_key(&RentalId(payment.0)) {
            let what =
                format!("attempt {attempt} of {payment} was captured, the journal knows no such rental");
            findings.add(SUBJECT, what);
        }
    }
}
