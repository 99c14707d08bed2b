//! Asks a real BuildKit which steps it runs again.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::RwLock;

use camino::{Utf8Path, Utf8PathBuf};

use crate::sound::{self, REGISTRY, Workspace};
use crate::support::{Said, docker};

/// How often a difference must show.
const ATTEMPTS: usize = 4;

/// A builder. Many workspaces are built at once, and where it matters one alone.
///
/// That a step is cached proves that `BuildKit` takes its inputs for those of then. That it runs proves nothing: two
/// causes are known that are no difference.
///
/// - **Other builds at the same time.** A build that finds a step which a concurrent build has just run takes over its
///   result without its cache keys, finds nothing for the next step, and runs that one again (moby/buildkit#4674; one
///   such way is mended by "solver: advertise committed cache keys after exec" in `BuildKit` 0.32). It mostly hits steps
///   that are found by what they read: `COPY` of several sources, wildcards, `--exclude`. So
///   [`differ`](Self::differ) builds while nothing else does, and believes a difference that shows every time.
/// - **A folder that it has seen before.** `BuildKit` keeps a copy of each context folder with the hashes of its files.
///   Where only a folder's mode changes, `DiskWriter.HandleChange` of fsutil changes the copy and tells nobody, so that
///   the hash stays the old one until the folder is sent anew. Each build is of a folder that was never seen.
pub(crate) struct BuildKit {
    /// Read by whoever builds, written by who must be alone.
    busy: RwLock<()>,
    /// Words that choose the builder.
    builder: Vec<String>,
    /// The base as an OCI layout, for a builder that does not see the engine's images.
    base: Option<tempfile::TempDir>,
    /// The lock file of workspaces: it says that the base has no triggers.
    pub(crate) lock: String,
    /// Whether its Dockerfile frontend knows `COPY --parents`.
    pub(crate) knows_parents: bool,
}

impl BuildKit {
    /// The newest engine's, or the remote one at the address in `DOCKYARD_SOUNDNESS_BUILDER`.
    pub(crate) fn new() -> Self {
        let lock = provide_base();
        let (mut builder, mut base) = (Vec::new(), None);
        if let Ok(address) = std::env::var("DOCKYARD_SOUNDNESS_BUILDER") {
            let create = ["buildx", "create", "--driver=remote", "--name=dockyard-sound", &address];
            let said = docker(&create, "");
            assert!(said.success || said.stderr.contains("existing"), "{}", said.stderr);
            builder.push("--builder=dockyard-sound".to_owned());
            base = Some(saved_base());
        }
        let busy = RwLock::new(());
        let mut made = Self { busy, builder, base, lock, knows_parents: true };
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

    /// The steps that run in the workspace of now after the one of `then` was built, with a cache of their own. None
    /// where every step was cached in one of several attempts, which is a proof.
    pub(crate) fn differ(
        &self,
        workspace: &Workspace,
        then: &Utf8Path,
        image: &str,
        salt: &str,
    ) -> Vec<String> {
        let _alone = self.busy.write().unwrap();
        let with_parents = |root: &Utf8Path, salt: &str| {
            let mut images = workspace.images.iter();
            let upto = images.position(|one| *one == image).unwrap();
            let built = workspace.images[..=upto].iter();
            let ran = built.map(|one| self.build_copy(workspace, root, one, salt));
            ran.last().flatten().unwrap_or_else(|| vec!["it was refused".to_owned()])
        };
        let mut ran = Vec::new();
        for attempt in 0..ATTEMPTS {
            let salt = format!("{salt}-{attempt}");
            with_parents(then, &salt);
            ran = with_parents(&workspace.root, &salt);
            if ran.is_empty() {
                break;
            }
        }
        ran
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
        let parent = reference(workspace, "parent");
        let layout = workspace.parent_layout();
        if let Some(base) = &self.base {
            let base = Utf8Path::from_path(base.path()).unwrap();
            args.push(format!("--build-context={REGISTRY}/busybox=oci-layout://{base}/layout"));
            if image == "child" && workspace.images.len() > 1 {
                args.push(format!("--build-context={parent}=oci-layout://{layout}"));
            }
        }
        // The child starts from the parent; nobody needs the child.
        args.push(match (image, &self.base) {
            ("parent", None) => format!("--output=type=docker,name={parent}"),
            ("parent", Some(_)) => {
                let _old = std::fs::remove_dir_all(&layout);
                format!("--output=type=oci,tar=false,name={parent}:latest,dest={layout}")
            }
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
    // A line each; beside them, buildx's own libraries may complain of a connection.
    for line in progress.lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
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

/// The base as an OCI layout with the tag `latest`.
fn saved_base() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    std::fs::write(root.join("Dockerfile"), format!("FROM {REGISTRY}/busybox\n")).unwrap();
    let layout = root.join("layout");
    let output = format!("--output=type=oci,tar=false,name=busybox:latest,dest={layout}");
    let said = docker(&["buildx", "build", &output, root.as_str()], "");
    assert!(said.success, "{}", said.stderr);
    folder
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
