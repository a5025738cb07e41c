//! Opens a shop as configured: store, gateways, operator key, TLS.
//!
//! This is the composition root of the server. It names every backend and provider, so that `store`,
//! `gateways` and `actors` need not know the settings.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{Http, Payment, Secret, Settings, SimulatorSettings};
use crate::{
    actors::sources::Sources,
    gateways::{
        payment::{
            Gateways, PaymentGateway,
            http::{self, HttpGateway},
            ledger::{Ledger, LedgerError},
            simulator::{Behaviour, Simulator},
            stripe::StripeGateway,
            toss::TossGateway,
        },
        sms::LogSms,
    },
    http::{Tls, TlsError},
    shop::{Shop, ShopError, ShopParts, ShopSettings},
    store::{
        Backend, Journal, OpenError,
        images::{self, Images, archive},
        memory::MemoryJournal,
    },
};

/// Error while opening a shop, shown as one line.
#[derive(Debug, Error)]
pub enum OpenShopError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the images in {path} cannot be used: {error}")]
    Images { path: PathBuf, error: io::Error },
    #[error("the operator key {path} cannot be used: {error}")]
    OperatorKey { path: PathBuf, error: io::Error },
    #[error("the payment gateway's HTTP client cannot be built: {0}")]
    GatewayClient(#[from] reqwest::Error),
    #[error("the shop cannot be opened: {0}")]
    Shop(#[from] ShopError),
}

/// Opens a shop as configured. Must run in an actix system.
pub async fn open_shop(settings: &Settings) -> Result<Arc<Shop>, OpenShopError> {
    let sources = Sources::system();
    let directory = &settings.store.path;
    let (journal, ledger, images): (Arc<dyn Journal>, _, _) = match Backend::named(&settings.store.backend) {
        None => (MemoryJournal::new(), Ledger::in_memory(), Images::default()),
        Some(backend) => {
            let journal = backend.open(directory, settings.store.options())?;
            let ledger = Ledger::open(&ledger_path(directory))?;
            let path = images_path(directory);
            (journal, ledger, Images::open(&path).map_err(|error| OpenShopError::Images { path, error })?)
        }
    };
    let operator_key = match &settings.operator.key {
        Some(key) => key.0.clone(),
        None => operator_key(directory, &sources)?,
    };
    let gateways = gateways(&settings.payment, ledger, &sources)?;
    let parts = ShopParts { journal, gateways, sms: Arc::new(LogSms), sources };
    let beside = beside(directory);
    Ok(Shop::open(parts, ShopSettings { beside, images, ..settings.shop(operator_key) }).await?)
}

/// Loads the TLS certificate, if one is configured.
pub fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, TlsError> {
    let Http { tls_cert: Some(certificate), tls_key: Some(key), .. } = &settings.http else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Tls::load(certificate.clone(), key.clone())?)))
}

/// Builds the current gateway and all other configured ones, which resolve charges of earlier settings.
fn gateways(payment: &Payment, ledger: Ledger, sources: &Sources) -> Result<Gateways, OpenShopError> {
    const CHECKED: &str = "settings are checked when they are loaded";
    let base = |url: &str| http::base_url(url).expect(CHECKED);
    let mut all: Vec<Arc<dyn PaymentGateway>> =
        vec![Arc::new(simulator(&payment.simulator, ledger, sources))];
    if let Some(url) = &payment.url {
        let key = payment.key.as_ref().map(|key| key.0.clone());
        all.push(Arc::new(HttpGateway::new(http::client()?, base(url), key)));
    }
    let Payment { stripe, toss, .. } = payment;
    if let Some(Secret(key)) = &stripe.secret_key {
        all.push(Arc::new(StripeGateway::new(http::client()?, base(&stripe.url), key.clone())));
    }
    if let Some(Secret(key)) = &toss.secret_key {
        all.push(Arc::new(TossGateway::new(http::client()?, base(&toss.url), key.clone())));
    }
    let current = all.iter().position(|gateway| gateway.provider() == payment.provider).expect(CHECKED);
    let current = all.swap_remove(current);
    Ok(Gateways::new(current, all))
}

pub fn simulator(settings: &SimulatorSettings, ledger: Ledger, sources: &Sources) -> Simulator {
    let SimulatorSettings { latency_ms, jitter_ms, capacity } = *settings;
    let behaviour = Behaviour { latency_ms, jitter_ms, capacity, ..Behaviour::default() };
    Simulator::new(ledger, behaviour, sources.bits() as u64)
}

/// Files and directories that a backup copies beside the store, if they exist.
pub fn beside(directory: &Path) -> Vec<PathBuf> {
    vec![operator_key_path(directory), ledger_path(directory), images_path(directory)]
}

pub fn ledger_path(directory: &Path) -> PathBuf {
    directory.join("simulator.ledger")
}

pub fn images_path(directory: &Path) -> PathBuf {
    directory.join(images::DIRECTORY)
}

/// Names of the files that an export may have.
pub fn exported_names(directory: &Path) -> Vec<String> {
    let files = [operator_key_path(directory), ledger_path(directory)];
    let names = files.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    names.chain([archive::NAME.to_owned()]).collect()
}

pub fn operator_key_path(directory: &Path) -> PathBuf {
    directory.join("operator.key")
}

/// Reads the operator key from the data directory, or generates it with mode 0600.
fn operator_key(directory: &Path, sources: &Sources) -> Result<String, OpenShopError> {
    let path = operator_key_path(directory);
    let read_or_generate = || -> io::Result<String> {
        match fs::read_to_string(&path) {
            Ok(key) if key.trim().len() >= 32 => return Ok(key.trim().to_owned()),
            Ok(_) => return Err(io::Error::other("it must have at least 32 characters")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::create_dir_all(directory)?;
        let key = format!("{:032x}{:032x}", sources.bits(), sources.bits());
        let temporary = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        writeln!(file, "{key}")?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(key)
    };
    read_or_generate().map_err(|error| OpenShopError::OperatorKey { path: path.clone(), error })
}
