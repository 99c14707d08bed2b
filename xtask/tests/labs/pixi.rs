//! B1 and B5 for real: `ml-platform`, as far as it goes without conda-forge, and what `new --template pixi` writes: it
//! lists, plans, lints clean, builds and passes its tests. Bases and channel come from mirrors.
//!
//! With `DOCKYARD_TEST_PIXI`, the program of that path locks and installs, from a channel with one package made here.
//! Without it, a script stands in the mirrored base for pixi: then what is shown is the template, not pixi.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::closed::{PYTHON, copy, stand_in};
use crate::engines::{self, TestEngine};
use crate::frontend;
use crate::lab::{Lab, succeed};
use crate::registries::{self, Registry};

/// What the Dockerfiles ask of pixi, done with the base's own Python.
const DOUBLE: &str = r#"#!/bin/sh
set -e
case "$*" in
"install --locked" | "install --locked --environment default")
    test -s pixi.lock
    mkdir -p .pixi/envs/default/bin
    printf '#!/bin/sh\nexec /usr/bin/python3 "$@"\n' >.pixi/envs/default/bin/python
    chmod 755 .pixi/envs/default/bin/python
    ;;
"shell-hook --shell bash" | "shell-hook --environment default --shell bash")
    echo "export PATH=$PWD/.pixi/envs/default/bin:\$PATH"
    ;;
*) exit 64 ;;
esac
"#;
const PYTHON_PROGRAM: &str = "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n";

/// A lab whose registries are one on loopback: pixi's image `tag` with `program`, or with a script in its place, and
/// Ubuntu's, made from Debian's archive.
fn mirrored(test: &'static TestEngine, registry: &Registry, tag: &str, real: Option<&str>) -> Lab {
    let lab = Lab::new(test);
    let base = stand_in(test, PYTHON);
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pixi");
    if let Some(path) = real {
        // A developer's build has hundreds of megabytes of symbols.
        let stripped = Command::new("strip").arg("-o").args([&program, Path::new(path)]).status();
        if !stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(path, &program).unwrap();
        }
    } else {
        std::fs::write(&program, DOUBLE).unwrap();
    }
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY pixi /usr/local/bin/\n");
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let docker = |args: &[&str]| {
        let said = lab.docker(args);
        assert_eq!(said.status, Some(0), "{args:?}: {said}");
    };
    let pixi = format!("{}/ghcr/prefix-dev/pixi:{tag}", registry.host);
    let ubuntu = format!("{}/hub/library/ubuntu:noble", registry.host);
    let context = folder.path().to_str().unwrap();
    docker(&[
        "buildx",
        "build",
        "--builder=default",
        "--provenance=false",
        "--tag",
        &pixi,
        context,
    ]);
    docker(&["tag", &base, &ubuntu]);
    for image in [&pixi, &ubuntu] {
        docker(&["push", "--quiet", image]);
        docker(&["rmi", image]);
    }
    let mirrors =
        format!("{{ \"ghcr.io\" = \"{0}/ghcr\", \"docker.io\" = \"{0}/hub\" }}", registry.host);
    lab.file("Cargo.toml", &format!("[workspace.metadata.dockyard]\nmirrors = {mirrors}\n"));
    lab
}

/// An engine for amd64, for which alone pixi's images are made here, and a registry.
fn parts() -> Option<(&'static TestEngine, Registry)> {
    let test = engines::any()?;
    if test.engine.platform.arch() != "amd64" {
        engines::not_run("the images are for linux/amd64, and are not emulated here");
        return None;
    }
    Some((test, Registry::open()?))
}

/// B1: two stages, an entry point from the shell hook, `/host-libs`. What conda-forge has is not there.
#[test]
fn b_ml_platform_with_a_script_in_pixis_place() {
    let Some((test, registry)) = parts() else { return };
    let it = mirrored(test, &registry, "noble-cuda-12.6.3", None);
    let name = format!("{}/hub/docker/dockerfile:1", registry.host);
    if frontend::image(test, &name).is_none() {
        return;
    }
    for args in [&["push", "--quiet", &name][..], &["rmi", &name]] {
        let said = it.docker(args);
        assert_eq!(said.status, Some(0), "{args:?}: {said}");
    }
    copy(&it, "images/ml-platform");
    it.commit();
    let built = it.build(&["ml-platform"], 0);
    let image = built["ml-platform"]["digest"].as_str().unwrap();
    let said = it.docker(&[
        "run",
        "--rm",
        image,
        "sh",
        "-c",
        "command -v python; id -u; ls -d /host-libs",
    ]);
    assert_eq!(said.stdout, "/app/.pixi/envs/default/bin/python\n1000\n/host-libs\n", "{said}");
    assert_eq!(it.content(image, "/etc/ld.so.conf.d/000-host-libs.conf"), "/host-libs\n");
    let lock = std::fs::read_to_string(it.root().join("images/ml-platform/pixi.lock")).unwrap();
    assert_eq!(it.content(image, "/app/pixi.lock"), lock);
}

