//! A BuildKit daemon beside the engine: built from its source, as the Go module registry has it, and ended with the test.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::engines::{self, TestEngine};
use super::lab::{succeed, wait_until};

const VERSION: &str = "v0.25.2";
const MODULE: &str = "module dockyard.invalid/buildkitd\n\ngo 1.24\n";

/// `buildkitd` and `buildctl`, static, made once.
pub(crate) fn programs() -> Option<Utf8PathBuf> {
    let folder = engines::kept().join(format!("buildkit-{VERSION}"));
    let made = engines::locked("buildkit", || make(&folder));
    match made {
        Ok(()) => Some(folder),
        Err(why) => {
            engines::not_run(&format!("no buildkitd can be made: {why}"));
            None
        }
    }
}

fn make(folder: &Utf8Path) -> Result<(), String> {
    if folder.join("buildctl").exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("go.mod"), MODULE).map_err(|error| error.to_string())?;
    eprintln!("building buildkitd {VERSION} (about 3 minutes)");
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(folder).env("CGO_ENABLED", "0").env_remove("GOFLAGS");
        succeed(&mut command)
    };
    // BuildKit's own go.mod has `exclude`, so that it can only be a dependency of another module.
    let tool = |program: &str| format!("github.com/moby/buildkit/cmd/{program}");
    go(&[
        "get",
        "-tool",
        &format!("{}@{VERSION}", tool("buildkitd")),
        &format!("{}@{VERSION}", tool("buildctl")),
    ])?;
    for program in ["buildkitd", "buildctl"] {
        go(&[
            "build",
            "-tags=osusergo,netgo,static_build",
            "-ldflags=-s -w",
            "-o",
            program,
            &tool(program),
        ])?;
    }
    Ok(())
}

/// The image that buildx's docker-container driver starts, put into the engine of `test`. From scratch: `runc` comes
/// with the libraries it is linked with.
pub(crate) fn image(test: &TestEngine) -> Option<String> {
    let programs = programs()?;
    let name = format!("dockyard.invalid/buildkit:{VERSION}");
    if test.engine.image(&name).unwrap().is_some() {
        return Some(name);
    }
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let put = |from: &str, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    for program in ["buildkitd", "buildctl"] {
        put(programs.join(program).as_str(), &format!("usr/bin/{program}"));
    }
    let runc = runc()?;
    put(runc, "usr/bin/runc");
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader as a bare path. Static: no lines.
    let libraries = succeed(Command::new("ldd").arg(runc)).unwrap_or_default();
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        put(library, library);
    }
    std::fs::create_dir_all(root.join("tmp")).unwrap();
    let dockerfile = "FROM scratch\nCOPY . /\nENV PATH=/usr/bin\nENTRYPOINT [\"buildkitd\"]\n";
    std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    let mut build = test.command("docker");
    succeed(build.args(["buildx", "build", "--builder=default", "--tag", &name, root.as_str()]))
        .unwrap();
    Some(name)
}

fn runc() -> Option<&'static str> {
    let places = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"];
    let runc = places.into_iter().find(|path| Utf8Path::new(path).exists());
    if runc.is_none() {
        engines::not_run("buildkitd needs runc");
    }
    runc
}

/// A daemon that runs as long as this value lives.
pub(crate) struct Buildkitd {
    child: Child,
    socket: Utf8PathBuf,
    /// Removed once the daemon has ended.
    folder: Option<tempfile::TempDir>,
}

impl Buildkitd {
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("bkd-").tempdir().unwrap();
        let mut daemon = Self::start_in(Utf8Path::from_path(folder.path()).unwrap())?;
        daemon.folder = Some(folder);
        Some(daemon)
    }

    /// With its content in `folder`.
    pub(crate) fn start_in(folder: &Utf8Path) -> Option<Self> {
        let (programs, runc) = (programs()?, runc()?);
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let socket = folder.join("sock");
        let child = Command::new(programs.join("buildkitd"))
            .arg(format!("--root={folder}/root"))
            .arg(format!("--addr=unix://{socket}"))
            .args(["--containerd-worker=false", "--oci-worker=true", "--oci-worker-net=host"])
            .arg(format!("--oci-worker-binary={runc}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_until("buildkitd listens", Duration::from_secs(30), || socket.exists());
        Some(Self { child, socket, folder: None })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket)
    }
}

impl Drop for Buildkitd {
    /// In peace, so that it unmounts what it mounted.
    fn drop(&mut self) {
        let _gone = Command::new("kill").arg(self.child.id().to_string()).output();
        let _status = self.child.wait();
        drop(self.folder.take());
    }
}

/// No test binary uses all of this.
const _: () = {
    let _: fn(&TestEngine) -> Option<String> = image;
    let _: fn() -> Option<Buildkitd> = Buildkitd::start;
};
