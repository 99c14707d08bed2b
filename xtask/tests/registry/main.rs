//! The registry client against real registries, and against registries with faults.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../support/engines.rs"]
mod engines;
#[path = "../support/faults.rs"]
mod faults;
mod faulty;
mod logins;
#[path = "../support/registries.rs"]
mod registries;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8PathBuf;
use dockyard::engine::Environment;
use dockyard::reference::{Digest, Repository, Tag};
use dockyard::registry::{Copied, Kind, Limits, Registries, Settings};
use registries::{Image, Registry, USER, docker_config};

fn repository(registry: &Registry, path: &str) -> Repository {
    format!("{}/{path}", registry.host).parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

/// A client that waits shortly, with the logins in `config` and the authorities of `registries`.
struct Client {
    _config: tempfile::TempDir,
    _certificates: tempfile::TempDir,
    registries: Registries,
    /// What it said of further attempts.
    told: Arc<Mutex<Vec<String>>>,
}

impl std::ops::Deref for Client {
    type Target = Registries;

    fn deref(&self) -> &Registries {
        &self.registries
    }
}

fn client(trusted: &[&Registry], logins: &[&str]) -> Client {
    client_with(trusted, docker_config(logins), |_| {})
}

/// With the Docker configuration in `config`, and settings changed by `change`.
fn client_with(
    trusted: &[&Registry],
    config: tempfile::TempDir,
    change: impl FnOnce(&mut Settings),
) -> Client {
    let certificates = tempfile::tempdir().unwrap();
    for registry in trusted {
        if let Some(authority) = &registry.authority {
            let folder = certificates.path().join(&registry.host);
            std::fs::create_dir(&folder).unwrap();
            std::fs::copy(authority, folder.join("ca.crt")).unwrap();
        }
    }
    let environment =
        Environment::of_process().with("DOCKER_CONFIG", config.path().as_os_str().to_owned());
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let mut settings = Settings {
        certificates: vec![Utf8PathBuf::try_from(certificates.path().to_owned()).unwrap()],
        limits: Limits {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            commit: Duration::from_secs(10),
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(200),
            total: Duration::from_secs(30),
            ..Limits::default()
        },
        tell: Box::new(move |retry| telling.lock().unwrap().push(retry.to_string())),
        ..Settings::new(environment)
    };
    change(&mut settings);
    let registries = Registries::new(settings);
    Client { _config: config, _certificates: certificates, registries, told }
}

#[test]
fn an_open_registry_answers_what_it_holds() {
    let Some(registry) = Registry::open() else { return };
    let image = Image {
        labels: vec![("org.opencontainers.image.version", "0.3.0".into())],
        attested: Some("today".into()),
        ..Image::new("one")
    };
    let put = image.put(&registry, "acme/app", "0.3.0");
    let client = client(&[&registry], &[]);
    let app = repository(&registry, "acme/app");
    assert_eq!(client.head(&app, &tag("0.3.0")).unwrap(), Some(digest(&put.digest)));
    assert_eq!(client.head(&app, &tag("0.4.0")).unwrap(), None);
    assert_eq!(client.head(&repository(&registry, "acme/none"), &tag("1")).unwrap(), None);
    let content = client.content(&app, &tag("0.3.0")).unwrap().unwrap();
    assert!(content.is_index);
    assert_eq!(content.digest().as_str(), put.digest);
    assert_eq!(content.attestations.len(), 2);
    assert_eq!(content.images.len(), 2);
    for ((platform, manifest), config) in put.manifests.iter().zip(&put.configs) {
        let image = &content.images[&platform.parse().unwrap()];
        assert_eq!(image.manifest.as_str(), manifest);
        assert_eq!(image.config.as_str(), config);
        assert_eq!(image.labels["org.opencontainers.image.version"], "0.3.0");
        assert_eq!(image.size(), 1000);
    }
    assert!(client.present(&app, &digest(&put.digest)).unwrap());
    let tags = client.tags(&app).unwrap();
    assert_eq!(tags.into_iter().map(|tag| tag.to_string()).collect::<Vec<_>>(), ["0.3.0"]);
    let none = client.tags(&repository(&registry, "acme/none")).unwrap_err();
    assert_eq!(none.kind, Kind::NotFound, "{none}");
    client.can_write(&app).unwrap();

    client.put_manifest(&app, &tag("latest"), &content.manifest).unwrap();
    assert_eq!(registry.tag("acme/app", "latest").as_deref(), Some(put.digest.as_str()));
}

#[test]
fn an_image_is_copied_with_its_digest() {
    let (Some(open), Some(locked)) = (Registry::open(), Registry::locked()) else { return };
    let image =
        Image { attested: Some("today".into()), layer_bytes: 3_000_000, ..Image::new("one") };
    let put = image.put(&open, "acme/app", "1");
    let client = client(&[&locked], &[&locked.host]);
    let from = repository(&open, "acme/app");
    let whole = digest(&put.digest);

    let near = repository(&open, "other/name");
    let copied = client.copy(&from, &near, &whole).unwrap();
    assert_eq!((copied.manifests, copied.mounted, copied.uploaded), (5, 7, 0), "{copied:?}");
    let far = repository(&locked, "acme/app");
    let copied = client.copy(&from, &far, &whole).unwrap();
    assert_eq!((copied.manifests, copied.mounted, copied.uploaded), (5, 0, 7), "{copied:?}");
    for to in [&near, &far] {
        assert!(client.present(to, &whole).unwrap());
        assert_eq!(client.copy(&from, to, &whole).unwrap(), Copied::default());
        let (here, there) = (client.content(&from, &whole), client.content(to, &whole));
        assert_eq!(here.unwrap(), there.unwrap());
    }
    let index = client.manifest(&far, &whole).unwrap().unwrap();
    client.put_manifest(&far, &tag("1"), &index).unwrap();
    assert_eq!(locked.tag("acme/app", "1").as_deref(), Some(put.digest.as_str()));
    assert!(locked.log().contains(USER), "the login was used");
}
