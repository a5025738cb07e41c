//! Curves: whole sagas a second and latency against connections; memory, disk and start against rentals.
//!
//! One server is filled further and further. The rounds that measure it add rentals of their own: where these
//! would be more than a few beside what is stored, the data are put back before each number of connections.

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

/// How many connections the load has, one after the other.
const CONNECTIONS: [usize; 5] = [1, 8, 64, 256, 1_000];
/// Where memory, disk and start are looked at, and whether the load's curve is taken there, too.
const STEPS: [(u64, bool); 5] =
    [(10_000, true), (30_000, false), (100_000, true), (300_000, false), (1_000_000, true)];
/// With more than so many stored, what a round adds is little beside it, and a copy takes long.
const PUT_BACK_MAX: u64 = 300_000;
/// So many customers place the rentals, in turn where there are more connections.
const CUSTOMERS: usize = 64;
/// Descriptors that both sides need beside one for each connection.
const DESCRIPTORS: u64 = 200;
/// By default 64 + 256 customers pay at once, and the 321st is told to come back: a thousand could not be
/// measured. So a thousand may wait here, for longer; the drills show what the defaults are for.
const SETTINGS: &[(&str, &str)] = &[
    ("SAEM_PAYMENT__QUEUE", "1024"),
    ("SAEM_PAYMENT__DEADLINE_MS", "10000"),
    ("SAEM_PAYMENT__TIMEOUT_MS", "9000"),
];

/// How much is measured, and where the plots go.
pub struct Plan<'a> {
    /// The curves end with so many.
    pub rentals: u64,
    /// Each figure of a load is the median of so many.
    pub rounds: usize,
    /// How long one takes.
    pub length: Duration,
    /// A directory.
    pub plots: &'a Path,
}

type Measured<T = ()> = Result<T, Box<dyn Error>>;

/// What so many rentals take of the machine.
struct Size {
    rentals: u64,
    loaded_mib: f64,
    started_mib: f64,
    disk_kib: f64,
    start_seconds: f64,
}

/// A figure of a size, and what its line is called.
type OfSize = (&'static str, fn(&Size) -> f64);

/// What so many connections get.
struct Rate {
    rentals: u64,
    connections: usize,
    /// With what the rounds themselves have added.
    stored_in_the_end: u64,
    sagas: Vec<Round>,
    bare: Vec<Round>,
}

/// Measures, prints the figures, and draws them.
pub async fn all(plan: &Plan<'_>) -> Measured {
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

/// Those of the steps that are below so many rentals, and that many, with a load.
fn steps(rentals: u64) -> Vec<(u64, bool)> {
    let below = STEPS.into_iter().filter(|(step, _)| *step < rentals);
    below.chain([(rentals, true)]).collect()
}

async fn size(saem: &mut Stored) -> Measured<Size> {
    let (rentals, loaded_mib) = (saem.placed, saem.idle_mib().await?);
    saem.kill();
    let disk_kib = saem.kib()?;
    let start_seconds = machine::undisturbed(async || saem.restart().await).await?;
    Ok(Size { rentals, loaded_mib, started_mib: saem.idle_mib().await?, disk_kib, start_seconds })
}

/// The load's curve with what is stored.
async fn load(
    plan: &Plan<'_>,
    saem: &mut Stored,
    bare: &str,
    aside: &Path,
    rates: &mut Vec<Rate>,
) -> Measured {
    let rentals = saem.placed;
    let put_back = rentals <= PUT_BACK_MAX;
    if put_back {
        saem.kill();
        copy(&saem.data, aside)?;
    }
    for connections in CONNECTIONS {
        if put_back {
            restore(saem, aside, rentals).await?;
        }
        let until = Until::Elapsed(plan.length);
        let (mut sagas, mut bares) = (Vec::new(), Vec::new());
        for nth in 0..=plan.rounds {
            let bare = machine::undisturbed(async || bare_sagas(bare, connections, until).await).await?;
            let whole = machine::undisturbed(async || saem.sagas(connections, until, PRODUCTS).await).await?;
            // The first is for warming up.
            if nth > 0 {
                bares.push(bare);
                sagas.push(whole);
            }
        }
        let stored_in_the_end = saem.placed;
        rates.push(Rate { rentals, connections, stored_in_the_end, sagas, bare: bares });
    }
    if put_back {
        restore(saem, aside, rentals).await?;
        fs::remove_dir_all(aside)?;
    }
    Ok(())
}

/// The server has what is kept aside again.
async fn restore(saem: &mut Stored, aside: &Path, rentals: u64) -> Measured {
    saem.kill();
    fs::remove_dir_all(&saem.data)?;
    copy(aside, &saem.data)?;
    saem.placed = rentals;
    saem.restart().await.map(drop)
}

fn copy(from: &Path, to: &Path) -> Measured {
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    // What is still to be written would disturb what is measured next.
    let synced = Command::new("sync").arg("-f").arg(to).status()?;
    if copied.success() && synced.success() { Ok(()) } else { Err("the data cannot be copied".into()) }
}

fn show(sizes: &[Size], rates: &[Rate]) {
    heads(&[
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
    heads(&[
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

/// The first two lines of a table.
fn heads(columns: &[&str]) {
    println!("| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()));
}

/// The plots, by the names of their files.
fn plots(sizes: &[Size], rates: &[Rate]) -> [(&'static str, Plot); 5] {
    let against_connections = |title: &str, up: &str, figure: fn(&[Round]) -> Spread| Plot {
        title: title.to_owned(),
        along: "connections (logarithmic)".to_owned(),
        up: up.to_owned(),
        up_by_factors: false,
        lines: load_lines(rates, figure),
        target: None,
    };
    let against_rentals = |title: &str, up: &str, lines: &[OfSize]| Plot {
        title: title.to_owned(),
        along: "rentals stored (logarithmic)".to_owned(),
        up: up.to_owned(),
        up_by_factors: false,
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
    slowest.up_by_factors = true;
    slowest.target = Some((25.0, "target at 64: 25 ms"));
    let lines: [OfSize; 2] =
        [("after load", |size| size.loaded_mib), ("after a start", |size| size.started_mib)];
    let mut memory = against_rentals("Memory (P4)", "MiB in RAM", &lines);
    memory.target = Some((400.0, "target at 1M: 400"));
    let lines: [OfSize; 1] = [("on disk", |size| size.disk_kib / 1_024.0)];
    let mut disk = against_rentals("Disk, as it stands (P5)", "MiB", &lines);
    disk.up_by_factors = true;
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

/// A line for each number of rentals, and one for what they are compared with: the median of all its rounds.
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
