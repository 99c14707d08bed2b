//! What a person writes reaches the build whole, nothing else does, and secrets stay secret.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what fails in a test may panic")]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/lab.rs"]
mod lab;

use std::os::unix::net::UnixListener;
use std::process::Command;

use dockyard::engine::{Builder, Store};
use lab::{Lab, token};
use serde_json::Value;

fn lab() -> Option<Lab> {
    Lab::with_base(engines::any()?)
}

fn digest(image: &Value) -> &str {
    image["digest"].as_str().unwrap()
}

/// TOML's basic string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn labels_say_where_an_image_comes_from() {
    let Some(lab) = lab() else { return };
    lab.image(
        "child",
        "version = \"1.2.3\"\ndescription = \"d = e, \\\"f\\\"\"\n[labels]\nboth = \"toml\"\nown = \"{{ version }}\"\n\
         \"org.opencontainers.image.authors\" = \"A <a@example.invalid>\"\n",
        "FROM registry.invalid/lab/base\nLABEL org.opencontainers.image.title=mine both=dockerfile\n",
    );
    lab.git(&["remote", "add", "origin", "https://me:hunter2@example.invalid/acme/lab.git"]);
    lab.commit();
    let built = lab.build(&[], 0);
    let config = lab.config(digest(&built["child"]));
    let label = |name: &str| config["Labels"][name].as_str().unwrap_or("none").to_owned();
    let oci = |name: &str| label(&format!("org.opencontainers.image.{name}"));
    assert_eq!(oci("source"), "https://example.invalid/acme/lab");
    let commit = std::fs::read_to_string(lab.root().join(".git/refs/heads/main")).unwrap();
    assert_eq!(oci("revision"), commit.trim());
    assert!(oci("created").parse::<jiff::Timestamp>().is_ok(), "{config}");
    assert_eq!((oci("version"), oci("description")), ("1.2.3".into(), "d = e, \"f\"".into()));
    assert_eq!(
        (oci("title"), label("both"), label("own")),
        ("mine".into(), "toml".into(), "1.2.3".into())
    );
    assert_eq!(oci("authors"), "A <a@example.invalid>");
    assert_eq!(oci("base.name"), "registry.invalid/lab/base");
    assert_eq!(oci("base.digest"), digest(&built["base"]));
    assert_eq!(oci("ref.name"), "registry.invalid/lab/child:dev");
    assert!(!config.to_string().contains("hunter2"));
}

#[test]
fn arguments_arrive_whole() {
    let Some(lab) = lab() else { return };
    let odd = "a=b,c \"d\" 'e'\n$HOME ${X} `id` \\n % # é\t--flag\n";
    lab.image(
        "odd",
        &format!("[args]\nODD = {}\nEMPTY = \"\"\n", quoted(odd)),
        "FROM registry.invalid/lab/base\nARG ODD\nARG EMPTY=default\nARG GIVEN\nARG NONE=default\n\
         RUN printf %s \"$ODD\" > /odd; echo \"$EMPTY|$NONE\" > /others; printf %s \"$GIVEN\" > /given\n",
    );
    let given = "k=v,\"w\" x";
    let mut lab = lab;
    lab.set("NONE", "from the environment");
    let built = lab.build(&["odd", "--build-arg", &format!("odd:GIVEN={given}")], 0);
    let image = digest(&built["odd"]);
    assert_eq!(lab.content(image, "/odd"), odd);
    assert_eq!(lab.content(image, "/others"), "|default\n");
    assert_eq!(lab.content(image, "/given"), given);
}

