//! Logins, tokens and certificates, and that no secret is shown.

use std::os::unix::fs::PermissionsExt as _;

use dockyard::registry::Kind;

use crate::faults::{Fault, Faults, Rule};
use crate::registries::{Image, PASSWORD, Registry, USER, basic, docker_config};
use crate::{client, client_with, digest, repository, tag};

#[test]
fn a_login_is_found_missing_wrong_or_good() {
    let Some(registry) = Registry::locked() else { return };
    Image::new("one").put(&registry, "acme/app", "1");
    let app = repository(&registry, "acme/app");
    let missing = client(&[&registry], &[]).head(&app, &tag("1")).unwrap_err();
    assert_eq!(missing.kind, Kind::Unauthorized { login: false }, "{missing}");
    assert!(
        missing.to_string().ends_with(&format!("`docker login {}`", registry.host)),
        "{missing}"
    );

    let wrong = docker_config(&[]);
    let config = format!(
        r#"{{"auths":{{"{}":{{"username":"{USER}","password":"wrong-{PASSWORD}"}}}}}}"#,
        registry.host
    );
    std::fs::write(wrong.path().join("config.json"), config).unwrap();
    let wrong = client_with(&[&registry], wrong, |_| {});
    let refused = wrong.can_write(&app).unwrap_err();
    assert_eq!(refused.kind, Kind::LoginRefused, "{refused}");
    for shown in [format!("{refused}"), format!("{refused:?}"), format!("{:?}", wrong.registries)] {
        assert!(!shown.contains(PASSWORD), "{shown}");
    }

    let good = client(&[&registry], &[&registry.host]);
    assert!(good.head(&app, &tag("1")).unwrap().is_some());
    good.can_write(&app).unwrap();

    let untrusting = client(&[], &[&registry.host]).head(&app, &tag("1")).unwrap_err();
    assert_eq!(untrusting.kind, Kind::Tls, "{untrusting}");
    assert!(untrusting.to_string().contains("/etc/docker/certs.d/"), "{untrusting}");
}

#[test]
fn a_credential_helper_is_asked() {
    let Some(registry) = Registry::locked() else { return };
    Image::new("one").put(&registry, "acme/app", "1");
    let app = repository(&registry, "acme/app");
    let with_helper = |script: &str| {
        let config = docker_config(&[]);
        let text = format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, registry.host);
        std::fs::write(config.path().join("config.json"), text).unwrap();
        let program = config.path().join("docker-credential-test");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", config.path().display(), std::env::var("PATH").unwrap());
        client_with(&[&registry], config, |settings| {
            settings.environment = settings.environment.clone().with("PATH", path);
        })
    };
    let answer = format!(
        r#"read host; [ "$1 $host" = "get {}" ] && echo '{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}'"#,
        registry.host
    );
    assert!(with_helper(&answer).head(&app, &tag("1")).unwrap().is_some());
    let none = with_helper("echo 'credentials not found in native keychain'; exit 1");
    let none = none.head(&app, &tag("1")).unwrap_err();
    assert_eq!(none.kind, Kind::Unauthorized { login: false }, "{none}");
    for broken in [format!("echo {PASSWORD}; exit 3"), format!("echo {PASSWORD}"), "exit 0".into()]
    {
        let trouble = with_helper(&broken).can_write(&app).unwrap_err();
        assert_eq!(trouble.kind, Kind::NoLogin, "{trouble}");
        assert!(!format!("{trouble} {trouble:?}").contains(PASSWORD), "{trouble}");
    }
}

