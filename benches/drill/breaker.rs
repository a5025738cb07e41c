//! Overload drill: 110 customers pay at a gateway that takes 400 ± 220 ms and serves 20 calls at once.
//!
//! Four runs: without protection (breaker disabled, 110 concurrent calls, no deadline) and with the defaults,
//! each with patient customers, who obey `Retry-After`, and with impatient ones, who retry after 100 ms.

use std::{cell::RefCell, collections::BTreeMap, error::Error, time::Duration};

use futures_util::future::{try_join, try_join_all};
use hyper::{StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

use crate::{
    calls::{FEE_WON, call, card, text},
    clock::now,
    gateway::Gateway,
    machine,
    process::Server,
    shop::Shop,
};

const CUSTOMERS: usize = 110;
const OVERLOAD: [(&str, &str); 3] = [
    ("SAEM_PAYMENT__SIMULATOR__LATENCY_MS", "400"),
    ("SAEM_PAYMENT__SIMULATOR__JITTER_MS", "220"),
    ("SAEM_PAYMENT__SIMULATOR__CAPACITY", "20"),
];
/// Upper bound of the gateway's throughput, in payments a second.
const CAPACITY_PER_SECOND: f64 = 20.0 / 0.4;
const UNPROTECTED: [(&str, &str); 4] = [
    ("SAEM_PAYMENT__CONCURRENCY", "110"),
    ("SAEM_PAYMENT__ADAPTIVE", "false"),
    ("SAEM_PAYMENT__DEADLINE_MS", "600000"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "600000"),
];
/// Delay before an impatient customer retries.
const IMPATIENT_DELAY: Duration = Duration::from_millis(100);
/// Time limit for settling all deferred payments once the gateway works again.
const RECOVERY: Duration = Duration::from_secs(120);
const RETRY_DELAY: Duration = Duration::from_millis(200);

type DrillResult<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Clone, Copy)]
pub struct Run {
    /// `true` for the default settings, `false` for a server without protection.
    pub protected: bool,
    /// `true` if customers obey `Retry-After`.
    pub patient: bool,
}

pub struct RunReport {
    observed: Observed,
    payment: Value,
    elapsed: Duration,
    afterwards: String,
    /// Resident memory of the server after a third of the run, and at its end.
    pub memory_mib: [f64; 2],
}

/// Answers to the customers' orders.
#[derive(Default)]
struct Observed {
    answers: BTreeMap<u16, u64>,
    latencies_ms: Vec<u64>,
    /// Rentals whose payment was deferred: (rental id, token of its customer).
    deferred: Vec<(String, String)>,
    /// Unexpected answers: 503 or 202 without `Retry-After`, and other failures. A good run has none.
    unexpected: Vec<String>,
}

/// Figures of one run: a column of the table.
struct Column {
    title: &'static str,
    cells: Vec<String>,
}

const ROWS: [&str; 13] = [
    "201 confirmed",
    "202 deferred",
    "503 with Retry-After",
    "other",
    "available (201, 202)",
    "p50, ms",
    "p99, ms",
    "max, ms",
    "confirmed per second ÷ the gateway's 50",
    "breaker opened · calls refused by it",
    "rejected by the payment actor",
    "resident memory after a third of the time → in the end, MiB",
    "afterwards: deferred → paid · captured twice · gateway and Saem agree",
];

/// Runs all four variants and prints them side by side.
pub async fn drill(seconds: u64) -> DrillResult {
    let mut columns = Vec::new();
    for (title, protected, patient) in [
        ("before, patient", false, true),
        ("before, impatient", false, false),
        ("after, patient", true, true),
        ("after, impatient", true, false),
    ] {
        eprintln!("{title}: {seconds} s");
        let ran = run(Run { protected, patient }, Duration::from_secs(seconds)).await?;
        columns.push(Column { title, cells: ran.cells() });
    }
    let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    println!("| | {} |", titles.join(" | "));
    println!("| --- |{}", " --- |".repeat(columns.len()));
    for (row, name) in ROWS.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column.cells[row].as_str()).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Lets the customers place rentals for `length`, then lets them pay all deferred rentals.
pub async fn run(run: Run, length: Duration) -> DrillResult<RunReport> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let gateway = Gateway::start(directory.path(), &OVERLOAD)?;
    let url = gateway.url();
    let mut settings = vec![("SAEM_PAYMENT__PROVIDER", "http"), ("SAEM_PAYMENT__URL", &*url)];
    if !run.protected {
        settings.extend(UNPROTECTED);
    }
    let server = Server::saem(&directory.path().join("data"), &settings)?;
    let shop = Shop::prepare(&server.address, CUSTOMERS).await?;
    if !run.protected {
        shop.set_breaker("DISABLED").await?;
    }
    let observed = RefCell::new(Observed::default());
    let began = now();
    let customers = try_join_all(shop.tokens.iter().map(async |token| {
        let mut connection = shop.connect().await?;
        while began.elapsed() < length {
            let asked = now();
            let (head, body) = connection.send(&shop.place(token)).await?;
            let latency_ms = u64::try_from(asked.elapsed().as_millis())?;
            let retry_after =
                head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            observed.borrow_mut().record(head.status, latency_ms, retry_after, token, &body)?;
            if head.status != StatusCode::CREATED {
                let advised = retry_after.map_or(IMPATIENT_DELAY, Duration::from_secs);
                let wait = if run.patient { advised } else { IMPATIENT_DELAY };
                tokio::time::sleep(wait.min(length.saturating_sub(began.elapsed()))).await;
            }
        }
        Ok::<_, Box<dyn Error>>(())
    }));
    let memory = async {
        tokio::time::sleep(length / 3).await;
        machine::resident_mib(server.pid())
    };
    let (_, early_mib) = try_join(customers, memory).await?;
    let elapsed = began.elapsed();
    let memory_mib = [early_mib, machine::resident_mib(server.pid())?];
    let payment = shop.payment().await?;
    let mut observed = observed.into_inner();
    observed.latencies_ms.sort_unstable();
    for unexpected in observed.unexpected.iter().take(3) {
        eprintln!("  {unexpected}");
    }
    gateway.behave(json!({"latencyMs": 0, "jitterMs": 0, "capacity": 0})).await?;
    shop.set_breaker("DISABLED").await?;
    let afterwards = recovered(&shop, &gateway, &observed.deferred).await?;
    Ok(RunReport { observed, payment, elapsed, afterwards, memory_mib })
}

