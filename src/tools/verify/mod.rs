//! Verifies a store: reads every record with its checksum, folds the journal, and compares derived data with
//! the fold.
//!
//! Several passes read the journal. Each one folds the entities of a group of lanes, so that memory is
//! bounded by [`EVENTS_PER_PASS`] and not by the store. Findings name entities, positions and rules, and
//! contain no personal data.

mod folding;
mod images;
mod index;
mod ledger;
mod messages;
mod mypage;
pub(super) mod records;
mod terms;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use self::{
    folding::{Folding, LaneGroup},
    images::ImageRefs,
    ledger::LedgerCheck,
    messages::ExpectedMessages,
    mypage::ExpectedRows,
};
use super::Progress;
use crate::{
    actors::projection::{
        catalogue::{Catalogue, ProductView},
        mypage::MyPage,
        notification::Messages,
        stored_position,
    },
    domain::{LANES, Position, ProductId},
    store::{Journal, StoreError},
};

/// Approximate number of events folded per pass. Their fold takes about 400 MB of memory.
const EVENTS_PER_PASS: u64 = 250_000;
/// Maximum findings listed; further ones are counted.
const FINDINGS_MAX: usize = 1_000;
/// Events, entities or rows per read.
const PAGE: usize = 4_096;

/// Inconsistency or damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Entity, position, row or file.
    pub subject: String,
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

#[derive(Debug, Default)]
pub struct Findings {
    /// First 1,000 findings.
    pub listed: Vec<Finding>,
    /// Number of further findings.
    pub omitted: u64,
}

impl Findings {
    fn add(&mut self, subject: impl fmt::Display, problem: impl fmt::Display) {
        if self.listed.len() < FINDINGS_MAX {
            self.listed.push(Finding { subject: subject.to_string(), problem: problem.to_string() });
        } else {
            self.omitted += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

#[derive(Debug, Default)]
pub struct Verified {
    pub events: u64,
    /// Number of entities of these events.
    pub entities: u64,
    pub rows: u64,
    pub vault: u64,
    pub findings: Findings,
    /// Remarks that are no findings, such as skipped comparisons.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Files {
    pub ledger: PathBuf,
    pub images: PathBuf,
}

/// Verifies a store that no server has open, and the `files` beside it. Nothing is written.
///
/// # Errors
/// [`StoreError`] if the store cannot be read at all. Damage is a finding, not an error.
pub async fn verify(
    journal: &Arc<dyn Journal>,
    files: Option<&Files>,
    progress: &mut Progress<'_>,
) -> Result<Verified, StoreError> {
    verify_by(journal, files, EVENTS_PER_PASS, progress).await
}

async fn verify_by(
    journal: &Arc<dyn Journal>,
    files: Option<&Files>,
    events_per_pass: u64,
    progress: &mut Progress<'_>,
) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let head = *journal.head().borrow();
    let positions = if records::read_views(journal, head, progress, &mut verified.findings).await? {
        ViewPositions::read(journal, head, &mut verified).await?
    } else {
        verified.notes.push("the views are damaged and were not compared with the journal".to_owned());
        ViewPositions::default()
    };
    let passes = head.0.div_ceil(events_per_pass).clamp(1, u64::from(LANES)) as u8;
    let mut products = Products::default();
    let (mut readable, mut messages) = (true, 0);
    let Verified { findings, notes, .. } = &mut verified;
    let mut ledger = files.and_then(|files| LedgerCheck::read(&files.ledger, findings, notes));
    for index in 0..passes {
        let lanes = LaneGroup { index, groups: passes };
        let mut folding = Folding::new(lanes, head, positions.catalogue);
        progress.begin(format!("of {} events read, pass {} of {passes}", head.0, index + 1));
        if !folding.read(journal, progress, &mut verified).await? {
            readable = false;
            break;
        }
        verified.entities += folding.entities.len() as u64;
        folding.check_rentals(&mut products, &mut verified.findings);
        if let Some(ledger) = &mut ledger {
            ledger.compare(&folding, &mut verified.findings);
        }
        if let Some(up_to) = positions.mypage {
            let mut rows = ExpectedRows::of(&folding, up_to);
            verified.rows += rows.compare(journal, lanes, progress, &mut verified.findings).await?;
        }
        if let Some(up_to) = positions.messages {
            let expected = ExpectedMessages::of(&folding, up_to);
            messages += expected.compare(journal, &mut verified.findings).await?;
        }
        index::compare(journal, folding, progress, &mut verified.findings).await?;
    }
    if readable {
        products.check_units(&mut verified.findings);
        if let Some(ledger) = &ledger {
            ledger.report_missing(&mut verified.findings);
        }
        if let Some(files) = files {
            products.images.compare(&files.images, &mut verified.findings, &mut verified.notes);
        }
        if let Some(up_to) = positions.mypage {
            mypage::count_listings(journal, verified.rows, up_to, &mut verified.findings).await?;
        }
        if positions.messages.is_some() {
            messages::count(journal, messages, &mut verified.findings).await?;
        }
        if positions.catalogue.is_some() {
            records::compare_catalogue(journal, &products.catalogue, &mut verified.findings).await?;
        }
    } else {
        verified.notes.push("the journal is damaged, so derived data was not compared with it".to_owned());
        index::read(journal, progress, &mut verified.findings).await?;
    }
    verified.vault = records::read_vault(journal, progress, &mut verified.findings).await?;
    Ok(verified)
}

/// Products, collected over all passes: a product and its rentals are in different lanes.
#[derive(Default)]
struct Products {
    /// Folded stock; none if an event of the product violates a rule.
    stock: BTreeMap<ProductId, Option<folding::Stock>>,
    /// Number of rented units, by the timelines of rentals.
    units_out: BTreeMap<ProductId, i64>,
    /// Expected rows of the catalogue.
    catalogue: BTreeMap<ProductId, ProductView>,
    /// All images that the products ever had.
    images: ImageRefs,
}

impl Products {
    fn check_units(&self, findings: &mut Findings) {
        for (id, stock) in &self.stock {
            let out = self.units_out.get(id).copied().unwrap_or_default();
            if let Some(stock) = stock
                && let Err(violation) = stock.units.add_up(*id, &stock.product, out)
            {
                findings.add(id, violation);
            }
        }
        for id in self.units_out.keys().filter(|id| !self.stock.contains_key(id)) {
            findings.add(id, "INV-5 is broken: units are out of a product that does not exist");
        }
    }
}

/// Position up to which each projection has folded the journal.
#[derive(Default)]
struct ViewPositions {
    mypage: Option<Position>,
    catalogue: Option<Position>,
    messages: Option<Position>,
}

impl ViewPositions {
    async fn read(
        journal: &Arc<dyn Journal>,
        head: Position,
        Verified { findings, notes, .. }: &mut Verified,
    ) -> Result<Self, StoreError> {
        let [mypage, catalogue, messages] = [
            stored_position::<MyPage>(journal).await?,
            stored_position::<Catalogue>(journal).await?,
            stored_position::<Messages>(journal).await?,
        ];
        let views = [("My Page", mypage), ("the catalogue", catalogue), ("the list of messages", messages)];
        for (name, position) in views {
            match position {
                // Without events there are no rows.
                None if head.0 > 0 => {
                    notes.push(format!("{name} is rebuilt at the next start: not compared"))
                }
                Some(Position(at)) if at > head.0 => {
                    findings.add(name, format!("is at {at}, but the journal ends at {}", head.0));
                }
                Some(_) | None => {}
            }
        }
        Ok(Self { mypage, catalogue, messages })
    }
}
