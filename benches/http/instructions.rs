//! Instructions that the server needs for a whole saga, a My Page and a restock. Other processes on the
//! machine do not change these figures.
//!
//! The server runs under `valgrind --tool=callgrind`: about fifty times slower, one thread at a time, with a
//! disk at full speed. So the sizes of commit batches differ from those under a real load, and are printed
//! beside the figures. Work done by timers is counted as well: see the idle second.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    calls::plain,
    figures::{Spread, Table, whole},
    load::{Connection, Until, round},
    market::Market,
    process::Server,
};

/// Few, as the slow server has to register each of them.
const PRODUCTS: usize = 50;
/// Customers who place rentals; one more reads My Page. Few, as hashing a password takes seconds.
const CUSTOMERS: usize = 4;
/// Rentals of the customer who reads My Page.
const ROWS: usize = 5;
/// Long deadlines, so that no payment is deferred because the server is slow.
const PATIENT: [(&str, &str); 2] =
    [("SAEM_PAYMENT__DEADLINE_MS", "60000"), ("SAEM_PAYMENT__TIMEOUT_MS", "50000")];
/// Interval between checks for unfinished work. Each check costs instructions; at this interval they are
/// negligible in a round of sagas.
const POLL: Duration = Duration::from_millis(200);
/// Duration of the measurement of the idle server.
const IDLE_SECONDS: u32 = 5;
/// Time limit for valgrind to write its counts.
const CONTROL_MAX: Duration = Duration::from_secs(60);

/// Extent of the measurement.
pub struct Plan {
    /// Sagas in each round, and as many reads and restocks.
    pub sagas: u64,
    /// Rounds per figure; the figure is their median.
    pub rounds: usize,
    /// Connections of the load.
    pub connections: usize,
}

type BenchResult<T = ()> = Result<T, Box<dyn Error>>;

/// Counts everything and prints the figures.
pub async fn all(plan: &Plan) -> BenchResult {
    for tool in ["valgrind", "callgrind_control"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!(
                "{tool} is needed to count instructions, and is not installed: apt install valgrind"
            )
            .into());
        }
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let profiles = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    fs::create_dir_all(&profiles)?;
    let data = directory.path().join("data");
    let saem = Server::counted(&data, &directory.path().join("counts"), &PATIENT)?;
    let mut market = Market::prepare(&saem.address, PRODUCTS, CUSTOMERS, 1).await?;
    market.poll = POLL;
    market.give_rows(ROWS).await?;
    let mut bench = Bench { plan, market, directory: directory.path(), profiles, dumps: 0, saem };
    // Warm-up.
    bench.sagas((plan.sagas / 5).max(plan.connections as u64)).await?;
    bench.figures().await
}

struct Bench<'a> {
    plan: &'a Plan,
    market: Market,
    directory: &'a Path,
    /// Directory where the profiles stay after the run.
    profiles: PathBuf,
    /// Number of dumps that valgrind has written.
    dumps: u32,
    saem: Server,
}

impl Bench<'_> {
    async fn figures(&mut self) -> BenchResult {
        let Plan { sagas, rounds, connections } = *self.plan;
        let table = Table::begin();
        let units = self.market.units().await?;
        let (mut whole_sagas, mut commits, mut together) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let before = self.commits().await?;
            self.zero().await?;
            self.sagas(sagas).await?;
            whole_sagas.push(self.counted("saga", sagas).await?);
            let after = self.commits().await?;
            let [made, batches] = [after[0] - before[0], after[1] - before[1]];
            commits.push(made / sagas as f64);
            together.push(made / batches);
        }
        let taken = units - self.market.units().await?;
        if taken != sagas * rounds as u64 {
            return Err(format!("{} rentals took {taken} units", sagas * rounds as u64).into());
        }
        let what = format!("a whole saga, {connections} connections, instructions");
        table.row("", &what, Spread::of(whole_sagas), "");
        table.baseline("… durable commits it has", Spread::of(commits));
        table.baseline("… commits made durable together", Spread::of(together));
        let (mut pages, mut restocks) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let until = Until::Answered(sagas);
            self.zero().await?;
            let market = &self.market;
            round(&self.saem.address, connections, until, |_, _| market.my_page(0)).await?;
            pages.push(self.counted("my-page", sagas).await?);
            self.zero().await?;
            let market = &self.market;
            round(&self.saem.address, connections, until, |_, request| market.restock(request)).await?;
            restocks.push(self.counted("restock", sagas).await?);
        }
        let what = format!("GET /v1/mypage with {ROWS} rentals, {connections} connections, instructions");
        table.row("", &what, Spread::of(pages), "");
        let what = format!("restock, one durable command, {connections} connections, instructions");
        table.row("", &what, Spread::of(restocks), "");
        self.zero().await?;
        tokio::time::sleep(Duration::from_secs(IDLE_SECONDS.into())).await;
        table.baseline(
            "a second of an idle server, instructions",
            whole(self.counted("idle", IDLE_SECONDS.into()).await?),
        );
        println!("\nThe last rounds' profiles: callgrind_annotate {}/saga.out", self.profiles.display());
        println!("(or my-page.out, restock.out, idle.out)");
        Ok(())
    }

    async fn sagas(&self, sagas: u64) -> BenchResult {
        let until = Until::Answered(sagas);
        self.market.sagas(self.plan.connections, until, PRODUCTS).await.map(drop)
    }

    /// Resets the counters.
    async fn zero(&self) -> BenchResult {
        self.control("--zero").await
    }

    /// Returns the instructions since the last reset, divided by `many`. Stores the profile as `name`.
    async fn counted(&mut self, name: &str, many: u64) -> BenchResult<f64> {
        self.control("--dump").await?;
        self.dumps += 1;
        let counted = fs::read_to_string(self.directory.join(format!("counts.{}", self.dumps)))?;
        // A call that was in progress at the reset has a count of 0, and callgrind_annotate would add its
        // cost to the caller's own.
        let profile = counted.replace("\ncalls=0 ", "\ncalls=1 ");
        fs::write(self.profiles.join(format!("{name}.out")), profile)?;
        let summary = counted.lines().find_map(|line| line.strip_prefix("summary:")).ok_or("no summary")?;
        Ok(summary.trim().parse::<f64>()? / many as f64)
    }

    async fn control(&self, order: &str) -> BenchResult {
        let pid = self.saem.pid().to_string();
        let mut control = tokio::process::Command::new("callgrind_control");
        control.args([order, &pid]).kill_on_drop(true).stdin(Stdio::null());
        let output = tokio::time::timeout(CONTROL_MAX, control.output()).await??;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("callgrind_control {order}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Number of durable commits so far, and number of their batches.
    async fn commits(&self) -> BenchResult<[f64; 2]> {
        let mut connection = Connection::open(&self.saem.address).await?;
        let metrics = connection.ask(&plain("GET", "/metrics", 200)).await?;
        let metrics = std::str::from_utf8(&metrics)?;
        let figure = |name: &str| -> BenchResult<f64> {
            let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            Ok(lines.next_back().ok_or("a metric is missing")?.parse()?)
        };
        Ok([figure("saem_store_commits_total")?, figure("saem_store_batch_commits_count")?])
    }
}
