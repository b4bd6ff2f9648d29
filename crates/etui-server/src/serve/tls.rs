//! HTTPS without a proxy.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};

use super::certificate::end_s;
use crate::settings::TlsSettings;

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {} as PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("cannot serve HTTPS with the certificate {} and its key", certificate.display())]
    Unusable {
        /// The certificate chain.
        certificate: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

/// How HTTPS is served.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970, where it says so in a way that is understood.
    pub(super) certificate_ends_s: Option<u64>,
}

/// TLS 1.2 and 1.3 with the given certificate; `None` if none is given.
///
/// # Errors
/// [`TlsError`].
pub(super) fn config(settings: Option<&TlsSettings>) -> Result<Option<Tls>, TlsError> {
    let Some(TlsSettings { certificate, key }) = settings else { return Ok(None) };
    let unusable = |source| TlsError::Unusable { certificate: certificate.clone(), source };
    let chain: Vec<_> = read(certificate, |path| CertificateDer::pem_file_iter(path)?.collect())?;
    let certificate_ends_s = chain.first().and_then(|first| end_s(first));
    let key = read(key, |path| PrivateKeyDer::from_pem_file(path))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Tls { config: Arc::new(config), certificate_ends_s }))
}

/// Takes TLS connections.
pub(super) fn acceptor(config: Arc<ServerConfig>) -> RustlsAcceptor {
    RustlsAcceptor::new(RustlsConfig::from_config(config))
}

fn read<T>(path: &Path, parse: impl FnOnce(&Path) -> Result<T, pem::Error>) -> Result<T, TlsError> {
    parse(path).map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}
