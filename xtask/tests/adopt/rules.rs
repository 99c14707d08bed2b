//! What holds whatever a repository says.

use super::repository::Repository;

#[test]
fn outside_git_it_is_refused() {
    let repository = Repository::new();
    std::fs::remove_dir_all(repository.root.join(".git")).unwrap();
    let said = repository.adopt();
    assert_eq!((said.status, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("is in no git repository"), "{}", said.stderr);
}

#[test]
fn untrusted_texts_stay_texts() {
    let odd = "a\"]\n[evil]\nx = \"{{ 1 }}";
    let repository = Repository::new()
        .file("app/Dockerfile", "FROM scratch\nARG X\nARG Y\n")
        .file(
            "build.sh",
            &format!("docker build --build-arg X='{odd}' --build-arg Y=\"$(curl x)\" -t app app\n"),
        )
        .file("quo\"te\n]/Dockerfile", "FROM scratch\n")
        .committed()
        .adopted();
    let plan = repository.json(&["plan", "--json", "app"]);
    assert_eq!(plan["images"][0]["args"], serde_json::json!({ "X": odd }));
    let text = repository.text("app/image.toml");
    assert!(
        text.contains("# unsure: build.sh:4 sets Y") || text.contains("sets Y to `$(curl x)`"),
        "{text}"
    );
}

#[test]
fn nothing_is_run_and_nothing_read_or_written_outside() {
    let repository = Repository::new()
        .file("app/Dockerfile", "FROM scratch\n")
        .file("Makefile", "X := $(shell touch ran)\nbuild:\n\ttouch ran\n\tdocker build -t app:$(X) app\n")
        .file("up.sh", "docker build -f ../outside/Dockerfile -t up ..\ndocker build -f /etc/passwd -t etc /\n");
    std::fs::write(repository.root.parent().unwrap().join("Dockerfile"), "FROM scratch\n").unwrap();
    std::os::unix::fs::symlink("..", repository.root.join("out")).unwrap();
    std::os::unix::fs::symlink("../Dockerfile", repository.root.join("Dockerfile")).unwrap();
    let repository = repository.committed().adopted();
    assert!(!repository.root.join("ran").exists());
    let images = repository.json(&["list", "--json"]);
    assert_eq!(images["images"].as_array().unwrap().len(), 1);

    // A folder of a new file is a link that leads out.
    let repository = Repository::new().file("app/Dockerfile", "FROM scratch\n").committed();
    let away = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(away.path(), repository.root.join(".cargo")).unwrap();
    let said = repository.adopt();
    assert_eq!(said.status, 2, "{}", said.stdout);
    assert!(said.stderr.contains(".cargo/config.toml would lie outside"), "{}", said.stderr);
    assert_eq!(std::fs::read_dir(away.path()).unwrap().count(), 0);
    assert!(
        !repository.root.join("Cargo.toml").exists(),
        "some files were written before the refusal"
    );
}

#[test]
fn images_that_are_there_are_respected() {
    let repository = Repository::new()
        .file("a/Dockerfile", "FROM scratch\n")
        .file("a/image.toml", "id = \"mine\"\n")
        .file("a/Dockerfile.more", "FROM scratch\n")
        .file("b/Dockerfile", "FROM scratch\n")
        .committed();
    let said = repository.adopt();
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(repository.text("a/image.toml"), "id = \"mine\"\n");
    assert!(said.stdout.contains("a/image.toml exists: add"), "{}", said.stdout);
    assert!(said.stdout.contains("[image.a-more]"), "{}", said.stdout);
    let ids = repository.json(&["list", "--json"]);
    let ids: Vec<&str> = ids["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["b", "mine"]);
}

#[test]
fn where_dockyard_comes_from_is_said_by_a_person_or_known() {
    let repository = Repository::new().file("a/Dockerfile", "FROM scratch\n").committed();
    let said = repository.run(&["adopt", "--dockyard", "nowhere"]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("is neither an address nor a checkout of Dockyard"),
        "{}",
        said.stderr
    );
    let checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let said = repository.run(&["adopt", "--dry-run", "--dockyard", checkout.to_str().unwrap()]);
    assert!(said.stdout.contains("dockyard = { package = \"xtask\", path = "), "{}", said.stdout);
    let said =
        repository.run(&["adopt", "--dry-run", "--dockyard", "git@example.org:acme/dockyard.git"]);
    assert!(
        said.stdout.contains("git = \"ssh://git@example.org/acme/dockyard.git\""),
        "{}",
        said.stdout
    );
}

/// What the binary writes for one Dockerfile and one further file.
fn image_toml(path: &str, text: &str) -> String {
    let repository = Repository::new()
        .file("app/Dockerfile", "FROM scratch AS one\nFROM scratch AS two\n")
        .file(path, text)
        .committed()
        .adopted();
    repository.text("app/image.toml")
}

#[test]
fn a_matrix_is_combined_as_github_does_it() {
    let written = image_toml(
        ".github/workflows/x.yml",
        r#"
on: push
env: { NAME: ghcr.io/acme/app }
jobs:
  x:
    strategy:
      matrix:
        line: [11, 12]
        kind: [a, b]
        exclude: [{ line: 11, kind: b }]
        include:
          - { line: 12, more: "yes" }
          - { line: 13, kind: c }
    steps:
      - run: |
          docker buildx build --push --build-arg LINE=${{ matrix.line }} --build-arg MORE=${{ matrix.more || 'no' }} \
            -t $NAME:${{ matrix.kind }}${{ matrix.line }} app
"#,
    );
    for expected in [
        "tags = [\"a11\"]",
        "tags = [\"a12\", \"b12\"]",
        "tags = [\"c13\"]",
        "LINE = \"13\"\nMORE = \"no\"",
        "LINE = \"12\"\nMORE = \"yes\"",
    ] {
        assert!(written.contains(expected), "{expected}: {written}");
    }
    assert!(!written.contains("b11"), "{written}");
}

#[test]
fn tags_of_metadata_action_go_to_their_channels() {
    let written = image_toml(
        ".github/workflows/x.yml",
        r#"
on: push
jobs:
  x:
    steps:
      - id: m
        uses: docker/metadata-action@v5
        with:
          images: |
            name=ghcr.io/Acme/App
          flavor: |
            latest=false
          tags: |
            type=ref,event=branch
            type=ref,event=pr
            type=semver,pattern=v{{major}}
            type=sha,format=long,prefix=
            type=raw,value=edge,enable={{is_default_branch}}
            type=raw,value=never,enable=false
      - uses: docker/build-push-action@v6
        with: { context: app, push: true, tags: "${{ steps.m.outputs.tags }}", target: one }
"#,
    );
    let expected = "tags = { dev = [\"dev\"], main = [\"{{ branch }}\", \"{{ commit }}\", \"edge\"], release = [\"v{{ major }}\", \"{{ commit }}\"] }";
    assert!(written.contains(expected), "{written}");
    assert!(written.contains("target = \"one\""), "{written}");
}

#[test]
fn builds_that_overwrite_each_other_are_told_apart() {
    let written = image_toml(
        "build.sh",
        "docker build --target one -t app:x -t app app\ndocker build --target two -t app:x app\n",
    );
    assert!(
        written.contains("# unsure: several builds give the tag x; the first variant has it"),
        "{written}"
    );
    assert!(
        written.contains(
            "[variants.one]\ndefault = true\ntarget = \"one\"\ntags = [\"x\", \"latest\"]"
        ),
        "{written}"
    );
}

#[test]
fn what_sources_say_differently_is_a_doubt() {
    let repository = Repository::new()
        .file("app/Dockerfile", "FROM scratch\nARG X\n")
        .file("a.sh", "docker build --build-arg X=1 -t acme/app app\ndocker push acme/app\n")
        .file("b.sh", "docker build --build-arg X=2 -f app/Dockerfile -t acme/app .\n")
        .committed()
        .adopted();
    let written = repository.text("app/image.toml");
    assert!(written.contains("# unsure: b.sh:1 builds with the context ., not app"), "{written}");
    assert!(written.contains("# unsure: b.sh:1 sets X to `2`, not `1`"), "{written}");
    assert!(written.contains("X = \"1\""), "{written}");
}

#[test]
fn a_bake_file_in_json_and_nulls() {
    let written = image_toml(
        "docker-bake.json",
        r#"{"variable": {"T": {"default": "1"}, "N": {"default": null}},
            "target": {"app": {"context": "app", "tags": ["acme/app:${T}"], "args": {"A": "x${T}", "B": "${N}", "C": null}}}}"#,
    );
    assert!(written.contains("tags = [\"1\"]") && written.contains("A = \"x1\""), "{written}");
    assert!(!written.contains("B = ") && !written.contains("C = "), "{written}");
}
