//! Registries that fail, lie or are slow.

use std::time::{Duration, Instant};

use dockyard::registry::Kind;
use ureq::http::Method;

use crate::faults::{Fault, Faults, Rule};
use crate::registries::{Image, Registry};
use crate::{client, client_with, digest, tag};

/// Copies under random faults; `DOCKYARD_FAULTS` asks for more.
const RUNS: u64 = 20;

fn refusal(status: u16, retry_after: Option<&str>, code: &str, message: &str) -> Fault {
    Fault::Refusal {
        status,
        retry_after: retry_after.map(str::to_owned),
        code: code.into(),
        message: message.into(),
    }
}

fn app(proxy: &Faults) -> dockyard::reference::Repository {
    format!("{}/acme/app", proxy.host).parse().unwrap()
}

#[test]
fn what_passes_by_itself_is_tried_again() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    for fault in [
        refusal(429, None, "TOOMANYREQUESTS", ""),
        refusal(429, Some("0"), "TOOMANYREQUESTS", ""),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Cut,
    ] {
        let client = client(&[], &[]);
        proxy.script([Rule::on("GET", "/manifests/1", fault.clone()).times(2)]);
        let manifest = client.manifest(&app(&proxy), &tag("1")).unwrap().unwrap();
        assert_eq!(manifest.digest.as_str(), put.digest, "{fault:?}");
        let asked = proxy.take_requests();
        let asked = asked.iter().filter(|seen| seen.path.contains("/manifests/1")).count();
        assert_eq!(asked, 3, "{fault:?}");
        assert_eq!(client.told.lock().unwrap().len(), 2, "{fault:?}");
    }
    // A write whose answer was lost is done again, with the same end.
    let client = client(&[], &[]);
    let manifest = client.manifest(&app(&proxy), &tag("1")).unwrap().unwrap();
    proxy.script([Rule::on("PUT", "/manifests/2", Fault::ResetAfter).times(1)]);
    client.put_manifest(&app(&proxy), &tag("2"), &manifest).unwrap();
    assert_eq!(registry.tag("acme/app", "2"), Some(put.digest));
}

#[test]
fn it_is_given_up_in_time() {
    let Some(registry) = Registry::open() else { return };
    Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    let quick = || {
        client_with(&[], tempfile::tempdir().unwrap(), |settings| {
            settings.limits.silence = Duration::from_millis(300);
            settings.limits.attempts = 3;
        })
    };
    for (fault, kind, requests) in [
        (Fault::Hang(Duration::from_secs(3)), Kind::TimedOut, 3),
        (Fault::Status(503), Kind::Server(503), 3),
        (Fault::Status(507), Kind::Server(507), 1),
        (refusal(429, Some("3600"), "TOOMANYREQUESTS", "quota"), Kind::TooManyRequests, 1),
        (refusal(400, None, "X", "y"), Kind::Status(400), 1),
    ] {
        proxy.script([Rule::on("*", "/manifests/", fault)]);
        let begun = Instant::now();
        let trouble = quick().head(&app(&proxy), &tag("1")).unwrap_err();
        assert_eq!(trouble.kind, kind, "{trouble}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{trouble}");
        let asked = proxy.take_requests();
        let asked = asked.iter().filter(|seen| seen.path.contains("/manifests/")).count();
        assert_eq!(asked, requests, "{trouble}");
    }
}

#[test]
fn each_refusal_is_told_apart() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    let (client, app) = (client(&[], &[]), app(&proxy));
    let manifest = client.manifest(&app, &tag("1")).unwrap().unwrap();

    proxy.script([Rule::on(
        "PUT",
        "/manifests/1",
        refusal(400, None, "TAG_INVALID", "the tag is immutable"),
    )]);
    let refused = client.put_manifest(&app, &tag("1"), &manifest).unwrap_err();
    assert_eq!(refused.kind, Kind::Refused, "{refused}");

    proxy.script([Rule::on(
        "GET",
        "/tags/list",
        refusal(403, None, "DENIED", "not \u{1b}[31mallowed"),
    )]);
    let denied = client.tags(&app).unwrap_err();
    assert_eq!(denied.kind, Kind::Forbidden { login: false }, "{denied}");
    assert!(!denied.to_string().contains('\u{1b}'), "{denied}");

    proxy.script([Rule::on("*", "/manifests/", Fault::Status(401))]);
    let unknown = client.head(&app, &tag("1")).unwrap_err();
    assert_eq!(unknown.kind, Kind::Unauthorized { login: false }, "{unknown}");
    assert!(unknown.to_string().contains(&format!("`docker login {}`", proxy.host)), "{unknown}");

    proxy.script([Rule::on("*", "/manifests/", Fault::Without("Docker-Content-Digest"))]);
    assert_eq!(client.head(&app, &tag("1")).unwrap(), Some(digest(&put.digest)));
    client.put_manifest(&app, &tag("1"), &manifest).unwrap();

    proxy.script([]);
    assert!(client.present(&app, &digest(&put.digest)).unwrap());
    registry.delete("acme/app", &put.manifests[1].1);
    assert_eq!(client.head(&app, &tag("1")).unwrap(), Some(digest(&put.digest)));
    assert!(!client.present(&app, &digest(&put.digest)).unwrap());
    let gone = client.content(&app, &tag("1")).unwrap_err();
    assert_eq!(gone.kind, Kind::NotFound, "{gone}");
}

