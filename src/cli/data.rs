//! `saem backup`, `saem restore`, `saem compact`: what is done to data as a whole.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use clap::Args;
use reqwest::Response;
use saem::{
    config::{Settings, Store, open},
    gateways,
    store::{self, BackedUp, Backend, Compacted, OpenError},
};
use serde_json::{Value, json};

use super::{
    Failure, data_flag,
    say::{say, telling, telling_of},
};

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
    /// The server to ask. Unless this is given, data that nobody has open is copied without one, and the
    /// server at `http.listen` is asked for data that is in use.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    data: Data,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (settings, backend) = self.data.settings()?;
        let to = absolute(&self.to)?;
        let BackedUp { position, bytes } = match &self.url {
            Some(url) => asked(url, &settings, &to).await?.ok_or_else(|| format!("{url} does not answer"))?,
            // Who has the data is known by its lock alone: whoever listens there may have another shop.
            None => match offline(backend, &settings.store, &to).await {
                Err(in_use) if is_locked(&in_use) => {
                    let url = local_url(&settings.http.listen);
                    asked(&url, &settings, &to).await?.ok_or(in_use)?
                }
                made => made?,
            },
        };
        say(format_args!("{}: {bytes} bytes, up to event {}\n", to.display(), position.0))
    }
}

/// Whether data could not be opened because somebody else has it open.
fn is_locked(failure: &Failure) -> bool {
    matches!(failure.downcast_ref(), Some(OpenError::Locked(_)))
}

/// Asks the server at `url` for a backup; none if nobody answers there.
async fn asked(url: &str, settings: &Settings, to: &Path) -> Result<Option<BackedUp>, Failure> {
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("--url {url}: a URL begins with http:// or https://").into());
    }
    let key = match &settings.operator.key {
        Some(key) => key.0.clone(),
        None => {
            let path = open::operator_key_path(&settings.store.path);
            let key = std::fs::read_to_string(&path);
            key.map_err(|error| unreadable_key(&settings.store.path, &path, &error))?.trim().to_owned()
        }
    };
    let call = gateways::payment::http::client()?
        .post(format!("{}/v1/operations/backup", url.trim_end_matches('/')))
        .timeout(PATIENCE)
        .bearer_auth(key)
        .json(&json!({"directory": to}));
    match telling_of(&format!("waiting for {url}"), to, call.send()).await {
        Ok(answer) => told(answer).await.map(Some),
        Err(error) if error.is_connect() => Ok(None),
        Err(error) if error.is_builder() => Err(format!("--url {url}: it is no URL").into()),
        Err(error) => Err(format!("{url} does not answer: {error}").into()),
    }
}

/// Why the operator's key cannot be read: for the most part, because there is no shop there.
fn unreadable_key(directory: &Path, key: &Path, error: &std::io::Error) -> Failure {
    match Backend::is_there(directory) {
        Ok(()) => format!("{}: {error}", key.display()).into(),
        Err(nothing) => nothing.into(),
    }
}

/// Where a server that listens on `address` is reached from here.
fn local_url(address: &str) -> String {
    let parsed = address.parse::<SocketAddr>().map(|mut address| {
        if address.ip().is_unspecified() {
            let v4 = address.is_ipv4();
            address.set_ip(if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        address
    });
    parsed.map_or_else(|_| format!("http://{address}"), |address| format!("http://{address}"))
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
    Backend::is_there(&store.path)?;
    let journal = backend.open(&store.path, store.options())?;
    let copied = journal.back_up(to.to_owned(), open::beside(&store.path));
    let made = telling_of(&format!("copying to {}", to.display()), to, copied).await;
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
        let restoring = format!("copying to {}", store.path.display());
        let backend = telling(&restoring, &store.path, || store::restore(&self.from, &store.path))?;
        // As a server would find it.
        let position = *backend.open(&store.path, store.options())?.head().borrow();
        let restored = format!("{}: restored, up to event {}\n", store.path.display(), position.0);
        let hint = match backend == configured {
            true => String::new(),
            false => format!(
                "it is a store of {backend}: set store.backend to {backend}, which is {configured} now\n"
            ),
        };
        say(restored + &hint)
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
        let path = store.path.display();
        say(format_args!("{path}: {bytes_before} bytes before, {bytes_after} bytes after\n"))
    }
}
