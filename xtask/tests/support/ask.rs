//! Asks a real BuildKit which steps it runs again.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::RwLock;

use camino::{Utf8Path, Utf8PathBuf};

use crate::sound::{self, REGISTRY, Workspace};
use crate::support::{Said, docker};

/// How often identical input may run a step again before that is told.
const ATTEMPTS: usize = 3;

/// A builder. Many workspaces are built at once, and where it matters one alone.
///
/// A step can be run again for a reason that is none, and two such reasons are known:
///
/// - **Other builds at the same time.** A build that finds a step which a concurrent build has just run takes over its
///   result without its cache keys, finds nothing for the next step, and runs that one again. It hits steps that are
///   found by what they read (`COPY` of several sources, wildcards, `--exclude`). moby/buildkit#4674, mended by "solver:
///   advertise committed cache keys after exec" in BuildKit 0.32. [`differ`](Self::differ) therefore builds while
///   nothing else does, and only after identical input ran nothing.
/// - **A folder that it has seen before.** `BuildKit` keeps a copy of each context folder with the hashes of its files.
///   Where only a folder's mode changes, `DiskWriter.HandleChange` of fsutil changes the copy and tells nobody, so that
///   the hash stays the old one until the folder is sent anew. Each build is of a folder that was never seen.
pub(crate) struct BuildKit {
    /// Read by whoever builds, written by who must be alone.
    busy: RwLock<()>,
    /// Words that choose the builder.
    builder: Vec<String>,
    /// The lock file of workspaces: it says that the base has no triggers.
    pub(crate) lock: String,
    /// Whether it can build from images of the engine.
    pub(crate) has_images: bool,
    /// Whether its Dockerfile frontend knows `COPY --parents`.
    pub(crate) knows_parents: bool,
}

impl BuildKit {
    /// The newest engine's, or the remote one at the address in `DOCKYARD_SOUNDNESS_BUILDER`.
    pub(crate) fn new() -> Self {
        let lock = provide_base();
        let (builder, has_images) = match std::env::var("DOCKYARD_SOUNDNESS_BUILDER") {
            Ok(address) => {
                let said = docker(
                    &["buildx", "create", "--driver=remote", "--name=dockyard-sound", &address],
                    "",
                );
                assert!(said.success || said.stderr.contains("existing"), "{}", said.stderr);
                (vec!["--builder=dockyard-sound".to_owned()], false)
            }
            Err(_) => (Vec::new(), true),
        };
        let mut made =
            Self { busy: RwLock::new(()), builder, lock, has_images, knows_parents: true };
        made.knows_parents = made.builds("FROM scratch\nCOPY --parents a/b /\n");
        made
    }

