//! Figures P1 to P6 and P8, each measured in turn with its baseline.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    calls::plain,
    figures::{Spread, Table, whole},
    load::{Round, Until, round},
    machine,
    market::PRODUCTS,
    process::Server,
    stored::{CONNECTIONS, Stored, bare_sagas, disk_and_start},
};

/// Rentals of each customer who reads My Page.
const ROWS: usize = 5;

/// Extent of the measurement.
pub struct Plan {
    /// Rentals stored before reading, memory, disk and start are measured.
    pub rentals: u64,
    /// Rounds per figure; the figure is their median.
    pub rounds: usize,
    /// Duration of a round.
    pub length: Duration,
}

type BenchResult<T = ()> = Result<T, Box<dyn Error>>;

struct Bench<'a> {
    plan: &'a Plan,
    saem: Stored,
    bare: Server,
}

/// Measures everything and prints the figures.
pub async fn all(plan: &Plan) -> BenchResult {
    machine::refuse_if_busy().await?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let bare = Server::bare(&directory.path().join("bare"))?;
    let saem = Stored::open(&directory.path().join("data"), &[], [CONNECTIONS, CONNECTIONS]).await?;
    let mut bench = Bench { plan, saem, bare };
    let table = Table::begin();
    table.baseline("raw fdatasync of 4 KiB, /s", syncs(directory.path())?);
    bench.commands(&table).await?;
    bench.sagas(&table).await?;
    bench.fill(&table).await?;
    bench.memory(&table, "after load").await?;
    bench.reading(&table).await?;
    disk_and_start(bench.saem, &table).await
}

/// Raw speed of the disk, in flushes of 4 KiB a second.
pub fn syncs(directory: &Path) -> BenchResult<Spread> {
    let asked: BenchResult<Vec<f64>> = (0..3).map(|_| machine::syncs_per_second(directory)).collect();
    Ok(Spread::of(asked?))
}

impl Bench<'_> {
    /// Runs several rounds of the loads in turn, so that a disturbance affects neighbouring rounds alike.
    async fn in_turn<const N: usize>(&mut self, loads: [Load; N]) -> BenchResult<[Vec<Round>; N]> {
        let mut rounds = [const { Vec::new() }; N];
        for nth in 0..=self.plan.rounds {
            for (load, rounds) in loads.iter().zip(&mut rounds) {
                let measured = machine::undisturbed(async || self.one(*load).await).await?;
                // The first round is a warm-up.
                if nth > 0 {
                    rounds.push(measured);
                }
            }
        }
        Ok(rounds)
    }

    async fn one(&mut self, load: Load) -> BenchResult<Round> {
        let until = Until::Elapsed(self.plan.length);
        let (saem, bare) = (&mut self.saem, &self.bare.address);
        let (address, market) = (saem.address(), &saem.market);
        match load {
            Load::Hello => round(bare, CONNECTIONS, until, |_, _| plain("GET", "/hello", 200)).await,
            Load::BareCommit => round(bare, CONNECTIONS, until, |_, _| plain("POST", "/commit", 200)).await,
            Load::BareSaga => bare_sagas(bare, CONNECTIONS, until).await,
            Load::Health => round(address, CONNECTIONS, until, |_, _| plain("GET", "/healthz", 200)).await,
            Load::Restock => round(address, CONNECTIONS, until, |_, request| market.restock(request)).await,
            Load::MyPage => round(address, CONNECTIONS, until, |number, _| market.my_page(number)).await,
            Load::Sagas { products } => saem.sagas(CONNECTIONS, until, products).await,
        }
    }

    /// Measures P2.
    async fn commands(&mut self, table: &Table) -> BenchResult {
        let [hello, bare, restock] = self.in_turn([Load::Hello, Load::BareCommit, Load::Restock]).await?;
        table.baseline("hello-JSON of bare actix-web, /s", per_second(&hello));
        table.baseline("bare handler with a group commit, /s", per_second(&bare));
        table.row("P2", "restock, one durable command, /s", per_second(&restock), "");
        table.row("P2", "restock ÷ bare handler", ratio(&restock, &bare), "≥ 0.9");
        Ok(())
    }

    /// Measures P1 and P8.
    async fn sagas(&mut self, table: &Table) -> BenchResult {
        let [bare, many, one] = self
            .in_turn([Load::BareSaga, Load::Sagas { products: PRODUCTS }, Load::Sagas { products: 1 }])
            .await?;
        table.baseline("bare handler with five group commits, /s", per_second(&bare));
        table.baseline("bare handler with five group commits, p99 in ms", latency(&bare, 990));
        table.row("P1", "whole sagas, /s", per_second(&many), "≥ 6,000; aim 10,000");
        table.row("P1", "POST /v1/rentals, p50 in ms", latency(&many, 500), "");
        table.row("P1", "POST /v1/rentals, p99 in ms", latency(&many, 990), "≤ 25");
        table.row("P1", "whole sagas ÷ bare handler", ratio(&many, &bare), "");
        table.row("P8", "one product ÷ a thousand", ratio(&one, &many), "≥ 0.8");
        Ok(())
    }

    /// Places rentals until the planned number is stored.
    async fn fill(&mut self, table: &Table) -> BenchResult {
        self.saem.placed += self.saem.market.give_rows(ROWS).await?;
        if let Some(filled) = self.saem.fill(self.plan.rentals).await? {
            let what = format!("{} whole sagas in one go, /s", whole(filled.answers() as f64));
            table.row("P1", &what, whole(filled.per_second()), "≥ 6,000; aim 10,000");
            table.row("P1", "… p99 of the POST in ms", format!("{:.2}", filled.latency_ms(990)), "≤ 25");
        }
        Ok(())
    }

    /// Measures P4.
    async fn memory(&self, table: &Table, when: &str) -> BenchResult {
        let what = format!("resident memory, {} rentals stored, {when}, MiB", whole(self.saem.placed as f64));
        table.row("P4", &what, whole(self.saem.idle_mib().await?), "≤ 400");
        Ok(())
    }

    /// Measures P3.
    async fn reading(&mut self, table: &Table) -> BenchResult {
        let [hello, health, page] = self.in_turn([Load::Hello, Load::Health, Load::MyPage]).await?;
        table.baseline("hello-JSON of bare actix-web, /s", per_second(&hello));
        table.baseline("Saem's own hello-JSON: GET /healthz, /s", per_second(&health));
        let what = format!("GET /v1/mypage with {ROWS} of {} rentals, /s", whole(self.saem.placed as f64));
        table.row("P3", &what, per_second(&page), "");
        table.row("P3", "My Page ÷ Saem's own hello-JSON", ratio(&page, &health), "≥ 0.5");
        table.row("P3", "My Page ÷ bare hello-JSON", ratio(&page, &hello), "");
        self.memory(table, "after reading").await
    }
}

#[derive(Clone, Copy)]
enum Load {
    Hello,
    BareCommit,
    BareSaga,
    Health,
    Restock,
    MyPage,
    Sagas { products: usize },
}

/// Spread of the answers a second.
pub fn per_second(rounds: &[Round]) -> Spread {
    Spread::of(rounds.iter().map(Round::per_second))
}

/// Spread of the latency that `per_mille` of 1,000 requests did not exceed, in ms.
pub fn latency(rounds: &[Round], per_mille: usize) -> Spread {
    Spread::of(rounds.iter().map(|round| round.latency_ms(per_mille)))
}

/// Spread of the ratios of neighbouring rounds.
pub fn ratio(rounds: &[Round], by: &[Round]) -> Spread {
    Spread::of(rounds.iter().zip(by).map(|(round, by)| round.per_second() / by.per_second()))
}
