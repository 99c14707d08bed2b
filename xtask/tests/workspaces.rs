//! Where images lie, what their files may look like, how a person names them, and what `list`, `graph` and `tags` show.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "support/workspace.rs"]
mod support;

use expect_test::expect;
use support::{Workspace, configured, fields, find, name, workspace};

/// The ids that `list` finds.
fn listed(workspace: &Workspace) -> Vec<String> {
    workspace.json(&["list", "--json"])["images"].as_array().unwrap().iter().map(name).collect()
}

const SCRATCH: &str = "FROM scratch\n";

// Where images are found

#[test]
fn what_git_ignores_is_no_image() {
    let files = || {
        workspace()
            .image("kept", "", SCRATCH)
            .image("build/generated", "", SCRATCH)
            .image("a/cache", "", SCRATCH)
            .file(".gitignore", "/build/\n")
            .file("a/.gitignore", "cache\n")
    };
    assert_eq!(listed(&files()), ["cache", "generated", "kept"]);
    let tracked = files().committed();
    assert_eq!(listed(&tracked), ["kept"]);
    // What is not added yet is an image all the same; what was deleted is none.
    let changed = tracked.image("new", "", SCRATCH);
    std::fs::remove_file(changed.root().join("kept/image.toml")).unwrap();
    assert_eq!(listed(&changed), ["new"]);
}

#[test]
fn a_repository_inside_is_part_of_the_workspace() {
    let workspace = workspace()
        .image("a", "", SCRATCH)
        .committed()
        .image("vendor/b", "", SCRATCH)
        .file("vendor/b/.gitignore", "ignored\n")
        .image("vendor/b/ignored", "", SCRATCH)
        .git(&["init", "--quiet", "vendor/b"]);
    assert_eq!(listed(&workspace), ["a", "b"]);
}

#[test]
fn a_repository_around_may_ignore_the_workspace() {
    let workspace = workspace().image("a", "", SCRATCH);
    std::fs::write(workspace.root().parent().unwrap().join(".gitignore"), "images\n").unwrap();
    let workspace = workspace.git(&["init", "--quiet", ".."]);
    assert_eq!(listed(&workspace), ["a"]);
}

#[test]
fn a_hook_of_another_repository_misleads_nobody() {
    let workspace = workspace().image("a", "", SCRATCH).committed();
    let plan = workspace.plan();
    let labels = &find(&plan, "a")["labels"];
    assert_eq!(labels["org.opencontainers.image.created"], "2026-03-05T12:00:00Z");
    assert_eq!(labels["org.opencontainers.image.revision"].as_str().unwrap().len(), 40);
}

#[test]
fn folders_of_every_kind() {
    let workspace = workspace()
        .image(".devcontainer", "", SCRATCH)
        .image("Größe und Maß", "", SCRATCH)
        .image("UPPER.Case", "", SCRATCH)
        .image(".", "", SCRATCH);
    assert_eq!(listed(&workspace), ["devcontainer", "gr--e-und-ma", "images", "upper.case"]);
}

// What image.toml may look like

