//! The machine: who else uses it, what its disk can do, what a process takes of it.

use std::{
    error::Error,
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Duration,
};

use crate::clock::now;

/// How much of the machine others may use, in percent of all its cores, before figures mean nothing.
pub const OTHERS_MAX_PERCENT: f64 = 10.0;
/// How long is looked before it is called idle.
const LOOK: Duration = Duration::from_secs(2);
/// How many times the disk is asked.
const SYNCS: u32 = 300;

/// Processor time so far, in ticks.
#[derive(Clone, Copy)]
pub struct Usage {
    all: u64,
    busy: u64,
    own: u64,
}

impl Usage {
    /// As of now; `own` are the processes that are ours.
    pub fn of(own: &[u32]) -> Result<Self, Box<dyn Error>> {
        let stat = fs::read_to_string("/proc/stat")?;
        let cpu = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("no cpu line")?;
        let ticks: Vec<u64> = cpu.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what guests take is in `user` already.
        let ticks = ticks.get(..8).ok_or("too few figures in /proc/stat")?;
        let (all, idle) = (ticks.iter().sum::<u64>(), ticks[3] + ticks[4]);
        let mut used = 0;
        for pid in own.iter().copied().chain([std::process::id()]) {
            used += ticks_of(pid)?;
        }
        Ok(Self { all, busy: all - idle, own: used })
    }

    /// How much of the machine others have used since then, in percent.
    pub fn others_percent(self, own: &[u32]) -> Result<f64, Box<dyn Error>> {
        let now = Self::of(own)?;
        let (all, busy, own) = (now.all - self.all, now.busy - self.busy, now.own - self.own);
        Ok(100.0 * busy.saturating_sub(own) as f64 / all.max(1) as f64)
    }
}

/// What a process has used of the processors, in ticks.
fn ticks_of(pid: u32) -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Its name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let field = |nth: usize| -> Option<u64> { rest.split_whitespace().nth(nth)?.parse().ok() };
    Ok(field(11).zip(field(12)).map(|(user, system)| user + system).ok_or("no times in stat")?)
}

/// Refuses to go on while others use the machine.
pub async fn refuse_if_busy() -> Result<(), Box<dyn Error>> {
    let before = Usage::of(&[])?;
    tokio::time::sleep(LOOK).await;
    let others = before.others_percent(&[])?;
    if others > OTHERS_MAX_PERCENT {
        return Err(format!("the machine is busy: others use {others:.0} % of it. Try again later").into());
    }
    Ok(())
}

/// What the disk alone can do: 4 KiB appended and made durable, so often a second.
pub fn syncs_per_second(directory: &Path) -> Result<f64, Box<dyn Error>> {
    let mut file = File::create(directory.join("raw"))?;
    let began = now();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
    }
    Ok(f64::from(SYNCS) / began.elapsed().as_secs_f64())
}

/// The memory of a process that is in RAM, in MiB.
pub fn resident_mib(pid: u32) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024.0)
}

/// How many bytes the files below `path` take on disk.
pub fn bytes_on_disk(path: &Path) -> Result<u64, Box<dyn Error>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_on_disk(&entry.path())? } else { 512 * metadata.blocks() };
    }
    Ok(bytes)
}