#[test]
fn b_a_new_image_from_the_pixi_template() {
    let Some((test, registry)) = parts() else { return };
    let real = std::env::var("DOCKYARD_TEST_PIXI").ok().filter(|path| !path.is_empty());
    if real.is_none() {
        engines::say(
            "the pixi template is built with a script in pixi's place: DOCKYARD_TEST_PIXI names none",
        );
    }
    let mut it = mirrored(test, &registry, "noble", real.as_deref());
    let said = it.say(&["new", "images/analysis", "--template", "pixi"]);
    assert_eq!(said.status, Some(0), "{said}");
    let channel = Channel::serve();
    let image = it.root().join("images/analysis");
    if let Some(real) = &real {
        let home = it.root().join("target/pixi-home");
        it.file(
            "target/pixi-home/config.toml",
            &format!(
                "[mirrors]\n\"https://conda.anaconda.org/conda-forge\" = [\"{}\"]\n",
                channel.url
            ),
        );
        it.set("PIXI_HOME", home.as_str());
        it.set("RATTLER_CACHE_DIR", it.root().join("target/rattler").as_str());
        let said = it.say(&["lock-update", "analysis", "--only=pixi", "--pixi", real]);
        assert_eq!(said.status, Some(0), "{said}");
        let lock = std::fs::read_to_string(image.join("pixi.lock")).unwrap();
        assert!(lock.contains("https://conda.anaconda.org/conda-forge/linux-64/python-3.13.0"));
    } else {
        std::fs::write(image.join("pixi.lock"), "version: 6\n").unwrap();
    }
    it.commit();
    let listed = it.say(&["list"]);
    assert!(listed.stdout.contains("analysis") && listed.status == Some(0), "{listed}");
    let planned = it.say(&["plan"]);
    assert!(planned.status == Some(0) && planned.stdout.contains("analysis"), "{planned}");
    let lint = it.say(&["lint"]);
    assert_eq!((lint.status, lint.stdout.as_str()), (Some(0), ""), "{lint}");

    // The channel is this machine's, which a build sees on the machine's own network only.
    let toml = std::fs::read_to_string(image.join("image.toml")).unwrap();
    it.file("images/analysis/image.toml", &format!("build = {{ network = \"host\" }}\n{toml}"));
    let mirror = format!("--build-arg=analysis:CONDA_MIRROR={}", channel.url);
    let said = it.say(&["test", "analysis", &mirror]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("passed") || said.stdout.contains("passed"), "{said}");
    assert_eq!(it.statuses(&["analysis", &mirror], 0)["analysis"], "skipped");
}

/// A channel with one package, on loopback.
struct Channel {
    url: String,
    _folder: tempfile::TempDir,
}

impl Channel {
    fn serve() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        write_channel(root);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = root.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = root.clone();
                std::thread::spawn(move || answer(stream, &root));
            }
        });
        Self { url, _folder: folder }
    }
}

/// One request a connection.
fn answer(stream: std::net::TcpStream, root: &Utf8Path) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    let _cut = reader.read_line(&mut first);
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        line.clear();
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let file = root.join(path.trim_start_matches('/'));
    let (status, body) = match std::fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let stream = reader.get_mut();
    let _gone = stream.write_all(head.as_bytes());
    if method == "GET" {
        let _gone = stream.write_all(&body);
    }
}

/// A package `python` that runs the base's own, as conda's format has it.
fn write_channel(root: &Utf8Path) {
    let made = root.join("made");
    let write = |path: Utf8PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mut index = BTreeMap::from([
        ("name", serde_json::json!("python")),
        ("version", serde_json::json!("3.13.0")),
        ("build", serde_json::json!("0")),
        ("build_number", serde_json::json!(0)),
        ("depends", serde_json::json!([])),
        ("subdir", serde_json::json!("linux-64")),
        ("license", serde_json::json!("PSF-2.0")),
    ]);
    let hash = |bytes: &[u8]| registries::digest(bytes).trim_start_matches("sha256:").to_owned();
    let paths = serde_json::json!({"paths_version": 1, "paths": [{
        "_path": "bin/python", "path_type": "hardlink",
        "sha256": hash(PYTHON_PROGRAM.as_bytes()), "size_in_bytes": PYTHON_PROGRAM.len(),
    }]});
    write(made.join("bin/python"), PYTHON_PROGRAM);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(made.join("bin/python"), executable).unwrap();
    write(made.join("info/index.json"), &serde_json::to_string(&index).unwrap());
    write(made.join("info/paths.json"), &paths.to_string());
    write(made.join("info/files"), "bin/python\n");
    let name = "python-3.13.0-0.tar.bz2";
    let package = root.join("linux-64").join(name);
    std::fs::create_dir_all(package.parent().unwrap()).unwrap();
    if succeed(Command::new("tar").args([
        "-cjf",
        package.as_str(),
        "-C",
        made.as_str(),
        "bin",
        "info",
    ]))
    .is_err()
    {
        // Without bzip2 there is no package; the script in pixi's place needs none.
        std::fs::write(&package, "").unwrap();
    }
    let bytes = std::fs::read(&package).unwrap();
    index.insert("sha256", serde_json::json!(hash(&bytes)));
    index.insert("size", serde_json::json!(bytes.len()));
    let repodata = |subdir: &str, packages: serde_json::Value| {
        serde_json::json!({"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}, "repodata_version": 1})
            .to_string()
    };
    write(
        root.join("linux-64/repodata.json"),
        &repodata("linux-64", serde_json::json!({ name: index })),
    );
    write(root.join("noarch/repodata.json"), &repodata("noarch", serde_json::json!({})));
}
