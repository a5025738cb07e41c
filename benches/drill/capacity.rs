//! P5 to P7, each beside its target: what many rentals take on disk, how soon a server that has them is
//! ready after SIGKILL, and what becomes of everybody while the payment gateway is overloaded.
//!
//! What is compared with has the same number of sagas stored, each of five commits, without a shop.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    breaker::{Run, run},
    clock::now,
    figures::{Table, whole},
    load::Until,
    machine,
    process::Server,
    stored::{CONNECTIONS, Stored, at_rest, bare_sagas},
};

type Drilled<T = ()> = Result<T, Box<dyn Error>>;

/// Drills, and prints the figures.
pub async fn drill(rentals: u64, seconds: u64) -> Drilled {
    machine::refuse_if_busy().await?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let stored = whole(rentals as f64);
    eprintln!("{stored} bare sagas");
    let table = Table::begin();
    bare(rentals, &directory.path().join("bare"), &table).await?;
    eprintln!("{stored} rentals");
    let mut saem = Stored::open(&directory.path().join("data"), &[], [CONNECTIONS, 0]).await?;
    saem.fill(rentals).await?;
    table.baseline("rentals stored", &stored);
    at_rest(saem, &table).await?;
    for (who, protected, patient) in
        [("without protection, patient", false, true), ("patient", true, true), ("impatient", true, false)]
    {
        eprintln!("overload, {who}: {seconds} s");
        let length = Duration::from_secs(seconds);
        let ran = machine::undisturbed(async || run(Run { protected, patient }, length).await).await?;
        let [early_mib, late_mib] = ran.memory_mib;
        // Without protection it is what is compared with, and has no target.
        let [number, slowest, none, useful, flat] =
            if protected { ["P7", "≤ 1,000", "0", "≥ 0.9", "flat"] } else { [""; 5] };
        let row = |what: &str, figure: String, target: &str| {
            table.row(number, &format!("overload, {who}: {what}"), figure, target);
        };
        row("slowest answer, ms", whole(ran.latency_ms(1_000) as f64), slowest);
        row("answers but 201, and 202 or 503 with Retry-After", ran.wrong().to_string(), none);
        row("confirmed a second ÷ the gateway's 50", ran.useful(), useful);
        row(
            "memory after a third of the time → in the end, MiB",
            format!("{early_mib:.0} → {late_mib:.0}"),
            flat,
        );
    }
    Ok(())
}

/// The same for what has no shop.
async fn bare(sagas: u64, directory: &Path, table: &Table) -> Drilled {
    let mut bare = Server::bare(directory)?;
    bare_sagas(&bare.address, CONNECTIONS, Until::Answered(sagas)).await?;
    bare.kill();
    let kib_each = machine::bytes_on_disk(directory)? as f64 / 1_024.0 / sagas as f64;
    table.baseline("bare handler: disk a saga of five commits, KiB", format!("{kib_each:.2}"));
    let seconds = machine::undisturbed(async || {
        bare.kill();
        let began = now();
        bare = Server::bare(directory)?;
        Ok(began.elapsed().as_secs_f64())
    })
    .await?;
    table.baseline("bare handler: start to listening after SIGKILL, s", format!("{seconds:.2}"));
    drop(bare);
    // Room for Saem's.
    Ok(std::fs::remove_dir_all(directory)?)
}
