//! The steps that jobs are made of. Whatever a person may have chosen stands in `env` or `with`; what stands in `run` is
//! literal.

use super::action::{self, Action};
use super::login::Login;
use super::yaml::{Map, Node};

/// Where a job finds the xtask that another one built.
const XTASK: &str = "${{ runner.temp }}/xtask";

fn uses(action: Action) -> Map {
    Map::new().with("uses", action.uses).noted(action.version)
}

/// The whole history: versions come from tags, and reasons from what a commit changed.
pub(super) fn checkout() -> Map {
    let with = Map::new().with("fetch-depth", 0).with("persist-credentials", false);
    uses(action::CHECKOUT).with("with", with)
}

/// The newest commit of `branch`.
pub(super) fn checkout_of(branch: &str) -> Map {
    let with = Map::new().with("ref", branch).with("persist-credentials", false);
    uses(action::CHECKOUT).with("with", with)
}

/// Builds the xtask outside the checkout, which stays as it was committed.
pub(super) fn build_xtask(build: &Xtask, folder: Option<&str>) -> Vec<Map> {
    let lock =
        folder.map_or_else(|| "Cargo.lock".to_owned(), |folder| format!("{folder}/Cargo.lock"));
    let key = "xtask-${{ runner.os }}-${{ runner.arch }}-";
    let paths = ["~/.cargo/registry", "~/.cargo/git", "${{ runner.temp }}/target"];
    let cache = uses(action::CACHE).with(
        "with",
        Map::new()
            .with("path", Node::Lines(paths.map(str::to_owned).to_vec()))
            .with("key", format!("{key}${{{{ hashFiles('{lock}') }}}}"))
            .with("restore-keys", key),
    );
    let mut lines = vec![
        "rustup toolchain install stable --profile minimal".to_owned(),
        "rustup default stable".to_owned(),
        format!(
            "cargo build --locked{}{} --bin {} --target-dir \"$RUNNER_TEMP/target\"",
            build.package.as_ref().map_or_else(String::new, |name| format!(" --package {name}")),
            build.profile.option(),
            build.bin,
        ),
        "mkdir \"$RUNNER_TEMP/xtask\"".to_owned(),
    ];
    let (folder, bin) = (build.profile.folder(), &build.bin);
    lines.push(format!("cp \"$RUNNER_TEMP/target/{folder}/{bin}\" \"$RUNNER_TEMP/xtask/xtask\""));
    lines.push("echo \"$RUNNER_TEMP/xtask\" >>\"$GITHUB_PATH\"".to_owned());
    vec![cache, Map::new().with("name", "Build the xtask").with("run", Node::Lines(lines))]
}

pub(super) fn upload_xtask(arch: &str) -> Map {
    let with = Map::new()
        .with("name", format!("xtask-{arch}"))
        .with("path", format!("{XTASK}/xtask"))
        .with("retention-days", 7);
    uses(action::UPLOAD).with("with", with)
}

pub(super) fn download_xtask(arch: &str) -> Vec<Map> {
    let with = Map::new().with("name", format!("xtask-{arch}")).with("path", XTASK);
    // An artifact keeps no modes.
    let run =
        "chmod +x \"$RUNNER_TEMP/xtask/xtask\" && echo \"$RUNNER_TEMP/xtask\" >>\"$GITHUB_PATH\"";
    vec![uses(action::DOWNLOAD).with("with", with), Map::new().with("run", run)]
}

/// `condition` is for a job that also runs where there are no secrets.
pub(super) fn login(login: &Login, condition: Option<&str>) -> Map {
    let with = Map::new()
        .with("registry", login.host.as_str())
        .with("username", login.user())
        .with("password", login.password());
    uses(action::LOGIN).with_some("if", condition).with("with", with)
}

pub(super) fn emulator(condition: Option<&str>) -> Map {
    uses(action::QEMU).with_some("if", condition)
}

pub(super) fn buildx(condition: Option<&str>) -> Map {
    uses(action::BUILDX).with_some("if", condition)
}

/// Lets the steps that follow into GitHub's cache; otherwise only actions are.
pub(super) fn cache_access(condition: Option<&str>) -> Map {
    let variables = ["ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_SERVICE_V2"];
    let lines = variables
        .map(|name| format!("core.exportVariable('{name}', process.env.{name} ?? '');"))
        .to_vec();
    uses(action::SCRIPT)
        .with_some("if", condition)
        .with("with", Map::new().with("script", Node::Lines(lines)))
}

/// Removes toolchains that GitHub's own runners bring, and no image needs; nothing of anybody's own runner.
pub(super) fn disk_room(condition: Option<&str>) -> Map {
    let hosted = "runner.environment == 'github-hosted'";
    let condition = condition.map_or_else(|| hosted.to_owned(), |it| format!("{it} && {hosted}"));
    Map::new()
        .with("name", "Make room on the disk")
        .with("if", condition)
        .with(
            "run",
            "sudo rm -rf /usr/local/lib/android /usr/share/dotnet /usr/local/.ghcup /opt/hostedtoolcache/CodeQL /usr/share/swift",
        )
}

/// How a workspace's own `cargo xtask` is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xtask {
    /// Where the alias names one: another package of the same name would make it ambiguous.
    pub package: Option<String>,
    pub bin: String,
    pub profile: Profile,
}

/// A profile of cargo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
    Named(String),
}

impl Profile {
    fn option(&self) -> String {
        match self {
            Self::Dev => String::new(),
            Self::Release => " --release".to_owned(),
            Self::Named(name) => format!(" --profile {name}"),
        }
    }

    /// Below the target folder.
    fn folder(&self) -> &str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
            Self::Named(name) => name,
        }
    }
}
