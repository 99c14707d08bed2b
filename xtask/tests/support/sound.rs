//! Workspaces and changes to them, made at random from a seed.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use camino::{Utf8Path, Utf8PathBuf};

use crate::ask::{BuildKit, copy_all};
use crate::support::Random;

/// The registry under which the workspaces' images and their base are known. Nothing is ever asked of it.
pub(crate) const REGISTRY: &str = "sound.dockyard.test";

const FILES: &[&str] = &[
    "a.txt",
    "b.txt",
    "a/x.txt",
    "a/y.md",
    "a/sub/z.txt",
    "ab/x.txt",
    "b/x.txt",
    "b/sub/w.md",
    "c/d/e.txt",
    "c/d/f.md",
    "t.tar",
];
const FOLDERS: &[&str] = &["a", "a/sub", "ab", "b", "b/sub", "c", "c/d", "empty"];
const SOURCES: &[&str] = &[
    "a.txt",
    "a",
    "a/",
    "b/sub",
    "c/d/e.txt",
    "*.txt",
    "a*",
    "a/*.txt",
    "*/x.txt",
    "?/sub",
    "c/*",
    "link",
    "to-file",
    "link/x.txt",
    "deep",
    ".",
    "[ab]",
    "a/sub/..",
    "c/d",
    "empty",
    "l*",
    "*/*",
];
const EXCLUDES: &[&str] = &["*.md", "sub", "**/*.txt", "x.txt", "a/**", "d/e.txt"];
const PARENTS: &[&str] =
    &["a/x.txt", "a/sub", "*/x.txt", "**/*.md", "a/./sub/z.txt", "c/./d/*.txt", "b"];
const RULES: &[&str] = &[
    "*.md",
    "**/*.md",
    "a/sub",
    "b",
    "!b/sub",
    "c/d/*",
    "!c/d/e.txt",
    "empty",
    "a*",
    "!a/x.txt",
    "link",
    "**/x.txt",
];

/// What stands in every stage, so that no earlier run's cache serves this one.
pub(crate) const SALT: &str = "saltsaltsalt";

/// A workspace of a child, and every third time of a parent.
pub(crate) struct Workspace {
    pub(crate) root: Utf8PathBuf,
    pub(crate) images: &'static [&'static str],
    pub(crate) name: String,
    knows_parents: bool,
    layouts: tempfile::TempDir,
    random: Random,
    args: [u32; 3],
}

/// A workspace as it was.
pub(crate) struct Saved {
    folder: tempfile::TempDir,
    args: [u32; 3],
}

impl Workspace {
    pub(crate) fn generate(root: &Utf8Path, seed: u64, buildkit: &BuildKit) -> Self {
        let name = format!("w{seed}");
        let mut made = Self {
            root: root.to_owned(),
            images: if seed.is_multiple_of(3) { &["parent", "child"] } else { &["child"] },
            name,
            knows_parents: buildkit.knows_parents,
            layouts: tempfile::tempdir().unwrap(),
            random: Random::new(seed),
            args: [0; 3],
        };
        for _ in 0..4 {
            made.random.below(10);
        }
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let registry = format!("{REGISTRY}/{}", made.name);
        write(
            "Cargo.toml",
            &format!(
                "[workspace]\nmembers = []\n[workspace.metadata.dockyard]\nregistries = [\"{registry}\"]\n"
            ),
        );
        write("images.lock", &buildkit.lock);
        write("data/one", "1");
        write("data/sub/two", "2");
        for folder in FOLDERS {
            fs::create_dir_all(root.join("ctx").join(folder)).unwrap();
        }
        for file in FILES.iter().filter(|file| **file != "t.tar") {
            write(&format!("ctx/{file}"), file);
        }
        made.write_archive("one");
        for (link, target) in
            [("link", "a"), ("to-file", "/a/x.txt"), ("deep", "c/d/up"), ("a/in", "../b/x.txt")]
        {
            symlink(target, root.join("ctx").join(link)).unwrap();
        }
        symlink("../../b/./sub", root.join("ctx/c/d/up")).unwrap();
        if made.random.below(2) == 0 {
            made.change_ignore();
        }
        let bases = ["FROM scratch".to_owned(), format!("FROM {REGISTRY}/busybox")];
        let parent = [format!("FROM {registry}/parent")];
        for image in made.images {
            let bases =
                if *image == "child" && made.images.len() > 1 { &parent[..] } else { &bases };
            let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
            let text = made.dockerfile(&bases, *image == "parent");
            write(&format!("{image}/Dockerfile"), &text);
        }
        made.write_settings();
        made
    }

