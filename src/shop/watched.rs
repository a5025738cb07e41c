//! What the watchdog looks at, and how to see that it does; and whether a shop that opens gets on.

use std::sync::{Arc, PoisonError, mpsc};

use actix::ArbiterHandle;

use super::{Progresses, Shop, ShopError};
use crate::{
    actors::{
        entity::ask::FaultMode,
        jobs::queue::Agenda,
        projection::progress::Progress,
        reactor::contexts::Contexts,
        sources::Sources,
        supervision::watchdog::{Part, Pulse},
    },
    domain::{Timestamp, context::Context},
    store::Journal,
};

/// Everything that could hang without failing.
pub(crate) fn parts(
    arbiters: &[ArbiterHandle],
    journal: &Arc<dyn Journal>,
    contexts: &Arc<Contexts>,
    progress: &Progresses,
    errands: Part,
) -> Vec<Part> {
    let mut parts: Vec<Part> =
        arbiters.iter().enumerate().map(|(n, arbiter)| Part::arbiter(n, arbiter)).collect();
    if journal.turns().is_some() {
        let journal = Arc::clone(journal);
        let turns = move || journal.turns().unwrap_or_default();
        parts.push(Part { name: "store-writer".to_owned(), beats: Box::new(turns), busy: Box::new(|| true) });
    }
    for context in [Context::Rental, Context::Payment, Context::Delivery, Context::Product] {
        let name = format!("reactor {}", context.as_str());
        parts.push(consumer(name, progress.of(context), journal, Some((context, contexts))));
    }
    let projections = [
        ("catalogue", &progress.catalogue),
        ("mypage", &progress.mypage),
        ("notification", &progress.notification),
        ("agenda", &progress.agenda),
    ];
    for (name, progress) in projections {
        parts.push(consumer(format!("projection {name}"), progress, journal, None));
    }
    parts.push(errands);
    parts
}

/// The agenda's worker: busy for as long as something was due so long ago that every conversation that could
/// have been in its way is over.
pub(crate) fn errands(
    pulse: &Arc<Pulse>,
    agenda: &Agenda,
    contexts: &Arc<Contexts>,
    sources: &Sources,
    conversation_ms: u64,
) -> Part {
    let (pulse, agenda) = (Arc::clone(pulse), agenda.clone());
    let (contexts, sources) = (Arc::clone(contexts), sources.clone());
    Part {
        name: "errands".to_owned(),
        beats: Box::new(move || pulse.beats()),
        busy: Box::new(move || {
            let overdue = |due: Timestamp| due.plus_ms(conversation_ms) < sources.now();
            !contexts.paused(Context::Payment) && agenda.next_due().is_some_and(overdue)
        }),
    }
}

/// Somebody who reads the journal: busy for as long as they have not got to its end, unless they are paused.
fn consumer(
    name: String,
    progress: &Arc<Progress>,
    journal: &Arc<dyn Journal>,
    pausing: Option<(Context, &Arc<Contexts>)>,
) -> Part {
    let (head, pausing) =
        (journal.head(), pausing.map(|(context, contexts)| (context, Arc::clone(contexts))));
    let (counted, progress) = (Arc::clone(progress), Arc::clone(progress));
    Part {
        name,
        beats: Box::new(move || counted.pulse().beats()),
        busy: Box::new(move || {
            let paused = pausing.as_ref().is_some_and(|(context, contexts)| contexts.paused(*context));
            !paused && progress.position() < *head.borrow()
        }),
    }
}

impl Shop {
    /// Returns once all that is shown, and all that is due, is that of the journal as it is now.
    pub(crate) async fn catches_up(&self) -> Result<(), ShopError> {
        let head = self.head();
        for progress in [&self.progress.catalogue, &self.progress.mypage, &self.progress.agenda] {
            if let Err(error) = progress.at_or_damaged(head).await {
                // What cannot be shown as it is, is not shown: only a backup brings it back.
                self.close().await;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Makes an arbiter fail, by its number; none if there is no such arbiter.
    pub(crate) fn sabotage_arbiter(&self, index: &str, mode: FaultMode) -> Option<()> {
        let arbiter = self.arbiters.get(index.parse::<usize>().ok()?)?;
        match mode {
            // A task that panics ends alone: that is what can be seen.
            FaultMode::Panic => arbiter.spawn_fn(|| panic!("injected fault")),
            FaultMode::Stop => arbiter.stop(),
            FaultMode::Hang => {
                let (hung, never) = mpsc::channel::<()>();
                self.hung.lock().unwrap_or_else(PoisonError::into_inner).push(hung);
                // Until the shop is closed, which drops the other end.
                arbiter.spawn_fn(move || {
                    let _ = never.recv();
                })
            }
        };
        Some(())
    }
}
