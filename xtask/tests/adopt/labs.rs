//! Six repositories, each in the manner of a lab.

use expect_test::expect;

use super::repository::Repository;

#[test]
fn a_matrix_with_three_registries() {
    let repository = Repository::of("matrix").adopted();
    expect![[r#"
        ml-platform
          context "ml_platform"
          dockerfile "ml_platform/Dockerfile"
          platforms ["linux/amd64"]
          args {"CUDA_VERSION":"12.6"}
          repositories ["ghcr.io/maniaclab/ml-platform","docker.io/ivukotic/ml_platform","hub.opensciencegrid.org/usatlas/ml-platform"]
          tags ["latest","sha-SHA"]
        analysis
          context "analysis"
          dockerfile "analysis/Dockerfile"
          platforms ["linux/amd64"]
          args {"FLAGS":"-O2 -g,x=y","PYTHON":"3.12"}
          repositories ["ghcr.io/maniaclab/analysis"]
          tags ["latest","sha-SHA"]
          FROM ml-platform as ghcr.io/maniaclab/ml-platform:latest
    "#]].assert_eq(&repository.planned("main"));
    repository.git(&["tag", "v2026.2.0"]);
    expect![[r#"
        ml-platform
          context "ml_platform"
          dockerfile "ml_platform/Dockerfile"
          platforms ["linux/amd64"]
          args {"CUDA_VERSION":"12.6"}
          repositories ["ghcr.io/maniaclab/ml-platform","docker.io/ivukotic/ml_platform","hub.opensciencegrid.org/usatlas/ml-platform"]
          tags ["2026.2.0","latest","2026.2","sha-SHA"]
        analysis
          context "analysis"
          dockerfile "analysis/Dockerfile"
          platforms ["linux/amd64"]
          args {"FLAGS":"-O2 -g,x=y","PYTHON":"3.12"}
          repositories ["ghcr.io/maniaclab/analysis"]
          tags ["2026.2.0","latest","2026.2","sha-SHA"]
          FROM ml-platform as ghcr.io/maniaclab/ml-platform:latest
    "#]].assert_eq(&repository.planned("release"));
}

#[test]
fn jobs_that_hand_a_digest_on() {
    let repository = Repository::of("chained").adopted();
    expect![[r#"
        base
          context "boileroom/images"
          dockerfile "boileroom/images/Dockerfile"
          platforms ["linux/amd64"]
          repositories ["ghcr.io/boileroom/base"]
          tags ["latest","COMMIT"]
        chai1
          context "boileroom/models/chai"
          dockerfile "boileroom/models/chai/Dockerfile"
          platforms ["linux/amd64"]
          args {"TORCH":"2.5.1+cu118"}
          repositories ["ghcr.io/boileroom/chai1"]
          tags ["latest","COMMIT"]
          FROM base as ghcr.io/boileroom/base
    "#]]
    .assert_eq(&repository.planned("main"));
    expect![[r#"
        base
          context "boileroom/images"
          dockerfile "boileroom/images/Dockerfile"
          platforms ["linux/amd64"]
          repositories ["ghcr.io/boileroom/base"]
          tags ["dev"]
        chai1
          context "boileroom/models/chai"
          dockerfile "boileroom/models/chai/Dockerfile"
          platforms ["linux/amd64"]
          args {"TORCH":"2.5.1+cu118"}
          repositories ["ghcr.io/boileroom/chai1"]
          tags ["dev"]
          FROM base as ghcr.io/boileroom/base
    "#]]
    .assert_eq(&repository.planned("dev"));
}

#[test]
fn several_dockerfiles_in_one_folder() {
    let repository = Repository::of("folder");
    repository.git(&["remote", "add", "origin", "git@github.com:CS24-1/cs24-1-bot.git"]);
    let repository = repository.adopted();
    expect![[r#"
        cs24-1-bot-base
          context "."
          dockerfile "docker/Dockerfile.base"
          platforms ["linux/amd64","linux/arm64"]
          repositories ["ghcr.io/cs24-1/cs24-1-bot-base"]
          tags ["latest"]
        cs24-1-bot
          context "."
          dockerfile "docker/Dockerfile"
          platforms ["linux/amd64","linux/arm64"]
          repositories ["ghcr.io/cs24-1/cs24-1-bot"]
          tags ["latest"]
          FROM cs24-1-bot-base as ghcr.io/cs24-1/cs24-1-bot-base:latest
        cs24-1-bot-ci
          context "."
          dockerfile "docker/Dockerfile.ci"
          platforms ["linux/amd64"]
          repositories ["ghcr.io/cs24-1/cs24-1-bot-ci"]
          tags ["latest"]
          FROM cs24-1-bot-base as ghcr.io/cs24-1/cs24-1-bot-base:latest
        devcontainer
          context "."
          dockerfile ".devcontainer/Dockerfile"
          platforms ["linux/amd64"]
          repositories ["ghcr.io/cs24-1/devcontainer"]
          tags ["latest","sha-SHA"]
          FROM cs24-1-bot-base as ghcr.io/cs24-1/cs24-1-bot-base:latest
    "#]]
    .assert_eq(&repository.planned("main"));
    expect![[r##"
        # Taken over from .devcontainer/devcontainer.json:1.
        publish = false
        context = "/"
    "##]]
    .assert_eq(&repository.text(".devcontainer/image.toml"));
}

#[test]
fn a_bake_file() {
    let repository = Repository::of("bake").adopted();
    expect![[r#"
        itwinai:tf
          context "."
          dockerfile "env-files/tf/Dockerfile"
          platforms ["linux/amd64"]
          args {"FRAMEWORK":"tf2.16","ITWINAI_VERSION":"0.2.2"}
          repositories ["ghcr.io/intertwin-eu/itwinai"]
          tags ["0.2.2-tf2.16-jammy","tf-latest"]
        itwinai:torch
          context "."
          dockerfile "env-files/torch/Dockerfile"
          platforms ["linux/amd64"]
          args {"FRAMEWORK":"torch2.6","ITWINAI_VERSION":"0.2.2"}
          repositories ["ghcr.io/intertwin-eu/itwinai"]
          tags ["0.2.2-torch2.6-jammy","latest"]
        tools
          context "tools"
          dockerfile "tools/Dockerfile"
          target "run"
          platforms ["linux/amd64","linux/arm64"]
          repositories ["ghcr.io/intertwin-eu/tools"]
          tags ["0.2.2"]
        itwinai-jlab
          context "."
          dockerfile "env-files/jlab/Dockerfile"
          platforms ["linux/amd64"]
          args {"ITWINAI_VERSION":"0.2.2"}
          repositories ["ghcr.io/intertwin-eu/itwinai-jlab"]
          tags ["0.2.2","latest"]
          context itwinai:torch as ghcr.io/intertwin-eu/itwinai
    "#]]
    .assert_eq(&repository.planned("main"));
}

#[test]
fn compose_in_a_repository_with_a_package() {
    let repository = Repository::of("compose");
    let said = repository.run(&["adopt", "--dockyard", super::repository::DOCKYARD, "--dry-run"]);
    expect![[r#"
        api/image.toml
            # Taken over from compose.dev.yaml:4, compose.yaml:14.
            # unsure: compose.yaml:14 sets GIT_HASH to `${GIT_HASH}`, which is known only when that runs
            # unsure: no variant has the tag `latest`; the first is the default one
            version = "1.4.0"

            [variants.prod]
            default = true
            context = "/"
            target = "prod"
            platforms = ["linux/amd64", "linux/arm64"]
            tags = ["{{ version }}"]

            [variants.prod.args]
            PYTHON_VERSION = "3.12"

            [variants.dev]
            publish = false
            context = "/"
            target = "dev"

        base/image.toml
            # Taken over from compose.yaml:9.
            version = "1.4.0"
            platforms = ["linux/amd64", "linux/arm64"]
            tags = ["{{ version }}"]

            [args]
            PYTHON_VERSION = "3.12"

        web/image.toml
            # Taken over from compose.yaml:23.
            version = "1.4.0"
            tags = ["{{ version }}"]

        .cargo/config.toml
            [alias]
            xtask = "run --quiet --bin xtask --"

        xtask/Cargo.toml
            [package]
            name = "xtask"
            version = "0.0.0"
            edition = "2024"
            publish = false

            [dependencies]
            dockyard = { package = "xtask", git = "https://git.example.org/dockyard" }

        xtask/src/main.rs
            use std::process::ExitCode;

            fn main() -> ExitCode {
                dockyard::main()
            }

        .gitignore
            /target/

        Cargo.toml exists: add at the end
            [workspace]
            members = ["xtask"]

            [workspace.metadata.dockyard]
            registries = ["acme"]

            # The xtask is compiled in every fresh clone, and in CI: symbols of its dependencies are a quarter of that time.
            [profile.dev.package."*"]
            debug = false

            # What runs once a file, and nothing else, is worth an optimising compiler's time.
            [profile.dev.package.dockyard-context]
            opt-level = 2

            [profile.dev.package.sha2]
            opt-level = 3

        .dockerignore exists: add at the end: builds take the whole repository as their context
            target

        build base      never built here (linux/amd64)
                        never built here (linux/arm64)
        build web       never built here
        build api:dev   never built here
        build api:prod  never built here (linux/amd64)
                        never built here (linux/arm64)
        note: not locked, each as old as the last build that fetched it: nginx:1.27 (web), python:3.12-slim (base); `cargo xtask lock-update` locks them, --pull fetches them anew
        4 to build, 0 up to date
    "#]].assert_eq(&said.stdout);
}

#[test]
fn compose_once_the_lines_are_added() {
    let repository = Repository::of("compose").adopted();
    let again = repository.adopt().stdout;
    assert!(again.contains("registries = [\"acme\"]"), "{again}");
    let cargo = repository.text("Cargo.toml");
    let repository = repository.file(
        "Cargo.toml",
        &format!("{cargo}\n[workspace]\nmembers = [\"xtask\"]\n[workspace.metadata.dockyard]\nregistries = [\"acme\"]\n"),
    ).file(".dockerignore", ".git\nnode_modules\ntarget\n");
    expect![[r#"
        base
          context "base"
          dockerfile "base/Dockerfile"
          platforms ["linux/amd64","linux/arm64"]
          args {"PYTHON_VERSION":"3.12"}
          repositories ["docker.io/acme/base"]
          tags ["1.4.0"]
        web
          context "web"
          dockerfile "web/Dockerfile"
          platforms ["linux/amd64"]
          repositories ["docker.io/acme/web"]
          tags ["1.4.0"]
        api:dev
          context "."
          dockerfile "api/Dockerfile"
          target "dev"
          platforms ["linux/amd64"]
          repositories ["docker.io/acme/api"]
          tags ["dev","sha-SHA-dev"]
          FROM base as docker.io/acme/base:1.4.0
        api:prod
          context "."
          dockerfile "api/Dockerfile"
          target "prod"
          platforms ["linux/amd64","linux/arm64"]
          args {"PYTHON_VERSION":"3.12"}
          repositories ["docker.io/acme/api"]
          tags ["1.4.0"]
          FROM base as docker.io/acme/base:1.4.0
    "#]]
    .assert_eq(&repository.planned("main"));
    assert!(repository.adopt().stderr.contains("nothing to write: every Dockerfile has an image"));
}