#[test]
fn secrets_reach_the_build_and_nothing_else() {
    let Some(mut lab) = lab() else { return };
    let (in_variable, in_file) = (token(), token());
    lab.image(
        "keeper",
        "secrets = { v = { env = \"LAB_SECRET\" }, f = { file = \"a file\" }, r = { file = \"/root-file\" } }\n",
        // BuildKit does not run again for another value, so no other run of this test may be like this one.
        "FROM registry.invalid/lab/base\nCOPY fresh /\n\
         RUN --mount=type=secret,id=v --mount=type=secret,id=f --mount=type=secret,id=r \
         cat /run/secrets/v /run/secrets/f /run/secrets/r | md5sum > /sum\n",
    );
    lab.file(".gitignore", "/target/\nroot-file\na file\n");
    lab.file("keeper/fresh", &token());
    lab.file("keeper/.dockerignore", "a file\n");
    let said = lab.say(&["build", "keeper"]);
    assert_eq!(said.status, Some(2), "{said}");
    for missing in ["LAB_SECRET", "keeper/a file", "root-file"] {
        assert!(said.stderr.contains(missing), "{said}");
    }
    lab.file("keeper/a file", &in_file);
    lab.file("root-file", "r");
    lab.set("LAB_SECRET", &in_variable);
    let said = lab.say(&["build", "keeper", "--json", "--verbose"]);
    assert_eq!(said.status, Some(0), "{said}");
    let image = digest(&lab::images(&said)["keeper"]).to_owned();
    lab.file("expected", &format!("{in_variable}{in_file}r"));
    let sum = lab::succeed(Command::new("md5sum").arg(lab.root().join("expected"))).unwrap();
    assert_eq!(lab.content(&image, "/sum").split(' ').next(), sum.split(' ').next());

    let history = lab.docker(&["history", "--no-trunc", &image]).stdout;
    let mut seen = vec![said.stdout, said.stderr, history, lab.config(&image).to_string()];
    seen.push(lab.say(&["plan", "keeper", "--json"]).stdout);
    for file in lab::files(&lab.root().join("target/dockyard")) {
        seen.push(String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    }
    assert!(seen.iter().all(|text| !text.contains(&in_variable) && !text.contains(&in_file)));
    // A new value is no reason to build again; another id is.
    lab.set("LAB_SECRET", "another");
    assert_eq!(lab.statuses(&["keeper"], 0)["keeper"], "skipped");
}

#[test]
fn ssh_is_the_agent_of_the_person() {
    let Some(mut lab) = lab() else { return };
    lab.image(
        "cloner",
        "ssh = true\n",
        "FROM registry.invalid/lab/base\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo yes > /agent\n",
    );
    lab.set("SSH_AUTH_SOCK", "");
    let said = lab.say(&["build", "cloner"]);
    assert!(said.status == Some(2) && said.stderr.contains("SSH_AUTH_SOCK is not set"), "{said}");
    let socket = lab.root().join("agent");
    let _agent = UnixListener::bind(&socket).unwrap();
    lab.set("SSH_AUTH_SOCK", socket.as_str());
    let built = lab.build(&["cloner"], 0);
    assert_eq!(lab.content(digest(&built["cloner"]), "/agent"), "yes\n");
}

#[test]
fn build_options_are_buildkits() {
    let Some(lab) = lab() else { return };
    lab.image(
        "options",
        "[build]\nshm-size = \"96m\"\nulimits = { nofile = \"1000:2000\" }\nnetwork = \"none\"\n\
         add-hosts = { \"some.host\" = \"192.0.2.7\" }\n",
        "FROM registry.invalid/lab/base\n\
         RUN df -m /dev/shm | tail -n 1 | awk '{ print $2 }' > /seen && ulimit -n >> /seen && \
         grep some.host /etc/hosts >> /seen && tail -n +3 /proc/net/dev | cut -d: -f1 >> /seen\n",
    );
    lab.image(
        "host",
        "[build]\nnetwork = \"host\"\n",
        "FROM registry.invalid/lab/base\nRUN tail -n +3 /proc/net/dev | wc -l > /seen\n",
    );
    let built = lab.build(&[], 0);
    let seen = lab.content(digest(&built["options"]), "/seen");
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words, ["96", "1000", "192.0.2.7", "some.host", "lo"]);
    let links: u32 = lab.content(digest(&built["host"]), "/seen").trim().parse().unwrap();
    assert!(links > 1);
}

#[test]
fn further_contexts_are_folders_and_images() {
    let Some(lab) = lab() else { return };
    lab.file("shared/data/x", "folder");
    lab.file("foreign/x", "image");
    lab.file("foreign/Dockerfile", "FROM scratch\nCOPY x /x\n");
    let name = format!("dockyard.invalid/foreign:{}", token());
    let foreign = lab.root().join("foreign");
    let said = lab.docker(&["buildx", "build", "--tag", &name, foreign.as_str()]);
    assert_eq!(said.status, Some(0), "{said}");
    lab.image(
        "both",
        &format!(
            "contexts = {{ data = \"/shared/data\", \"foreign\" = \"docker-image://{name}\" }}\n"
        ),
        "FROM scratch\nCOPY --from=data x /folder\nCOPY --from=foreign x /image\n",
    );
    let built = lab.build(&["both"], 0);
    let image = digest(&built["both"]);
    assert_eq!(lab.content(image, "/folder") + &lab.content(image, "/image"), "folderimage");
    lab.file("shared/data/x", "changed");
    let again = lab.build(&["both"], 0);
    assert_eq!(lab.content(digest(&again["both"]), "/folder"), "changed");
    lab.docker(&["image", "rm", &name]);
}

