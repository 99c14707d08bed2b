//! `outdated` against a real registry, and its patch by git.

use std::fs;
use std::process::Command;

use expect_test::expect;

use super::registries::{Image, Registry};
use super::workspace::workspace;

#[test]
fn newer_digests_and_tags_with_their_patch() {
    let Some(registry) = Registry::open() else { return };
    let host = &registry.host;
    for (repository, tags) in [
        ("cuda", "noble-cuda-13.0.0 noble-cuda-13.1.0 noble-cuda-13.2.0-rc1 jammy-cuda-13.3.0"),
        ("python", "3.12-slim 3.13-slim 3.13.1-slim 3.14-rc-slim 3.14"),
        ("base", "latest"),
        ("pinned", "1.0 1.1"),
        ("tool", "7 8"),
    ] {
        for tag in tags.split(' ') {
            Image::new(&format!("{repository}:{tag}")).put(&registry, repository, tag);
        }
    }
    let pinned = registry.tag("pinned", "1.0").unwrap();
    let images = workspace()
        .image(
            "cuda",
            "args.CUDA = \"13.0.0\"\n",
            &format!("ARG CUDA\nFROM {host}/cuda:noble-cuda-${{CUDA}} AS cuda\n\nFROM {host}/base\nCOPY --from=cuda /a /b\nCOPY --from={host}/tool:7 \\\n  /a /b"),
        )
        .image("py", "", &format!("ARG PY={host}/python:3.12-slim\nFROM $PY AS a\nRUN true\nFROM ${{PY}}\n"))
        .image("pin", "", &format!("FROM {host}/pinned:1.0@{pinned}\n"))
        .image("split", "", &format!("ARG MINOR=12\nFROM {host}/python:3.$MINOR-slim\n"))
        .image(
            "fact",
            "args.TAG = \"noble-cuda-{{ cuda }}\"\n[facts]\ncuda = \"13.0.0\"\n",
            &format!("ARG TAG\nFROM {host}/cuda:$TAG\n"),
        )
        .image("child", "", "FROM ghcr.io/acme/py\n")
        .file(".gitignore", "/target/\n");
    assert_eq!(images.run(&["lock-update", "--quiet"]).status, 0);
    let images = images.committed();
    let moved = Image::new("moved").put(&registry, "base", "latest");

    let said = images.run(&["outdated"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let shown = said.stdout.replace(host, "HOST").replace(&moved.digest[7..19], "NEW");
    let lines: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let shown = lines.join("\n");
    let locked = fs::read_to_string(images.root().join("images.lock")).unwrap();
    let locked = locked.split("/base\"\ndigest = \"sha256:").nth(1).unwrap();
    expect![[r#"
        base newer where to be built again
        HOST/base sha256:NEW (locked: sha256:OLD) cuda/Dockerfile:4:6 cuda
        HOST/cuda:noble-cuda-13.0.0 :noble-cuda-13.1.0 cuda/Dockerfile:2:6 cuda, fact
        fact/Dockerfile:2:6
        HOST/pinned:1.0 :1.1 pin/Dockerfile:1:6 pin
        HOST/python:3.12-slim :3.13-slim py/Dockerfile:4:6 child, py, split
        split/Dockerfile:2:6
        HOST/tool:7 :8 cuda/Dockerfile:6:13 cuda"#]]
    .assert_eq(&shown.replace(&locked[..12], "OLD"));

    let patch = images.run(&["outdated", "--patch"]);
    assert_eq!((patch.status, patch.stderr.as_str()), (0, ""));
    let file = images.root().join("target/it.patch");
    fs::create_dir_all(images.root().join("target")).unwrap();
    fs::write(&file, &patch.stdout).unwrap();
    let applied = Command::new("git")
        .args(["apply", "target/it.patch"])
        .current_dir(images.root())
        .output()
        .unwrap();
    assert!(
        applied.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&applied.stderr),
        patch.stdout
    );
    let text =
        |file: &str| fs::read_to_string(images.root().join(file)).unwrap().replace(host, "HOST");
    let newer = registry.tag("pinned", "1.1").unwrap();
    assert_eq!(text("cuda/image.toml"), "args.CUDA = \"13.1.0\"\n");
    assert!(text("fact/image.toml").ends_with("{{ cuda }}\"\n[facts]\ncuda = \"13.1.0\"\n"));
    assert!(text("cuda/Dockerfile").ends_with("COPY --from=HOST/tool:8 \\\n  /a /b"));
    assert!(text("py/Dockerfile").starts_with("ARG PY=HOST/python:3.13-slim\nFROM $PY AS a\n"));
    assert_eq!(text("pin/Dockerfile"), format!("FROM HOST/pinned:1.1@{newer}\n"));
    assert!(text("split/Dockerfile").starts_with("ARG MINOR=13\n"));

    // Then nothing but the digest is left.
    let left = images.json(&["outdated", "--json"]);
    let left = left["bases"].as_array().unwrap();
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["newer_digest"], moved.digest.as_str());
    assert_eq!(images.run(&["lock-update", "--upgrade", "--quiet"]).status, 0);
    let said = images.run(&["outdated"]);
    assert_eq!(
        (said.status, said.stdout.as_str(), said.stderr.as_str()),
        (0, "", "nothing newer\n")
    );
}
