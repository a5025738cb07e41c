//! `saem backup`, `saem restore`, `saem compact`: what is done to data as a whole.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use clap::Args;
use reqwest::Response;
use saem::{
    config::{Settings, Store},
    gateways, open,
    store::{self, BackedUp, Backend, Compacted, OpenError},
};
use serde_json::{Value, json};

use super::{Failure, data_flag};

/// A backup takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Which data.
#[derive(Args)]
pub(super) struct Data {
    /// Read settings from a TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The data directory, instead of ./saem-data (`store.path`).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Data {
    /// The settings, and the backend that they name.
    pub(super) fn settings(&self) -> Result<(Settings, Backend), Failure> {
        let data = data_flag(self.data.as_deref())?;
        let settings = Settings::load(self.config.as_deref(), &data.into_iter().collect::<Vec<_>>())?;
        match Backend::named(&settings.store.backend) {
            Some(backend) => Ok((settings, backend)),
            None => Err(format!("store.backend = {}: it keeps nothing", settings.store.backend).into()),
        }
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    /// Where to: a directory that is new or empty.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// The server that has the data, instead of `http.listen`. Unless this is given, and if no server
    /// listens, the data is copied without one.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    data: Data,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (settings, backend) = self.data.settings()?;
        let to = absolute(&self.to)?;
        let url = self.url.clone().unwrap_or_else(|| local_url(&settings.http.listen));
        let key = match &settings.operator.key {
            Some(key) => key.0.clone(),
            None => {
                let path = open::operator_key_path(&settings.store.path);
                let key = std::fs::read_to_string(&path);
                key.map_err(|error| format!("{}: {error}", path.display()))?.trim().to_owned()
            }
        };
        let call = gateways::http::client()?
            .post(format!("{}/v1/operations/backup", url.trim_end_matches('/')))
            .timeout(PATIENCE)
            .bearer_auth(key)
            .json(&json!({"directory": to}));
        let BackedUp { position, bytes } = match call.send().await {
            Ok(answer) => told(answer).await?,
            Err(error) if error.is_connect() && self.url.is_none() => {
                offline(backend, &settings.store, &to).await?
            }
            Err(error) => return Err(format!("{url} does not answer: {error}").into()),
        };
        println!("{}: {bytes} bytes, up to event {}", to.display(), position.0);
        Ok(())
    }
}

/// Where a server that listens on `address` is reached from here.
fn local_url(address: &str) -> String {
    let address = address.parse::<SocketAddr>().map(|mut address| {
        if address.ip().is_unspecified() {
            let v4 = address.is_ipv4();
            address.set_ip(if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        address
    });
    address.map_or_else(|_| String::new(), |address| format!("http://{address}"))
}

/// What a server says of the backup that it was asked for.
async fn told(answer: Response) -> Result<BackedUp, Failure> {
    let status = answer.status();
    let body: Value =
        answer.json().await.map_err(|_| format!("an answer of status {status} that is not Saem's"))?;
    let number = |name: &str| body[name].as_u64();
    if let (true, Some(position), Some(bytes)) = (status.is_success(), number("position"), number("bytes")) {
        return Ok(BackedUp { position: saem::domain::Position(position), bytes });
    }
    let detail = body["errors"][0]["detail"].as_str().or_else(|| body["detail"].as_str()).unwrap_or_default();
    Err(format!("the server refuses ({status}): {detail}").into())
}

/// Copies data that no server has open.
async fn offline(backend: Backend, store: &Store, to: &Path) -> Result<BackedUp, Failure> {
    if !store.path.join("FORMAT").exists() {
        return Err(OpenError::Foreign(store.path.display().to_string()).into());
    }
    let journal = backend.open(&store.path, store.options())?;
    let made = journal.back_up(to.to_owned(), open::beside(&store.path)).await;
    journal.close().await;
    Ok(made?)
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    data: Data,
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (settings, configured) = self.data.settings()?;
        let store = settings.store;
        // What a backup is of, it says itself: it is restored whatever the settings name.
        let backend = store::restore(&self.from, &store.path)?;
        // As a server would find it.
        let position = *backend.open(&store.path, store.options())?.head().borrow();
        println!("{}: restored, up to event {}", store.path.display(), position.0);
        if backend != configured {
            println!("it is a store of {backend}: set store.backend to {backend}, which is {configured} now");
        }
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    data: Data,
}

impl Compact {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (settings, backend) = self.data.settings()?;
        let store = settings.store;
        let Compacted { bytes_before, bytes_after } = backend.compact(&store.path, store.options())?;
        println!("{}: {bytes_before} bytes before, {bytes_after} bytes after", store.path.display());
        Ok(())
    }
}
