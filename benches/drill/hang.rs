//! Something hangs, and the process is replaced: this process plays systemd's watchdog (sd_notify(3)), with
//! the unit's `WatchdogSec=6`, and kills a server that asks for it or falls silent.

use std::{error::Error, path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::{net::UnixDatagram, time::timeout};

use crate::{clock::now, process::Server, shop::Shop};

/// How long systemd waits for a sign of life.
const WATCHDOG: Duration = Duration::from_secs(6);
/// How long replacing may take: the source's liveness probe.
const WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked whether a rental has come to rest.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

type Drilled<T = ()> = Result<T, Box<dyn Error>>;

/// Drills, and prints what came of it.
pub async fn drill() -> Drilled {
    println!("| hangs | noticed after, s | a new process serves after, s | the rental that waited |");
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

async fn run(title: &str, target: Value, work: &Path) -> Drilled {
    let told = work.join("notify");
    let notified = UnixDatagram::bind(&told)?;
    let socket = told.to_str().ok_or("the path is text")?;
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
    // From here on there is something to do. With the writer, this hangs, too.
    let _ = timeout(Duration::from_secs(1), shop.resume("product")).await;
    dead(&notified).await?;
    let noticed = began.elapsed();
    drop(server);
    let server = Server::saem(&data, &settings)?;
    shop.move_to(&server.address);
    shop.ready().await?;
    let replaced = began.elapsed();
    shop.resume("product").await?;
    while !shop.taken_for(&rental).await? {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    println!(
        "| {title} | {:.1} | {:.1} | went on after {:.1} s |",
        noticed.as_secs_f64(),
        replaced.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    if replaced > WITHIN { Err(format!("{title}: replaced too late").into()) } else { Ok(()) }
}

/// Returns when the server asks to be replaced, or has given no sign of life for too long.
async fn dead(notified: &UnixDatagram) -> Drilled {
    let mut buffer = [0; 256];
    loop {
        let Ok(received) = timeout(WATCHDOG, notified.recv(&mut buffer)).await else { return Ok(()) };
        if buffer[..received?].starts_with(b"WATCHDOG=trigger") {
            return Ok(());
        }
    }
}
