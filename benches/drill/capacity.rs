//! Figures P5 to P7 beside their targets: disk use of many rentals, time to ready after SIGKILL, and answers
//! while the payment gateway is overloaded.
//!
//! The baseline is the bare server with the same number of sagas stored, five commits each.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    breaker::{Run, run},
    clock::now,
    figures::{Table, whole},
    load::Until,
    machine,
    process::Server,
    stored::{CONNECTIONS, Stored, bare_sagas, disk_and_start},
};

type DrillResult<T = ()> = Result<T, Box<dyn Error>>;

pub async fn drill(rentals: u64, seconds: u64) -> DrillResult {
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
    disk_and_start(saem, &table).await?;
    for (who, protected, patient) in
        [("without protection, patient", false, true), ("patient", true, true), ("impatient", true, false)]
    {
        eprintln!("overload, {who}: {seconds} s");
        let length = Duration::from_secs(seconds);
        let ran = machine::undisturbed(async || run(Run { protected, patient }, length).await).await?;
        let [early_mib, late_mib] = ran.memory_mib;
        // The run without protection is the baseline and has no target.
        let [number, slowest, none, useful, flat] =
            if protected { ["P7", "≤ 1,000", "0", "≥ 0.9", "flat"] } else { [""; 5] };
        let row = |what: &str, figure: String, target: &str| {
            table.row(number, &format!("overload, {who}: {what}"), figure, target);
        };
        row("slowest answer, ms", whole(ran.latency_ms(1_000) as f64), slowest);
        row("answers but 201, and 202 or 503 with Retry-After", ran.unexpected().to_string(), none);
        row("confirmed per second ÷ the gateway's 50", ran.confirmed_per_second(), useful);
        row(
            "memory after a third of the time → in the end, MiB",
            format!("{early_mib:.0} → {late_mib:.0}"),
            flat,
        );
    }
    Ok(())
}

/// Measures P5 and P6 of the bare server.
async fn bare(sagas: u64, directory: &Path, table: &Table) -> DrillResult {
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
    // Makes room for Saem's data.
    Ok(std::fs::remove_dir_all(directory)?)
}
