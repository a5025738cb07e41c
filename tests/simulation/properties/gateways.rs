//! What outlives the shop's process: the payment gateway, and the phones.

use std::sync::Mutex;

use saem::{Behaviour, Ledger, NotificationId, Sending, Simulator, SmsError, SmsGateway, TextMessage};

/// How long each call to the gateway takes, in ms.
const LATENCY_MS: u64 = 10;
/// Every so many messages, one is not taken.
const REFUSE_EVERY: usize = 5;

pub fn gateway() -> Simulator {
    Simulator::new(Ledger::in_memory(), Behaviour { latency_ms: LATENCY_MS, ..Behaviour::default() }, 1)
}

/// The customers' phones.
#[derive(Default)]
pub struct Phones {
    tried: Mutex<usize>,
    received: Mutex<Vec<NotificationId>>,
}

impl Phones {
    pub fn received(&self) -> Vec<NotificationId> {
        self.received.lock().unwrap().clone()
    }
}

impl SmsGateway for Phones {
    fn provider(&self) -> &'static str {
        "phones"
    }

    fn send(&self, message: TextMessage) -> Sending {
        let mut tried = self.tried.lock().unwrap();
        *tried += 1;
        if tried.is_multiple_of(REFUSE_EVERY) {
            return Box::pin(std::future::ready(Err(SmsError("now and then".to_owned()))));
        }
        self.received.lock().unwrap().push(message.id);
        Box::pin(std::future::ready(Ok(())))
    }
}