#[test]
fn what_a_registry_says_is_not_believed() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    let elsewhere = Faults::before(&registry.host);
    let (client, app) = (client(&[], &[]), app(&proxy));
    let whole = digest(&put.digest);
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let endless = format!("http://{}/v2/acme/app/manifests/1", proxy.host);
    let other = format!("sha256:{}", "0".repeat(64));
    for fault in [
        Fault::Flip,
        Fault::With("Docker-Content-Digest", other.clone()),
        Fault::With("Docker-Content-Digest", "../../etc".into()),
        Fault::With("Content-Type", "application/vnd.oci.image.manifest.v1+json".into()),
        Fault::Answer(200, vec![], vec![b' '; 5_000_000]),
        Fault::Answer(307, header("Location", "file:///etc/passwd"), vec![]),
        Fault::Answer(307, header("Location", "http://registry.example/x"), vec![]),
        Fault::Answer(307, header("Location", &endless), vec![]),
        Fault::Answer(307, vec![], vec![]),
    ] {
        proxy.script([Rule::on("GET", "/manifests/1", fault.clone())]);
        let trouble = client.content(&app, &tag("1")).unwrap_err();
        assert_eq!(trouble.kind, Kind::Invalid, "{fault:?}: {trouble}");
    }
    for link in [
        format!("<http://{}/v2/acme/app/tags/list?n=1>; rel=\"next\"", elsewhere.host),
        "</v2/other/tags/list>; rel=next".into(),
        "<file:///x>; rel=next".into(),
        "</v2/acme/app/tags/list?n=1000>; rel=next".into(),
    ] {
        proxy.script([Rule::on("GET", "/tags/list", Fault::With("Link", link.clone()))]);
        let trouble = client.tags(&app).unwrap_err();
        assert_eq!(trouble.kind, Kind::Invalid, "{link}: {trouble}");
    }
    assert_eq!(elsewhere.requests(), []);

    // A blob that is not what the manifest names never gets into another registry.
    let Some(target) = Registry::open() else { return };
    let to = format!("{}/acme/app", target.host).parse().unwrap();
    proxy.script([Rule::on("GET", &put.layers[0], Fault::Flip)]);
    let trouble = client.copy(&app, &to, &whole).unwrap_err();
    assert_eq!(trouble.kind, Kind::Invalid, "{trouble}");
    let blob = format!("/v2/acme/app/blobs/{}", put.layers[0]);
    assert_eq!(target.request(&Method::GET, &blob, "", &[]).0, 404);
    assert_eq!(client.head(&to, &whole).unwrap(), None);
    proxy.script([]);
    client.copy(&app, &to, &whole).unwrap();
    assert!(client.present(&to, &whole).unwrap());
}

#[test]
fn pages_of_tags_are_followed() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    let (client, app) = (client(&[], &[]), app(&proxy));
    let page = |tags: &str, link: Option<&str>| {
        let headers =
            link.iter().map(|link| ("Link".to_owned(), format!("<{link}>; rel=\"next\"")));
        Fault::Answer(200, headers.collect(), format!("{{\"tags\":{tags}}}").into_bytes())
    };
    proxy.script([
        Rule::on("GET", "last=b", page("null", None)),
        Rule::on(
            "GET",
            "/tags/list",
            page(r#"["a","b","-no-tag"]"#, Some("/v2/acme/app/tags/list?last=b")),
        ),
    ]);
    assert_eq!(client.tags(&app).unwrap().into_iter().collect::<Vec<_>>(), [tag("a"), tag("b")]);
    assert!(client.head(&app, &digest(&put.digest)).unwrap().is_some());
}

