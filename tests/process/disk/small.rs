//! A small file system in its own mount namespace, and servers on it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

use crate::kit::{
    Client, operator_key,
    process::{BINARY, Server},
};

/// Length of a write that fills the disk, in bytes.
const PIECE: usize = 64 * 1_024;

pub struct SmallDisk {
    at: TempDir,
    /// Process that keeps the namespace until its input ends.
    holder: Child,
    _input: ChildStdin,
}

impl SmallDisk {
    /// Mounts a file system; prints a message and returns none where that is not permitted.
    pub async fn make(mebibytes: u32) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let script = r#"mount -t tmpfs -o "size=$1m" none "$2" && echo mounted && read -r _"#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(mebibytes.to_string()).arg(at.path()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = match command.spawn() {
            Ok(holder) => holder,
            Err(error) => return Self::skipped(&format!("unshare cannot be started ({error})")),
        };
        let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
        if said.next_line().await.unwrap().as_deref() != Some("mounted") {
            let Output { stderr, .. } = holder.wait_with_output().await.unwrap();
            return Self::skipped(String::from_utf8_lossy(&stderr).trim());
        }
        let input = holder.stdin.take().unwrap();
        Some(Self { at, holder, _input: input })
    }

    /// Prints past the test harness, which hides the output of a passing test.
    fn skipped(why: &str) -> Option<Self> {
        let line = format!(
            "\nSKIPPED: tests/process/disk has no file system of its own and checks nothing: {why}\n"
        );
        io::stderr().write_all(line.as_bytes()).unwrap();
        None
    }

    fn holder(&self) -> u32 {
        self.holder.id().expect("it lives as long as its input")
    }

    /// Path of a file on the disk, for processes outside of the namespace.
    pub fn outside(&self, name: &str) -> PathBuf {
        let at = self.at.path().strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder().to_string()).join("root").join(at).join(name)
    }

    /// A command inside of the namespace.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(self.holder().to_string()).arg(BINARY);
        command
    }

    /// Starts a server with its data on the disk.
    pub async fn server(&self, settings: &[(&str, &str)]) -> Server {
        let data = self.at.path().join("data");
        Server::spawn_by(self.command(), &data, settings, Stdio::inherit()).ready().await
    }

    /// Exit code and output of a server that does not start.
    pub async fn server_refuses(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.at.path().join("data"));
        command.env("SAEM_LOG", "off").envs(settings.iter().copied()).kill_on_drop(true);
        let ended = command.output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    }

    /// Exit code and output of `saem verify`.
    pub async fn verified(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = self.command();
        command.args(["verify", "--data"]).arg(self.at.path().join("data"));
        command.envs(settings.iter().copied()).kill_on_drop(true);
        let ended = command.output().await.unwrap();
        (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
    }

    pub fn operator(&self, url: &str) -> Client {
        Client::of(url, Some(operator_key(&self.outside("data"))))
    }

    /// Fills the disk with another file, until at most `left` bytes are free.
    pub fn fill(&self, leave_bytes: u64) {
        let path = self.outside("filler");
        let mut filler = File::options().create(true).append(true).open(&path).unwrap();
        loop {
            let left = free_bytes(&path);
            let piece = usize::try_from(left.saturating_sub(leave_bytes)).unwrap().min(PIECE);
            match filler.write(&vec![1; piece]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Fills the disk at once, so that the server does not see it half full.
    pub fn fill_at_once(&self) {
        let path = self.outside("filler");
        let filler = File::create(&path).unwrap();
        // Another process may get the last page.
        for spare in 0.. {
            let left = free_bytes(&path).saturating_sub(spare * 4_096);
            if rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, left).is_ok() {
                return self.fill(0);
            }
        }
    }

    /// Removes the other file.
    pub fn make_room(&self) {
        fs::remove_file(self.outside("filler")).unwrap();
    }
}

fn free_bytes(path: &Path) -> u64 {
    let disk = rustix::fs::statvfs(path).unwrap();
    disk.f_bavail * disk.f_frsize
}
