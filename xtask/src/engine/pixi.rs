//! pixi: the program on this machine or, where there is none, its image run by the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::container::{Containers, Ended, Spec};
use super::environment::Environment;
use super::version::Version;
use super::{Engine, Invocation, child};

/// Where pixi publishes itself.
pub const IMAGE: &str = "ghcr.io/prefix-dev/pixi";
/// Variables that say where pixi keeps things and logs in, and decide nothing in a lock.
const KEEPS: [&str; 5] =
    ["PIXI_HOME", "PIXI_CACHE_DIR", "RATTLER_CACHE_DIR", "RATTLER_AUTH_FILE", "UV_CACHE_DIR"];
/// How long a solve may take in a container, which has to have some limit.
const LONGEST: Duration = Duration::from_hours(6);

/// A pixi that can be run.
#[derive(Debug)]
pub struct Pixi<'a> {
    how: How<'a>,
    /// Nothing for a developer's build.
    pub version: Option<Version>,
}

#[derive(Debug)]
enum How<'a> {
    Program { path: Utf8PathBuf, environment: Environment },
    Image { containers: &'a Containers<'a>, root: &'a Utf8Path, state: &'a Utf8Path },
}

/// What is asked of pixi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The workspace root, and the manifest below it.
    pub root: &'a Utf8Path,
    pub manifest: &'a Utf8Path,
    /// `lock --json`, …
    pub words: &'a [String],
    /// `CONDA_OVERRIDE_CUDA`.
    pub cuda: Option<&'a str>,
}

/// What pixi did and said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// The pixi on `PATH`.
pub fn on_path(environment: &Environment) -> Option<Utf8PathBuf> {
    let path = environment.get("PATH")?;
    let program = which::which_in("pixi", Some(path), ".").ok()?;
    Utf8PathBuf::from_path_buf(program).ok()
}

impl<'a> Pixi<'a> {
    /// The program at `path`.
    ///
    /// # Errors
    /// When it cannot be run, or does not say its version.
    pub fn program(path: Utf8PathBuf, environment: Environment) -> anyhow::Result<Self> {
        let asked = Invocation::new(path.as_str())
            .environment(environment.clone())
            .arg("--version")
            .read()
            .with_context(|| format!("failed to use {path} as pixi"))?;
        let version = Version::parse(asked.trim_start_matches("pixi").trim());
        Ok(Self { how: How::Program { path, environment }, version })
    }

    /// Its image, which sees the whole workspace: manifests may depend on each other by path.
    ///
    /// # Errors
    /// When the engine cannot run it.
    pub fn image(
        containers: &'a Containers<'a>,
        root: &'a Utf8Path,
        state: &'a Utf8Path,
    ) -> anyhow::Result<Self> {
        let engine = containers.engine;
        if engine.image(IMAGE)?.is_none() {
            let platform = format!("--platform={}", engine.platform);
            let fetch = ["image", "pull", "--quiet", &platform, "--", IMAGE];
            engine.command().args(fetch).run().context("failed to fetch pixi's image")?;
        }
        let how = How::Image { containers, root, state };
        let mut pixi = Self { how, version: None };
        let asked = pixi.run_words(&["--version".to_owned()], None)?;
        if !asked.success {
            anyhow::bail!("failed to run the image {IMAGE}: {}", asked.stderr.trim());
        }
        pixi.version = Version::parse(asked.stdout.trim().trim_start_matches("pixi").trim());
        Ok(pixi)
    }

    /// Runs pixi to its end, however long that takes. A status other than 0 is no error here.
    ///
    /// # Errors
    /// When it cannot be started, or we are interrupted.
    pub fn run(&self, request: &Request<'_>) -> anyhow::Result<Said> {
        let words = self.words(request);
        self.run_words(&words, request.cuda)
    }

    /// The command as a person would type it.
    pub fn shown(&self, request: &Request<'_>) -> Invocation {
        let command = Invocation::new(match &self.how {
            How::Program { path, .. } => path.as_str(),
            How::Image { .. } => "pixi",
        });
        with_cuda(command.args(self.words(request)), request.cuda)
    }

    fn words(&self, request: &Request<'_>) -> Vec<String> {
        let root = match &self.how {
            How::Program { .. } => request.root,
            How::Image { .. } => Utf8Path::new("/work"),
        };
        let mut words = request.words.to_vec();
        words.insert(1, format!("--manifest-path={}", root.join(request.manifest)));
        words
    }

    fn run_words(&self, words: &[String], cuda: Option<&str>) -> anyhow::Result<Said> {
        match &self.how {
            How::Program { path, environment } => {
                let command = Invocation::new(path.as_str()).environment(environment.clone());
                let kept = KEEPS.iter().filter_map(|name| Some((*name, environment.get(name)?)));
                let command = kept.fold(command, |command, (name, value)| command.env(name, value));
                run_program(&with_cuda(command.args(words.to_vec()), cuda))
            }
            How::Image { containers, root, state } => {
                run_image(containers, root, state, words, cuda)
            }
        }
    }
}

fn with_cuda(command: Invocation, cuda: Option<&str>) -> Invocation {
    match cuda {
        Some(version) => command.env("CONDA_OVERRIDE_CUDA", version),
        None => command,
    }
}

fn run_program(command: &Invocation) -> anyhow::Result<Said> {
    let failed = || format!("failed to run `{command}`");
    let handle = command.duct().stdout_capture().stderr_capture().start().with_context(failed)?;
    let output =
        child::wait(&handle, None).map_err(|stopped| anyhow::anyhow!("`{command}` {stopped}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said {
        success: output.status.success(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

fn run_image(
    containers: &Containers<'_>,
    root: &Utf8Path,
    state: &Utf8Path,
    words: &[String],
    cuda: Option<&str>,
) -> anyhow::Result<Said> {
    let engine: &Engine = containers.engine;
    // What pixi downloads is kept for the next time.
    let cache = state.join("pixi");
    std::fs::create_dir_all(&cache).with_context(|| format!("failed to make {cache}"))?;
    let below = cache.strip_prefix(root).unwrap_or(Utf8Path::new("target"));
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    env.insert("HOME".to_owned(), "/tmp".to_owned());
    env.insert("PIXI_CACHE_DIR".to_owned(), format!("/work/{below}"));
    env.extend(cuda.map(|version| ("CONDA_OVERRIDE_CUDA".to_owned(), version.to_owned())));
    let user = owner(root);
    let spec = Spec {
        words,
        entrypoint: Some("pixi"),
        env: Some(&env),
        user: user.as_deref(),
        mount: Some(root.as_str()),
        writable: true,
        ..Spec::new(IMAGE, &engine.platform)
    };
    let output = || tempfile::tempfile().context("failed to make a temporary file");
    let (stdout, stderr) = (output()?, output()?);
    let ended = containers.run(&spec, &stdout, &stderr, LONGEST)?;
    Ok(Said {
        success: ended == Ended::Exited(0),
        stdout: text_of(stdout)?,
        stderr: text_of(stderr)?,
    })
}

fn text_of(mut file: File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whose the files of the workspace are: pixi's must be theirs, too.
#[cfg(unix)]
fn owner(root: &Utf8Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(root).ok()?;
    Some(format!("{}:{}", metadata.uid(), metadata.gid()))
}

#[cfg(not(unix))]
fn owner(_root: &Utf8Path) -> Option<String> {
    None
}

impl fmt::Display for Pixi<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Program { path, .. } => f.write_str(path.as_str())?,
            How::Image { .. } => f.write_str(IMAGE)?,
        }
        self.version.map_or(Ok(()), |version| write!(f, " ({version})"))
    }
}
