//! The binary, started as an operator does.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::fd::AsRawFd as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

pub fn saem(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    // So few connections that a machine with few descriptors warns of nothing.
    command
        .env("SAEM_LOG", "warn")
        .env("SAEM_HTTP__CONNECTIONS", "64")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that was started, ended by SIGKILL if the test does not end it first.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub fn start(command: &mut Command) -> (Self, Vec<String>) {
        let mut process = Self(command.spawn().unwrap());
        let stdout = BufReader::new(process.0.stdout.as_mut().unwrap());
        let mut said = Vec::new();
        for line in stdout.lines() {
            let line = line.unwrap();
            let last = line.contains("try first");
            said.push(line);
            if last {
                break;
            }
        }
        (process, said)
    }
}

pub fn url(said: &[String]) -> &str {
    said[0].split_once("listens on ").unwrap().1
}

/// It ended at once, with one line that says all of this.
#[track_caller]
pub fn fails_with(output: Output, words: &[&str]) {
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    for word in words {
        assert!(told.contains(word), "{word}: {told}");
    }
}

impl Running {
    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it in order.
    pub fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

/// The same command, run by a shell that passes `socket` on as systemd does: as descriptor 3, to the very
/// process that the shell becomes.
pub fn activated(command: &Command, socket: &TcpListener) -> Command {
    let number = socket.as_raw_fd();
    let passing = format!("exec 3<&{number}; [ {number} = 3 ] || exec {number}<&-; ");
    let script = passing + r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#;
    // A shell that knows descriptors of more than one digit.
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(Stdio::piped()).stderr(Stdio::inherit());
    shell
}

/// A socket that the processes it is passed to can hold open.
pub fn inheritable() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    socket
}
