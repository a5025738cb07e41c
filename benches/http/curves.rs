//! Curves: whole sagas a second and latency against connections; memory, disk and start against rentals.
//!
//! One server is filled step by step. The measuring rounds add rentals of their own. Where these would be
//! many compared with the stored ones, the data are restored before each number of connections.

use std::{error::Error, fs, path::Path, process::Command, time::Duration};

use crate::{
    figures::{Spread, whole},
    load::{Round, Until},
    machine,
    market::PRODUCTS,
    measures::{latency, per_second, ratio, syncs},
    plot::{Line, Plot},
    process::Server,
    stored::{Stored, bare_sagas},
};

/// Numbers of connections, measured one after the other.
const CONNECTIONS: [usize; 5] = [1, 8, 64, 256, 1_000];
/// Numbers of rentals at which memory, disk and start are measured; with `true`, the load's curve as well.
const STEPS: [(u64, bool); 5] =
    [(10_000, true), (30_000, false), (100_000, true), (300_000, false), (1_000_000, true)];
/// Above this number of rentals the data are not restored: what a round adds is relatively little, and a copy
/// takes long.
const RESTORE_MAX: u64 = 300_000;
/// Customers who place the rentals. With more connections than customers, each customer has several.
const CUSTOMERS: usize = 64;
/// File descriptors that both sides need in addition to one for each connection.
const DESCRIPTORS: u64 = 200;
/// Larger limits than the defaults, which let 64 customers pay and 256 wait, and answer 503 to any more:
/// 1,000 connections could not be measured. The drills show the defaults at work.
const SETTINGS: &[(&str, &str)] = &[
    ("SAEM_PAYMENT__QUEUE", "1024"),
    ("SAEM_PAYMENT__DEADLINE_MS", "10000"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "9000"),
];

/// Extent of the measurement.
pub struct Plan<'a> {
    /// Number of rentals at which the curves end.
    pub rentals: u64,
    /// Rounds per figure of a load; the figure is their median.
    pub rounds: usize,
    /// Duration of a round.
    pub length: Duration,
    /// Directory for the plots.
    pub plots: &'a Path,
}

type BenchResult<T = ()> = Result<T, Box<dyn Error>>;

/// Resources used with `rentals` rentals stored.
struct Size {
    rentals: u64,
    loaded_mib: f64,
    started_mib: f64,
    disk_kib: f64,
    start_seconds: f64,
}

/// A line of a plot: its name, and its figure for a size.
type OfSize = (&'static str, fn(&Size) -> f64);

/// Results of one number of connections.
struct Rate {
    rentals: u64,
    connections: usize,
    /// Rentals stored after the rounds, including those that they added.
    stored_in_the_end: u64,
    sagas: Vec<Round>,
    bare: Vec<Round>,
}

/// Measures everything, prints the figures and draws the plots.
pub async fn all(plan: &Plan<'_>) -> BenchResult {
    let most = CONNECTIONS[CONNECTIONS.len() - 1] as u64;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)?;
    if descriptors < most + DESCRIPTORS {
        return Err(format!("{most} connections need more descriptors than {descriptors} (ulimit -n)").into());
    }
    machine::refuse_if_busy().await?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    println!("Raw fdatasync of 4 KiB, /s: {}\n", syncs(directory.path())?);
    let bare = Server::bare(&directory.path().join("bare"))?;
    let mut saem = Stored::open(&directory.path().join("data"), SETTINGS, [CUSTOMERS, 0]).await?;
    let (mut sizes, mut rates) = (Vec::new(), Vec::new());
    for (rentals, with_load) in steps(plan.rentals) {
        eprintln!("{} rentals", whole(rentals as f64));
        saem.fill(rentals).await?;
        sizes.push(size(&mut saem).await?);
        if with_load {
            load(plan, &mut saem, &bare.address, &directory.path().join("aside"), &mut rates).await?;
        }
    }
    show(&sizes, &rates);
    fs::create_dir_all(plan.plots)?;
    for (name, plot) in plots(&sizes, &rates) {
        fs::write(plan.plots.join(name), plot.svg())?;
    }
    println!("\nThe plots are in {}.", plan.plots.display());
    Ok(())
}