#[test]
fn tokens_are_fetched_by_scope_and_kept() {
    let (Some(registry), Some(other)) = (Registry::open(), Registry::open()) else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    proxy.token_server(&basic(), None, 300);
    let client_of = || client(&[], &[&proxy.host]);
    let client = client_of();
    let app: dockyard::reference::Repository = format!("{}/acme/app", proxy.host).parse().unwrap();
    let near = format!("{}/acme/near", proxy.host).parse().unwrap();
    let far = format!("{}/acme/far", other.host).parse().unwrap();
    for _ in 0..3 {
        assert_eq!(client.head(&app, &tag("1")).unwrap(), Some(digest(&put.digest)));
    }
    let seen = proxy.take_requests();
    let count = |part: &str| seen.iter().filter(|seen| seen.path.contains(part)).count();
    assert_eq!((count("/token"), count("/manifests/1")), (1, 4), "{seen:?}");
    client.copy(&app, &near, &digest(&put.digest)).unwrap();
    client.copy(&app, &far, &digest(&put.digest)).unwrap();
    client
        .put_manifest(&app, &tag("2"), &client.manifest(&app, &tag("1")).unwrap().unwrap())
        .unwrap();
    assert_eq!(registry.tag("acme/app", "2").as_deref(), Some(put.digest.as_str()));

    // Without a login, or with another one.
    let nobody = crate::client(&[], &[]).head(&app, &tag("1")).unwrap_err();
    assert_eq!(nobody.kind, Kind::Unauthorized { login: false }, "{nobody}");
    proxy.token_server("Basic other", None, 300);
    let wrong = client_of().head(&app, &tag("1")).unwrap_err();
    assert_eq!(wrong.kind, Kind::LoginRefused, "{wrong}");

    // An identity token is exchanged.
    proxy.token_server("none", Some("identity-token-1"), 300);
    let config = docker_config(&[]);
    let text = format!(
        r#"{{"auths":{{"{}":{{"auth":"eDp5","identitytoken":"identity-token-1"}}}}}}"#,
        proxy.host
    );
    std::fs::write(config.path().join("config.json"), text).unwrap();
    assert!(client_with(&[], config, |_| {}).head(&app, &tag("1")).unwrap().is_some());
}

#[test]
fn a_login_goes_nowhere_else() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let (proxy, elsewhere) = (Faults::before(&registry.host), Faults::before(&registry.host));
    let client = client(&[], &[&proxy.host]);
    let app: dockyard::reference::Repository = format!("{}/acme/app", proxy.host).parse().unwrap();
    let challenge = vec![("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned())];
    let away = format!("http://{}/v2/acme/app/manifests/1", elsewhere.host);
    proxy.script([
        Rule::on("GET", "/manifests/1", Fault::Answer(401, challenge.clone(), vec![])).times(1),
        Rule::on(
            "GET",
            "/manifests/1",
            Fault::Answer(307, vec![("Location".into(), away)], vec![]),
        ),
    ]);
    let manifest = client.manifest(&app, &tag("1")).unwrap().unwrap();
    assert_eq!(manifest.digest.as_str(), put.digest);
    let ours = proxy.take_requests();
    assert!(ours.iter().any(|seen| seen.authorization.as_deref() == Some("Basic")), "{ours:?}");
    assert_eq!(
        elsewhere.requests().iter().map(|seen| seen.authorization.clone()).collect::<Vec<_>>(),
        [None]
    );

    // A registry that repeats what it was sent.
    let parrot = Fault::Refusal {
        status: 400,
        retry_after: None,
        code: "X".into(),
        message: format!("bad login {} of {PASSWORD}", basic()),
    };
    proxy.script([
        Rule::on("*", "/manifests/1", Fault::Answer(401, challenge, vec![])).times(1),
        Rule::on("*", "/manifests/1", parrot),
    ]);
    let trouble = client.manifest(&app, &tag("1")).unwrap_err();
    let shown = format!("{trouble} {trouble:?} {:?}", client.told.lock().unwrap());
    assert!(
        !shown.contains(PASSWORD) && !shown.contains(basic().trim_start_matches("Basic ")),
        "{shown}"
    );
}

#[test]
fn a_token_may_end_in_the_middle_of_a_copy() {
    let (Some(source), Some(target)) = (Registry::open(), Registry::open()) else { return };
    let image = Image { layer_bytes: 500_000, ..Image::new("one") };
    let put = image.put(&source, "acme/app", "1");
    let proxies = [Faults::before(&source.host), Faults::before(&target.host)];
    for uses in [8, 10, 13] {
        for proxy in &proxies {
            proxy.token_server(&basic(), None, 3600);
            proxy.token_uses(uses);
        }
        let client = client(&[], &[&proxies[0].host, &proxies[1].host]);
        let [from, to] = [&proxies[0].host, &proxies[1].host];
        let from = format!("{from}/acme/app").parse().unwrap();
        let to = format!("{to}/acme/copy-{uses}").parse().unwrap();
        client.copy(&from, &to, &digest(&put.digest)).unwrap();
        let index = client.manifest(&from, &tag("1")).unwrap().unwrap();
        client.put_manifest(&to, &tag("1"), &index).unwrap();
        assert_eq!(target.tag(&format!("acme/copy-{uses}"), "1").as_ref(), Some(&put.digest));
        let asked = proxies[1].take_requests();
        assert!(asked.iter().filter(|one| one.path.starts_with("/token")).count() > 2, "{uses}");
    }
}
