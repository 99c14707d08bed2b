//! Bases made from Debian's archive, for machines that reach no registry.
//!
//! A substitute carries a reserved name, so that it can never be pushed by accident, and its recipe's hash, so that
//! the same recipe is made once. It also trusts whom this machine trusts beyond Debian's certificate authorities:
//! where a proxy looks into TLS, builds on it reach what the machine reaches. Called by `build --setup`.

mod recipe;

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::docker::Engine;
use super::environment::Environment;
use super::image::LocalImage;
use super::private::{Archive, State, install_packages, is_root, programs_path};
use super::{Invocation, authorities};
use crate::reference::Platform;

use recipe::hex;
pub use recipe::{Mirror, REGISTRY, SubstituteRecipe, Variant, Word};

const RECIPE_LABEL: &str = "dev.dockyard.substitute.recipe";
const AUTHORITIES_LABEL: &str = "dev.dockyard.substitute.authorities";
/// What the slim images of Debian leave out (debuerreotype's `slimify`).
const SLIM: &[&str] = &[
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/lintian/overrides/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/man/*",
];
/// As in Debian's images: packages are not kept. Dockerfiles with a cache mount remove the file of this name.
const DOCKER_CLEAN: &str = "APT::Update::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb || true\"; };\n\
    DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb || true\"; };\n\
    Dir::Cache::pkgcache \"\"; Dir::Cache::srcpkgcache \"\";\n";

/// A substitute that is in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitute {
    /// `dockyard.invalid/substitute/…:…-<12 hex>`.
    pub name: String,
    pub image: LocalImage,
    /// Whether it had to be made now.
    pub made: bool,
}

impl SubstituteRecipe {
    /// The substitute for `platform`, made where the engine has none of this recipe that trusts whom this machine
    /// trusts. A foreign platform needs an emulator. `say` gets a line when it takes time.
    pub fn provide(
        &self,
        engine: &Engine,
        platform: &Platform,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<Substitute> {
        let name = self.name(platform);
        let authorities = authorities::beyond_debian();
        let trusted = hex(&Sha256::digest(authorities.concat()));
        if let Some(image) = engine.image(&name)?
            && image.labels.get(AUTHORITIES_LABEL) == Some(&trusted)
        {
            return Ok(Substitute { name, image, made: false });
        }
        say(&format!(
            "making a substitute of {} from Debian {} (about 20 s)",
            self.reference.familiar(),
            self.suite
        ));
        let folder = tempfile::Builder::new()
            .prefix("dockyard-")
            .tempdir()
            .context("failed to make a folder")?;
        let folder = Utf8Path::from_path(folder.path())
            .context("the temporary folder's name is not text")?;
        let file = self.bootstrap(engine, platform, folder, &authorities, say)?;
        let change = |text: String| ["--change".to_owned(), text];
        let import = engine
            .command()
            .args(["image", "import", "--platform", &platform.to_string()])
            .args(change("CMD [\"bash\"]".to_owned()))
            .args(change(
                "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ))
            .args(change(format!("LABEL {RECIPE_LABEL}={}", self.identity())))
            .args(change(format!("LABEL {AUTHORITIES_LABEL}={trusted}")))
            .args(["--", file.as_str(), &name]);
        import
            .run()
            .with_context(|| format!("failed to import the substitute of {}", self.reference))?;
        let image = engine
            .image(&name)?
            .with_context(|| format!("{name} is not in the engine after its import"))?;
        Ok(Substitute { name, image, made: true })
    }

    /// Makes the root file system as a tar file in `folder`.
    fn bootstrap(
        &self,
        engine: &Engine,
        platform: &Platform,
        folder: &Utf8Path,
        authorities: &[String],
        say: &dyn Fn(&str),
    ) -> anyhow::Result<Utf8PathBuf> {
        let file = folder.join("root.tar");
        std::fs::write(folder.join("docker-clean"), DOCKER_CLEAN)?;
        let mut include = self.include.clone();
        // Hooks run in mmdebstrap's own little shell, with nothing in them that is not written here.
        let mut hooks = vec!["upload docker-clean /etc/apt/apt.conf.d/docker-clean".to_owned()];
        if !authorities.is_empty() {
            include.insert("ca-certificates".parse()?);
            // One file each: `update-ca-certificates` makes no hash link for a file of several.
            for (number, authority) in authorities.iter().enumerate() {
                let file = format!("dockyard-{number}.crt");
                std::fs::write(folder.join(&file), authority)?;
                hooks.push(format!("upload {file} /usr/local/share/ca-certificates/{file}"));
            }
            hooks.push("chroot \"$1\" update-ca-certificates".to_owned());
        }
        // Debian's slim images keep these folders, into which packages' alternatives link manual pages.
        hooks.push(
            "for i in 1 2 3 4 5 6 7 8; do mkdir -p \"$1/usr/share/man/man$i\"; done".to_owned(),
        );
        hooks.push("rm -f \"$1/etc/hostname\" \"$1/etc/resolv.conf\"".to_owned());
        let include: Vec<&str> = include.iter().map(Word::as_str).collect();
        mmdebstrap(&engine.environment, say)?
            .folder(folder)
            // Its own question whether a foreign program runs takes another package, which need not be there.
            .arg("--skip=check/qemu")
            .arg(format!("--variant={}", self.variant))
            .arg(format!("--architectures={}", debian_architecture(platform)?))
            .args((!include.is_empty()).then(|| format!("--include={}", include.join(","))))
            .args(SLIM.iter().map(|option| format!("--dpkgopt={option}")))
            .arg("--aptopt=Acquire::Languages \"none\"")
            .args(hooks.into_iter().map(|hook| format!("--customize-hook={hook}")))
            .args([self.suite.as_str(), file.as_str()])
            .args(self.mirror.as_ref().map(Mirror::as_str))
            .run()
            .with_context(|| {
                let foreign = *platform != engine.platform;
                let emulator = if foreign { " (it needs an emulator: see `doctor`)" } else { "" };
                format!(
                    "failed to make a substitute of {} for {platform}{emulator}",
                    self.reference
                )
            })?;
        Ok(file)
    }
}

/// The machine's mmdebstrap; else the package's, only unpacked where the machine's Perl can run it, else installed.
fn mmdebstrap(environment: &Environment, say: &dyn Fn(&str)) -> anyhow::Result<Invocation> {
    let path = programs_path(environment);
    let is_there = |program: &str| which::which_in(program, Some(&path), "/").is_ok();
    // mmdebstrap's first process is deaf to signals and its others unmount and tidy up. `timeout` passes them on to
    // the whole group, within the time that an interrupted child has.
    let run = |program: &str, path: &str| {
        Invocation::new("timeout").environment(environment.clone().with("PATH", path)).args([
            "--kill-after=9",
            "1800",
            program,
        ])
    };
    if is_there("mmdebstrap") {
        return Ok(run("mmdebstrap", &path));
    }
    if !cfg!(target_os = "linux") || !is_there("apt-get") {
        bail!(
            "a base can be made from Debian's archive only on Linux with apt: let the machine reach a registry"
        );
    }
    let folder = State::of(environment)?.folder().with_file_name("mmdebstrap");
    let program = folder.join("root/usr/bin/mmdebstrap");
    let modules = ["-MPod::Usage", "-MDigest::SHA", "-MTime::HiRes", "-MFile::Find", "-e", "1"];
    // What leaves documentation out is in Python.
    if is_there("python3") && Invocation::new("perl").args(modules).read().is_ok() {
        if !program.exists() {
            let archive = Archive::of_machine(&folder, environment)?;
            let _incomplete = archive.update();
            archive.unpack(&["mmdebstrap"], &folder.join("root"))?;
        }
        // It starts `mmtarfilter`, which lies beside it.
        let beside = folder.join("root/usr/bin");
        return Ok(run(program.as_str(), &format!("{path}:{beside}")));
    }
    if !is_root() {
        bail!("mmdebstrap is missing: `sudo apt-get install mmdebstrap`");
    }
    install_packages(&["mmdebstrap"], environment, say)?;
    Ok(run("mmdebstrap", &path))
}

/// Debian's name of a platform (`dpkg-architecture(1)`).
fn debian_architecture(platform: &Platform) -> anyhow::Result<&'static str> {
    Ok(match (platform.os(), platform.arch(), platform.variant()) {
        ("linux", "amd64", _) => "amd64",
        ("linux", "arm64", _) => "arm64",
        ("linux", "386", _) => "i386",
        ("linux", "arm", Some("v7") | None) => "armhf",
        ("linux", "arm", _) => "armel",
        ("linux", "ppc64le", _) => "ppc64el",
        ("linux", "s390x", _) => "s390x",
        ("linux", "riscv64", _) => "riscv64",
        _ => bail!("Debian has no {platform}"),
    })
}
