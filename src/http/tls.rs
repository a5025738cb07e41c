//! TLS by rustls, with certificates that can be reloaded.
//!
//! A reload applies to new connections; open ones keep their certificate.

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

/// Error of a certificate or key file.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{setting} = {}: {error}", path.display())]
    File {
        /// Name of the setting with the path.
        setting: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The reason.
        error: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not match.
    #[error("http.tls_cert and http.tls_key do not fit: {0}")]
    Unfit(#[from] rustls::Error),
}

/// Certificate and key of the server.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// `TlsError`, with the setting at fault.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let current = RwLock::new(read(&certificate, &key)?);
        Ok(Self { certificate, key, current })
    }

    /// Reads both files again.
    ///
    /// # Errors
    /// `TlsError`; the current certificate then stays in use.
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