    /// Where the built parent lies for a builder that does not see the engine's images.
    pub(crate) fn parent_layout(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.layouts.path().join("parent")).unwrap()
    }

    pub(crate) fn save(&self) -> Saved {
        let folder = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(folder.path()).unwrap();
        copy_all(&self.root, &to.join("saved"));
        Saved { folder, args: self.args }
    }

    pub(crate) fn restore(&mut self, saved: &Saved) {
        let from = Utf8PathBuf::from_path_buf(saved.folder.path().join("saved")).unwrap();
        fs::remove_dir_all(&self.root).unwrap();
        copy_all(&from, &self.root);
        self.args = saved.args;
    }

    fn context(&self) -> Utf8PathBuf {
        self.root.join("ctx")
    }

    pub(crate) fn build_args(&self) -> Vec<String> {
        let args = self.args.iter().enumerate();
        args.map(|(index, value)| format!("--build-arg=ARG{index}={value}")).collect()
    }

    fn write_settings(&self) {
        let mut args = String::new();
        for (index, value) in self.args.iter().enumerate() {
            let _ = writeln!(args, "ARG{index} = \"{value}\"");
        }
        for image in self.images {
            let text =
                format!("context = \"/ctx\"\ncontexts = {{ data = \"/data\" }}\n[args]\n{args}");
            fs::write(self.root.join(image).join("image.toml"), text).unwrap();
        }
    }

    fn write_archive(&self, text: &str) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("packed"), text).unwrap();
        let archive = self.context().join("t.tar");
        let done = std::process::Command::new("tar")
            .args(["--mtime=@0", "-cf", archive.as_str(), "-C"])
            .arg(folder.path())
            .arg("packed")
            .status();
        assert!(done.unwrap().success());
    }

    fn dockerfile(&mut self, bases: &[&str], is_parent: bool) -> String {
        let mut text = String::new();
        let stages = 1 + self.random.below(3);
        for stage in 0..stages {
            let base = if stage == stages - 1 { self.random.of(bases) } else { "FROM scratch" };
            let _ = writeln!(text, "{base} AS s{stage}\nCOPY <<EOF /salt\n{SALT}\nEOF");
            let can_run = base.ends_with("busybox");
            for _ in 0..=self.random.below(3) {
                let line = self.instruction(stage, can_run);
                let _ = writeln!(text, "{line}");
            }
        }
        if is_parent && self.random.below(2) == 0 {
            let _ = writeln!(text, "ONBUILD COPY {} /onbuild/", self.random.of(SOURCES));
        }
        text
    }

    fn instruction(&mut self, stage: usize, can_run: bool) -> String {
        let random = &mut self.random;
        let to = random.below(1000);
        match random.below(if can_run { 14 } else { 12 }) {
            0 => format!("COPY --exclude={} {} /e{to}/", random.of(EXCLUDES), random.of(SOURCES)),
            1 => format!(
                "COPY --exclude={} --exclude={} . /e{to}/",
                random.of(EXCLUDES),
                random.of(EXCLUDES)
            ),
            2 if self.knows_parents => format!("COPY --parents {} /p{to}/", random.of(PARENTS)),
            3 => format!("ADD t.tar /t{to}/"),
            4 => "ARG ARG0\nENV E=$ARG0".to_owned(),
            5 => format!("ARG ARG1=d\nCOPY a.txt /arg-$ARG1-{to}"),
            6 => format!("COPY <<EOF /here{to}\ntext\nEOF"),
            7 => format!("COPY --from=data sub /data{to}/"),
            8 if stage > 0 => format!("COPY --from=s{} / /from{to}/", stage - 1),
            12 => format!(
                "RUN --network=none --mount=type=bind,source={},target=/m cat /m/x.txt /m || true",
                random.of(&["a", "b", "c/d", "link"])
            ),
            13 => format!("ARG ARG2\nRUN --network=none echo {to}"),
            _ => format!("COPY {} {} /c{to}/", random.of(SOURCES), random.of(SOURCES)),
        }
    }

    /// Changes one thing; says what.
    pub(crate) fn change(&mut self) -> String {
        let file = self.random.of(FILES).to_owned();
        let folder = self.random.of(FOLDERS).to_owned();
        let path = self.context().join(&file);
        let number = self.random.below(100_000);
        match self.random.below(22) {
            0..=3 if file == "t.tar" => {
                self.write_archive(&number.to_string());
                "archive".to_owned()
            }
            0..=3 => {
                let _ = fs::create_dir_all(path.parent().unwrap());
                let written = fs::write(&path, format!("{number:05}"));
                format!("write {file} {}", written.is_ok())
            }
            4 | 5 => {
                let mode = self.another_mode(&path, &[0o644, 0o600, 0o755, 0o700, 0o4755]);
                let done = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
                format!("chmod {mode:o} {file} {}", done.is_ok())
            }
            6 | 7 => {
                let new = self.random.of(&["new.txt", "x.txt", "new.md", "axe", "c"]).to_owned();
                let done = fs::write(self.context().join(&folder).join(&new), "new");
                format!("new {folder}/{new} {}", done.is_ok())
            }
            8 | 9 => format!("remove {file} {}", fs::remove_file(&path).is_ok()),
            10 => {
                let to = self.context().join(&folder).join("moved.txt");
                format!("move {file} to {folder} {}", fs::rename(&path, to).is_ok())
            }
            11 | 12 => {
                let link =
                    self.random.of(&["link", "to-file", "deep", "a/in", "c/d/up"]).to_owned();
                let target = self
                    .random
                    .of(&["b", "a", "b/x.txt", "../a/y.md", "c/d", "nowhere"])
                    .to_owned();
                let at = self.context().join(&link);
                let _ = fs::remove_file(&at);
                format!("link {link} -> {target} {}", symlink(&target, at).is_ok())
            }
            13 => {
                let empty = self.context().join(&folder).join("hollow");
                match fs::create_dir(&empty) {
                    Ok(()) => format!("empty folder in {folder}"),
                    Err(_) => {
                        format!("no empty folder in {folder} {}", fs::remove_dir(empty).is_ok())
                    }
                }
            }
            14 => {
                let at = self.context().join(&folder);
                let mode = self.another_mode(&at, &[0o755, 0o700, 0o711]);
                let done = fs::set_permissions(at, fs::Permissions::from_mode(mode));
                format!("chmod {mode:o} {folder}/ {}", done.is_ok())
            }
            15 | 16 => self.change_ignore(),
            17 => {
                let index = self.random.below(3);
                self.args[index] += 1;
                self.write_settings();
                format!("ARG{index}")
            }
            18 => {
                let image = self.random.of(self.images).to_owned();
                let file = self.root.join(&image).join("Dockerfile");
                let text = fs::read_to_string(&file).unwrap() + "# a comment\n";
                fs::write(file, text).unwrap();
                format!("comment in {image}")
            }
            19 => {
                let file =
                    self.random.of(&["data/one", "data/sub/two", "data/sub/three"]).to_owned();
                fs::write(self.root.join(&file), number.to_string()).unwrap();
                format!("write {file}")
            }
            20 => {
                let done = fs::File::options().append(true).open(&path).and_then(|file| {
                    file.set_modified(
                        std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64),
                    )
                });
                format!("touch {file} {}", done.is_ok())
            }
            _ => {
                let (image, line) =
                    (self.random.of(self.images).to_owned(), self.instruction(0, false));
                let file = self.root.join(&image).join("Dockerfile");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(file, format!("{text}{line}\n")).unwrap();
                format!("instruction in {image}: {line}")
            }
        }
    }

    /// One of `modes` that `path` does not have: BuildKit may run a step again after a change that is none.
    fn another_mode(&mut self, path: &Utf8Path, modes: &[u32]) -> u32 {
        let now = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777);
        let others: Vec<u32> = modes.iter().copied().filter(|mode| *mode != now).collect();
        others[self.random.below(others.len())]
    }

    fn change_ignore(&mut self) -> String {
        let beside = self.random.below(4) == 0;
        let file = if beside { "child/Dockerfile.dockerignore" } else { "ctx/.dockerignore" };
        let path = self.root.join(file);
        let rule = self.random.of(RULES).to_owned();
        if beside && path.exists() && self.random.below(2) == 0 {
            fs::remove_file(path).unwrap();
            return format!("no {file}");
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().collect();
        if let Some(at) = lines.iter().position(|line| *line == rule) {
            lines.remove(at);
        } else {
            lines.push(&rule);
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        format!("{rule} in {file}")
    }
}
