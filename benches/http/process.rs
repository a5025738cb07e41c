//! Servers under load, each a separate process that is killed when its [`Server`] is dropped.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::fd::AsRawFd as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

pub struct Server {
    process: Child,
    /// Standard output of the process; stays open so that the process can write to it.
    _output: BufReader<ChildStdout>,
    /// Host and port.
    pub address: String,
}

impl Server {
    /// Starts `saem serve` on `data`, with settings as environment variables.
    pub fn saem(data: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        Self::serving(Command::new(env!("CARGO_BIN_EXE_saem")), data, settings)
    }

    /// Starts `saem serve` under valgrind, which counts instructions and writes them to `counts` with a
    /// number appended. The server is about fifty times slower.
    pub fn counted(data: &Path, counts: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new("valgrind");
        let counts = format!("--callgrind-out-file={}", counts.display());
        command.args(["-q", "--tool=callgrind", &counts, env!("CARGO_BIN_EXE_saem")]);
        Self::serving(command, data, settings)
    }

    fn serving(mut command: Command, data: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // One client makes the whole load, so the limit per client is off.
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        command.envs(settings.iter().copied());
        Self::started(command.env("SAEM_OPERATOR__KEY", crate::calls::OPERATOR_KEY))
    }

    /// Starts a binary that binds `address` itself.
    pub fn at(
        binary: &Path,
        address: &str,
        data: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", address, "--data"]).arg(data).args(["--demo"]);
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        Self::started(command.envs(settings.iter().copied()))
    }

    /// Starts a binary on a socket that this process holds open. The socket is passed as systemd does it: as
    /// descriptor 3, with `LISTEN_PID` naming the process that the shell becomes.
    pub fn on_socket(binary: &Path, socket: &TcpListener, data: &Path) -> Result<Self, Box<dyn Error>> {
        let script = format!(r#"exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#, socket.as_raw_fd());
        let mut command = Command::new("bash");
        command.args(["-c", &script]).arg(binary).args(["serve", "--data"]).arg(data).args(["--demo"]);
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        Self::started(&mut command)
    }

    /// Starts the payment simulator with its ledger in a file.
    pub fn gateway(ledger: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(["gateway", "--listen", "127.0.0.1:0", "--ledger"]).arg(ledger);
        Self::started(command.env("SAEM_LOG", "error").envs(settings.iter().copied()))
    }

    /// Starts the bare server of `bare.rs`, with its store in `directory`.
    pub fn bare(directory: &Path) -> Result<Self, Box<dyn Error>> {
        Self::started(Command::new(std::env::current_exe()?).arg("bare").arg(directory))
    }

    fn started(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("its output is not piped")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        match address {
            Some(address) => Ok(Self { process, _output: output, address }),
            None => {
                process.kill()?;
                process.wait()?;
                Err(format!("a server printed {line:?} instead of its address").into())
            }
        }
    }

    /// Sends SIGTERM and waits for the end of the process, which must exit with 0.
    pub fn terminate(mut self) -> std::io::Result<()> {
        Command::new("sh").args(["-c", &format!("kill {}", self.pid())]).status()?;
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("a server ended: {status}")))
        }
    }

    /// Sends SIGKILL and waits for the end of the process.
    pub fn kill(&mut self) {
        // Both fail if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// Binds a socket that child processes inherit.
pub fn inheritable() -> std::io::Result<TcpListener> {
    let socket = TcpListener::bind("127.0.0.1:0")?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty())?;
    Ok(socket)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
