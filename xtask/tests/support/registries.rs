//! Real registries for tests: Debian's `docker-registry` on loopback, each a process with a folder of its own.
//!
//! `Registry::open()` serves anybody without TLS, `Registry::locked()` wants TLS and a login. Both give nothing, and
//! say so, where the program is missing. Tests put [`Image`]s into them without an engine, and read what a registry
//! served from its own log. A test binary takes `support/engines.rs` as `engines` beside it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use ureq::http::{Method, Request, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::engines::not_run;

pub(crate) const USER: &str = "ann";
/// Looked for in everything that must not hold it.
pub(crate) const PASSWORD: &str = "correct-horse-7391";
/// `htpasswd -nbB -C 4 ann correct-horse-7391`
const HTPASSWD: &str = "ann:$2b$04$abcdefghijklmnopqrstuuxj1aCVkcGO2Xy3FNFQcA33.Qi03ffdK\n";

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Docker's own types, which a registry turns into a much older form for whoever does not accept them.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A running registry. It ends with the value.
pub(crate) struct Registry {
    child: Child,
    folder: tempfile::TempDir,
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
    /// The authority that signed its certificate, in PEM, where it has TLS.
    pub(crate) authority: Option<Utf8PathBuf>,
    agent: ureq::Agent,
}

impl Registry {
    /// Without TLS and logins.
    pub(crate) fn open() -> Option<Self> {
        Self::start(false)
    }

    /// With TLS and the login `USER`, `PASSWORD`.
    pub(crate) fn locked() -> Option<Self> {
        Self::start(true)
    }

    fn start(locked: bool) -> Option<Self> {
        let Ok(program) = which::which("docker-registry") else {
            not_run("docker-registry is missing: `apt-get install docker-registry`");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(folder.path()).expect("text").to_owned();
        let authority = locked.then(|| certify(&path));
        // Another process may take the free port before the registry does.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let host = free.local_addr().expect("an address").to_string();
            drop(free);
            fs::write(path.join("config.yml"), configuration(&path, &host, locked))
                .expect("written");
            let log = File::create(path.join("log")).expect("a log");
            let child = Command::new(&program)
                .args(["serve", path.join("config.yml").as_str()])
                .env_clear()
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a log"))
                .stderr(log)
                .spawn()
                .expect("the registry starts");
            let agent = agent(authority.as_deref());
            let mut registry = Self {
                child,
                folder: tempfile::tempdir().expect("a folder"),
                host,
                authority: authority.clone(),
                agent,
            };
            if registry.answers() {
                registry.folder = folder;
                return Some(registry);
            }
        }
        panic!(
            "the registry does not start: {}",
            fs::read_to_string(path.join("log")).unwrap_or_default()
        );
    }

    fn answers(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.child.try_wait().expect("it is ours").is_some() {
                return false;
            }
            if self.agent.get(self.url("/v2/")).call().is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    }

