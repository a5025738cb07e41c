//! Servers under load, each a process of its own, ended with the value that stands for it.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // One client is the whole load: its rate is what is measured.
        command.envs([("SAEM_LOG", "error"), ("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")]);
        command.envs(settings.iter().copied());
        Self::started(command.env("SAEM_OPERATOR__KEY", crate::calls::OPERATOR_KEY))
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

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    /// SIGKILL: what was acknowledged is on disk.
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
