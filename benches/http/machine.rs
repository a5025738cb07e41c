//! The machine: its use by other processes, the raw speed of its disk, memory and disk use of the server.

use std::{
    error::Error,
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Duration,
};

use crate::clock::now;

/// Maximum use by other processes, in percent of all cores; above it, figures mean nothing.
const OTHERS_MAX_PERCENT: f64 = 10.0;
/// Maximum number of attempts at a measurement that other processes disturb.
const TRIES_MAX: u32 = 3;
/// Observation time before the machine counts as idle.
const LOOK: Duration = Duration::from_secs(2);
/// Minimum observation time. The kernel counts in hundredths of a second, and its own threads finish later.
const LOOK_MIN: Duration = Duration::from_secs(1);
const SYNCS: u32 = 300;

/// Processor time since boot, in ticks.
struct Usage {
    all: u64,
    busy: u64,
    own: u64,
}

impl Usage {
    fn so_far() -> Result<Self, Box<dyn Error>> {
        let stat = fs::read_to_string("/proc/stat")?;
        let cpu = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("no cpu line")?;
        let ticks: Vec<u64> = cpu.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what guests take is in `user` already.
        let ticks = ticks.get(..8).ok_or("too few figures in /proc/stat")?;
        let (all, idle) = (ticks.iter().sum::<u64>(), ticks[3] + ticks[4]);
        Ok(Self { all, busy: all - idle, own: own_ticks()? })
    }

    /// Use by other processes since this measurement, in percent of all cores.
    fn others_percent(&self) -> Result<f64, Box<dyn Error>> {
        let now = Self::so_far()?;
        // The time of processes that have ended may be rounded down by a tick.
        let own = now.own.saturating_sub(self.own);
        let (all, busy) = (now.all - self.all, now.busy - self.busy);
        Ok(100.0 * busy.saturating_sub(own) as f64 / all.max(1) as f64)
    }
}

/// Processor time of this process and of its running and ended children, in ticks. Servers may therefore
/// start and end between two measurements.
fn own_ticks() -> Result<u64, Box<dyn Error>> {
    let this = std::process::id().to_string();
    let mut own = 0;
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // Other files of /proc, and processes that have ended meanwhile, have no `stat`.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        // The name, in parentheses, may contain any character. The state, the parent and more follow it.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |nth: usize| fields.get(nth).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        if path.ends_with(&this) {
            own += ticks(11) + ticks(12) + ticks(13) + ticks(14);
        } else if fields.get(1) == Some(&&*this) {
            own += ticks(11) + ticks(12);
        }
    }
    Ok(own)
}

/// Runs `measure`, and repeats it if other processes used the machine meanwhile.
///
/// # Errors
/// Fails if `measure` fails, or if all attempts were disturbed.
pub async fn undisturbed<T>(
    mut measure: impl AsyncFnMut() -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let mut others = 0.0;
    for _ in 0..TRIES_MAX {
        let (before, began) = (Usage::so_far()?, now());
        let measured = measure().await?;
        tokio::time::sleep(LOOK_MIN.saturating_sub(began.elapsed())).await;
        others = before.others_percent()?;
        if others <= OTHERS_MAX_PERCENT {
            return Ok(measured);
        }
        eprintln!("discarded: other processes used {others:.0} % of the machine");
    }
    Err(format!("other processes used {others:.0} % of the machine in the last of {TRIES_MAX} attempts")
        .into())
}

/// Fails if other processes use the machine.
pub async fn refuse_if_busy() -> Result<(), Box<dyn Error>> {
    let before = Usage::so_far()?;
    tokio::time::sleep(LOOK).await;
    let others = before.others_percent()?;
    if others > OTHERS_MAX_PERCENT {
        return Err(format!("the machine is busy: other processes use {others:.0} % of it; try later").into());
    }
    Ok(())
}

/// Raw speed of the disk: appends of 4 KiB, each made durable, a second.
pub fn syncs_per_second(directory: &Path) -> Result<f64, Box<dyn Error>> {
    let mut file = File::create(directory.join("raw"))?;
    let began = now();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
    }
    Ok(f64::from(SYNCS) / began.elapsed().as_secs_f64())
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(pid: u32) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024.0)
}

/// Disk use of all files below `path`, in bytes.
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
