//! What the store knows of each entity without its events, compared with what its events come to.

use std::sync::Arc;

use super::{
    Findings, PAGE, Progress,
    folding::{Entity, Folding, State},
};
use crate::{
    domain::{Aggregate, EntityId, EntityKind, RentalId},
    store::{Journal, Known, KnownEntity, StoreError, codec},
};

/// Compares the entities of one reading.
pub(super) async fn compare(
    journal: &Arc<dyn Journal>,
    mut folding: Folding,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    progress.begin("entities compared");
    let mut pages = Pages::default();
    while let Some(page) = pages.next(journal).await? {
        progress.add(page.len() as u64);
        for (id, known) in page.into_iter().filter(|(id, _)| folding.part.has(id.id)) {
            let entity = folding.entities.remove(&id);
            match known {
                Ok(known) => compare_one(id, &known, entity, &folding, findings),
                Err(error) => findings.add(id, format!("what is known of it is damaged: {error}")),
            }
        }
    }
    // What is wrong with the index as a whole is told once.
    if folding.part.number == 0 {
        pages.judge(findings);
    }
    let mut missing: Vec<EntityId> = folding.entities.into_keys().collect();
    missing.sort_unstable();
    for id in missing {
        // Behind what is damaged, one by one: what can be found is not missing.
        let is_there = pages.damaged.is_some()
            && match journal.load(id).await {
                Ok(loaded) => loaded.version.0 > 0,
                Err(StoreError::Corrupt(_)) => false,
                Err(error) => return Err(error),
            };
        if !is_there {
            findings.add(id, "the journal tells of it, the index does not know it");
        }
    }
    Ok(())
}

/// Reads what is known of all entities, compared with nothing.
pub(super) async fn read(
    journal: &Arc<dyn Journal>,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    progress.begin("entities read");
    let mut pages = Pages::default();
    while let Some(page) = pages.next(journal).await? {
        progress.add(page.len() as u64);
        for (id, known) in page {
            if let Err(error) = known {
                findings.add(id, format!("what is known of it is damaged: {error}"));
            }
        }
    }
    pages.judge(findings);
    Ok(())
}

/// All entities that the index knows, some at a time.
#[derive(Default)]
struct Pages {
    after: Option<EntityId>,
    /// Why it cannot be read any further.
    damaged: Option<String>,
}

impl Pages {
    /// The next ones; none at the end, and where it is damaged.
    async fn next(&mut self, journal: &Arc<dyn Journal>) -> Result<Option<Vec<KnownEntity>>, StoreError> {
        let page = match journal.entities(self.after, PAGE).await {
            Err(StoreError::Corrupt(what)) => {
                self.damaged = Some(what);
                return Ok(None);
            }
            page => page?,
        };
        self.after = page.last().map(|(id, _)| *id).or(self.after);
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    fn judge(&self, findings: &mut Findings) {
        if let Some(what) = &self.damaged {
            let after = self.after.map_or_else(String::new, |after| format!(" after {after}"));
            findings.add(format!("the index{after}"), format!("damaged: {what}"));
        }
    }
}

fn compare_one(
    id: EntityId,
    known: &Known,
    entity: Option<Entity>,
    folding: &Folding,
    findings: &mut Findings,
) {
    let is_rental = id.kind == EntityKind::Rental;
    let timeline = is_rental.then(|| folding.timelines.get(&RentalId(id.id))).flatten();
    let positions = timeline.into_iter().flatten().map(|recorded| recorded.position);
    if !positions.eq(known.timeline.iter().copied()) {
        findings.add(id, "its timeline is another one in the index than in the journal");
    }
    let Some(entity) = entity else {
        // Others' events may name a rental that does not exist; then there is a timeline, and no more.
        if known.version.0 > 0 {
            findings.add(id, "the index knows it, the journal tells nothing of it");
        }
        return;
    };
    if known.version != entity.version {
        let (known, found) = (known.version.0, entity.version.0);
        findings.add(id, format!("its version is {known} in the index, and {found} by the journal"));
    }
    if known.last_commit_id != entity.last_commit_id {
        findings.add(id, "its newest commit is another one in the index than in the journal");
    }
    if entity.broken {
        return;
    }
    match is_state(&known.snapshot, &entity.state) {
        Ok(true) => {}
        Ok(false) => findings.add(id, "its snapshot is not what its events come to"),
        Err(error) => findings.add(id, format!("its snapshot is damaged: {error}")),
    }
}

fn is_state(snapshot: &[u8], state: &State) -> Result<bool, StoreError> {
    match state {
        State::Rental(state) => is(snapshot, state),
        State::Payment(state) => is(snapshot, state),
        State::Delivery(state) => is(snapshot, state),
        State::Product(stock) => is(snapshot, &stock.product),
        State::Account(state) => is(snapshot, state),
        State::Context(state) => is(snapshot, state),
    }
}

fn is<A: Aggregate + PartialEq>(snapshot: &[u8], state: &A) -> Result<bool, StoreError> {
    Ok(codec::decode_snapshot::<A>(snapshot)? == *state)
}
