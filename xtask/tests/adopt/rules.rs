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
