//! The customers' phones, which outlive every process: an SMS gateway that fails on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use saem::{NotificationId, Sending, SmsError, SmsGateway, TextMessage};

/// Refusals of one message at most: after ten attempts the shop fails it, as it should.
const REFUSALS_MAX: u32 = 6;

#[derive(Default)]
pub struct Phones {
    down: AtomicBool,
    panics: AtomicBool,
    /// Refuses one of so many messages; 0 for none.
    refuse_every: usize,
    tried: AtomicUsize,
    refused: Mutex<BTreeMap<NotificationId, u32>>,
    received: Mutex<Vec<NotificationId>>,
}

impl Phones {
    pub fn refusing_every(refuse_every: usize) -> Self {
        Self { refuse_every, ..Self::default() }
    }

    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub fn panic_next(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    pub fn received(&self) -> Vec<NotificationId> {
        self.received.lock().unwrap().clone()
    }
}

impl SmsGateway for Phones {
    fn provider(&self) -> &'static str {
        "phones"
    }

    fn send(&self, message: TextMessage) -> Sending {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "injected fault in the phones");
        let refuse = |why: &str| -> Sending { Box::pin(std::future::ready(Err(SmsError(why.to_owned())))) };
        let tried = self.tried.fetch_add(1, Ordering::Relaxed) + 1;
        if self.refuse_every > 0 && tried.is_multiple_of(self.refuse_every) {
            return refuse("each nth");
        }
        let mut refused = self.refused.lock().unwrap();
        let times = refused.entry(message.id).or_default();
        if self.down.load(Ordering::Relaxed) && *times < REFUSALS_MAX {
            *times += 1;
            return refuse("down");
        }
        self.received.lock().unwrap().push(message.id);
        Box::pin(std::future::ready(Ok(())))
    }
}
