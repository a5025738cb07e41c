//! What is measured, in which order, and beside what.

use std::{error::Error, path::Path, time::Duration};

use hyper::{StatusCode, body::Bytes};

use crate::{
    clock::now,
    figures::{Spread, Table, whole},
    load::{Call, Connection, Round, Until, round},
    machine::{self, OTHERS_MAX_PERCENT, Usage},
    process::Server,
    shop::{PRODUCTS, Shop},
};

/// How many connections the load has.
const CONNECTIONS: usize = 64;
/// How many rentals a customer has whose My Page is read.
const ROWS: usize = 5;
/// After load, memory is looked at when so much time has passed.
const IDLE: Duration = Duration::from_secs(5);

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
    saem: Server,
    bare: Server,
    shop: Shop,
    /// Rentals placed so far.
    placed: u64,
}

/// Measures everything, and shows it.
pub async fn all(plan: &Plan) -> Measured {
    machine::refuse_if_busy().await?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = directory.path().join("data");
    let mut bench = Bench::open(plan, directory.path(), &data).await?;
    let table = Table::begin();
    let syncs = Spread::of([
        machine::syncs_per_second(directory.path())?,
        machine::syncs_per_second(directory.path())?,
        machine::syncs_per_second(directory.path())?,
    ]);
    table.baseline("raw fdatasync of 4 KiB, /s", syncs);
    bench.commands(&table).await?;
    bench.sagas(&table).await?;
    bench.fill(&table).await?;
    bench.memory(&table, "P4", "after load, MiB", "≤ 400").await?;
    bench.reading(&table).await?;
    bench.rest(&table, &data).await
}

impl<'a> Bench<'a> {
    async fn open(plan: &'a Plan, directory: &Path, data: &Path) -> Measured<Self> {
        let (saem, bare) = (Server::saem(data, &[])?, Server::bare(&directory.join("bare"))?);
        // Those who place rentals, and after them those who look at their few.
        let shop = Shop::prepare(&saem.address, 2 * CONNECTIONS).await?;
        Ok(Self { plan, saem, bare, shop, placed: 0 })
    }

    fn pids(&self) -> [u32; 2] {
        [self.saem.pid(), self.bare.pid()]
    }