#[test]
fn the_environment_changes_nothing() {
    let Some(mut lab) = lab() else { return };
    lab.image(
        "plain",
        "",
        "FROM registry.invalid/lab/base\nRUN uname -m > /machine && env > /env\n",
    );
    lab.commit();
    let built = lab.build(&[], 0);
    for (name, value) in [
        ("SOURCE_DATE_EPOCH", "0"),
        ("DOCKER_DEFAULT_PLATFORM", "linux/s390x"),
        ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
        ("BUILDKIT_PROGRESS", "quiet"),
        ("BUILDX_METADATA_PROVENANCE", "max"),
        ("DOCKER_BUILDKIT", "0"),
        ("LAB_TOKEN", "seen"),
    ] {
        lab.set(name, value);
    }
    let again = lab.statuses(&[], 0);
    assert!(again.values().all(|status| status == "skipped"), "{again:?}");
    let machine = lab.content(digest(&built["plain"]), "/machine");
    let forced = lab.build(&["--force", "--no-cache"], 0);
    let image = digest(&forced["plain"]);
    assert_eq!(lab.content(image, "/machine"), machine);
    assert!(!lab.content(image, "/env").contains("seen"));
    let said = lab.docker(&["image", "inspect", "--format={{.Created}}", image]);
    assert!(!said.stdout.starts_with("1970"), "{said}");
    assert_eq!(forced["plain"]["key"], built["plain"]["key"]);
    assert_eq!(forced["plain"]["command"], built["plain"]["command"]);
}

/// Two platforms, one of them with nothing to run, so that it takes no emulator.
#[test]
fn several_platforms_are_one_image() {
    let Some(test) = engines::containerd() else { return };
    let lab = Lab::new(test);
    let platforms = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    lab.image("copied", platforms, "FROM scratch\nARG TARGETARCH\nCOPY image.toml /$TARGETARCH\n");
    lab.image("child", platforms, "FROM registry.invalid/lab/copied\nCOPY image.toml /child\n");
    let built = lab.build(&["--all-platforms"], 0);
    // The digest is that of an index, with a manifest for each platform.
    let (archive, folder) = (lab.root().join("target/image.tar"), lab.root().join("target/image"));
    let said =
        lab.docker(&["image", "save", "--output", archive.as_str(), digest(&built["child"])]);
    assert_eq!(said.status, Some(0), "{said}");
    std::fs::create_dir_all(&folder).unwrap();
    lab::succeed(Command::new("tar").args(["-x", "-f", archive.as_str(), "-C", folder.as_str()]))
        .unwrap();
    let index = digest(&built["child"]).replace(':', "/");
    let index = std::fs::read_to_string(folder.join("blobs").join(index)).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let platforms: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    assert_eq!(lab.statuses(&["--all-platforms"], 0)["child"], "skipped");
}

#[test]
fn an_emulator_runs_another_platform_or_its_lack_is_told_at_planning() {
    let Some(test) = engines::containerd() else { return };
    let lab = Lab::new(test);
    let Ok(busybox) = lab::package("busybox-static", Some("arm64")) else {
        engines::not_run("this system's archive has no arm64");
        return;
    };
    lab.image(
        "emulated",
        "platforms = [\"linux/arm64\"]\n",
        "FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/uname\nRUN /bin/uname -m > /machine\n",
    );
    std::fs::copy(busybox.join("bin/busybox"), lab.root().join("emulated/busybox")).unwrap();
    let builder = Builder::find(&test.engine, None).unwrap();
    if builder.builds_for(&"linux/arm64".parse().unwrap()) {
        let built = lab.build(&[], 0);
        assert_eq!(lab.content(digest(&built["emulated"]), "/machine"), "aarch64\n");
    } else {
        let said = lab.say(&["build"]);
        assert_eq!(said.status, Some(2), "{said}");
        assert!(said.stderr.contains("emulated is wanted for linux/arm64"), "{said}");
        assert!(said.stderr.contains("mend: install one (Debian"), "{said}");
        assert!(lab.records().is_empty());
    }
}

#[test]
fn the_classic_store_holds_one_platform() {
    let Some(test) = engines::classic() else { return };
    assert_eq!(test.engine.store, Store::Classic);
    let lab = Lab::new(test);
    lab.image(
        "two",
        "platforms = [\"linux/amd64\", \"linux/arm64\"]\n",
        "FROM scratch\nCOPY image.toml /\n",
    );
    let said = lab.say(&["build", "--all-platforms"]);
    assert_eq!(said.status, Some(2), "{said}");
    assert!(said.stderr.contains("two is wanted for linux/amd64,linux/arm64"), "{said}");
    assert!(said.stderr.contains("turn the containerd image store on"), "{said}");
    let one = lab.statuses(&["--platform=linux/arm64"], 0);
    assert_eq!(one["two"], "built");
}
