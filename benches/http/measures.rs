//! What is measured, in which order, and beside what.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    calls::plain,
    figures::{Spread, Table, whole},
    load::{Round, Until, round},
    machine,
    market::PRODUCTS,
    process::Server,
    stored::{CONNECTIONS, Stored, at_rest, bare_sagas},
};

/// How many rentals a customer has whose My Page is read.
const ROWS: usize = 5;

/// How much is measured.
pub struct Plan {
    /// Stored before reading, memory, disk and start are measured.
    pub rentals: u64,
    /// Each figure is the median of so many.
    pub rounds: usize,
    /// How long one takes.
    pub length: Duration,
}

type Measured<T = ()> = Result<T, Box<dyn Error>>;

/// Saem, what it is compared with, and connections to both.
struct Bench<'a> {
    plan: &'a Plan,
    saem: Stored,
    bare: Server,
}

/// Measures everything, and shows it.
pub async fn all(plan: &Plan) -> Measured {
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
    at_rest(bench.saem, &table).await
}

/// What the disk alone can do.
pub fn syncs(directory: &Path) -> Measured<Spread> {
    let asked: Measured<Vec<f64>> = (0..3).map(|_| machine::syncs_per_second(directory)).collect();
    Ok(Spread::of(asked?))
}

impl Bench<'_> {
    /// Several rounds of two or more loads in turn: what disturbs one disturbs its neighbours.
    async fn in_turn<const N: usize>(&mut self, loads: [Load; N]) -> Measured<[Vec<Round>; N]> {
        let mut rounds = [const { Vec::new() }; N];
        for nth in 0..=self.plan.rounds {
            for (load, rounds) in loads.iter().zip(&mut rounds) {
                let measured = machine::undisturbed(async || self.one(*load).await).await?;
                // The first is for warming up.
                if nth > 0 {
                    rounds.push(measured);
                }
            }
        }
        Ok(rounds)
    }

    async fn one(&mut self, load: Load) -> Measured<Round> {
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

    /// P2.
    async fn commands(&mut self, table: &Table) -> Measured {
        let [hello, bare, restock] = self.in_turn([Load::Hello, Load::BareCommit, Load::Restock]).await?;
        table.baseline("hello-JSON of bare actix-web, /s", per_second(&hello));
        table.baseline("bare handler with a group commit, /s", per_second(&bare));
        table.row("P2", "restock, one durable command, /s", per_second(&restock), "");
        table.row("P2", "restock ÷ bare handler", ratio(&restock, &bare), "≥ 0.9");
        Ok(())
    }

    /// P1 and P8.
    async fn sagas(&mut self, table: &Table) -> Measured {
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

    /// Places rentals until there are as many as are wanted.
    async fn fill(&mut self, table: &Table) -> Measured {
        self.saem.placed += self.saem.market.give_rows(ROWS).await?;
        if let Some(filled) = self.saem.fill(self.plan.rentals).await? {
            let what = format!("{} whole sagas in one go, /s", whole(filled.answers() as f64));
            table.row("P1", &what, whole(filled.per_second()), "≥ 6,000; aim 10,000");
            table.row("P1", "… p99 of the POST in ms", format!("{:.2}", filled.latency_ms(990)), "≤ 25");
        }
        Ok(())
    }

    /// P4.
    async fn memory(&self, table: &Table, when: &str) -> Measured {
        let what = format!("resident memory, {} rentals stored, {when}, MiB", whole(self.saem.placed as f64));
        table.row("P4", &what, whole(self.saem.idle_mib().await?), "≤ 400");
        Ok(())
    }

    /// P3.
    async fn reading(&mut self, table: &Table) -> Measured {
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

/// A kind of load.
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

/// Answers a second.
pub fn per_second(rounds: &[Round]) -> Spread {
    Spread::of(rounds.iter().map(Round::per_second))
}

/// The latency that so many of a thousand requests did not exceed, in ms.
pub fn latency(rounds: &[Round], per_mille: usize) -> Spread {
    Spread::of(rounds.iter().map(|round| round.latency_ms(per_mille)))
}

/// Of neighbours: each round by the one it was taken in turn with.
pub fn ratio(rounds: &[Round], by: &[Round]) -> Spread {
    Spread::of(rounds.iter().zip(by).map(|(round, by)| round.per_second() / by.per_second()))
}
