//! A new version is put in three times while customers are there: the source's siege, `-c10 -t150S`.
//!
//! First as it is meant: somebody holds the socket (here this process, otherwise systemd), and the old
//! version drains. Then without either, for the contrast.

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
    siege::{Seen, Siege, besiege},
};

/// How many customers there are.
const CUSTOMERS: usize = 10;
/// How often a new version is put in.
const VERSIONS: u32 = 3;

type Drilled<T = ()> = Result<T, Box<dyn Error>>;

/// How a version is started.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// On a socket that stays open.
    Held(&'a TcpListener),
    /// On an address that it binds itself, and without draining.
    Bare(&'a str),
}

/// Drills, and prints what came of it.
pub async fn drill(seconds: u64) -> Drilled {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let socket = inheritable()?;
    let address = socket.local_addr()?.to_string();
    let (held, held_waits) = run(work.path(), Way::Held(&socket), &address, seconds).await?;
    drop(socket);
    let (bare, bare_waits) = run(work.path(), Way::Bare(&address), &address, seconds).await?;
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
    println!("| old version told to stop → new one ready, s | {held_waits} | {bare_waits} |");
    if !held.nothing_failed() {
        return Err("requests failed while new versions were put in".into());
    }
    if bare.nothing_failed() {
        return Err("nothing failed without protection: the drill shows nothing".into());
    }
    Ok(())
}

/// One siege; answers what it saw, and how long each change took.
async fn run(work: &Path, way: Way<'_>, address: &str, seconds: u64) -> Drilled<(Seen, String)> {
    let data = work.join(match way {
        Way::Held(_) => "held",
        Way::Bare(_) => "bare",
    });
    let mut server = start(work, 0, way, &data)?;
    let url = format!("http://{address}/v1/products");
    let siege = Siege { work, url: &url, post: None, customers: CUSTOMERS, seconds, pausing: true };
    let siege = besiege(siege);
    let changes = async {
        let mut waits = Vec::new();
        for version in 1..=VERSIONS {
            tokio::time::sleep(Duration::from_secs(seconds) / (VERSIONS + 1)).await;
            let began = now();
            // On a thread of its own: the siege is read meanwhile.
            let ended = tokio::task::spawn_blocking(move || server.terminate());
            ended.await??;
            server = start(work, version, way, &data)?;
            waits.push(format!("{:.2}", began.elapsed().as_secs_f64()));
        }
        Drilled::Ok((waits.join(", "), server))
    };
    let (seen, changed) = tokio::join!(siege, changes);
    let (waits, _server) = changed?;
    Ok((seen?, waits))
}

/// Puts in a version: a binary of its own, under a name of its own.
fn start(work: &Path, version: u32, way: Way<'_>, data: &Path) -> Drilled<Server> {
    let binary: PathBuf = work.join(format!("saem-{version}"));
    fs::copy(env!("CARGO_BIN_EXE_saem"), &binary)?;
    match way {
        Way::Held(socket) => Server::on_socket(&binary, socket, data),
        Way::Bare(address) => Server::at(&binary, address, data, &[("SAEM_HTTP__DRAIN_MS", "0")]),
    }
}
