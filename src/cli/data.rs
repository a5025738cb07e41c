//! `saem backup`, `saem restore`, `saem compact`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use clap::Args;
use reqwest::Response;
use saem::{
    BackedUp, Backend, Compacted, OpenError,
    internal::{
        config::{Settings, Store, open},
        gateways, store,
    },
};
use serde_json::{Value, json};

use super::{
    Failure, data_flag,
    output::{print, with_progress},
};

/// Timeout of a backup request. Large stores take long.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Args)]
pub(crate) struct Data {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Use this data directory (`store.path`; default ./saem-data).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Data {
    /// Loads the settings and the backend that they name.
    pub(super) fn settings(&self) -> Result<(Settings, Backend), Failure> {
        let data = data_flag(self.data.as_deref())?;
        let settings = Settings::load(self.config.as_deref(), &data.into_iter().collect::<Vec<_>>())?;
        match Backend::named(&settings.store.backend) {
            Some(backend) => Ok((settings, backend)),
            None => Err(format!("store.backend = {}: it stores no data", settings.store.backend).into()),
        }
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    /// Target directory, new or empty.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Request the backup from the server at this URL. Without it, data that no server has open is copied
    /// directly, and for data in use the server at `http.listen` is asked.
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
            Some(url) => {
                request_backup(url, &settings, &to).await?.ok_or_else(|| format!("{url} does not answer"))?
            }
            // Only the lock tells that the data is in use: the server at that address may have other data.
            None => match copy_offline(backend, &settings.store, &to).await {
                Err(in_use) if matches!(in_use.downcast_ref(), Some(OpenError::Locked(_))) => {
                    let url = local_url(&settings.http.listen);
                    request_backup(&url, &settings, &to).await?.ok_or(in_use)?
                }
                backed_up => backed_up?,
            },
        };
        print(format_args!("{}: {bytes} bytes, up to event {}\n", to.display(), position.0))
    }
}

/// Requests a backup from the server at `url`; none if no server listens there.
async fn request_backup(url: &str, settings: &Settings, to: &Path) -> Result<Option<BackedUp>, Failure> {
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("--url {url}: must begin with http:// or https://").into());
    }
    let key = match &settings.operator.key {
        Some(key) => key.0.clone(),
        None => {
            let path = open::operator_key_path(&settings.store.path);
            let key = std::fs::read_to_string(&path);
            key.map_err(|error| unreadable_key(&settings.store.path, &path, &error))?.trim().to_owned()
        }
    };
    let call = gateways::http::client()?
        .post(format!("{}/v1/operations/backup", url.trim_end_matches('/')))
        .timeout(BACKUP_TIMEOUT)
        .bearer_auth(key)
        .json(&json!({"directory": to}));
    match with_progress(&format!("waiting for {url}"), to, call.send()).await {
        Ok(response) => parse_response(response).await.map(Some),
        Err(error) if error.is_connect() => Ok(None),
        Err(error) if error.is_builder() => Err(format!("--url {url}: not a valid URL").into()),
        Err(error) => Err(format!("{url} does not answer: {error}").into()),
    }
}

/// Error for an unreadable operator key. The usual cause is a directory without data.
fn unreadable_key(directory: &Path, key: &Path, error: &std::io::Error) -> Failure {
    match Backend::is_there(directory) {
        Ok(()) => format!("{}: {error}", key.display()).into(),
        Err(nothing) => nothing.into(),
    }
}

/// URL of the server that listens on `address`, from this machine.
fn local_url(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(any) if any.ip().is_unspecified() => {
            let host = if any.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            format!("http://{host}:{}", any.port())
        }
        _ => format!("http://{address}"),
    }
}

async fn parse_response(response: Response) -> Result<BackedUp, Failure> {
    let status = response.status();
    let foreign = |_| format!("the response with status {status} is not from a Saem server");
    let body: Value = response.json().await.map_err(foreign)?;
    let number = |name: &str| body[name].as_u64();
    if let (true, Some(position), Some(bytes)) = (status.is_success(), number("position"), number("bytes")) {
        return Ok(BackedUp { position: saem::Position(position), bytes });
    }
    let detail = body["errors"][0]["detail"].as_str().or_else(|| body["detail"].as_str()).unwrap_or_default();
    Err(format!("the server refuses ({status}): {detail}").into())
}

async fn copy_offline(backend: Backend, store: &Store, to: &Path) -> Result<BackedUp, Failure> {
    Backend::is_there(&store.path)?;
    let journal = backend.open(&store.path, store.options())?;
    let copied = journal.back_up(to.to_owned(), open::beside(&store.path));
    let backed_up = with_progress(&format!("copying to {}", to.display()), to, copied).await;
    journal.close().await;
    Ok(backed_up?)
}

#[derive(Args)]
pub(crate) struct Restore {
    /// Directory of the backup.
    #[arg(value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    data: Data,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (Settings { store, .. }, configured) = self.data.settings()?;
        // A backup records its own backend, which may differ from the configured one.
        let label = format!("copying to {}", store.path.display());
        let to = store.path.clone();
        let copying = tokio::task::spawn_blocking(move || store::restore(&self.from, &to));
        let backend = with_progress(&label, &store.path, copying).await??;
        // Open the result as a server would.
        let position = *backend.open(&store.path, store.options())?.head().borrow();
        let restored = format!("{}: restored, up to event {}\n", store.path.display(), position.0);
        if backend == configured {
            return print(restored);
        }
        let hint =
            format!("this is a store of {backend}: set store.backend to {backend} (now {configured})\n");
        print(restored + &hint)
    }
}

pub(super) fn compact(data: &Data) -> Result<(), Failure> {
    let (Settings { store, .. }, backend) = data.settings()?;
    let Compacted { bytes_before, bytes_after } = backend.compact(&store.path, store.options())?;
    let path = store.path.display();
    print(format_args!("{path}: {bytes_before} bytes before, {bytes_after} bytes after\n"))
}
