//! A server with stored rentals: filling, killing and restarting it; its memory, disk use and start.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    calls::plain,
    clock::now,
    figures::Table,
    load::{Connection, Round, Until, round},
    machine,
    market::{Market, PRODUCTS},
    process::Server,
};

/// Default number of connections of a load.
pub const CONNECTIONS: usize = 64;
/// Wait between a load and the measurement of memory: idle entities are evicted after ten seconds, and the
/// allocator returns their memory within ten more.
const IDLE: Duration = Duration::from_secs(30);
/// Interval between checks for readiness.
const POLL: Duration = Duration::from_millis(5);
/// Time limit for a start.
const READY_MAX: Duration = Duration::from_secs(120);

type BenchResult<T = ()> = Result<T, Box<dyn Error>>;

/// A running server and the number of rentals it has stored.
pub struct Stored {
    /// Products and customers.
    pub market: Market,
    /// Number of rentals placed so far.
    pub placed: u64,
    /// Data directory.
    pub data: PathBuf,
    saem: Server,
    settings: &'static [(&'static str, &'static str)],
}

impl Stored {
    /// Starts a server on `data`, with products and with customers who place rentals or read My Page.
    pub async fn open(
        data: &Path,
        settings: &'static [(&'static str, &'static str)],
        [placing, reading]: [usize; 2],
    ) -> BenchResult<Self> {
        let saem = Server::saem(data, settings)?;
        let market = Market::prepare(&saem.address, PRODUCTS, placing, reading).await?;
        Ok(Self { market, placed: 0, data: data.to_owned(), saem, settings })
    }

    pub fn address(&self) -> &str {
        &self.saem.address
    }

    /// Runs a round of whole sagas, whose rentals stay stored.
    pub async fn sagas(&mut self, connections: usize, until: Until, products: usize) -> BenchResult<Round> {
        let sagas = self.market.whole_sagas(connections, until, products).await?;
        self.placed += sagas.answers() as u64;
        Ok(sagas)
    }

    /// Places rentals until `rentals` are stored. Returns `None` if they already are.
    pub async fn fill(&mut self, rentals: u64) -> BenchResult<Option<Round>> {
        let missing = rentals.saturating_sub(self.placed);
        if missing == 0 {
            return Ok(None);
        }
        self.sagas(CONNECTIONS, Until::Answered(missing), PRODUCTS).await.map(Some)
    }

    /// Resident memory half a minute after the load, in MiB.
    pub async fn idle_mib(&self) -> BenchResult<f64> {
        tokio::time::sleep(IDLE).await;
        machine::resident_mib(self.saem.pid())
    }

    pub fn kill(&mut self) {
        self.saem.kill();
    }

    /// Kills the server and starts a new one on the same data. Returns the time until that is ready, in
    /// seconds.
    pub async fn restart(&mut self) -> BenchResult<f64> {
        self.saem.kill();
        let began = now();
        self.saem = Server::saem(&self.data, self.settings)?;
        let mut connection = Connection::open(&self.saem.address).await?;
        while connection.ask(&plain("GET", "/readyz", 200)).await.is_err() {
            if began.elapsed() > READY_MAX {
                return Err("a restarted server does not become ready".into());
            }
            tokio::time::sleep(POLL).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        self.market.move_to(&self.saem.address);
        Ok(seconds)
    }

    /// Disk use of the data, in KiB.
    pub fn kib(&self) -> BenchResult<f64> {
        Ok(machine::bytes_on_disk(&self.data)? as f64 / 1_024.0)
    }

    /// Disk use per rental, in KiB.
    fn kib_each(&self) -> BenchResult<String> {
        Ok(format!("{:.2}", self.kib()? / self.placed as f64))
    }
}

/// Runs a round of `POST /saga` on the bare server: five durable commits each.
pub async fn bare_sagas(address: &str, connections: usize, until: Until) -> BenchResult<Round> {
    round(address, connections, until, |_, _| plain("POST", "/saga", 201)).await
}

/// Measures P5 and P6. The server is stopped afterwards.
pub async fn disk_and_start(mut stored: Stored, table: &Table) -> BenchResult {
    stored.kill();
    table.row("P5", "disk a finished saga as it stands, KiB", stored.kib_each()?, "≤ 5");
    let seconds = machine::undisturbed(async || stored.restart().await).await?;
    table.row("P6", "start to ready after SIGKILL, s", format!("{seconds:.2}"), "≤ 5; aim 2");
    stored.kill();
    let compacted = Command::new(env!("CARGO_BIN_EXE_saem"))
        .args(["compact", "--data"])
        .arg(&stored.data)
        .env("SAEM_LOG", "error")
        .stdout(Stdio::null())
        .status()?;
    if !compacted.success() {
        return Err("saem compact failed".into());
    }
    table.row("P5", "disk a finished saga after `saem compact`, KiB", stored.kib_each()?, "≤ 2.5");
    Ok(())
}
