//! What image.toml may look like, and what becomes of it.

use expect_test::expect;

use super::SCRATCH;
use crate::support::{fields, find, workspace};

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
