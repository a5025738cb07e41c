//! Verifies a store: reads every record with its checksum, folds the journal, and compares with that fold
//! whatever is derived from it.
//!
//! The journal is read as often as it takes: each reading folds the entities of some lanes, so that memory
//! stays bounded by [`EVENTS_A_READING`], not by the store ([`folding`]). Each is compared with what the
//! index holds ([`index`]), with its row of My Page ([`page`]) and with its messages ([`messages`]); what is
//! in the vault, and in the views' other rows, is looked at once ([`beside`]). Events are held against what
//! was agreed ([`agreed`]), and the simulator's ledger ([`money`]) and the images ([`images`]) against
//! them.
//!
//! Findings name entities, positions and rules, and no personal data.

mod agreed;
pub(super) mod beside;
mod folding;
mod images;
mod index;
mod messages;
mod money;
mod page;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use self::{
    folding::{Folding, Part},
    images::Named,
    money::Book,
    page::Pages,
};
use super::Progress;
use crate::{
    actors::projection::{catalogue::Catalogue, mypage::MyPage, notification::Messages, stand_of},
    domain::{LANES, Position, ProductId},
    shop::views::ProductView,
    store::{Journal, StoreError},
};

/// About so many events are folded at once: what they come to takes some 400 MB of memory.
const EVENTS_A_READING: u64 = 250_000;
/// So many findings are told; of more, only the number.
const FINDINGS_MAX: usize = 1_000;
/// How many events, entities or rows are asked for at once.
const PAGE: usize = 4_096;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// An entity, a position, a row.
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// The first of them.
    pub told: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
}

