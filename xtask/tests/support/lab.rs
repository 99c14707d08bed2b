//! A workspace on disk, and our own program run in it against a real engine.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::engines::{self, TestEngine};

/// Starts from nothing, so that no registry is asked, and has a shell with the usual commands.
pub(crate) const BASE: &str = "FROM scratch\nCOPY busybox /bin/busybox\n\
    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nCOPY fresh /.fresh\n";

/// A temporary workspace under git, and the engine that it is built with.
pub(crate) struct Lab {
    pub(crate) test: &'static TestEngine,
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// What our program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lab {
    pub(crate) fn new(test: &'static TestEngine) -> Self {
        let folder = tempfile::Builder::new().prefix("lab-").tempdir().unwrap();
        let lab = Self { test, folder, variables: BTreeMap::new() };
        lab.file(
            "Cargo.toml",
            "[workspace.metadata.dockyard]\nregistries = [\"registry.invalid/lab\"]\n",
        );
        lab.file(".gitignore", "/target/\n");
        lab.git(&["init", "--quiet", "--initial-branch=main"]);
        lab
    }

    /// With `base`, an image that has a shell.
    pub(crate) fn with_base(test: &'static TestEngine) -> Option<Self> {
        let busybox = busybox()?;
        let lab = Self::new(test);
        lab.image("base", "", BASE);
        // Labs that build at once on one engine have keys of their own.
        lab.file("base/fresh", &token());
        std::fs::copy(busybox, lab.root().join("base/busybox")).unwrap();
        Some(lab)
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// An image in a folder of its name.
    pub(crate) fn image(&self, id: &str, toml: &str, dockerfile: &str) {
        self.file(&format!("{id}/image.toml"), toml);
        self.file(&format!("{id}/Dockerfile"), dockerfile);
    }

    /// A variable of our program.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// A builder called `apart`, in a configuration of buildx of its own.
    pub(crate) fn create_builder(&mut self, args: &[&str]) {
        let config = self.root().join("target/buildx");
        self.set("BUILDX_CONFIG", config.as_str());
        let mut command = self.test.command("docker");
        command.env("BUILDX_CONFIG", config).args(["buildx", "create", "--name=apart"]).args(args);
        succeed(&mut command).unwrap();
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=Lab", "-c", "user.email=lab@example.invalid"])
            .args(args)
            .current_dir(self.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", text(&output.stderr));
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=now"]);
    }

    pub(crate) fn xtask(&self, args: &[&str]) -> Command {
        let mut command = self.test.command(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(self.root()).envs(&self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn say(&self, args: &[&str]) -> Said {
        Said::of(&self.xtask(args).output().unwrap())
    }

    /// `build --json`, which must end with `status`: what became of each image.
    pub(crate) fn build(&self, args: &[&str], status: i32) -> BTreeMap<String, Value> {
        let said = self.say(&[&["build", "--json"], args].concat());
        // Not the JSON, which is long: what failed is on stderr, too.
        assert_eq!(said.status, Some(status), "{}", said.stderr);
        images(&said)
    }

    /// As [`build`](Self::build), when all that counts is `built`, `skipped`, `failed` or `blocked`.
    pub(crate) fn statuses(&self, args: &[&str], status: i32) -> BTreeMap<String, String> {
        let images = self.build(args, status).into_iter();
        images.map(|(name, image)| (name, image["status"].as_str().unwrap().to_owned())).collect()
    }

    /// The files that hold records.
    pub(crate) fn records(&self) -> Vec<Utf8PathBuf> {
        files(&self.root().join("target/dockyard/records"))
    }

    pub(crate) fn docker(&self, args: &[&str]) -> Said {
        Said::of(&self.test.command("docker").args(args).output().unwrap())
    }

    /// What a file of an image holds, without a container that runs.
    pub(crate) fn content(&self, image: &str, path: &str) -> String {
        // The command is never run, but an image from scratch has none.
        let made = self.docker(&["create", image, "none"]);
        assert_eq!(made.status, Some(0), "{made}");
        let container = made.stdout.trim();
        let file = self.root().join("target/copied");
        let said = self.docker(&["cp", &format!("{container}:{path}"), file.as_str()]);
        self.docker(&["rm", container]);
        assert_eq!(said.status, Some(0), "{said}");
        std::fs::read_to_string(file).unwrap()
    }

    pub(crate) fn config(&self, image: &str) -> Value {
        let said = self.docker(&["image", "inspect", "--format={{json .Config}}", image]);
        assert_eq!(said.status, Some(0), "{said}");
        serde_json::from_str(&said.stdout).unwrap()
    }
}

impl Drop for Lab {
    /// A person's engine is left as it was. A private one goes as a whole, as does one that is said to
    /// (`DOCKYARD_DISPOSABLE_ENGINE`): each image that its containerd store gives up takes it a second.
    fn drop(&mut self) {
        if self.test.is_private() || std::env::var_os("DOCKYARD_DISPOSABLE_ENGINE").is_some() {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        for record in self.records() {
            let record = std::fs::read(record).unwrap_or_default();
            let record: Value = serde_json::from_slice(&record).unwrap_or_default();
            names.extend(record["digest"].as_str().map(str::to_owned));
        }
        if !names.is_empty() {
            let mut command = self.test.command("docker");
            let _gone = command.args(["image", "rm", "--force"]).args(names).output();
        }
    }
}

pub(crate) fn images(said: &Said) -> BTreeMap<String, Value> {
    let json: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said}"));
    let images = json["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            let id = image["id"].as_str().unwrap();
            let variant =
                image["variant"].as_str().map_or_else(String::new, |name| format!(":{name}"));
            (format!("{id}{variant}"), image.clone())
        })
        .collect()
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Waits for a child whose output is piped.
    pub(crate) fn of_child(mut child: Child) -> Self {
        let mut stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut stderr = Vec::new();
        child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        let stdout = reader.join().unwrap().unwrap();
        let status = child.wait().unwrap().code();
        Self { status, stdout: text(&stdout), stderr: text(&stderr) }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {:?}\n{}\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A text that nobody has built before.
pub(crate) fn token() -> String {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    format!("{:032x}", u128::from_be_bytes(bytes))
}

pub(crate) fn wait_until(what: &str, limit: Duration, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files below `folder`.
pub(crate) fn files(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(entry.path()));
        } else {
            found.push(entry.into_path());
        }
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Debian's busybox, which needs no library.
fn busybox() -> Option<&'static Utf8Path> {
    static FILE: OnceLock<Option<Utf8PathBuf>> = OnceLock::new();
    FILE.get_or_init(|| match package("busybox-static", None) {
        Ok(folder) => ["bin/busybox", "usr/bin/busybox"]
            .iter()
            .map(|path| folder.join(path))
            .find(|path| path.is_file()),
        Err(why) => {
            engines::not_run(&format!("no static busybox can be had: {why}"));
            None
        }
    })
    .as_deref()
}

/// The unpacked content of a package of this system's archive, fetched once.
pub(crate) fn package(name: &str, architecture: Option<&str>) -> Result<Utf8PathBuf, String> {
    let folder = engines::kept().join(format!("{name}-{}", architecture.unwrap_or("native")));
    engines::locked(name, || {
        let root = folder.join("root");
        if root.exists() {
            return Ok(root);
        }
        for made in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(folder.join(made)).map_err(|error| error.to_string())?;
        }
        let apt = |args: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(["-q", "-o", "APT::Sandbox::User=root"]);
            command.arg("-o").arg(format!("Dir::State::Lists={folder}/lists"));
            command.arg("-o").arg(format!("Dir::Cache={folder}/cache"));
            if let Some(architecture) = architecture {
                command.arg("-o").arg(format!("APT::Architecture={architecture}"));
                command.arg("-o").arg(format!("APT::Architectures={architecture}"));
            }
            command.args(args).current_dir(folder.join("packages"));
            succeed(&mut command)
        };
        // One source out of reach does not matter where another has the package.
        let _incomplete = apt(&["update"]);
        apt(&["download", name])?;
        let fresh = folder.join("fresh");
        for package in files(&folder.join("packages")) {
            succeed(Command::new("dpkg").args(["-x", package.as_str(), fresh.as_str()]))?;
        }
        std::fs::rename(&fresh, &root).map_err(|error| error.to_string())?;
        Ok(root)
    })
}

/// Runs a command; what it says on stderr is the error.
pub(crate) fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{command:?}: {}", text(&output.stderr)))
    }
}

/// No test binary uses all of this.
const _: () = {
    let _: &str = BASE;
    let _: fn(&'static TestEngine) -> Option<Lab> = Lab::with_base;
    let _: fn(&Lab) = Lab::commit;
    let _: fn(&Lab, &[&str], i32) -> BTreeMap<String, String> = Lab::statuses;
    let _: fn(&Lab, &str) -> Value = Lab::config;
    let _: fn(&Lab, &str, &str) -> String = Lab::content;
    let _: fn(&mut Lab, &[&str]) = Lab::create_builder;
    let _: fn(Child) -> Said = Said::of_child;
    let _: fn(&str, Option<&str>) -> Result<Utf8PathBuf, String> = package;
    let _: fn(&str, Duration, fn() -> bool) = wait_until;
};