#[test]
fn copies_succeed_under_random_faults() {
    let (Some(source), Some(target)) = (Registry::open(), Registry::open()) else { return };
    let image = Image { attested: Some("x".into()), layer_bytes: 50_000, ..Image::new("one") };
    let put = image.put(&source, "acme/app", "1");
    let (from_proxy, to_proxy) = (Faults::before(&source.host), Faults::before(&target.host));
    let from = app(&from_proxy);
    let runs = std::env::var("DOCKYARD_FAULTS").map_or(RUNS, |runs| runs.parse().unwrap());
    let mut faults = 0;
    for run in 0..runs {
        // With the usual attempts: each of a blob's questions has its own.
        from_proxy.random(run, 3);
        to_proxy.random(run + 1000, 3);
        let client = client(&[], &[]);
        let name = format!("acme/copy-{run}");
        let to = format!("{}/{name}", to_proxy.host).parse().unwrap();
        let whole = digest(&put.digest);
        client.copy(&from, &to, &whole).unwrap_or_else(|trouble| panic!("run {run}: {trouble}"));
        let index = client.manifest(&from, &whole).unwrap().unwrap();
        client.put_manifest(&to, &tag("1"), &index).unwrap();
        faults += client.told.lock().unwrap().len();
        // By the registry itself, without faults.
        assert_eq!(target.tag(&name, "1").as_ref(), Some(&put.digest), "run {run}");
        for layer in put.layers.iter().chain(&put.configs) {
            let blob = format!("/v2/{name}/blobs/{layer}");
            assert_eq!(target.request(&Method::GET, &blob, "", &[]).0, 200, "run {run}");
        }
        // An index is never there before what it lists.
        let seen = to_proxy.take_requests();
        let at = |digest: &str| {
            seen.iter().position(|one| {
                one.method == "PUT" && one.path.ends_with(digest) && one.passed == Some(201)
            })
        };
        let index = at(&format!("manifests/{}", put.digest));
        for (_, manifest) in &put.manifests {
            assert!(at(&format!("manifests/{manifest}")) < index, "run {run}");
        }
    }
    assert!(faults as u64 > runs, "there were {faults} faults");
}

#[test]
fn time_in_which_bytes_move_is_not_counted() {
    let (Some(source), Some(target)) = (Registry::open(), Registry::open()) else { return };
    let put = Image::new("one").put(&source, "acme/app", "1");
    let from = format!("{}/acme/app", source.host).parse().unwrap();
    let proxy = Faults::before(&target.host);
    let to = app(&proxy);
    let impatient = || {
        client_with(&[], tempfile::tempdir().unwrap(), |settings| {
            settings.limits.total = Duration::from_millis(500);
        })
    };
    // Every transfer breaks twice, later than all attempts together may take.
    let late = || Fault::Hang(Duration::from_millis(700));
    proxy.script(
        put.layers
            .iter()
            .chain(&put.configs)
            .map(|blob| Rule::on("PUT", &blob.replace(':', "%3A"), late()).times(2))
            .chain(
                put.layers
                    .iter()
                    .chain(&put.configs)
                    .map(|blob| Rule::on("PUT", blob, late()).times(2)),
            ),
    );
    impatient().copy(&from, &to, &digest(&put.digest)).unwrap();
    assert!(impatient().present(&to, &digest(&put.digest)).unwrap());
    let broken = proxy.requests().iter().filter(|one| one.status == 0).count();
    assert_eq!(broken, 2 * (put.layers.len() + put.configs.len()));
    // A question moves nothing.
    proxy.script([Rule::on("HEAD", "/manifests/", late()).times(2)]);
    let trouble = impatient().head(&to, &tag("1")).unwrap_err();
    assert_eq!((trouble.kind, trouble.attempts), (Kind::Broken, 1), "{trouble}");
}

#[test]
fn what_is_no_registry_is_said() {
    let Some(registry) = Registry::open() else { return };
    let proxy = Faults::before(&registry.host);
    proxy.script([Rule::on("*", "/", Fault::Answer(404, vec![], b"<html>".to_vec()))]);
    let trouble = client(&[], &[]).can_write(&app(&proxy)).unwrap_err();
    assert_eq!(trouble.kind, Kind::NotFound, "{trouble}");
    assert!(trouble.to_string().contains("no registry answers there"), "{trouble}");
}

#[test]
fn a_registry_that_is_down_is_waited_for_once() {
    let Some(registry) = Registry::open() else { return };
    let put = Image::new("one").put(&registry, "acme/app", "1");
    let proxy = Faults::before(&registry.host);
    let client = client_with(&[], tempfile::tempdir().unwrap(), |settings| {
        settings.limits.attempts = 4;
        settings.limits.silence = Duration::from_secs(2);
    });
    proxy.script([Rule::on("HEAD", "/manifests/", Fault::Status(503))]);
    for attempts in [4, 1, 1] {
        let trouble = client.head(&app(&proxy), &tag("1")).unwrap_err();
        assert_eq!((trouble.kind, trouble.attempts), (Kind::Server(503), attempts), "{trouble}");
    }
    // Later it may be well again.
    std::thread::sleep(Duration::from_secs(2));
    proxy.script([Rule::on("HEAD", "/manifests/", Fault::Status(503)).times(2)]);
    assert_eq!(client.head(&app(&proxy), &tag("1")).unwrap(), Some(digest(&put.digest)));
}