impl Observed {
    fn record(
        &mut self,
        status: StatusCode,
        latency_ms: u64,
        retry_after: Option<u64>,
        token: &str,
        body: &[u8],
    ) -> DrillResult {
        *self.answers.entry(status.as_u16()).or_default() += 1;
        self.latencies_ms.push(latency_ms);
        match status {
            StatusCode::CREATED => {}
            StatusCode::ACCEPTED if retry_after.is_some() => {
                self.deferred.push((text(body, "id")?, token.to_owned()));
            }
            StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {}
            other => self.unexpected.push(format!("{other} {}", String::from_utf8_lossy(body))),
        }
        Ok(())
    }

    fn count(&self, status: u16) -> u64 {
        self.answers.get(&status).copied().unwrap_or_default()
    }
}

/// Pays all deferred rentals at the repaired gateway. Returns the last cell of the table: how many were paid,
/// how many payments were captured twice, and whether the records of the gateway and of Saem agree.
async fn recovered(shop: &Shop, gateway: &Gateway, deferred: &[(String, String)]) -> DrillResult<String> {
    let began = now();
    let (each, mut paid) = (deferred.len().div_ceil(CUSTOMERS).max(1), 0);
    for share in try_join_all(deferred.chunks(each).map(async |share| {
        let mut connection = shop.connect().await?;
        let mut paid = 0;
        for (rental, token) in share {
            while began.elapsed() < RECOVERY {
                let path = format!("/v1/rentals/{rental}/payment");
                let pay = call("POST", &path, token, Some(json!({"paymentMethod": card()})), 200);
                let (head, body) = connection.send(&pay).await?;
                // A charge that had been captured after all confirms its rental without another payment.
                let problem: Value = serde_json::from_slice(&body)?;
                if head.status == StatusCode::OK || problem["type"] == "/problems/rental-not-payable" {
                    paid += 1;
                    break;
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
        Ok::<_, Box<dyn Error>>(paid)
    }))
    .await?
    {
        paid += share;
    }
    // Charges that no customer waits for are resolved in the background.
    let agree = loop {
        let (takings, confirmed) = (gateway.takings().await?, shop.count("CONFIRMED").await?);
        let agree = takings.kept == confirmed && takings.won == confirmed * FEE_WON;
        if agree || began.elapsed() >= RECOVERY {
            let yes = if agree { "yes" } else { "NO" };
            break format!("{} · {yes}: {} won", takings.twice, takings.won);
        }
        tokio::time::sleep(RETRY_DELAY).await;
    };
    Ok(format!("{} → {paid} · {agree}", deferred.len()))
}

impl RunReport {
    /// Latency that `per_mille` of 1,000 answers did not exceed, in ms.
    pub fn latency_ms(&self, per_mille: usize) -> u64 {
        let latencies_ms = &self.observed.latencies_ms;
        latencies_ms[(latencies_ms.len() * per_mille).div_ceil(1_000).saturating_sub(1)]
    }

    /// Number of answers that were neither 201, nor 202 or 503 with `Retry-After`.
    pub fn unexpected(&self) -> usize {
        self.observed.unexpected.len()
    }

    /// Confirmed rentals a second, and their ratio to the gateway's capacity.
    pub fn confirmed_per_second(&self) -> String {
        let rate = self.observed.count(201) as f64 / self.elapsed.as_secs_f64();
        format!("{rate:.1} ÷ 50 = {:.2}", rate / CAPACITY_PER_SECOND)
    }

    fn cells(&self) -> Vec<String> {
        let Self { observed, payment, afterwards, memory_mib: [early_mib, late_mib], .. } = self;
        let available =
            100.0 * (observed.count(201) + observed.count(202)) as f64 / observed.latencies_ms.len() as f64;
        vec![
            observed.count(201).to_string(),
            observed.count(202).to_string(),
            observed.count(503).to_string(),
            self.unexpected().to_string(),
            format!("{available:.1} %"),
            self.latency_ms(500).to_string(),
            self.latency_ms(990).to_string(),
            self.latency_ms(1_000).to_string(),
            self.confirmed_per_second(),
            format!("{} · {}", payment["openings"], payment["notPermitted"]),
            payment["shed"].to_string(),
            format!("{early_mib:.0} → {late_mib:.0}"),
            afterwards.clone(),
        ]
    }
}
