//! Notices what makes no progress any more: what supervision cannot, since a thread that hangs supervises
//! nothing, and a future that hangs has not failed.
//!
//! Each part has a pulse, which beats whenever the part gets anything done. A part that has something to do
//! and does not beat for long is stuck. All it takes then is a new process: so the server says that it is
//! not alive, and whoever looks after it replaces it.
//!
//! It looks from a thread of its own, and counts how often it has looked, not the time: a machine that slept
//! or was busy with something else has nothing stuck.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix::ArbiterHandle;
use tracing::{error, info};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often an arbiter's pulse beats.
const BEAT_EVERY: Duration = Duration::from_millis(500);

/// Beats whenever a part gets anything done.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// Something was done.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was done.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A part to look at.
pub struct WatchedPart {
    /// What the log and the operator know it by, such as `reactor product`.
    pub name: String,
    /// How often it has done something.
    pub beats: Box<dyn Fn() -> u64 + Send>,
    /// Whether it has something to do now.
    pub busy: Box<dyn Fn() -> bool + Send>,
}

impl WatchedPart {
    /// A thread on which actors live: it always has something to do, and its pulse is a task of its own.
    #[must_use]
    pub fn arbiter(index: usize, arbiter: &ArbiterHandle) -> Self {
        let pulse = Arc::new(Pulse::default());
        let beats = Arc::clone(&pulse);
        arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                loop {
                    pulse.beat();
                    tokio::time::sleep(BEAT_EVERY).await;
                }
            });
        });
        let name = format!("arbiter {index}");
        Self { name, beats: Box::new(move || beats.beats()), busy: Box::new(|| true) }
    }
}

/// Looks after parts until it is dropped.
pub struct Watchdog {
    stuck: Arc<Mutex<Vec<String>>>,
    /// Ends the thread when it is dropped.
    _running: Option<mpsc::Sender<()>>,
}

impl Watchdog {
    /// One that looks after nothing.
    #[must_use]
    pub fn idle() -> Self {
        Self { stuck: Arc::default(), _running: None }
    }

    /// Looks after `parts`: one that has not beaten for so many looks, a second each, is stuck.
    ///
    /// # Panics
    /// When the system has no room for one more thread.
    #[must_use]
    pub fn start(parts: Vec<WatchedPart>, looks_max: u32) -> Self {
        let (running, ended) = mpsc::channel::<()>();
        let stuck = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&stuck);
        let watch = move || {
            let mut watched: Vec<PartState> = parts.into_iter().map(PartState::new).collect();
            while ended.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                watched.iter_mut().for_each(|watched| watched.look(looks_max));
                let stuck = watched.iter().filter(|watched| watched.stuck);
                let names = stuck.map(|watched| watched.part.name.clone()).collect();
                *told.lock().unwrap_or_else(PoisonError::into_inner) = names;
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(watch).expect("the system has room for one more thread");
        Self { stuck, _running: Some(running) }
    }

    /// What is stuck now.
    #[must_use]
    pub fn stuck(&self) -> Vec<String> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A part, and how it was when it was looked at.
struct PartState {
    part: WatchedPart,
    beats: u64,
    /// For how many looks it has not beaten, though it had something to do.
    still: u32,
    stuck: bool,
}

impl PartState {
    fn new(part: WatchedPart) -> Self {
        Self { beats: (part.beats)(), part, still: 0, stuck: false }
    }

    fn look(&mut self, looks_max: u32) {
        let beats = (self.part.beats)();
        let moved = beats != self.beats || !(self.part.busy)();
        self.beats = beats;
        self.still = if moved { 0 } else { self.still.saturating_add(1) };
        let stuck = self.still >= looks_max;
        let part = self.part.name.as_str();
        match (self.stuck, stuck) {
            (false, true) => error!(part, seconds = looks_max, "makes no progress; the process is not alive"),
            (true, false) => info!(part, "makes progress again"),
            _ => {}
        }
        self.stuck = stuck;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A part that can be told to beat, and to be busy.
    fn part() -> (PartState, Arc<Pulse>, Arc<AtomicBool>) {
        let (pulse, busy) = (Arc::new(Pulse::default()), Arc::new(AtomicBool::new(true)));
        let (beats, is_busy) = (Arc::clone(&pulse), Arc::clone(&busy));
        let part = WatchedPart {
            name: "part".to_owned(),
            beats: Box::new(move || beats.beats()),
            busy: Box::new(move || is_busy.load(Ordering::Relaxed)),
        };
        (PartState::new(part), pulse, busy)
    }

    #[test]
    fn a_part_is_stuck_once_it_has_not_beaten_for_so_many_looks() {
        let (mut watched, pulse, _busy) = part();
        let mut looks = |count: u32| {
            (0..count).for_each(|_| watched.look(3));
            watched.stuck
        };
        assert!(!looks(2));
        pulse.beat();
        assert!(!looks(3), "a beat counts from anew");
        assert!(looks(1));
        pulse.beat();
        assert!(!looks(1), "it goes on after all");
    }

    #[test]
    fn a_part_with_nothing_to_do_is_not_stuck() {
        let (mut watched, _pulse, busy) = part();
        busy.store(false, Ordering::Relaxed);
        (0..10).for_each(|_| watched.look(3));
        assert!(!watched.stuck);
        busy.store(true, Ordering::Relaxed);
        (0..3).for_each(|_| watched.look(3));
        assert!(watched.stuck);
    }
}