/// The steps below `rentals`, and `rentals` itself with a load.
fn steps(rentals: u64) -> Vec<(u64, bool)> {
    let below = STEPS.into_iter().filter(|(step, _)| *step < rentals);
    below.chain([(rentals, true)]).collect()
}

async fn size(saem: &mut Stored) -> BenchResult<Size> {
    let (rentals, loaded_mib) = (saem.placed, saem.idle_mib().await?);
    saem.kill();
    let disk_kib = saem.kib()?;
    let start_seconds = machine::undisturbed(async || saem.restart().await).await?;
    Ok(Size { rentals, loaded_mib, started_mib: saem.idle_mib().await?, disk_kib, start_seconds })
}

/// Measures the load's curve with the rentals that are stored now.
async fn load(
    plan: &Plan<'_>,
    saem: &mut Stored,
    bare: &str,
    aside: &Path,
    rates: &mut Vec<Rate>,
) -> BenchResult {
    let rentals = saem.placed;
    let restored = rentals <= RESTORE_MAX;
    if restored {
        saem.kill();
        copy(&saem.data, aside)?;
    }
    for connections in CONNECTIONS {
        if restored {
            restore(saem, aside, rentals).await?;
        }
        let until = Until::Elapsed(plan.length);
        let (mut sagas, mut bares) = (Vec::new(), Vec::new());
        for nth in 0..=plan.rounds {
            let bare = machine::undisturbed(async || bare_sagas(bare, connections, until).await).await?;
            let whole = machine::undisturbed(async || saem.sagas(connections, until, PRODUCTS).await).await?;
            // The first round is a warm-up.
            if nth > 0 {
                bares.push(bare);
                sagas.push(whole);
            }
        }
        let stored_in_the_end = saem.placed;
        rates.push(Rate { rentals, connections, stored_in_the_end, sagas, bare: bares });
    }
    if restored {
        restore(saem, aside, rentals).await?;
        fs::remove_dir_all(aside)?;
    }
    Ok(())
}

/// Restarts the server on a fresh copy of the data in `aside`.
async fn restore(saem: &mut Stored, aside: &Path, rentals: u64) -> BenchResult {
    saem.kill();
    fs::remove_dir_all(&saem.data)?;
    copy(aside, &saem.data)?;
    saem.placed = rentals;
    saem.restart().await.map(drop)
}

fn copy(from: &Path, to: &Path) -> BenchResult {
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    // Pending writes would disturb the next measurement.
    let synced = Command::new("sync").arg("-f").arg(to).status()?;
    if copied.success() && synced.success() { Ok(()) } else { Err("the data cannot be copied".into()) }
}

fn show(sizes: &[Size], rates: &[Rate]) {
    table_head(&[
        "rentals stored",
        "after the rounds",
        "connections",
        "whole sagas, /s",
        "p50 of the POST, ms",
        "p99 of the POST, ms",
        "bare handler with five group commits, /s",
        "whole sagas ÷ bare handler",
    ]);
    for rate in rates {
        let Rate { rentals, connections, stored_in_the_end, sagas, bare } = rate;
        let [rentals, stored] = [*rentals, *stored_in_the_end].map(|number| whole(number as f64));
        let connections = whole(*connections as f64);
        let [p50, p99] = [500, 990].map(|per_mille| latency(sagas, per_mille));
        let (sagas, bare, ratio) = (per_second(sagas), per_second(bare), ratio(sagas, bare));
        println!("| {rentals} | {stored} | {connections} | {sagas} | {p50} | {p99} | {bare} | {ratio} |");
    }
    println!();
    table_head(&[
        "rentals stored",
        "memory after load, MiB",
        "memory after a start, MiB",
        "disk, MiB",
        "disk a rental, KiB",
        "start to ready after SIGKILL, s",
    ]);
    for size in sizes {
        let Size { rentals, loaded_mib, started_mib, disk_kib, start_seconds } = size;
        let [each_kib, disk_mib] = [disk_kib / *rentals as f64, disk_kib / 1_024.0];
        let rentals = whole(*rentals as f64);
        let [loaded, started, disk] = [*loaded_mib, *started_mib, disk_mib].map(whole);
        println!("| {rentals} | {loaded} | {started} | {disk} | {each_kib:.2} | {start_seconds:.2} |");
    }
}

