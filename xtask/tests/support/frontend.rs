//! BuildKit's Dockerfile frontend as an image, built from its source, as the Go module registry has it.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::engines::{self, TestEngine};
use super::lab::succeed;

const VERSION: &str = "v0.25.2";
const PACKAGE: &str = "github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend";

/// What a builder may ask of it, as the published image says it.
const CAPABILITIES: &str = "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts";

/// Puts the frontend into the engine of `test` under `name`.
pub(crate) fn image(test: &TestEngine, name: &str) -> Option<()> {
    let program = match engines::locked("dockerfile-frontend", make) {
        Ok(program) => program,
        Err(why) => {
            engines::not_run(&format!("no Dockerfile frontend can be made: {why}"));
            return None;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    std::fs::copy(program, root.join("dockerfile-frontend")).unwrap();
    let dockerfile = format!(
        "FROM scratch\nCOPY dockerfile-frontend /bin/\nLABEL moby.buildkit.frontend.caps={CAPABILITIES}\n\
         ENTRYPOINT [\"/bin/dockerfile-frontend\"]\n"
    );
    std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
    let mut build = test.command("docker");
    build.args(["buildx", "build", "--builder=default", "--provenance=false", "--tag", name]);
    succeed(build.arg(root)).unwrap();
    Some(())
}

/// The static program, made once.
fn make() -> Result<Utf8PathBuf, String> {
    let folder = engines::kept().join(format!("dockerfile-frontend-{VERSION}"));
    let program = folder.join("dockerfile-frontend");
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let module = "module dockyard.invalid/frontend\n\ngo 1.24\n";
    std::fs::write(folder.join("go.mod"), module).map_err(|error| error.to_string())?;
    eprintln!("building the Dockerfile frontend {VERSION} (about 2 minutes)");
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(&folder).env("CGO_ENABLED", "0").env_remove("GOFLAGS");
        succeed(&mut command)
    };
    go(&["get", "-tool", &format!("{PACKAGE}@{VERSION}")])?;
    let fresh = folder.join("fresh");
    let tags = "-tags=osusergo,netgo,static_build";
    go(&["build", tags, "-ldflags=-s -w", "-o", fresh.as_str(), PACKAGE])?;
    std::fs::rename(&fresh, &program).map_err(|error| error.to_string())?;
    Ok(program)
}
