//! From settings to an open shop: data directory, operator's key, gateways.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{Http, Payment, Settings, SimulatorSettings};
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
    http::tls::{Tls, TlsError},
    shop::{Shop, ShopError, ShopParts, ShopSettings},
    store::{
        Backend, Journal, OpenError as StoreOpenError,
        images::{self, Images, archive},
        memory::MemoryJournal,
    },
};

/// Why a shop cannot be opened: one clear line each.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The simulator's ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Product images.
    #[error("the images in {path} cannot be used: {error}")]
    Images {
        /// Their directory.
        path: PathBuf,
        /// I/O error.
        error: std::io::Error,
    },
    /// The operator's key.
    #[error("the operator key {path} cannot be used: {error}")]
    OperatorKey {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The way to the payment gateway.
    #[error("the payment gateway's client cannot be set up: {0}")]
    GatewayClient(#[from] reqwest::Error),
    /// The shop itself.
    #[error("the shop cannot be opened: {0}")]
    Shop(#[from] ShopError),
}

/// Opens a shop as `settings` say; within an actix system.
///
/// # Errors
/// [`OpenError`]
pub async fn open_shop(settings: &Settings) -> Result<Arc<Shop>, OpenError> {
    let sources = Sources::system();
    let directory = &settings.store.path;
    let (journal, ledger, images): (Arc<dyn Journal>, _, _) = match Backend::named(&settings.store.backend) {
        None => (MemoryJournal::new(), Ledger::in_memory(), Images::default()),
        Some(backend) => {
            let journal = backend.open(directory, settings.store.options())?;
            (journal, Ledger::open(&ledger_path(directory))?, open_images(directory)?)
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

/// Who the server is, by TLS, if the settings say so.
///
/// # Errors
/// [`TlsError`], naming the setting.
pub fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, TlsError> {
    let Http { tls_cert: Some(certificate), tls_key: Some(key), .. } = &settings.http else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Tls::load(certificate.clone(), key.clone())?)))
}

/// Who takes the money, and who may have taken it under earlier settings.
fn gateways(payment: &Payment, ledger: Ledger, sources: &Sources) -> Result<Gateways, OpenError> {
    const CHECKED: &str = "settings are checked when they are loaded";
    let mut all: Vec<Arc<dyn PaymentGateway>> =
        vec![Arc::new(simulator(&payment.simulator, ledger, sources))];
    if let Some(url) = payment.url.as_deref() {
        let base = http::base_url(url).expect(CHECKED);
        let key = payment.key.as_ref().map(|key| key.0.clone());
        all.push(Arc::new(HttpGateway::new(http::client()?, base, key)));
    }
    if let Some(key) = &payment.stripe.secret_key {
        let base = http::base_url(&payment.stripe.url).expect(CHECKED);
        all.push(Arc::new(StripeGateway::new(http::client()?, base, key.0.clone())));
    }
    if let Some(key) = &payment.toss.secret_key {
        let base = http::base_url(&payment.toss.url).expect(CHECKED);
        all.push(Arc::new(TossGateway::new(http::client()?, base, key.0.clone())));
    }
    let current = all.iter().position(|gateway| gateway.provider() == payment.provider).expect(CHECKED);
    let current = all.swap_remove(current);
    Ok(Gateways::new(current, all))
}

/// The simulator, as the settings have it behave.
#[must_use]
pub fn simulator(settings: &SimulatorSettings, ledger: Ledger, sources: &Sources) -> Simulator {
    let SimulatorSettings { latency_ms, jitter_ms, capacity } = *settings;
    let behaviour = Behaviour { latency_ms, jitter_ms, capacity, ..Behaviour::default() };
    Simulator::new(ledger, behaviour, sources.bits() as u64)
}

/// What a backup takes along, where it is there, as it is at the moment that the backup is of.
#[must_use]
pub fn beside(directory: &Path) -> Vec<PathBuf> {
    vec![operator_key_path(directory), ledger_path(directory), images_path(directory)]
}

/// Where the simulator keeps its record of the money.
#[must_use]
pub fn ledger_path(directory: &Path) -> PathBuf {
    directory.join("simulator.ledger")
}

/// The directory of product images.
#[must_use]
pub fn images_path(directory: &Path) -> PathBuf {
    directory.join(images::DIRECTORY)
}

/// Names of the files that an export may have.
#[must_use]
pub fn exported_names(directory: &Path) -> Vec<String> {
    let files = [operator_key_path(directory), ledger_path(directory)];
    let names = files.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    names.chain([archive::NAME.to_owned()]).collect()
}

fn open_images(directory: &Path) -> Result<Images, OpenError> {
    let path = images_path(directory);
    Images::open(&path).map_err(|error| OpenError::Images { path, error })
}

/// Where a generated operator key is kept.
#[must_use]
pub fn operator_key_path(directory: &Path) -> PathBuf {
    directory.join("operator.key")
}

/// The key in the data directory; made, for the owner's eyes only, if there is none.
fn operator_key(directory: &Path, sources: &Sources) -> Result<String, OpenError> {
    let path = operator_key_path(directory);
    let made = || -> std::io::Result<String> {
        match fs::read_to_string(&path) {
            Ok(key) if key.trim().len() >= 32 => return Ok(key.trim().to_owned()),
            Ok(_) => return Err(std::io::Error::other("it must have at least 32 characters")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
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
    made().map_err(|error| OpenError::OperatorKey { path: path.clone(), error })
}