impl Findings {
    fn add(&mut self, subject: impl fmt::Display, what: impl fmt::Display) {
        if self.told.len() < FINDINGS_MAX {
            self.told.push(Finding { subject: subject.to_string(), what: what.to_string() });
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn none(&self) -> bool {
        self.told.is_empty()
    }
}

/// What was verified.
#[derive(Debug, Default)]
pub struct Verified {
    /// Events of the journal.
    pub events: u64,
    /// Entities that they are about.
    pub entities: u64,
    /// Rows of My Page that were compared.
    pub rows: u64,
    /// Records of the vault.
    pub vault: u64,
    /// What was not as it should be.
    pub findings: Findings,
    /// What was left out, and why; no finding.
    pub notes: Vec<String>,
}

/// Verifies all of a store that nobody else has open.
///
/// # Errors
/// [`StoreError`] when it cannot be read at all. What is damaged is a finding.
pub async fn verify(journal: &Arc<dyn Journal>, progress: &mut Progress<'_>) -> Result<Verified, StoreError> {
    verify_by(journal, None, EVENTS_A_READING, progress).await
}

/// Files beside a store that are of the same shop.
#[derive(Clone, Debug)]
pub struct Files {
    /// The simulator's ledger.
    pub ledger: PathBuf,
    /// Directory of product images.
    pub images: PathBuf,
}

/// The same, and the files beside it, which are only read.
///
/// # Errors
/// [`StoreError`] when the store cannot be read at all.
pub async fn verify_with(
    journal: &Arc<dyn Journal>,
    files: &Files,
    progress: &mut Progress<'_>,
) -> Result<Verified, StoreError> {
    verify_by(journal, Some(files), EVENTS_A_READING, progress).await
}

async fn verify_by(
    journal: &Arc<dyn Journal>,
    files: Option<&Files>,
    events_a_reading: u64,
    progress: &mut Progress<'_>,
) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let head = *journal.head().borrow();
    let stands = if beside::read_views(journal, head, progress, &mut verified.findings).await? {
        Stands::of(journal, head, &mut verified).await?
    } else {
        verified.notes.push("the views are damaged: they were not compared with the journal".to_owned());
        Stands::default()
    };
    let parts = head.0.div_ceil(events_a_reading).clamp(1, u64::from(LANES)) as u8;
    let mut whole = Whole::default();
    let (mut readable, mut messages) = (true, 0);
    let mut book = files.map(|files| Book::read(&files.ledger, &mut verified.findings, &mut verified.notes));
    for number in 0..parts {
        let part = Part { number, of: parts };
        let mut folding = Folding::new(part, head, stands.catalogue);
        progress.begin(format!("of {} events read, reading {} of {parts}", head.0, number + 1));
        if !folding.read(journal, progress, &mut verified).await? {
            readable = false;
            break;
        }
        verified.entities += folding.entities.len() as u64;
        folding.judge(&mut whole, &mut verified.findings);
        if let Some(book) = &mut book {
            book.compare(&folding, &mut verified.findings);
        }
        if let Some(stand) = stands.page {
            let mut pages = Pages::of(&folding, stand);
            verified.rows += pages.compare(journal, part, progress, &mut verified.findings).await?;
        }
        if let Some(stand) = stands.messages {
            messages += messages::Due::of(&folding, stand).compare(journal, &mut verified.findings).await?;
        }
        index::compare(journal, folding, progress, &mut verified.findings).await?;
    }
    if readable {
        whole.judge(&mut verified.findings);
        if let Some(book) = &book {
            book.judge(&mut verified.findings);
        }
        if let Some(files) = files {
            whole.images.compare(&files.images, &mut verified.findings, &mut verified.notes);
        }
        if let Some(stand) = stands.page {
            page::count_listings(journal, verified.rows, stand, &mut verified.findings).await?;
        }
        if stands.messages.is_some() {
            messages::count(journal, messages, &mut verified.findings).await?;
        }
        if stands.catalogue.is_some() {
            beside::compare_catalogue(journal, &whole.catalogue, &mut verified.findings).await?;
        }
    } else {
        let left_out = "the journal is damaged: what is derived from it was not compared with it";
        verified.notes.push(left_out.to_owned());
        index::read(journal, progress, &mut verified.findings).await?;
    }
    verified.vault = beside::read_vault(journal, progress, &mut verified.findings).await?;
    Ok(verified)
}

/// What is known of products once everything was read: their events are few, their rentals' many.
#[derive(Default)]
struct Whole {
    /// None where an event breaks a rule: what follows from it says nothing more.
    units: BTreeMap<ProductId, Option<folding::Stock>>,
    /// How many units are out, by the rentals' timelines.
    out: BTreeMap<ProductId, i64>,
    /// As the catalogue should show them.
    catalogue: BTreeMap<ProductId, ProductView>,
    /// All images that they ever had.
    images: Named,
}

impl Whole {
    fn judge(&self, findings: &mut Findings) {
        for (id, stock) in &self.units {
            let out = self.out.get(id).copied().unwrap_or_default();
            if let Some(stock) = stock
                && let Err(violation) = stock.units.add_up(*id, &stock.product, out)
            {
                findings.add(id, violation);
            }
        }
        for id in self.out.keys().filter(|id| !self.units.contains_key(id)) {
            findings.add(id, "INV-5 is broken: units are out of a product that does not exist");
        }
    }
}

/// Up to where the rows of projections are folded.
#[derive(Default)]
struct Stands {
    page: Option<Position>,
    catalogue: Option<Position>,
    messages: Option<Position>,
}

impl Stands {
    async fn of(
        journal: &Arc<dyn Journal>,
        head: Position,
        verified: &mut Verified,
    ) -> Result<Self, StoreError> {
        let [page, catalogue, messages] = [
            stand_of::<MyPage>(journal).await?,
            stand_of::<Catalogue>(journal).await?,
            stand_of::<Messages>(journal).await?,
        ];
        for (name, stand) in
            [("My Page", page), ("the catalogue", catalogue), ("the list of messages", messages)]
        {
            match stand {
                // A store without events has nothing to show.
                None if head.0 > 0 => {
                    verified.notes.push(format!("{name} is made anew at the next start: not compared"));
                }
                Some(stand) if stand > head => {
                    verified
                        .findings
                        .add(name, format!("stands at {}, but the journal ends at {}", stand.0, head.0));
                }
                Some(_) | None => {}
            }
        }
        Ok(Self { page, catalogue, messages })
    }
}
