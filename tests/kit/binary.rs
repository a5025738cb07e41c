//! The binary, run as an operator runs it: `saem serve` with its output, and the other commands.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::fd::AsRawFd as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_saem");

pub fn saem(data: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    // Few connections, so that a machine with few descriptors gives no warning.
    command
        .env("SAEM_LOG", "warn")
        .env("SAEM_HTTP__CONNECTIONS", "64")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running server; it is killed when dropped.
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

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Stops it in order.
    pub fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

pub fn url(said: &[String]) -> &str {
    said[0].split_once("listens on ").unwrap().1
}

/// Asserts exit code 1, and one line on stderr with all these words.
#[track_caller]
pub fn fails_with(output: Output, words: &[&str]) {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}

/// `saem TOOL --data DATA`.
pub fn tool(tool: &str, data: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args([tool, "--data"]).arg(data).env("SAEM_LOG", "warn");
    command
}

/// `saem` with these arguments.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env("SAEM_LOG", "warn");
    command
}

/// Asserts success without output on stderr, and returns stdout.
#[track_caller]
pub fn says(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout
}

/// The command, run by a shell that passes `socket` as systemd does: as descriptor 3, to the process that the
/// shell becomes.
pub fn activated(command: &Command, socket: &TcpListener) -> Command {
    let number = socket.as_raw_fd();
    let passing = format!("exec 3<&{number}; [ {number} = 3 ] || exec {number}<&-; ");
    let script = passing + r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#;
    // bash accepts descriptors of several digits.
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(Stdio::piped()).stderr(Stdio::inherit());
    shell
}

/// A socket that child processes inherit.
pub fn inheritable() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    socket
}
