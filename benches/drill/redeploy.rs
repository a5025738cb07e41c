//! Redeployment drill: a new version is deployed three times under `siege -c10 -t150S`.
//!
//! First as in production: another process holds the socket (here this one, otherwise systemd), and the old
//! version drains. Then without either, for comparison.

use std::{
    error::Error,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    clock::now,
    process::{Server, inheritable},
    siege::{Siege, SiegeReport, besiege},
};

const CUSTOMERS: usize = 10;
/// Number of deployments during a siege.
const VERSIONS: u32 = 3;

type DrillResult<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Clone, Copy)]
enum Launch<'a> {
    /// Inherits a socket that stays open.
    Held(&'a TcpListener),
    /// Binds the address itself, and does not drain.
    Bare(&'a str),
}

pub async fn drill(seconds: u64) -> DrillResult {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let socket = inheritable()?;
    let address = socket.local_addr()?.to_string();
    let (held, held_waits) = run(work.path(), Launch::Held(&socket), &address, seconds).await?;
    drop(socket);
    let (bare, bare_waits) = run(work.path(), Launch::Bare(&address), &address, seconds).await?;
    println!(
        "| siege -c{CUSTOMERS} -t{seconds}S, {VERSIONS} new versions | socket held, drained | neither |"
    );
    println!("| --- | --- | --- |");
    for (title, name) in [
        ("requests", "transactions"),
        ("failed", "failed_transactions"),
        ("availability, %", "availability"),
        ("longest wait, s", "longest_transaction"),
    ] {
        println!("| {title} | {} | {} |", held.figure(name), bare.figure(name));
    }
    println!(
        "| from SIGTERM of the old version until the new one is ready, s | {held_waits} | {bare_waits} |"
    );
    if !held.nothing_failed() {
        return Err("requests failed during a deployment".into());
    }
    if bare.nothing_failed() {
        return Err("no request failed without protection: the drill proves nothing".into());
    }
    Ok(())
}

/// Runs one siege. Returns its report and the duration of each deployment, in seconds.
async fn run(
    work: &Path,
    launch: Launch<'_>,
    address: &str,
    seconds: u64,
) -> DrillResult<(SiegeReport, String)> {
    let data = work.join(match launch {
        Launch::Held(_) => "held",
        Launch::Bare(_) => "bare",
    });
    let mut server = start(work, 0, launch, &data)?;
    let url = format!("http://{address}/v1/products");
    let siege = Siege { work, url: &url, post: None, customers: CUSTOMERS, seconds, pausing: true };
    let siege = besiege(siege);
    let changes = async {
        let mut waits = Vec::new();
        for version in 1..=VERSIONS {
            tokio::time::sleep(Duration::from_secs(seconds) / (VERSIONS + 1)).await;
            let began = now();
            // On another thread, as the output of siege is read meanwhile.
            let ended = tokio::task::spawn_blocking(move || server.terminate());
            ended.await??;
            server = start(work, version, launch, &data)?;
            waits.push(format!("{:.2}", began.elapsed().as_secs_f64()));
        }
        DrillResult::Ok((waits.join(", "), server))
    };
    let (report, changed) = tokio::join!(siege, changes);
    let (waits, _server) = changed?;
    Ok((report?, waits))
}

/// Starts a version from its own copy of the binary.
fn start(work: &Path, version: u32, launch: Launch<'_>, data: &Path) -> DrillResult<Server> {
    let binary: PathBuf = work.join(format!("saem-{version}"));
    fs::copy(env!("CARGO_BIN_EXE_saem"), &binary)?;
    match launch {
        Launch::Held(socket) => Server::on_socket(&binary, socket, data),
        Launch::Bare(address) => Server::at(&binary, address, data, &[("SAEM_HTTP__DRAIN_MS", "0")]),
    }
}
