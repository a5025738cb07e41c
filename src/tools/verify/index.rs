//! Compares the entity index with the fold of the journal.

use std::sync::Arc;

use super::{
    Findings, PAGE, Progress,
    folding::{Entity, Folding, State},
};
use crate::{
    domain::{Aggregate, EntityId, EntityKind, RentalId},
    store::{IndexRecord, Journal, KnownEntity, StoreError, codec},
};

pub(super) async fn compare(
    journal: &Arc<dyn Journal>,
    mut folding: Folding,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    progress.begin("entities compared");
    let mut pages = EntityPages::default();
    while let Some(page) = pages.next(journal).await? {
        progress.add(page.len() as u64);
        for (id, known) in page.into_iter().filter(|(id, _)| folding.lanes.contains(id.id)) {
            let entity = folding.entities.remove(&id);
            match known {
                Ok(known) => compare_one(id, &known, entity, &folding, findings),
                Err(error) => findings.add(id, format!("its index record is damaged: {error}")),
            }
        }
    }
    // A damaged index is reported by the first pass only.
    if folding.lanes.index == 0 {
        pages.report_damage(findings);
    }
    let mut missing: Vec<EntityId> = folding.entities.into_keys().collect();
    missing.sort_unstable();
    for id in missing {
        // Beyond the damage, look entities up one by one.
        let exists = pages.damage.is_some()
            && match journal.load(id).await {
                Ok(loaded) => loaded.version.0 > 0,
                Err(StoreError::Corrupt(_)) => false,
                Err(error) => return Err(error),
            };
        if !exists {
            findings.add(id, "it is in the journal, but not in the index");
        }
    }
    Ok(())
}

/// Reads all index records without comparing them.
pub(super) async fn read(
    journal: &Arc<dyn Journal>,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    progress.begin("entities read");
    let mut pages = EntityPages::default();
    while let Some(page) = pages.next(journal).await? {
        progress.add(page.len() as u64);
        for (id, known) in page {
            if let Err(error) = known {
                findings.add(id, format!("its index record is damaged: {error}"));
            }
        }
    }
    pages.report_damage(findings);
    Ok(())
}

#[derive(Default)]
struct EntityPages {
    after: Option<EntityId>,
    /// Error that ended reading.
    damage: Option<String>,
}

impl EntityPages {
    /// Reads the next page; none at the end, and where the index is damaged.
    async fn next(&mut self, journal: &Arc<dyn Journal>) -> Result<Option<Vec<KnownEntity>>, StoreError> {
        let page = match journal.entities(self.after, PAGE).await {
            Err(StoreError::Corrupt(problem)) => {
                self.damage = Some(problem);
                return Ok(None);
            }
            page => page?,
        };
        self.after = page.last().map(|(id, _)| *id).or(self.after);
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    fn report_damage(&self, findings: &mut Findings) {
        if let Some(problem) = &self.damage {
            let after = self.after.map_or_else(String::new, |after| format!(" after {after}"));
            findings.add(format!("the index{after}"), format!("damaged: {problem}"));
        }
    }
}

fn compare_one(
    id: EntityId,
    known: &IndexRecord,
    entity: Option<Entity>,
    folding: &Folding,
    findings: &mut Findings,
) {
    let is_rental = id.kind == EntityKind::Rental;
    let timeline = is_rental.then(|| folding.timelines.get(&RentalId(id.id))).flatten();
    let positions = timeline.into_iter().flatten().map(|recorded| recorded.position);
    if !positions.eq(known.timeline.iter().copied()) {
        findings.add(id, "its timeline in the index differs from the journal");
    }
    let Some(entity) = entity else {
        // Events of other entities may name a rental that does not exist. Then only a timeline exists.
        if known.version.0 > 0 {
            findings.add(id, "it is in the index, but not in the journal");
        }
        return;
    };
    if known.version != entity.version {
        let (known, found) = (known.version.0, entity.version.0);
        findings.add(id, format!("its version is {known} in the index, {found} in the journal"));
    }
    if known.last_commit_id != entity.last_commit_id {
        findings.add(id, "its newest commit in the index differs from the journal");
    }
    if entity.broken {
        return;
    }
    match snapshot_matches(&known.snapshot, &entity.state) {
        Ok(true) => {}
        Ok(false) => findings.add(id, "its snapshot differs from the fold of its events"),
        Err(error) => findings.add(id, format!("its snapshot is damaged: {error}")),
    }
}

fn snapshot_matches(snapshot: &[u8], state: &State) -> Result<bool, StoreError> {
    match state {
        State::Rental(state) => matches(snapshot, state),
        State::Payment(state) => matches(snapshot, state),
        State::Delivery(state) => matches(snapshot, state),
        State::Product(stock) => matches(snapshot, &stock.product),
        State::Account(state) => matches(snapshot, state),
        State::Context(state) => matches(snapshot, state),
    }
}

fn matches<A: Aggregate + PartialEq>(snapshot: &[u8], state: &A) -> Result<bool, StoreError> {
    Ok(codec::decode_snapshot::<A>(snapshot)? == *state)
}