/// Prints the first two lines of a table.
fn table_head(columns: &[&str]) {
    println!("| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()));
}

/// The plots with their file names.
fn plots(sizes: &[Size], rates: &[Rate]) -> [(&'static str, Plot); 5] {
    let against_connections = |title: &str, y_label: &str, figure: fn(&[Round]) -> Spread| Plot {
        title: title.to_owned(),
        x_label: "connections (logarithmic)".to_owned(),
        y_label: y_label.to_owned(),
        y_logarithmic: false,
        lines: load_lines(rates, figure),
        target: None,
    };
    let against_rentals = |title: &str, y_label: &str, lines: &[OfSize]| Plot {
        title: title.to_owned(),
        x_label: "rentals stored (logarithmic)".to_owned(),
        y_label: y_label.to_owned(),
        y_logarithmic: false,
        lines: lines
            .iter()
            .map(|(name, figure)| Line {
                name: (*name).to_owned(),
                points: sizes.iter().map(|size| (size.rentals as f64, figure(size))).collect(),
                baseline: false,
            })
            .collect(),
        target: None,
    };
    let mut rate = against_connections("Whole sagas a second (P1)", "whole sagas a second", per_second);
    rate.target = Some((6_000.0, "target: 6,000"));
    let p99 = |rounds: &[Round]| latency(rounds, 990);
    let mut slowest = against_connections("p99 of POST /v1/rentals", "milliseconds", p99);
    slowest.y_logarithmic = true;
    slowest.target = Some((25.0, "target at 64: 25 ms"));
    let lines: [OfSize; 2] =
        [("after load", |size| size.loaded_mib), ("after a start", |size| size.started_mib)];
    let mut memory = against_rentals("Memory (P4)", "MiB in RAM", &lines);
    memory.target = Some((400.0, "target at 1M: 400"));
    let lines: [OfSize; 1] = [("on disk", |size| size.disk_kib / 1_024.0)];
    let mut disk = against_rentals("Disk, as it stands (P5)", "MiB", &lines);
    disk.y_logarithmic = true;
    let lines: [OfSize; 1] = [("after SIGKILL", |size| size.start_seconds)];
    let mut start = against_rentals("Start until ready (P6)", "seconds", &lines);
    start.target = Some((5.0, "target at 1M: 5 s"));
    [
        ("rate.svg", rate),
        ("latency.svg", slowest),
        ("memory.svg", memory),
        ("disk.svg", disk),
        ("start.svg", start),
    ]
}

/// A line for each number of rentals, and one for the bare server: the median of all its rounds.
fn load_lines(rates: &[Rate], figure: fn(&[Round]) -> Spread) -> Vec<Line> {
    let mut numbers: Vec<u64> = rates.iter().map(|rate| rate.rentals).collect();
    numbers.dedup();
    let of = |rentals: u64| {
        let these = rates.iter().filter(move |rate| rate.rentals == rentals);
        these.map(|rate| (rate.connections as f64, figure(&rate.sagas).median)).collect()
    };
    let mut lines: Vec<Line> = numbers
        .into_iter()
        .map(|rentals| Line {
            name: format!("{} rentals", whole(rentals as f64)),
            points: of(rentals),
            baseline: false,
        })
        .collect();
    let bare = |connections: usize| {
        let these = rates.iter().filter(move |rate| rate.connections == connections);
        (connections as f64, Spread::of(these.map(|rate| figure(&rate.bare).median)).median)
    };
    let points = CONNECTIONS.into_iter().map(bare).collect();
    lines.push(Line { name: "bare handler, 5 commits".to_owned(), points, baseline: true });
    lines
}
