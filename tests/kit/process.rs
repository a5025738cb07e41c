//! The real server, as a process of its own.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// The server's.
pub const BINARY: &str = env!("CARGO_BIN_EXE_saem");

/// A server that dies with the test.
pub struct Server {
    pub process: Child,
    pub url: String,
}

/// A server that has not said yet that it serves.
pub struct Starting {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Starting {
    /// SIGKILL, wherever it is. Answers whether it had already said what to try first.
    pub async fn kill(mut self) -> bool {
        self.process.kill().await.unwrap();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line.contains("try first") {
                return true;
            }
        }
        false
    }

    /// The server, once it takes commands.
    pub async fn ready(mut self) -> Server {
        let first = self.lines.next_line().await.unwrap().expect("it says where it listens");
        let url = first.split_once("listens on ").unwrap().1.to_owned();
        while !self.lines.next_line().await.unwrap().expect("it says what to try").contains("try first") {}
        let anyone = super::Client::of(&url, None);
        let ready = || async { (anyone.get("/readyz").await.status == 200).then_some(()) };
        super::eventually("the server is ready", ready).await;
        Server { process: self.process, url }
    }
}

impl Server {
    /// A server on `data` with these settings, once it takes commands.
    pub async fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(data, settings, Stdio::inherit()).await
    }

    /// The same, with its log going to `log`.
    pub async fn start_logging(data: &Path, settings: &[(&str, &str)], log: Stdio) -> Self {
        Self::spawn(data, settings, log).ready().await
    }

    /// The same, from its first moment on.
    pub fn spawn(data: &Path, settings: &[(&str, &str)], log: Stdio) -> Starting {
        Self::spawn_by(Command::new(BINARY), data, settings, log)
    }

    /// The same, started by something that becomes it: `command` ends with [`BINARY`].
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

    /// SIGTERM, and what it does before it ends.
    pub async fn end(mut self) {
        let id = self.process.id().expect("it runs").to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill {id}")]).status().await.unwrap().success());
        assert!(self.process.wait().await.unwrap().success());
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}
