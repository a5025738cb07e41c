//! Servers under load, each a process of its own, ended with the value that stands for it.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::fd::AsRawFd as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// A running server.
pub struct Server {
    process: Child,
    /// Where it says what it does: read from as long as it lives, so that it can go on.
    _output: BufReader<ChildStdout>,
    /// Its host and port.
    pub address: String,
}

impl Server {
    /// The real one, on `data`, with settings as environment variables.
    pub fn saem(data: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        Self::serving(Command::new(env!("CARGO_BIN_EXE_saem")), data, settings)
    }

    /// The same, with every instruction counted: valgrind becomes the server, and writes what it has counted
    /// to `counts`, with a number behind it. It is some fifty times slower.
    pub fn counted(data: &Path, counts: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new("valgrind");
        let counts = format!("--callgrind-out-file={}", counts.display());
        command.args(["-q", "--tool=callgrind", &counts, env!("CARGO_BIN_EXE_saem")]);
        Self::serving(command, data, settings)
    }

    fn serving(mut command: Command, data: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // One client is the whole load: its rate is what is measured.
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        command.envs(settings.iter().copied());
        Self::started(command.env("SAEM_OPERATOR__KEY", crate::calls::OPERATOR_KEY))
    }

    /// A binary on an address that it binds itself.
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

    /// A binary on a socket that this process holds open, passed as systemd passes it: as descriptor 3, to
    /// the very process that the shell becomes.
    pub fn on_socket(binary: &Path, socket: &TcpListener, data: &Path) -> Result<Self, Box<dyn Error>> {
        let script = format!(r#"exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#, socket.as_raw_fd());
        let mut command = Command::new("bash");
        command.args(["-c", &script]).arg(binary).args(["serve", "--data"]).arg(data).args(["--demo"]);
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        Self::started(&mut command)
    }

    /// The payment simulator, which keeps its ledger in a file.
    pub fn gateway(ledger: &Path, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(["gateway", "--listen", "127.0.0.1:0", "--ledger"]).arg(ledger);
        Self::started(command.env("SAEM_LOG", "error").envs(settings.iter().copied()))
    }

    /// What the same libraries do without a shop, in `directory`: see `bare.rs`.
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
                Err(format!("a server did not say where it listens, but {line:?}").into())
            }
        }
    }

    /// Ends it in order, and waits until it has.
    pub fn terminate(mut self) -> std::io::Result<()> {
        Command::new("sh").args(["-c", &format!("kill {}", self.pid())]).status()?;
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("a server ended: {status}")))
        }
    }

    /// SIGKILL: what was acknowledged is on disk.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// A socket that the processes it is passed to can hold open.
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
