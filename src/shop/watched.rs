//! The components that the watchdog watches.

use std::sync::{Arc, PoisonError, mpsc};

use actix::ArbiterHandle;

use super::{Progresses, Shop};
use crate::{
    actors::{
        contexts::Contexts,
        jobs::queue::JobQueue,
        progress::Progress,
        sources::Sources,
        supervision::watchdog::{Pulse, WatchedPart},
    },
    domain::{Timestamp, context::Context},
    store::{FaultMode, Journal},
};

/// Returns all components that could hang without failing.
pub(crate) fn parts(
    arbiters: &[ArbiterHandle],
    journal: &Arc<dyn Journal>,
    contexts: &Arc<Contexts>,
    progress: &Progresses,
    runner: WatchedPart,
) -> Vec<WatchedPart> {
    let mut parts: Vec<WatchedPart> =
        arbiters.iter().enumerate().map(|(n, arbiter)| WatchedPart::arbiter(n, arbiter)).collect();
    if journal.turns().is_some() {
        let journal = Arc::clone(journal);
        let turns = move || journal.turns().unwrap_or_default();
        parts.push(WatchedPart {
            name: "store-writer".to_owned(),
            beats: Box::new(turns),
            busy: Box::new(|| true),
        });
    }
    for (kind, name, progress) in progress.all() {
        let context = Context::ALL.into_iter().find(|context| kind == "reactor" && context.as_str() == name);
        let pausing = context.map(|context| (context, contexts));
        parts.push(consumer(format!("{kind} {name}"), progress, journal, pausing));
    }
    parts.push(runner);
    parts
}

/// The job runner: busy while a job has been due for longer than any conversation about its payment can take.
pub(crate) fn job_runner(
    pulse: &Arc<Pulse>,
    job_queue: &JobQueue,
    contexts: &Arc<Contexts>,
    sources: &Sources,
    conversation_ms: u64,
) -> WatchedPart {
    let (pulse, job_queue) = (Arc::clone(pulse), job_queue.clone());
    let (contexts, sources) = (Arc::clone(contexts), sources.clone());
    WatchedPart {
        name: "errands".to_owned(),
        beats: Box::new(move || pulse.beats()),
        busy: Box::new(move || {
            let overdue = |due: Timestamp| due.plus_ms(conversation_ms) < sources.now();
            !contexts.paused(Context::Payment) && job_queue.next_due().is_some_and(overdue)
        }),
    }
}

/// A consumer of the journal: busy until it has reached the head, unless its context is paused.
fn consumer(
    name: String,
    progress: &Arc<Progress>,
    journal: &Arc<dyn Journal>,
    pausing: Option<(Context, &Arc<Contexts>)>,
) -> WatchedPart {
    let (head, pausing) =
        (journal.head(), pausing.map(|(context, contexts)| (context, Arc::clone(contexts))));
    let (counted, progress) = (Arc::clone(progress), Arc::clone(progress));
    WatchedPart {
        name,
        beats: Box::new(move || counted.pulse().beats()),
        busy: Box::new(move || {
            let paused = pausing.as_ref().is_some_and(|(context, contexts)| contexts.paused(*context));
            !paused && progress.position() < *head.borrow()
        }),
    }
}

impl Shop {
    /// Injects a fault into an arbiter, by its number; `None` if there is no such arbiter.
    pub(crate) fn sabotage_arbiter(&self, index: &str, mode: FaultMode) -> Option<()> {
        let arbiter = self.arbiters.get(index.parse::<usize>().ok()?)?;
        match mode {
            // A task that panics ends alone.
            FaultMode::Panic => arbiter.spawn_fn(|| panic!("injected fault")),
            FaultMode::Stop => arbiter.stop(),
            FaultMode::Hang => {
                let (hung, never) = mpsc::channel::<()>();
                self.hung.lock().unwrap_or_else(PoisonError::into_inner).push(hung);
                // Hangs until the shop is closed, which drops the sender.
                arbiter.spawn_fn(move || {
                    let _ = never.recv();
                })
            }
        };
        Some(())
    }
}