    /// Several rounds of two or more loads in turn: what disturbs one disturbs its neighbours.
    async fn in_turn<const N: usize>(&mut self, loads: [Load; N]) -> Measured<[Vec<Round>; N]> {
        let mut rounds = [const { Vec::new() }; N];
        for nth in 0..=self.plan.rounds {
            for (load, rounds) in loads.iter().zip(&mut rounds) {
                let before = Usage::of(&self.pids())?;
                let measured = self.one(*load).await?;
                let others = before.others_percent(&self.pids())?;
                if others > OTHERS_MAX_PERCENT {
                    return Err(format!("others used {others:.0} % of the machine meanwhile").into());
                }
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
        let (shop, saem, bare) = (&self.shop, &self.saem.address, &self.bare.address);
        match load {
            Load::Hello => round(bare, CONNECTIONS, until, |_, _| plain("GET", "/hello", 200)).await,
            Load::BareCommit => round(bare, CONNECTIONS, until, |_, _| plain("POST", "/commit", 200)).await,
            Load::BareSaga => round(bare, CONNECTIONS, until, |_, _| plain("POST", "/saga", 201)).await,
            Load::Health => round(saem, CONNECTIONS, until, |_, _| plain("GET", "/healthz", 200)).await,
            Load::Restock => round(saem, CONNECTIONS, until, |_, request| shop.restock(request)).await,
            Load::MyPage => {
                round(saem, CONNECTIONS, until, |number, _| shop.my_page(CONNECTIONS + number)).await
            }
            Load::Sagas { products } => self.whole_sagas(until, products).await,
        }
    }

    /// Places rentals, and waits until the last one's unit is taken: the time for that counts, too.
    async fn whole_sagas(&mut self, until: Until, products: usize) -> Measured<Round> {
        let units = self.shop.units().await?;
        let (began, shop) = (now(), &self.shop);
        let place = |customer, request| shop.place(customer, request, products);
        let mut sagas = round(&self.saem.address, CONNECTIONS, until, place).await?;
        self.shop.rests().await?;
        sagas.elapsed = began.elapsed();
        let taken = units - self.shop.units().await?;
        if taken != sagas.answers() as u64 {
            return Err(format!("{} rentals took {taken} units", sagas.answers()).into());
        }
        self.placed += taken;
        Ok(sagas)
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
        let shop = &self.shop;
        let few = Until::Answered((CONNECTIONS * ROWS) as u64);
        // In order, so that each has the same number.
        let of_reader = |request: u64| CONNECTIONS + usize::try_from(request).unwrap_or_default() / ROWS;
        let place = |_, request| shop.place(of_reader(request), request, PRODUCTS);
        round(&self.saem.address, 1, few, place).await?;
        self.placed += (CONNECTIONS * ROWS) as u64;
        self.shop.rests().await?;
        let rows = self.shop.rows(CONNECTIONS).await?;
        if rows != ROWS {
            return Err(format!("My Page shows {rows} rows, not {ROWS}").into());
        }
        let missing = self.plan.rentals.saturating_sub(self.placed);
        if missing > 0 {
            let filled = self.whole_sagas(Until::Answered(missing), PRODUCTS).await?;
            let what = format!("{} whole sagas in one go, /s", whole(missing as f64));
            table.row("P1", &what, whole(filled.per_second()), "≥ 6,000; aim 10,000");
            table.row("P1", "… p99 of the POST in ms", format!("{:.2}", filled.latency_ms(990)), "≤ 25");
        }
        Ok(())
    }

    /// P4.
    async fn memory(&self, table: &Table, number: &str, when: &str, target: &str) -> Measured {
        tokio::time::sleep(IDLE).await;
        let resident = machine::resident_mib(self.saem.pid())?;
        let what = format!("resident memory, {} rentals stored, {when}", whole(self.placed as f64));
        table.row(number, &what, whole(resident), target);
        Ok(())
    }

    /// P3.
    async fn reading(&mut self, table: &Table) -> Measured {
        let [hello, health, page] = self.in_turn([Load::Hello, Load::Health, Load::MyPage]).await?;
        table.baseline("hello-JSON of bare actix-web, /s", per_second(&hello));
        table.baseline("Saem's own hello-JSON: GET /healthz, /s", per_second(&health));
        let what = format!("GET /v1/mypage with {ROWS} of {} rentals, /s", whole(self.placed as f64));
        table.row("P3", &what, per_second(&page), "");
        table.row("P3", "My Page ÷ Saem's own hello-JSON", ratio(&page, &health), "≥ 0.5");
        table.row("P3", "My Page ÷ bare hello-JSON", ratio(&page, &hello), "");
        self.memory(table, "P4", "after reading, MiB", "≤ 400").await
    }

    /// P5 and P6, which end the server.
    async fn rest(self, table: &Table, data: &Path) -> Measured {
        let placed = self.placed as f64;
        let kib_each = |bytes: u64| format!("{:.2}", bytes as f64 / 1_024.0 / placed);
        drop(self.saem);
        table.row(
            "P5",
            "disk a finished saga as it stands, KiB",
            kib_each(machine::bytes_on_disk(data)?),
            "≤ 5",
        );
        let began = now();
        let saem = Server::saem(data, &[])?;
        let mut connection = Connection::open(&saem.address).await?;
        while connection.ask(&plain("GET", "/readyz", 200)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        table.row("P6", "start to ready after SIGKILL, s", format!("{seconds:.2}"), "≤ 5; aim 2");
        drop(saem);
        let compacted = std::process::Command::new(env!("CARGO_BIN_EXE_saem"))
            .args(["compact", "--data"])
            .arg(data)
            .env("SAEM_LOG", "error")
            .stdout(std::process::Stdio::null())
            .status()?;
        if !compacted.success() {
            return Err("saem compact failed".into());
        }
        table.row(
            "P5",
            "disk a finished saga after `saem compact`, KiB",
            kib_each(machine::bytes_on_disk(data)?),
            "≤ 2.5",
        );
        Ok(())
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

/// A call that needs nobody in particular.
fn plain(method: &'static str, path: &str, expected: u16) -> Call {
    let body = (method == "POST").then(|| Bytes::from_static(br#"{"quantity":1}"#));
    let expected = StatusCode::from_u16(expected).expect("a status");
    Call { method, path: path.to_owned(), token: None, body, expected }
}

fn per_second(rounds: &[Round]) -> Spread {
    Spread::of(rounds.iter().map(Round::per_second))
}

fn latency(rounds: &[Round], per_mille: usize) -> Spread {
    Spread::of(rounds.iter().map(|round| round.latency_ms(per_mille)))
}

/// Of neighbours: each round by the one it was taken in turn with.
fn ratio(rounds: &[Round], by: &[Round]) -> Spread {
    Spread::of(rounds.iter().zip(by).map(|(round, by)| round.per_second() / by.per_second()))
}