    /// Its folder, in which `log` is what it said and `data` what it holds.
    pub(crate) fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).expect("text")
    }

    /// What it wrote to its log, requests among it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).expect("a log")
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host)
    }

    /// One request with the login, past everything that is tested. Status, the headers' `Location`, body.
    pub(crate) fn request(
        &self,
        method: &Method,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let url = if path.starts_with("http") { path.to_owned() } else { self.url(path) };
        let mut request = Request::builder().method(method).uri(url);
        if !media_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        request = request.header(
            header::ACCEPT,
            format!("{INDEX}, {MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"),
        );
        if self.authority.is_some() {
            request = request.header(header::AUTHORIZATION, basic());
        }
        let mut response = if matches!(*method, Method::POST | Method::PUT) {
            self.agent.run(request.body(body).expect("a request"))
        } else {
            self.agent.run(request.body(()).expect("a request"))
        }
        .expect("the registry answers");
        let location = response.headers().get(header::LOCATION).cloned();
        let location =
            location.map_or_else(String::new, |one| one.to_str().expect("text").to_owned());
        let body = response.body_mut().read_to_vec().expect("a body");
        (response.status().as_u16(), location, body)
    }

    fn blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let (status, location, _) = self.request(&Method::POST, &uploads, "", &[]);
        assert_eq!(status, 202, "an upload of {repository}");
        let (status, _, said) = self.request(
            &Method::PUT,
            &format!("{location}&digest={digest}"),
            "application/octet-stream",
            bytes,
        );
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&said));
        digest
    }

    /// Puts `bytes` under a tag or digest; the digest.
    pub(crate) fn put(
        &self,
        repository: &str,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> String {
        let path = format!("/v2/{repository}/manifests/{name}");
        let (status, _, said) = self.request(&Method::PUT, &path, media_type, bytes);
        assert_eq!(status, 201, "{path}: {}", String::from_utf8_lossy(&said));
        digest(bytes)
    }

    /// Where a tag points, by the registry itself.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (status, _, bytes) = self.request(&Method::GET, &path, "", &[]);
        (status == 200).then(|| digest(&bytes))
    }

    /// Removes a manifest and with it all tags that point to it.
    pub(crate) fn delete(&self, repository: &str, digest: &str) {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let (status, ..) = self.request(&Method::DELETE, &path, "", &[]);
        assert_eq!(status, 202, "{path}");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// An image to be put into a registry: an index of its platforms, each with one layer.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) platforms: Vec<&'static str>,
    /// What makes it differ from others.
    pub(crate) content: String,
    pub(crate) labels: Vec<(&'static str, String)>,
    /// Whether each platform has an attestation, and what is in it.
    pub(crate) attested: Option<String>,
    /// Bytes of each layer.
    pub(crate) layer_bytes: usize,
    /// What images built on it do first.
    pub(crate) onbuild: Vec<&'static str>,
    pub(crate) created: Option<&'static str>,
}

/// What was put.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) digest: String,
    /// By platform: the manifest's digest.
    pub(crate) manifests: Vec<(&'static str, String)>,
    pub(crate) configs: Vec<String>,
    pub(crate) layers: Vec<String>,
    pub(crate) attestations: Vec<String>,
}

impl Image {
    pub(crate) fn new(content: &str) -> Self {
        Self {
            platforms: vec!["linux/amd64", "linux/arm64"],
            content: content.to_owned(),
            labels: Vec::new(),
            attested: None,
            layer_bytes: 1000,
            onbuild: Vec::new(),
            created: None,
        }
    }

    /// Puts it under `tag`.
    pub(crate) fn put(&self, registry: &Registry, repository: &str, tag: &str) -> Put {
        let mut put = Put {
            digest: String::new(),
            manifests: Vec::new(),
            configs: Vec::new(),
            layers: Vec::new(),
            attestations: Vec::new(),
        };
        let mut children = Vec::new();
        for platform in &self.platforms {
            let (os, architecture) = platform.split_once('/').expect("a platform");
            let mut layer = format!("{platform} {} ", self.content).into_bytes();
            layer.resize(self.layer_bytes.max(layer.len()), b'.');
            let labels: serde_json::Map<String, serde_json::Value> = self
                .labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
                .collect();
            let config = serde_json::json!({
                "os": os, "architecture": architecture, "created": self.created,
                "config": {"Labels": labels, "OnBuild": self.onbuild},
                "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
            });
            let (manifest, config, layer) =
                one_manifest(registry, repository, &config.to_string(), LAYER, &layer);
            children.push(serde_json::json!({
                "mediaType": MANIFEST, "digest": manifest.0, "size": manifest.1,
                "platform": {"os": os, "architecture": architecture},
            }));
            if let Some(attested) = &self.attested {
                let config = serde_json::json!({
                    "os": "unknown", "architecture": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []},
                });
                let statement = format!("{{\"about\":\"{}\",\"made\":\"{attested}\"}}", manifest.0);
                let (attestation, ..) = one_manifest(
                    registry,
                    repository,
                    &config.to_string(),
                    "application/vnd.in-toto+json",
                    statement.as_bytes(),
                );
                children.push(serde_json::json!({
                    "mediaType": MANIFEST, "digest": attestation.0, "size": attestation.1,
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest",
                        "vnd.docker.reference.digest": manifest.0,
                    },
                }));
                put.attestations.push(attestation.0);
            }
            put.manifests.push((platform, manifest.0));
            put.configs.push(config);
            put.layers.push(layer);
        }
        let index =
            serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
        put.digest = registry.put(repository, tag, INDEX, index.to_string().as_bytes());
        put
    }
}

