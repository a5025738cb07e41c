//! The server as a process.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

pub use super::binary::BINARY;

/// A running server; it is killed when dropped.
pub struct Server {
    pub process: Child,
    pub url: String,
}

/// A server that has not printed yet that it serves.
pub struct Starting {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Starting {
    /// Kills it (SIGKILL), and returns true if it was serving already.
    pub async fn kill(mut self) -> bool {
        self.process.kill().await.unwrap();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line.contains("try first") {
                return true;
            }
        }
        false
    }

    /// Waits until the server takes commands.
    pub async fn ready(mut self) -> Server {
        let first = self.lines.next_line().await.unwrap().expect("the address is printed");
        let url = first.split_once("listens on ").unwrap().1.to_owned();
        while !self.lines.next_line().await.unwrap().expect("what to try is printed").contains("try first") {}
        let anyone = super::Client::of(&url, None);
        super::until("the server is ready", || async { anyone.get("/readyz").await.status == 200 }).await;
        Server { process: self.process, url }
    }
}

impl Server {
    /// Starts on `data` with these settings, and waits until it takes commands.
    pub async fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(data, settings, Stdio::inherit()).await
    }

    pub async fn start_logging(data: &Path, settings: &[(&str, &str)], log: Stdio) -> Self {
        Self::spawn(data, settings, log).ready().await
    }

    /// Starts without waiting.
    pub fn spawn(data: &Path, settings: &[(&str, &str)], log: Stdio) -> Starting {
        Self::spawn_by(Command::new(BINARY), data, settings, log)
    }

    /// Starts by a command that ends with [`BINARY`], and becomes it.
    pub fn spawn_by(mut command: Command, data: &Path, settings: &[(&str, &str)], log: Stdio) -> Starting {
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Starting { process, lines }
    }

    /// Stops it in order (SIGTERM).
    pub async fn end(mut self) {
        // A shell's own `kill`: a minimal Debian lacks the program.
        let kill = format!("kill {}", self.process.id().expect("it is running"));
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
        assert!(self.process.wait().await.unwrap().success());
    }

    /// Kills it (SIGKILL): no handler runs, nothing is flushed.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Resident memory of a process, in KiB.
pub fn resident_kib(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
