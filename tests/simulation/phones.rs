//! The customers' phones: they outlive every process, and sometimes nobody answers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use saem::{NotificationId, Sending, SmsError, SmsGateway, TextMessage};

/// One message is refused at most so often: after ten times the shop gives it up, which is no fault of it.
const REFUSALS_MAX: u32 = 6;

#[derive(Default)]
pub struct Phones {
    down: AtomicBool,
    panics: AtomicBool,
    refused: Mutex<BTreeMap<NotificationId, u32>>,
    received: Mutex<Vec<NotificationId>>,
}

impl Phones {
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
        let mut refused = self.refused.lock().unwrap();
        let times = refused.entry(message.id).or_default();
        if self.down.load(Ordering::Relaxed) && *times < REFUSALS_MAX {
            *times += 1;
            return Box::pin(std::future::ready(Err(SmsError("down".to_owned()))));
        }
        self.received.lock().unwrap().push(message.id);
        Box::pin(std::future::ready(Ok(())))
    }
}
