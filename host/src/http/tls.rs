//! TLS to an origin, and who vouches for it.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, OnceLock},
};

use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::failure::Failure;
use crate::{
    granted_files::{FileForm, FileGrant, GrantedFiles},
    network::Host,
    runtime::FilesAccess as _,
};

/// Speaks TLS over `stream` to `host`, for which `ca` vouches, or the machine's own roots.
pub(super) async fn handshake(stream: TcpStream, host: &Host, ca: Option<&Path>) -> Result<TlsStream<TcpStream>, Failure> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failure::Invalid("its name fits no certificate"))?,
        Host::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let config = match ca {
        Some(file) => of_file(file).await?,
        None => of_machine().await?,
    };
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| failure(&error))
}

/// The roots of this machine, read once a process: to read a hundred certificates takes longer than most requests. `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` of the process count, as for every other program.
async fn of_machine() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let loading = spawn_blocking(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some stores hold certificates that nobody can read; the others count.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map_or_else(|| "this machine has none".to_owned(), ToString::to_string);
            return Err(Failure::Roots(format!("{why}; name the origin's own with `ca`")));
        }
        config(roots)
    });
    let config = loading.await.unwrap_or_else(|_| Err(Failure::Roots("the machine's own could not be read".into())))?;
    Ok(Arc::clone(CONFIG.get_or_init(|| config)))
}

/// The roots in a file, read at each request: it may be replaced at any time. As every granted file it must be nobody else's to change.
async fn of_file(file: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let grants = BTreeMap::from([(String::new(), FileGrant { path: file.to_owned(), form: FileForm::Bytes })]);
    let files = GrantedFiles::new(grants, rustix::process::geteuid().as_raw());
    let pem = files.read("", FileForm::Bytes).await.map_err(|failure| Failure::Roots(failure.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let unreadable = |why: String| Failure::Roots(format!("`{}` holds a certificate that cannot be read: {why}", file.display()));
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(Failure::Roots(format!("`{}` holds no certificate in PEM form", file.display())));
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, Failure> {
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let mut config = versions.map_err(|error| Failure::Tls(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // What one call agreed on with a server is nothing that the next one, of another app or source, should go on with.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => Failure::Certificate(why.to_string()),
        Some(other) => Failure::Tls(other.to_string()),
        None => Failure::Tls(error.to_string()),
    }
}
