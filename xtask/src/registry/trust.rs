//! Whom do we trust, and over which connections do we speak?

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Proxy};

use super::Limits;
use super::host::Plain;
use crate::engine::interrupt;

/// How often it is looked whether we were interrupted.
const LOOK: Duration = Duration::from_millis(50);
const AGENT: &str = concat!("dockyard/", env!("CARGO_PKG_VERSION"));

/// The connections of all hosts, by whom they trust.
pub(super) struct Trust {
    folders: Vec<Utf8PathBuf>,
    connect: Duration,
    silence: Duration,
    native: OnceLock<Vec<Certificate<'static>>>,
    /// For all hosts without certificates of their own.
    shared: OnceLock<Agent>,
    agents: Mutex<Vec<Agent>>,
}

/// What `certs.d/HOST` holds.
#[derive(Default)]
struct Own {
    authorities: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

impl Trust {
    pub(super) fn new(folders: Vec<Utf8PathBuf>, limits: &Limits) -> Self {
        Self {
            folders,
            connect: limits.connect,
            silence: limits.silence,
            native: OnceLock::new(),
            shared: OnceLock::new(),
            agents: Mutex::default(),
        }
    }

    /// Cuts every exchange short when a person interrupts: a read may otherwise wait as long as a registry is silent.
    pub(super) fn end_when_interrupted(trust: &Arc<Self>) {
        let trust = Arc::downgrade(trust);
        std::thread::spawn(move || {
            while let Some(trust) = trust.upgrade() {
                if interrupt::interrupted() {
                    let agents = trust.agents.lock().unwrap_or_else(PoisonError::into_inner);
                    agents.iter().for_each(|agent| agent.clone().shutdown());
                    return;
                }
                drop(trust);
                std::thread::sleep(LOOK);
            }
        });
    }

    /// The connections for the host `name`.
    ///
    /// # Errors
    /// When a file of its certificates cannot be used.
    pub(super) fn agent(&self, name: &str, plain: Plain) -> Result<Agent, String> {
        let own = self.own(name)?;
        if own.is_none() && plain == Plain::Never {
            return Ok(self.shared.get_or_init(|| self.make(Own::default(), plain)).clone());
        }
        Ok(self.make(own.unwrap_or_default(), plain))
    }

    fn make(&self, own: Own, plain: Plain) -> Agent {
        let roots = own.authorities.into_iter().chain(self.native().iter().cloned());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
            .client_cert(own.client)
            // What the engine calls insecure, Docker does not verify.
            .disable_verification(plain == Plain::Insecure)
            .build();
        let agent: Agent = Agent::config_builder()
            .tls_config(tls)
            // As Go does: no proxy is asked for this machine itself.
            .proxy(if plain == Plain::Loopback { None } else { Proxy::try_from_env() })
            .user_agent(AGENT)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(8)
            .max_idle_connections(32)
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_recv_response(Some(self.silence))
            .timeout_per_read(Some(self.silence))
            .timeout_per_write(Some(self.silence))
            .build()
            .into();
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).push(agent.clone());
        agent
    }

    /// The machine's own roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    fn native(&self) -> &[Certificate<'static>] {
        self.native.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            found.certs.iter().map(|one| Certificate::from_der(one).to_owned()).collect()
        })
    }

    /// `HOST/*.crt` are authorities, `NAME.cert` with `NAME.key` is a client's (Docker's manual, «Verify repository
    /// client with certificates»).
    fn own(&self, name: &str) -> Result<Option<Own>, String> {
        let mut found: Option<Own> = None;
        for folder in &self.folders {
            let Ok(entries) = folder.join(name).read_dir_utf8() else { continue };
            let own = found.get_or_insert_default();
            let mut files: Vec<Utf8PathBuf> =
                entries.flatten().map(|entry| entry.path().to_owned()).collect();
            files.sort();
            for file in files {
                match file.extension() {
                    Some("crt") => own.authorities.extend(certificates(&file)?),
                    Some("cert") if own.client.is_none() => own.client = Some(client(&file)?),
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

fn certificates(file: &Utf8Path) -> Result<Vec<Certificate<'static>>, String> {
    let text = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let found: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(format!("{file} holds no certificate in PEM")) } else { Ok(found) }
}

fn client(file: &Utf8Path) -> Result<ClientCert, String> {
    let chain = certificates(file)?;
    let key = file.with_extension("key");
    let text = std::fs::read(&key).map_err(|error| format!("{key}: {error}"))?;
    let found = parse_pem(&text).find_map(|item| match item {
        Ok(PemItem::PrivateKey(key)) => Some(key),
        _ => None,
    });
    let found = found.ok_or_else(|| format!("{key} holds no private key in PEM"))?;
    Ok(ClientCert::new_with_certs(&chain, found))
}