    fn builds(&self, dockerfile: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("a/b"), "").unwrap();
        std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        self.docker(&["--output=type=cacheonly", root.as_str()]).success
    }

    fn docker(&self, args: &[&str]) -> Said {
        let builder: Vec<&str> = self.builder.iter().map(String::as_str).collect();
        docker(&[&["buildx", "build", "--progress=rawjson"], &builder[..], args].concat(), "")
    }

    /// The steps that ran; nothing where the build is refused.
    pub(crate) fn build(
        &self,
        workspace: &Workspace,
        image: &str,
        salt: &str,
    ) -> Option<Vec<String>> {
        let _others_may = self.busy.read().unwrap();
        self.build_copy(workspace, &workspace.root, image, salt)
    }

    /// The steps that run in the workspace of now after the one of `then` was built, with a cache of their own, and
    /// alone. An error where identical input does not keep still.
    pub(crate) fn differ(
        &self,
        workspace: &Workspace,
        then: &Utf8Path,
        image: &str,
        salt: &str,
    ) -> Result<Vec<String>, Vec<String>> {
        let _alone = self.busy.write().unwrap();
        let with_parents = |root: &Utf8Path, salt: &str| {
            let mut images = workspace.images.iter();
            let upto = images.position(|one| *one == image).unwrap();
            let built = workspace.images[..=upto].iter();
            let ran = built.map(|one| self.build_copy(workspace, root, one, salt));
            ran.last().flatten().unwrap_or_default()
        };
        let mut restless = Vec::new();
        for attempt in 0..ATTEMPTS {
            let salt = format!("{salt}-{attempt}");
            with_parents(then, &salt);
            restless = with_parents(then, &salt);
            if restless.is_empty() {
                return Ok(with_parents(&workspace.root, &salt));
            }
        }
        Err(restless)
    }

    fn build_copy(
        &self,
        workspace: &Workspace,
        root: &Utf8Path,
        image: &str,
        salt: &str,
    ) -> Option<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let fresh = Utf8Path::from_path(folder.path()).unwrap().join("fresh");
        copy_all(root, &fresh);
        let dockerfile = fresh.join(image).join("Dockerfile");
        let text = std::fs::read_to_string(&dockerfile).unwrap().replace(sound::SALT, salt);
        std::fs::write(&dockerfile, text).unwrap();
        let mut args = workspace.build_args();
        args.push(format!("--build-context=data={fresh}/data"));
        // The child starts from the parent; nobody needs the child.
        args.push(match image {
            "parent" => format!("--output=type=docker,name={}", reference(workspace, image)),
            _ => "--output=type=cacheonly".to_owned(),
        });
        args.push(format!("-f={dockerfile}"));
        args.push(format!("{fresh}/ctx"));
        let said = self.docker(&args.iter().map(String::as_str).collect::<Vec<_>>());
        said.success.then(|| steps_that_ran(&said.stderr))
    }
}

pub(crate) fn reference(workspace: &Workspace, image: &str) -> String {
    format!("{REGISTRY}/{}/{image}", workspace.name)
}

pub(crate) fn copy_all(from: &Utf8Path, to: &Utf8Path) {
    let done = Command::new("cp").args(["-a", from.as_str(), to.as_str()]).status();
    assert!(done.unwrap().success());
}

fn steps_that_ran(progress: &str) -> Vec<String> {
    // A vertex is told of several times; once completed, `cached` holds.
    let mut vertices: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for value in serde_json::Deserializer::from_str(progress).into_iter::<serde_json::Value>() {
        let Ok(value) = value else { break };
        for vertex in value["vertexes"].as_array().into_iter().flatten() {
            if vertex["completed"].is_null() {
                continue;
            }
            let text = |key: &str| vertex[key].as_str().unwrap_or_default().to_owned();
            let is_cached = vertex["cached"].as_bool().unwrap_or_default();
            vertices.insert(text("digest"), (text("name"), is_cached));
        }
    }
    assert!(!vertices.is_empty(), "no progress was read:\n{progress}");
    let is_step = |name: &str| {
        name.starts_with('[')
            && !name.starts_with("[internal]")
            && !name.starts_with("[context ")
            && !name.contains("] FROM ")
    };
    let ran = vertices.into_values().filter(|(name, is_cached)| is_step(name) && !is_cached);
    ran.map(|(name, _)| name).collect()
}

/// An image in which steps can run, and the lock that says it has no triggers.
fn provide_base() -> String {
    let name = format!("{REGISTRY}/busybox");
    let there = docker(&["image", "inspect", &name], "").success;
    let busybox = std::env::var("DOCKYARD_BUSYBOX").unwrap_or_else(|_| "/bin/busybox".to_owned());
    if !there {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        std::fs::copy(&busybox, root.join("busybox")).unwrap_or_else(|error| {
            panic!("{busybox}: {error}; install busybox-static, or set DOCKYARD_BUSYBOX")
        });
        std::fs::write(
            root.join("Dockerfile"),
            "FROM scratch\nCOPY busybox /bin/busybox\nRUN --network=none [\"/bin/busybox\", \"--install\", \"/bin\"]\n",
        )
        .unwrap();
        let said = docker(&["buildx", "build", "--load", "-t", &name, root.as_str()], "");
        assert!(said.success, "{}", said.stderr);
    }
    let digest = docker(&["image", "inspect", "-f", "{{.Id}}", &name], "").stdout;
    format!("[[image]]\nreference = \"{name}\"\ndigest = \"{}\"\n", digest.trim())
}