#[test]
fn windows_line_ends_and_a_byte_order_mark() {
    let toml = "\u{feff}# x\r\nname = \"y\"\r\ndescription = \"\"\"\r\na\r\nb\"\"\"\r\n[args]\r\nA = \"1\"\r\n";
    let plan = workspace().image("app", toml, "FROM scratch\r\n").plan();
    expect![[r#"
        name = "y"
        args = {"A":"1"}
    "#]]
    .assert_eq(&fields(find(&plan, "app"), &["name", "args"]));
    let said = workspace().image("app", "\u{feff}\r\n\r\n  contxt = 1\r\n", SCRATCH);
    assert!(said.refused(&["plan"]).starts_with("error: app/image.toml:3:3: unknown key"));
}

#[test]
fn variants_override_every_key() {
    let toml = r#"
        description = "base"
        version = "1.0.0"
        platforms = ["linux/amd64"]
        repositories = ["ghcr.io/acme/x"]
        tags = ["a"]
        labels = { keep = "1", change = "1" }
        secrets = { a = { env = "A" } }
        args = { KEEP = "1", CHANGE = "1" }
        build = { network = "none" }
        [variants.one]
        [variants.two]
        default = true
        description = "two"
        version = "2.0.0"
        context = "/"
        dockerfile = "Other"
        target = "final"
        platforms = ["linux/arm64"]
        publish = false
        repositories = ["ghcr.io/acme/y"]
        tags = ["b"]
        labels.change = "2"
        secrets.b.env = "B"
        ssh = true
        contexts.data = "."
        build = { network = "host" }
        args.CHANGE = "2"
        facts.f = "x"
        cache = { registry = true }
        external = ["debian"]
        limits.size = "1GB"
        test.run = [["true"]]
        pixi.environment = "x"
    "#;
    let plan = workspace()
        .image("app", toml, SCRATCH)
        .file("app/Other", "FROM scratch AS final\nFROM scratch\n")
        .plan();
    let shown = [
        "context",
        "dockerfile",
        "target",
        "platforms",
        "repositories",
        "tags",
        "args",
        "labels",
        "command",
    ];
    let text = |name: &str| {
        let image = find(&plan, name);
        let key = image["key"].as_str().unwrap()[7..19].to_owned();
        fields(image, &shown).replace(&key, "KEY")
    };
    expect![[r#"
        context = "app"
        dockerfile = "app/Dockerfile"
        target = null
        platforms = ["linux/amd64"]
        repositories = ["ghcr.io/acme/x"]
        tags = ["a"]
        args = {"CHANGE":"1","KEEP":"1"}
        labels = {"change":"1","dockyard.id":"app:one","keep":"1","org.opencontainers.image.description":"base","org.opencontainers.image.ref.name":"ghcr.io/acme/x:a","org.opencontainers.image.title":"app","org.opencontainers.image.version":"1.0.0"}
        command = ["docker","buildx","build","--progress=rawjson","--metadata-file=target/dockyard/metadata.json","--builder=default","--platform=linux/amd64","--file=app/Dockerfile","--tag=app:key-KEY","--tag=app:a","--tag=ghcr.io/acme/x:a","--build-arg=CHANGE=1","--build-arg=KEEP=1","--label=change=1","--label=dockyard.id=app:one","--label=keep=1","--label=org.opencontainers.image.description=base","--label=org.opencontainers.image.ref.name=ghcr.io/acme/x:a","--label=org.opencontainers.image.title=app","--label=org.opencontainers.image.version=1.0.0","--secret=id=a,env=A","--network=none","--provenance=false","--sbom=false","--","app"]
    "#]].assert_eq(&text("app:one"));
    expect![[r#"
        context = "."
        dockerfile = "app/Other"
        target = "final"
        platforms = ["linux/arm64"]
        repositories = ["ghcr.io/acme/y"]
        tags = ["b"]
        args = {"CHANGE":"2","KEEP":"1"}
        labels = {"change":"2","dockyard.id":"app:two","keep":"1","org.opencontainers.image.description":"two","org.opencontainers.image.ref.name":"ghcr.io/acme/y:b","org.opencontainers.image.title":"app","org.opencontainers.image.version":"2.0.0"}
        command = ["docker","buildx","build","--progress=rawjson","--metadata-file=target/dockyard/metadata.json","--builder=default","--platform=linux/arm64","--file=app/Other","--target=final","--tag=app:key-KEY","--tag=app:b","--tag=ghcr.io/acme/y:b","--build-arg=CHANGE=2","--build-arg=KEEP=1","--label=change=2","--label=dockyard.id=app:two","--label=keep=1","--label=org.opencontainers.image.description=two","--label=org.opencontainers.image.ref.name=ghcr.io/acme/y:b","--label=org.opencontainers.image.title=app","--label=org.opencontainers.image.version=2.0.0","--build-context=data=app","--secret=id=a,env=A","--secret=id=b,env=B","--ssh=default","--network=host","--allow=network.host","--cache-from=type=registry,ref=ghcr.io/acme/y:buildcache-two-linux-arm64","--provenance=false","--sbom=false","--","."]
    "#]].assert_eq(&text("app:two"));
}

#[test]
fn tables_of_images_share_defaults_and_variants() {
    let toml = r#"
        args = { A = "shared", B = "shared" }
        [variants.lite]
        default = true
        [variants.full]
        args.A = "full"
        [image.one]
        args.B = "one"
        [image.two.variants.full]
        args.A = "two"
        [image.two.variants.own]
    "#;
    expect![[r#"
        one:full for linux/amd64
          A="full"
          B="one"
        one:lite for linux/amd64
          A="shared"
          B="one"
        two:full for linux/amd64
          A="two"
          B="shared"
        two:lite for linux/amd64
          A="shared"
          B="shared"
        two:own for linux/amd64
          A="shared"
          B="shared"
    "#]]
    .assert_eq(&workspace().image("app", toml, SCRATCH).graph());
}

#[test]
fn named_contexts_and_build_options_reach_the_command() {
    let toml = r#"
        context = "/"
        secrets = { hf = { env = "HF_TOKEN" }, rc = { file = "rc" } }
        ssh = true
        contexts = { data = "/shared/data", tool = "docker-image://alpine:3" }
        build = { network = "host", shm-size = "2g", ulimits = { nofile = "1024:2048" }, add-hosts = { db = "::1" } }
    "#;
    let dockerfile = "FROM scratch\nCOPY app /app\nCOPY --from=data . /\nCOPY --from=tool /x /x\n";
    let workspace = workspace().image("app", toml, dockerfile).file("shared/data/one", "1");
    let plan = workspace.plan();
    let image = find(&plan, "app");
    assert_eq!(image["inputs"]["files"], 3);
    let key = image["key"].as_str().unwrap()[7..19].to_owned();
    let words: Vec<&str> =
        image["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    expect![[r#"
        docker
        buildx
        build
        --progress=rawjson
        --metadata-file=target/dockyard/metadata.json
        --builder=default
        --platform=linux/amd64
        --file=app/Dockerfile
        --tag=app:key-KEY
        --tag=app:dev
        --tag=ghcr.io/acme/app:dev
        --label=dockyard.id=app
        --label=org.opencontainers.image.ref.name=ghcr.io/acme/app:dev
        --label=org.opencontainers.image.title=app
        --build-context=data=shared/data
        --build-context=tool=docker-image://docker.io/library/alpine:3
        --secret=id=hf,env=HF_TOKEN
        --secret=id=rc,src=app/rc
        --ssh=default
        --network=host
        --allow=network.host
        --shm-size=2g
        --ulimit=nofile=1024:2048
        --add-host=db:::1
        --provenance=false
        --sbom=false
        --
        ."#]]
    .assert_eq(&words.join("\n").replace(&key, "KEY"));
}

#[test]
fn an_image_that_a_context_names_is_a_parent() {
    let workspace = workspace().image("base", "", SCRATCH).image(
        "app",
        "contexts.tool = \"docker-image://ghcr.io/acme/base\"",
        "FROM tool\n",
    );
    expect![[r#"
        base for linux/amd64
        app for linux/amd64
          context base as ghcr.io/acme/base
    "#]]
    .assert_eq(&workspace.graph());
}

#[test]
fn long_values_are_kept() {
    let long = "x".repeat(100_000);
    let toml = format!("tags = [\"{}\"]\n[args]\nA = \"{long}\"\n", "t".repeat(200));
    let plan = workspace().image("app", &toml, SCRATCH).plan();
    let image = find(&plan, "app");
    assert_eq!(image["args"]["A"].as_str().unwrap().len(), 100_000);
    assert_eq!(image["tags"][0].as_str().unwrap().len(), 128);
}

#[test]
fn the_key_is_the_same_in_every_checkout() {
    let plan = |root: &str| {
        let workspace = workspace().image("app", "args.C = \"1\"", "FROM scratch\nCOPY . /\n");
        assert!(!root.is_empty());
        workspace.plan()
    };
    assert_eq!(plan("a"), plan("b"));
}

// How images are named

#[test]
fn an_image_is_named_by_id_variant_name_or_folder() {
    let workspace = workspace()
        .image(
            "services/nb",
            "id = \"nb\"\nname = \"clm-nb\"\n[variants.lite]\n[variants.full]\n",
            SCRATCH,
        )
        .image("base", "", SCRATCH);
    let planned = |folder: &str, words: &[&str]| {
        let said = workspace.run_in(folder, &[&["plan", "--json"], words].concat());
        assert_eq!(said.status, 0, "{}", said.stderr);
        let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        plan["images"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let both = ["nb:full", "nb:lite"];
    for word in ["nb", "clm-nb", "services/nb", "./services/nb/"] {
        assert_eq!(planned("", &[word]), both, "{word}");
    }
    assert_eq!(planned("", &["nb:lite"]), ["nb:lite"]);
    assert_eq!(planned("", &["clm-nb:full", "base"]), ["base", "nb:full"]);
    // From a folder below, relative to it or to the root.
    assert_eq!(planned("services", &["nb"]), both);
    assert_eq!(planned("services/nb", &["."]), both);
    assert_eq!(planned("services", &["services/nb"]), both);
    assert_eq!(planned("services", &["../base"]), ["base"]);
    assert_eq!(planned("services", &["--root", "..", "base"]), ["base"]);
    assert_eq!(planned("..", &["--root", "images"]).len(), 3);
}

#[test]
fn build_arguments_are_for_the_named_images() {
    let workspace = workspace().image("base", "args.X = \"0\"", SCRATCH).image(
        "app",
        "args.X = \"0\"",
        "FROM ghcr.io/acme/base\n",
    );
    let plan = workspace.json(&["plan", "app", "--json", "--build-arg", "X=1"]);
    assert_eq!(find(&plan, "app")["args"]["X"], "1");
    assert_eq!(find(&plan, "base")["args"]["X"], "0");
}

// What is shown

fn course() -> Workspace {
    configured("registries = [\"ghcr.io/acme\", \"docker.io/acme\"]\nversion = \"0.3.0\"")
        .image("base", "description = \"What all have\"", "FROM debian:trixie-slim\n")
        .image(
            "notebook",
            "
            name = \"clm-notebook\"
            platforms = [\"linux/amd64\"]
            [variants.lite]
            default = true
            [variants.full]
            ",
            "FROM node:22 AS web\nFROM ghcr.io/acme/base\nCOPY --from=web /x /x\n",
        )
        .image(
            "docs",
            "tags = { main = [\"latest\"], release = [\"{{ version }}\"] }",
            "FROM scratch\nCOPY --from=acme/clm-notebook / /\n",
        )
        .committed()
}

#[test]
fn list() {
    let course = course();
    expect![[r#"
        image          version  platforms    folder    description
        base           0.3.0    linux/amd64  base      What all have
        docs           0.3.0    linux/amd64  docs
        notebook:full  0.3.0    linux/amd64  notebook
        notebook:lite  0.3.0    linux/amd64  notebook
    "#]]
    .assert_eq(&course.read(&["list"]));
    let json = course.json(&["list", "--json"]);
    assert_eq!(json["version"], 1);
    expect![[r#"
        {
          "context": "base",
          "description": "What all have",
          "dockerfile": "base/Dockerfile",
          "folder": "base",
          "id": "base",
          "name": "base",
          "parents": [],
          "platforms": [
            "linux/amd64"
          ],
          "publish": true,
          "repositories": [
            "ghcr.io/acme/base",
            "docker.io/acme/base"
          ],
          "variant": null,
          "version": "0.3.0"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", json["images"][0]));
}

#[test]
fn the_graph_in_four_forms() {
    let course = course();
    expect![[r#"
        debian:trixie-slim
        └── base
            ├── notebook:full
            └── notebook:lite
                └── docs
        node:22
        ├── notebook:full
        └── notebook:lite (above)
    "#]]
    .assert_eq(&course.read(&["graph"]));
    expect![[r#"
        flowchart TD
            base0(["debian:trixie-slim"])
            base1(["node:22"])
            image0["base"]
            image1["notebook:full"]
            image2["notebook:lite"]
            image3["docs"]
            base0 --> image0
            base1 --> image1
            image0 --> image1
            base1 --> image2
            image0 --> image2
            image2 -. "COPY --from" .-> image3
    "#]]
    .assert_eq(&course.read(&["graph", "--format", "mermaid"]));
    expect![[r#"
        digraph images {
            rankdir = TB;
            node [shape = box];
            base0 [label = "debian:trixie-slim", style = dashed];
            base1 [label = "node:22", style = dashed];
            image0 [label = "base"];
            image1 [label = "notebook:full"];
            image2 [label = "notebook:lite"];
            image3 [label = "docs"];
            base0 -> image0;
            base1 -> image1;
            image0 -> image1;
            base1 -> image2;
            image0 -> image2;
            image2 -> image3 [style = dashed, label = "COPY --from"];
        }
    "#]]
    .assert_eq(&course.read(&["graph", "--format", "dot"]));
    let json = course.json(&["graph", "--format", "json"]);
    assert_eq!(json, course.json(&["graph", "--json"]));
    expect![[r#"
        {
          "external": [
            {
              "digest": null,
              "note": null,
              "platforms": [
                "linux/amd64"
              ],
              "reference": "docker.io/library/node:22",
              "via": "FROM"
            }
          ],
          "id": "notebook",
          "parents": [
            {
              "id": "base",
              "reference": "ghcr.io/acme/base",
              "variant": null,
              "via": "FROM"
            }
          ],
          "variant": "full"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", json["images"][1]));
}

#[test]
fn tags_of_every_channel() {
    let course = course();
    expect![[r#"
        image          tag       repositories                                 from
        base           dev       ghcr.io/acme/base acme/base                  dev (Cargo.toml:4:11)
        notebook:full  dev-full  ghcr.io/acme/clm-notebook acme/clm-notebook  dev-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  dev       ghcr.io/acme/clm-notebook acme/clm-notebook  dev (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags"]));
    expect![[r#"
        image          tag               repositories                                 from
        base           latest            ghcr.io/acme/base acme/base                  latest (Cargo.toml:4:11)
        base           sha-00b53a8       ghcr.io/acme/base acme/base                  sha-{{ sha }} (Cargo.toml:4:11)
        docs           latest            ghcr.io/acme/docs acme/docs                  latest (docs/image.toml:1:18)
        notebook:full  full              ghcr.io/acme/clm-notebook acme/clm-notebook  {{ variant }} (Cargo.toml:4:11)
        notebook:full  sha-00b53a8-full  ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }}-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  latest            ghcr.io/acme/clm-notebook acme/clm-notebook  latest (Cargo.toml:4:11)
        notebook:lite  sha-00b53a8       ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }} (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags", "--channel", "main"]));
    expect![[r#"
        image          tag               repositories                                 from
        notebook:full  0.3.0-full        ghcr.io/acme/clm-notebook acme/clm-notebook  {{ version }}-{{ variant }} (Cargo.toml:4:11)
        notebook:full  0.3-full          ghcr.io/acme/clm-notebook acme/clm-notebook  {{ major }}.{{ minor }}-{{ variant }} (Cargo.toml:4:11)
        notebook:full  full              ghcr.io/acme/clm-notebook acme/clm-notebook  {{ variant }} (Cargo.toml:4:11)
        notebook:full  sha-00b53a8-full  ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }}-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  0.3.0             ghcr.io/acme/clm-notebook acme/clm-notebook  {{ version }} (Cargo.toml:4:11)
        notebook:lite  0.3               ghcr.io/acme/clm-notebook acme/clm-notebook  {{ major }}.{{ minor }} (Cargo.toml:4:11)
        notebook:lite  latest            ghcr.io/acme/clm-notebook acme/clm-notebook  latest (Cargo.toml:4:11)
        notebook:lite  sha-00b53a8       ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }} (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags", "notebook", "--channel", "release"]));
    assert_eq!(course.read(&["tags", "--channel", "pr"]).lines().count(), 1);
    // At a version tag, nobody has to say that this is a release.
    let tagged = course.git(&["tag", "v0.3.0"]);
    assert_eq!(tagged.json(&["tags", "--json"])["channel"], "release");
}

#[test]
fn tags_from_what_is_not_known_yet() {
    let toml = "
        version = \"1.2.0-rc.1\"
        tags = [\"{{ version }}-{{ distro }}\", \"{{ torch }}\", \"{{ base_name }}\"]
        facts.torch = \"2.5.1+cu118\"
        facts.distro = { os-release = \"ID\" }
    ";
    let workspace = workspace().image("app", toml, "FROM debian:13\n");
    expect![[r#"
        image  tag                          repositories      from
        app    (known once it is built)     ghcr.io/acme/app  {{ version }}-{{ distro }} (app/image.toml:3:17)
        app    2.5.1-cu118                  ghcr.io/acme/app  {{ torch }} (app/image.toml:3:47)
        app    docker.io-library-debian-13  ghcr.io/acme/app  {{ base_name }} (app/image.toml:3:62)
    "#]].assert_eq(&workspace.read(&["tags"]));
}

#[test]
fn the_plan_without_an_engine() {
    let course = course();
    let said = course.run(&["plan"]);
    assert_eq!(said.status, 0);
    assert!(
        said.stderr.starts_with("note: no engine was asked what it holds: "),
        "{}",
        said.stderr
    );
    expect![[r#"
        build base           never built here
        build notebook:full  never built here
        build notebook:lite  never built here
        build docs           never built here
        4 to build, 0 up to date
    "#]]
    .assert_eq(&said.stdout);
    let plan = course.plan();
    let mut keys: Vec<&String> = find(&plan, "base").as_object().unwrap().keys().collect();
    keys.sort();
    // The contract's fields; more may follow, none may go.
    for field in [
        "id",
        "variant",
        "folder",
        "name",
        "repositories",
        "context",
        "dockerfile",
        "target",
        "platforms",
        "args",
        "parents",
        "external",
        "inputs",
        "key",
        "keys",
        "tags",
        "action",
        "reasons",
        "last_seconds",
        "command",
    ] {
        assert!(keys.iter().any(|key| *key == field), "{field}");
    }
    assert_eq!(find(&plan, "base")["command"][0], "docker");
}
