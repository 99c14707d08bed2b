//! Builds on locked bases: a real engine, and a real registry whose tags move.

use std::collections::BTreeMap;

use serde_json::Value;

use super::engines;
use super::lab::{BASE, Lab, images};
use super::registries::Registry;

const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Builds `dockerfile` with `files` as `name`, and pushes it: where the tag points now.
fn push(lab: &Lab, registry: &Registry, name: &str, dockerfile: &str, token: &str) -> String {
    let folder = format!("target/made/{name}");
    lab.file(&format!("{folder}/Dockerfile"), dockerfile);
    lab.file(&format!("{folder}/token"), token);
    let tag = format!("{}/{name}:latest", registry.host);
    let made = lab.root().join(folder);
    let said =
        lab.docker(&["build", "--quiet", "--provenance=false", "--tag", &tag, made.as_str()]);
    assert_eq!(said.status, Some(0), "{said}");
    let said = lab.docker(&["push", "--quiet", &tag]);
    assert_eq!(said.status, Some(0), "{said}");
    // What a build uses is what the registry holds.
    lab.docker(&["image", "rm", "--force", &tag]);
    registry.tag(name, "latest").unwrap()
}

fn status(built: &BTreeMap<String, Value>, image: &str) -> String {
    built[image]["status"].as_str().unwrap().to_owned()
}