/// Puts a manifest of one layer by its digest: its digest and size, the configuration's digest, the layer's.
fn one_manifest(
    registry: &Registry,
    repository: &str,
    config: &str,
    layer_type: &str,
    layer: &[u8],
) -> ((String, usize), String, String) {
    let config_digest = registry.blob(repository, config.as_bytes());
    let layer_digest = registry.blob(repository, layer);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": layer_type, "digest": layer_digest, "size": layer.len()}],
    })
    .to_string();
    let digest = digest(manifest.as_bytes());
    registry.put(repository, &digest, MANIFEST, manifest.as_bytes());
    ((digest, manifest.len()), config_digest, layer_digest)
}

/// The digest of `bytes`, made apart from the code that is tested.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("text grows");
    }
    text
}

/// A folder with a `config.json` that holds the login for each of `hosts`.
pub(crate) fn docker_config(hosts: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let auth = basic();
    let auth = auth.strip_prefix("Basic ").expect("basic");
    let auths: serde_json::Map<String, serde_json::Value> =
        hosts.iter().map(|host| ((*host).to_owned(), serde_json::json!({"auth": auth}))).collect();
    let config = serde_json::json!({"auths": auths}).to_string();
    fs::write(folder.path().join("config.json"), config).expect("written");
    folder
}

/// As [`docker_config`], beside the plug-ins that `docker` has now.
pub(crate) fn docker_config_beside(docker: &Command, hosts: &[&str]) -> tempfile::TempDir {
    let folder = docker_config(hosts);
    let own = docker
        .get_envs()
        .find(|(name, _)| *name == "DOCKER_CONFIG")
        .and_then(|(_, value)| Some(std::path::PathBuf::from(value?)))
        .or_else(|| Some(std::path::PathBuf::from(std::env::var_os("DOCKER_CONFIG")?)))
        .or_else(|| Some(std::path::Path::new(&std::env::var_os("HOME")?).join(".docker")))
        .expect("a home");
    let plugins = own.join("cli-plugins");
    if plugins.is_dir() {
        std::os::unix::fs::symlink(plugins, folder.path().join("cli-plugins")).expect("a link");
    }
    folder
}

/// The value of `Authorization` for the login.
pub(crate) fn basic() -> String {
    use base64::Engine as _;
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    format!("Basic {pair}")
}

fn configuration(folder: &Utf8Path, host: &str, locked: bool) -> String {
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n  delete:\n    \
         enabled: true\n  redirect:\n    disable: true\nhttp:\n  addr: {host}\n"
    );
    if locked {
        fs::write(folder.join("htpasswd"), HTPASSWD).expect("written");
        let secured = format!(
            "  tls:\n    certificate: {folder}/server.crt\n    key: {folder}/server.key\nauth:\n  htpasswd:\n    \
             realm: test\n    path: {folder}/htpasswd\n"
        );
        text.push_str(&secured);
    }
    text
}

/// Makes an authority and a certificate for loopback that it signs; the authority's file.
fn certify(folder: &Utf8Path) -> Utf8PathBuf {
    let openssl = |args: &[&str]| {
        let done =
            Command::new("openssl").args(args).current_dir(folder).output().expect("openssl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let new = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ];
    openssl(
        &[&new[..], &["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt"]]
            .concat(),
    );
    let signed = [
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-subj",
        "/CN=registry",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
    ];
    let leaf = [
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "server.key",
        "-out",
        "server.crt",
    ];
    openssl(&[&new[..], &signed, &leaf].concat());
    folder.join("ca.crt")
}

fn agent(authority: Option<&Utf8Path>) -> ureq::Agent {
    let roots = authority.map(|file| {
        let pem = fs::read(file).expect("the authority");
        Certificate::from_pem(&pem).expect("a certificate")
    });
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots.into_iter().collect())))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// No test binary uses all of this.
const _: () = {
    let _: [fn() -> Option<Registry>; 2] = [Registry::open, Registry::locked];
    let _: fn(&Registry) -> String = Registry::log;
    let _: fn(&Registry, &str, &str) = Registry::delete;
    let _: fn(&Registry, &str, &str) -> Option<String> = Registry::tag;
    let _: fn(&Image, &Registry, &str, &str) -> Put = Image::put;
    let _: fn(&str) -> Image = Image::new;
    let _: fn(&[&str]) -> tempfile::TempDir = docker_config;
    let _: fn(&Command, &[&str]) -> tempfile::TempDir = docker_config_beside;
    let _: fn() -> String = basic;
    let _ = USER;
};
