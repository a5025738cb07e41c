//! TLS, by rustls: who the server is, and how that is changed while it runs.
//!
//! A certificate expires sooner than a server is stopped: so its files are read again when the server is
//! told to, and connections from then on see the new one. Those under way keep theirs.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One of them cannot be read, or is no PEM.
    #[error("{setting} = {}: {error}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// They do not fit together.
    #[error("http.tls_cert and http.tls_key do not fit: {0}")]
    Unfit(#[from] rustls::Error),
}

/// Who the server is.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`], naming the setting.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let current = RwLock::new(read(&certificate, &key)?);
        Ok(Self { certificate, key, current })
    }

    /// Reads both again. Connections from now on see what they say.
    ///
    /// # Errors
    /// [`TlsError`]; then all stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = read(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |setting, path: &PathBuf| {
        let path = path.clone();
        move |error| TlsError::File { setting, path, error }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable("http.tls_cert", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable("http.tls_key", key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
