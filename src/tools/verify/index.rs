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
    let mut after = None;
    while let Some(page) = next(journal, &mut after).await? {
        progress.add(page.len() as u64);
        for (id, known) in page.into_iter().filter(|(id, _)| folding.part.has(id.id)) {
            let entity = folding.entities.remove(&id);
            match known {
                Ok(known) => compare_one(id, &known, entity, &folding, findings),
                Err(error) => findings.add(id, format!("what is known of it is damaged: {error}")),
            }
        }
    }
    let mut missing: Vec<EntityId> = folding.entities.into_keys().collect();
    missing.sort_unstable();
    for id in missing {
        findings.add(id, "the journal tells of it, the index does not know it");
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
    let mut after = None;
    while let Some(page) = next(journal, &mut after).await? {
        progress.add(page.len() as u64);
        for (id, known) in page {
            if let Err(error) = known {
                findings.add(id, format!("what is known of it is damaged: {error}"));
            }
        }
    }
    Ok(())
}

/// The next entities; none at the end.
async fn next(
    journal: &Arc<dyn Journal>,
    after: &mut Option<EntityId>,
) -> Result<Option<Vec<KnownEntity>>, StoreError> {
    let page = journal.entities(*after, PAGE).await?;
    *after = page.last().map(|(id, _)| *id);
    Ok(Some(page).filter(|page| !page.is_empty()))
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
