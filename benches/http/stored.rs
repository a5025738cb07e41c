//! A server with rentals stored: it is filled, killed, and started again; what it takes of the machine then.

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

/// How many connections a load has where nothing else is said.
pub const CONNECTIONS: usize = 64;
/// Memory is looked at when so much time has passed after the load: entities without work are let go after
/// ten seconds, and what they took goes back to the system within ten more.
const IDLE: Duration = Duration::from_secs(30);
/// How often is asked whether a server is ready.
const POLL: Duration = Duration::from_millis(5);
/// How long it may take to be.
const READY_MAX: Duration = Duration::from_secs(120);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A server, and what it has stored.
pub struct Stored {
    /// Who rents what there.
    pub market: Market,
    /// Rentals placed so far.
    pub placed: u64,
    /// Where its data are.
    pub data: PathBuf,
    saem: Server,
    settings: &'static [(&'static str, &'static str)],
}

impl Stored {
    /// A new one, on `data`, with products and so many customers who place rentals or read My Page.
    pub async fn open(
        data: &Path,
        settings: &'static [(&'static str, &'static str)],
        [placing, reading]: [usize; 2],
    ) -> Outcome<Self> {
        let saem = Server::saem(data, settings)?;
        let market = Market::prepare(&saem.address, PRODUCTS, placing, reading).await?;
        Ok(Self { market, placed: 0, data: data.to_owned(), saem, settings })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.saem.address
    }

    /// Whole sagas, which are stored from then on.
    pub async fn sagas(&mut self, connections: usize, until: Until, products: usize) -> Outcome<Round> {
        let sagas = self.market.whole_sagas(connections, until, products).await?;
        self.placed += sagas.answers() as u64;
        Ok(sagas)
    }

    /// Places rentals until there are as many as are wanted; none if there are.
    pub async fn fill(&mut self, rentals: u64) -> Outcome<Option<Round>> {
        let missing = rentals.saturating_sub(self.placed);
        if missing == 0 {
            return Ok(None);
        }
        self.sagas(CONNECTIONS, Until::Answered(missing), PRODUCTS).await.map(Some)
    }

    /// The memory that is in RAM half a minute after the load, in MiB.
    pub async fn idle_mib(&self) -> Outcome<f64> {
        tokio::time::sleep(IDLE).await;
        machine::resident_mib(self.saem.pid())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.saem.kill();
    }

    /// SIGKILL, and a new one on the same data. Answers how many seconds it took until that was ready.
    pub async fn restart(&mut self) -> Outcome<f64> {
        self.saem.kill();
        let began = now();
        self.saem = Server::saem(&self.data, self.settings)?;
        let mut connection = Connection::open(&self.saem.address).await?;
        while connection.ask(&plain("GET", "/readyz", 200)).await.is_err() {
            if began.elapsed() > READY_MAX {
                return Err("a server that was started again does not get ready".into());
            }
            tokio::time::sleep(POLL).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        self.market.move_to(&self.saem.address);
        Ok(seconds)
    }

    /// What its data take on disk, in KiB.
    pub fn kib(&self) -> Outcome<f64> {
        Ok(machine::bytes_on_disk(&self.data)? as f64 / 1_024.0)
    }

    /// The same for each rental.
    fn kib_each(&self) -> Outcome<String> {
        Ok(format!("{:.2}", self.kib()? / self.placed as f64))
    }
}

/// What a whole saga is compared with: five durable commits of a server that has no shop.
pub async fn bare_sagas(address: &str, connections: usize, until: Until) -> Outcome<Round> {
    round(address, connections, until, |_, _| plain("POST", "/saga", 201)).await
}

/// P5 and P6, which end the server.
pub async fn at_rest(mut stored: Stored, table: &Table) -> Outcome {
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
