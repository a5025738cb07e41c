//! A small file system, in a mount namespace of its own, and servers in there.

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

/// How much is written to it at once.
const PIECE: usize = 64 * 1_024;

/// A small file system.
pub struct SmallDisk {
    at: TempDir,
    /// Whoever holds the namespace, until its input ends.
    holder: Child,
    _input: ChildStdin,
}

impl SmallDisk {
    /// Makes one of so many MiB; none where that is not permitted: then it has been said.
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

    /// Not by a macro: what those print, the harness keeps to itself when a test passes.
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

    /// Where something on it is for this process, which is outside.
    pub fn outside(&self, name: &str) -> PathBuf {
        let at = self.at.path().strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder().to_string()).join("root").join(at).join(name)
    }

    /// A command that becomes the server, inside.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(self.holder().to_string()).arg(BINARY);
        command
    }

    /// A server whose data are on it, once it takes commands.
    pub async fn server(&self, settings: &[(&str, &str)]) -> Server {
        let data = self.at.path().join("data");
        Server::spawn_by(self.command(), &data, settings, Stdio::inherit()).ready().await
    }

    /// What a server says that does not start.
    pub async fn server_refuses(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.at.path().join("data"));
        command.env("SAEM_LOG", "off").envs(settings.iter().copied()).kill_on_drop(true);
        let ended = command.output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    }

    /// What `saem verify` says of the data.
    pub async fn verified(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = self.command();
        command.args(["verify", "--data"]).arg(self.at.path().join("data"));
        command.envs(settings.iter().copied()).kill_on_drop(true);
        let ended = command.output().await.unwrap();
        (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
    }

    /// The operator of a server on it.
    pub fn operator(&self, url: &str) -> Client {
        Client::of(url, Some(operator_key(&self.outside("data"))))
    }

    /// Fills it with something that is not Saem's, until no more than so many bytes are left.
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

    /// Fills all that is left, at one stroke: nobody sees it being half full.
    pub fn fill_at_once(&self) {
        let path = self.outside("filler");
        let filler = File::create(&path).unwrap();
        // The very last page may go to somebody else.
        for spare in 0.. {
            let left = free_bytes(&path).saturating_sub(spare * 4_096);
            if rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, left).is_ok() {
                return self.fill(0);
            }
        }
    }

    /// Gives back what was filled.
    pub fn make_room(&self) {
        fs::remove_file(self.outside("filler")).unwrap();
    }
}

fn free_bytes(path: &Path) -> u64 {
    let disk = rustix::fs::statvfs(path).unwrap();
    disk.f_bavail * disk.f_frsize
}
