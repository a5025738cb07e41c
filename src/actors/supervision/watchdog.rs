//! Watchdog: notices parts of the process that hang. Supervision cannot: a thread that hangs supervises
//! nothing, and a future that hangs has not failed.
//!
//! Each part has a pulse, which beats whenever the part gets work done. A part that has work and does not
//! beat for too long is stuck. Only a new process helps then, so the server reports that it is not alive, and
//! its platform replaces it.
//!
//! The watchdog has a thread of its own. It counts its looks instead of the time: on a machine that slept or
//! was overloaded, nothing is stuck.

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

const LOOK_EVERY: Duration = Duration::from_secs(1);
const BEAT_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct WatchedPart {
    /// Name in log and API, such as `reactor product`.
    pub name: String,
    /// Returns the beats of its pulse.
    pub beats: Box<dyn Fn() -> u64 + Send>,
    pub busy: Box<dyn Fn() -> bool + Send>,
}

impl WatchedPart {
    /// Watches the thread of an arbiter by a task that beats at a fixed interval.
    pub(crate) fn arbiter(index: usize, arbiter: &ArbiterHandle) -> Self {
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

/// Watches parts until dropped.
pub(crate) struct Watchdog {
    stuck: Arc<Mutex<Vec<String>>>,
    /// Ends the thread when dropped.
    _running: Option<mpsc::Sender<()>>,
}

impl Watchdog {
    pub(crate) fn idle() -> Self {
        Self { stuck: Arc::default(), _running: None }
    }

    /// Watches `parts`, once a second. A part that has work but has not beaten for `looks_max` looks is
    /// stuck.
    pub(crate) fn start(parts: Vec<WatchedPart>, looks_max: u32) -> Self {
        let (running, ended) = mpsc::channel::<()>();
        let stuck = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&stuck);
        let watch = move || {
            let mut watched: Vec<PartState> = parts.into_iter().map(PartState::new).collect();
            while ended.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                watched.iter_mut().for_each(|watched| watched.look(looks_max));
                let stuck = watched.iter().filter(|watched| watched.stuck);
                let names = stuck.map(|watched| watched.part.name.clone()).collect();
                *reported.lock().unwrap_or_else(PoisonError::into_inner) = names;
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(watch).expect("the system can start a thread");
        Self { stuck, _running: Some(running) }
    }

    pub(crate) fn stuck(&self) -> Vec<String> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct PartState {
    part: WatchedPart,
    beats: u64,
    /// Looks since the last beat while it had work.
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

    /// A part whose pulse and load are set by the test.
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
    fn part_without_a_beat_for_the_limit_is_stuck() {
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
    fn idle_part_is_not_stuck() {
        let (mut watched, _pulse, busy) = part();
        busy.store(false, Ordering::Relaxed);
        (0..10).for_each(|_| watched.look(3));
        assert!(!watched.stuck);
        busy.store(true, Ordering::Relaxed);
        (0..3).for_each(|_| watched.look(3));
        assert!(watched.stuck);
    }
}
