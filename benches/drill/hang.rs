//! Hang drill: a component of the server hangs, and a watchdog replaces the process.
//!
//! This process acts as systemd's watchdog (sd_notify(3)) with the unit's `WatchdogSec=6`. It kills a server
//! that asks to be replaced or that stops sending keep-alives.

use std::{error::Error, path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::{net::UnixDatagram, time::timeout};

use crate::{clock::now, process::Server, shop::Shop};

/// Maximum time between two keep-alives: `WatchdogSec` of the unit.
const WATCHDOG: Duration = Duration::from_secs(6);
/// Maximum time until a new process serves.
const WITHIN: Duration = Duration::from_secs(20);
/// Interval between checks for the unfinished rental.
const POLL: Duration = Duration::from_millis(50);

type DrillResult<T = ()> = Result<T, Box<dyn Error>>;

pub async fn drill() -> DrillResult {
    println!("| hanging component | detected after, s | new process ready after, s | waiting rental |");
    println!("| --- | --- | --- | --- |");
    for (title, target) in [
        ("a reactor", json!({"kind": "reactor", "id": "product"})),
        ("an arbiter", json!({"kind": "arbiter", "id": "0"})),
        ("the store's writer", json!({"kind": "store-writer"})),
    ] {
        let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        run(title, target, work.path()).await?;
    }
    Ok(())
}

async fn run(title: &str, target: Value, work: &Path) -> DrillResult {
    let path = work.join("notify");
    let notified = UnixDatagram::bind(&path)?;
    let socket = path.to_str().ok_or("the path is text")?;
    let watchdog = WATCHDOG.as_micros().to_string();
    let settings =
        [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", &watchdog), ("SAEM_FAULTS__ENABLED", "true")];
    let data = work.join("data");
    let server = Server::saem(&data, &settings)?;
    let mut shop = Shop::prepare(&server.address, 1).await?;
    shop.pause("product").await?;
    let rental = shop.rent().await?;
    shop.fault(&target).await?;
    let began = now();
    // Resuming makes the hanging component work. If the writer hangs, this call hangs as well.
    let _ = timeout(Duration::from_secs(1), shop.resume("product")).await;
    wait_until_dead(&notified).await?;
    let detected = began.elapsed();
    drop(server);
    let server = Server::saem(&data, &settings)?;
    shop.move_to(&server.address);
    shop.ready().await?;
    let ready = began.elapsed();
    shop.resume("product").await?;
    while !shop.taken_for(&rental).await? {
        tokio::time::sleep(POLL).await;
    }
    println!(
        "| {title} | {:.1} | {:.1} | continued after {:.1} s |",
        detected.as_secs_f64(),
        ready.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    if ready > WITHIN { Err(format!("{title}: replaced too late").into()) } else { Ok(()) }
}

/// Returns when the server asks to be replaced, or has sent no keep-alive for [`WATCHDOG`].
async fn wait_until_dead(notified: &UnixDatagram) -> DrillResult {
    let mut buffer = [0; 256];
    loop {
        let Ok(received) = timeout(WATCHDOG, notified.recv(&mut buffer)).await else { return Ok(()) };
        if buffer[..received?].starts_with(b"WATCHDOG=trigger") {
            return Ok(());
        }
    }
}