fn label(lab: &Lab, image: &str) -> String {
    lab.config(image)["Labels"][BASE_DIGEST].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_build_is_on_what_is_locked() {
    let (Some(test), Some(registry)) = (engines::any(), Registry::open()) else { return };
    let lab = Lab::new(test);
    let base = "FROM scratch\nCOPY token /token\n";
    let old = push(&lab, &registry, "moving", base, "old");
    lab.image("on", "", &format!("FROM {}/moving\nCOPY own /own\n", registry.host));
    lab.file("on/own", &super::lab::token());
    lab.image("child", "", "FROM registry.invalid/lab/on\nCOPY image.toml /x\n");
    lab.commit();
    let said = lab.say(&["lock-update", "--only=bases"]);
    assert_eq!(said.status, Some(0), "{said}");
    let built = lab.build(&[], 0);
    let digest = |built: &BTreeMap<String, Value>, image: &str| {
        built[image]["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(lab.content(&digest(&built, "on"), "token"), "old");
    assert_eq!(label(&lab, &digest(&built, "on")), old);

    // The tag moves. Nothing here does, not even where a build is forced.
    let new = push(&lab, &registry, "moving", base, "new");
    assert_ne!(old, new);
    let built = lab.build(&[], 0);
    assert_eq!(
        (status(&built, "on"), status(&built, "child")),
        ("skipped".into(), "skipped".into())
    );
    let built = lab.build(&["on", "--force", "--no-cache"], 0);
    assert_eq!(lab.content(&digest(&built, "on"), "token"), "old");

    // What is updated says what becomes stale, and so does the plan.
    let said = lab.say(&["lock-update", "--only=bases", "--upgrade", "--json"]);
    assert_eq!(said.status, Some(0), "{said}");
    let locks: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(locks["stale"], serde_json::json!(["on", "child"]), "{locks:#}");
    let plan = images(&lab.say(&["plan", "--json"]));
    for image in ["on", "child"] {
        assert_eq!(plan[image]["action"], "build");
    }
    assert!(plan["on"]["reasons"].to_string().contains("moving"), "{}", plan["on"]["reasons"]);
    let built = lab.build(&[], 0);
    assert_eq!(lab.content(&digest(&built, "child"), "token"), "new");
    assert_eq!(label(&lab, &digest(&built, "on")), new);
}

#[test]
fn without_pixi_its_image_is_run() {
    let Some(test) = engines::any() else { return };
    if which::which("pixi").is_ok() || !test.is_private() {
        // A person's own pixi, or image of it, must not be in the way, nor be replaced.
        return;
    }
    let Some(lab) = Lab::with_base(test) else { return };
    lab.file("base/pixi", super::double::SCRIPT);
    lab.file("base/version", "0.77.0");
    lab.file("base/Dockerfile", &format!("{BASE}COPY --chmod=755 pixi version /bin/\n"));
    let made = lab.root().join("base");
    let tag = "--tag=ghcr.io/prefix-dev/pixi:latest";
    let said = lab.docker(&["build", "--quiet", tag, made.as_str()]);
    assert_eq!(said.status, Some(0), "{said}");
    lab.image("stale", "[pixi]\ncuda = \"12.6\"\n", "FROM scratch\nCOPY pixi.lock /\n");
    lab.file("stale/pixi.toml", "# stale\n[workspace]\n");
    lab.image("broken", "", "FROM scratch\nCOPY pixi.lock /\n");
    lab.file("broken/pixi.toml", "# broken\n[workspace]\n");
    lab.file("broken/pixi.lock", "old");
    let said = lab.say(&["lock-update", "--only=pixi"]);
    assert_eq!(said.status, Some(1), "{said}");
    assert!(said.stdout.contains("torch"), "{said}");
    assert!(said.stderr.contains("Error: no candidates were found for torch 9.*"), "{said}");
    let read = |file: &str| std::fs::read_to_string(lab.root().join(file)).unwrap();
    assert!(read("stale/pixi.lock").contains("torch-2.6.0"));
    assert_eq!(read("broken/pixi.lock"), "old");
    lab.docker(&["image", "rm", "--force", "ghcr.io/prefix-dev/pixi:latest"]);
}

#[test]
fn a_locked_onbuild_is_carried_out_and_looked_at() {
    let (Some(test), Some(registry)) = (engines::any(), Registry::open()) else { return };
    let lab = Lab::new(test);
    let base = "FROM scratch\nCOPY token /token\nONBUILD COPY app/ /app/\n";
    push(&lab, &registry, "triggers", base, "x");
    lab.image("on", "", &format!("FROM {}/triggers\n", registry.host));
    lab.file("on/app/main", &super::lab::token());
    lab.file("on/other", "1");
    lab.commit();
    let said = lab.say(&["lock-update", "--only=bases"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert_eq!(status(&lab.build(&[], 0), "on"), "built");
    lab.file("on/other", "2");
    assert_eq!(status(&lab.build(&[], 0), "on"), "skipped");
    let main = super::lab::token();
    lab.file("on/app/main", &main);
    let built = lab.build(&[], 0);
    assert_eq!(status(&built, "on"), "built");
    assert_eq!(lab.content(built["on"]["digest"].as_str().unwrap(), "app/main"), main);

    // Unlocked, the base may read anything.
    std::fs::remove_file(lab.root().join("images.lock")).unwrap();
    assert_eq!(status(&lab.build(&[], 0), "on"), "built");
    lab.file("on/other", "3");
    assert_eq!(status(&lab.build(&[], 0), "on"), "built");
}

#[test]
fn a_build_is_by_the_locked_frontend() {
    let (Some(test), Some(registry)) = (engines::any(), Registry::open()) else { return };
    let lab = Lab::new(test);
    let name = format!("{}/frontend:latest", registry.host);
    if super::frontend::image(test, &name).is_none() {
        return;
    }
    let said = lab.docker(&["push", "--quiet", &name]);
    assert_eq!(said.status, Some(0), "{said}");
    lab.docker(&["image", "rm", "--force", &name]);
    lab.image("on", "", &format!("# syntax={name}\nFROM scratch\nCOPY own /own\n"));
    let first = super::lab::token();
    lab.file("on/own", &first);
    lab.commit();
    assert!(lab.say(&["plan"]).stdout.contains(&name), "plan says that it is not locked");
    let said = lab.say(&["lock-update", "--only=bases"]);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(!lab.say(&["plan"]).stdout.contains(&name));

    // What the tag names now is no frontend: whoever asks for it fails.
    push(&lab, &registry, "frontend", "FROM scratch\nCOPY token /token\n", "no frontend");
    let built = lab.build(&[], 0);
    assert_eq!(lab.content(built["on"]["digest"].as_str().unwrap(), "own"), first);
    std::fs::remove_file(lab.root().join("images.lock")).unwrap();
    lab.build(&[], 1);
}
