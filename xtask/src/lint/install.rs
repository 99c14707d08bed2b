//! Which commands install packages, and where each package manager keeps what it downloads.

use super::shell::Word;
use super::stage::name;

/// A package manager.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manager {
    pub name: &'static str,
    /// What the target of a cache mount that serves it contains.
    caches: &'static [&'static str],
    /// Where it keeps its downloads, as root: what a message names.
    pub folder: &'static str,
    /// The options by which it keeps nothing.
    pub no_cache: &'static [&'static str],
    /// The variable that does the same.
    pub no_cache_variable: Option<&'static str>,
    /// Subcommands, by their words, that install.
    installs: &'static [&'static str],
    /// Subcommands that throw the cache away.
    pub cleans: &'static [&'static str],
}

const fn manager(
    name: &'static str,
    folder: &'static str,
    caches: &'static [&'static str],
    installs: &'static [&'static str],
) -> Manager {
    Manager { name, caches, folder, no_cache: &[], no_cache_variable: None, installs, cleans: &[] }
}

static APT: Manager = Manager {
    cleans: &["clean"],
    ..manager("apt", "/var/cache/apt", &["/var/cache/apt"], &["install", "upgrade", "dist-upgrade"])
};
static PIP: Manager = Manager {
    no_cache: &["--no-cache-dir"],
    no_cache_variable: Some("PIP_NO_CACHE_DIR"),
    cleans: &["cache purge"],
    ..manager("pip", "/root/.cache/pip", &["pip", ".cache"], &["install", "download", "wheel"])
};
static UV: Manager = Manager {
    no_cache: &["--no-cache", "--no-cache-dir", "-n"],
    no_cache_variable: Some("UV_NO_CACHE"),
    cleans: &["cache clean", "cache prune"],
    ..manager(
        "uv",
        "/root/.cache/uv",
        &["uv", ".cache"],
        &["pip install", "pip sync", "sync", "tool install"],
    )
};
static NPM: Manager = Manager {
    cleans: &["cache clean"],
    ..manager("npm", "/root/.npm", &["npm", ".cache"], &["ci", "install", "i", "add"])
};
static YARN: Manager = Manager {
    cleans: &["cache clean"],
    ..manager("yarn", "/usr/local/share/.cache/yarn", &["yarn", ".cache"], &["install", "add"])
};
static PNPM: Manager =
    manager("pnpm", "/root/.local/share/pnpm/store", &["pnpm"], &["install", "i", "add"]);
static CONDA: Manager = Manager {
    cleans: &["clean"],
    ..manager(
        "conda",
        "/opt/conda/pkgs",
        &["pkgs", "conda", "mamba", ".cache"],
        &["install", "create", "update", "env create", "env update"],
    )
};
static PIXI: Manager = Manager {
    cleans: &["clean cache"],
    ..manager("pixi", "/root/.cache/rattler", &["rattler", "pixi", ".cache"], &["install", "add"])
};
static POETRY: Manager = Manager {
    no_cache: &["--no-cache"],
    ..manager("poetry", "/root/.cache/pypoetry", &["poetry", ".cache"], &["install", "sync", "add"])
};
static APK: Manager = manager("apk", "/var/cache/apk", &["apk"], &["add"]);
static DNF: Manager = Manager {
    cleans: &["clean"],
    ..manager("dnf", "/var/cache/dnf", &["dnf", "yum"], &["install", "groupinstall"])
};

impl Manager {
    /// Whether a cache mount at `target` serves it.
    pub(super) fn is_served_by(&self, target: &str) -> bool {
        target.contains('$') || self.caches.iter().any(|cache| target.contains(cache))
    }
}

/// A command of a package manager.
pub(super) struct Call<'a> {
    pub manager: &'static Manager,
    /// The words behind the program.
    pub words: &'a [Word],
}

impl Call<'_> {
    fn is_any_of(&self, subcommands: &[&str]) -> bool {
        let given: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        let given: Vec<&str> = given.into_iter().filter(|word| !word.starts_with('-')).collect();
        subcommands.iter().any(|words| {
            let wanted: Vec<&str> = words.split(' ').collect();
            // Options with values may stand before: `pip --python X install`.
            given.windows(wanted.len()).take(3).any(|window| window == wanted)
        })
    }

    /// Whether it fetches packages.
    pub(super) fn installs(&self) -> bool {
        let has = |option: &str| self.words.iter().any(|word| word.text == option);
        let of_wheels = has("--no-index") || (has("--no-deps") && self.local().is_some());
        // `apk --no-cache` keeps no index either, and so has nothing that a mount could keep.
        let apk = self.manager.name == "apk" && has("--no-cache");
        self.is_any_of(self.manager.installs) && !of_wheels && !apk && !has("--help")
    }

    /// Whether it throws away what is cached.
    pub(super) fn cleans(&self) -> bool {
        self.is_any_of(self.manager.cleans)
    }

    /// The option by which it does not cache.
    pub(super) fn no_cache(&self) -> Option<&str> {
        let of_manager = |word: &&Word| self.manager.no_cache.contains(&word.text.as_str());
        self.words.iter().find(of_manager).map(|word| word.text.as_str())
    }

    /// A folder with code that is itself installed: `.`, `./x`, `/app`.
    pub(super) fn local(&self) -> Option<&str> {
        let mut is_value = false;
        for word in self.words {
            let text = word.text.as_str();
            if std::mem::replace(&mut is_value, takes_value(text)) {
                continue;
            }
            let folder = text == "."
                || text.starts_with("./")
                || text.starts_with('/')
                || text.starts_with(".[");
            if folder && matches!(self.manager.name, "pip" | "uv" | "npm") {
                return Some(text);
            }
            if text == "-e" || text == "--editable" {
                return Some(text);
            }
        }
        None
    }
}

fn takes_value(option: &str) -> bool {
    matches!(
        option,
        "-r" | "--requirement"
            | "-c"
            | "--constraint"
            | "--python"
            | "-t"
            | "--target"
            | "--prefix"
            | "--cache-dir"
            | "--root"
            | "-i"
            | "--index-url"
            | "--extra-index-url"
            | "-f"
            | "--find-links"
    )
}

/// The command of a package manager that `words` are.
pub(super) fn call(words: &[Word]) -> Option<Call<'_>> {
    let (program, rest) = words.split_first()?;
    let program = name(&program.text);
    let manager = match program.as_str() {
        "apt" | "apt-get" => &APT,
        "npm" => &NPM,
        "yarn" => &YARN,
        "pnpm" => &PNPM,
        "conda" | "mamba" | "micromamba" => &CONDA,
        "pixi" => &PIXI,
        "poetry" => &POETRY,
        "uv" => &UV,
        "apk" => &APK,
        "dnf" | "yum" | "microdnf" => &DNF,
        pip if is_versioned(pip, "pip") => &PIP,
        python if is_versioned(python, "python") => {
            let [m, module, rest @ ..] = rest else { return None };
            if m.text != "-m" {
                return None;
            }
            return match module.text.as_str() {
                "pip" => Some(Call { manager: &PIP, words: rest }),
                "uv" => Some(Call { manager: &UV, words: rest }),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(Call { manager, words: rest })
}

/// `pip`, `pip3`, `pip3.12`.
pub(super) fn is_versioned(program: &str, name: &str) -> bool {
    program
        .strip_prefix(name)
        .is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}
