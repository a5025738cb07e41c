//! A service that waits for ever has not failed: it is not restarted, and the process is not alive.

use std::sync::{Arc, atomic::Ordering};

use saem::{CancelReason, MemoryJournal, ShopSettings};

use crate::kit::{
    runtime::{OPERATOR_KEY, customer, open_on, product, rented, simulator},
    unreliable::Unreliable,
    until,
};

#[actix::test]
async fn waiting_reactor_is_stuck_though_its_timers_tick() {
    let journal = Arc::new(Unreliable::over(MemoryJournal::new()));
    let plain = ShopSettings::new(OPERATOR_KEY);
    let settings = ShopSettings { stuck_after_ms: 1_000, ask_timeout_ms: 500, ..plain };
    let shop = open_on(journal.clone(), simulator(), settings).await;
    let rental = rented(&shop, customer(&shop).await, product(&shop, 1).await).await.rental.id;
    // The product reactor reads the rental's timeline before it puts the unit back.
    journal.timelines_hang.store(true, Ordering::Relaxed);
    shop.cancel_rental(rental, CancelReason::Customer, shop.new_request()).await.unwrap();
    let stuck = Err("reactor product".to_owned());
    until("the reactor is stuck", || async { shop.alive() == stuck }).await;
    shop.close().await;
}
