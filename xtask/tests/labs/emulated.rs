//! D2 for real: amd64 and arm64 in one index, one of them emulated, published, and both children bound to it.

use dockyard::engine::Builder;
use dockyard::reference::Platform;
use serde_json::Value;

use crate::closed::{Closed, PYPI, PYTHON, SLIM, stand_in};
use crate::{crossed, engines};

/// Emulated, pip alone sets itself up for two minutes; what it leaves serves every platform. The step that does it in the
/// Dockerfile finds it done.
const PREPARE: &str = "python3 -m venv /opt/venv";
/// One wheel of a few kilobytes.
const REQUIREMENTS: &str = "tomli==2.3.0\n";
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// An image as the registry has it: the index's digest, and the configuration of each architecture.
struct Published {
    digest: String,
    configurations: Vec<(String, Value)>,
}

impl Published {
    fn find(it: &Closed, repository: &str, tag: &str) -> Self {
        let get = |path: &str| -> Value {
            let (status, _, bytes) =
                it.registry.request(&ureq::http::Method::GET, &format!("/v2/{path}"), "", &[]);
            assert_eq!(status, 200, "{path}");
            serde_json::from_slice(&bytes).unwrap()
        };
        let digest = it.registry.tag(repository, tag).unwrap();
        let top = get(&format!("{repository}/manifests/{digest}"));
        let manifests: Vec<Value> = if let Some(manifests) = top["manifests"].as_array() {
            manifests
                .iter()
                .map(|it| {
                    get(&format!("{repository}/manifests/{}", it["digest"].as_str().unwrap()))
                })
                .collect()
        } else {
            vec![top]
        };
        let configuration = |manifest: &Value| {
            let digest = manifest["config"]["digest"].as_str().unwrap();
            let configuration = get(&format!("{repository}/blobs/{digest}"));
            (configuration["architecture"].as_str().unwrap().to_owned(), configuration)
        };
        Self { digest, configurations: manifests.iter().map(configuration).collect() }
    }

    fn architectures(&self) -> Vec<&str> {
        self.configurations.iter().map(|(architecture, _)| architecture.as_str()).collect()
    }

    fn layers(&self, architecture: &str) -> &[Value] {
        let found = self.configurations.iter().find(|(it, _)| it == architecture).unwrap();
        found.1["rootfs"]["diff_ids"].as_array().unwrap()
    }
}

/// About two minutes, nearly all of them for what is emulated.
#[test]
fn d_amd64_and_arm64_in_one_index_and_both_children_on_it() {
    let Some(test) = engines::containerd() else { return };
    let platforms = PLATFORMS.map(|platform| platform.parse::<Platform>().unwrap());
    let builder = Builder::of_engine(&test.engine).unwrap();
    if let Some(lacking) = platforms.iter().find(|platform| !builder.builds_for(platform)) {
        engines::not_run(&format!(
            "the engine has no emulator for {lacking}: install qemu-user-static, and mount binfmt_misc"
        ));
        return;
    }
    let native = stand_in(test, PYTHON);
    let bases = platforms.each_ref().map(|platform| {
        let is_native = *platform == test.engine.platform;
        if is_native { native.clone() } else { crossed::base(test, &native, PREPARE, platform) }
    });
    let Some(it) = Closed::with_bases(test, SLIM, &bases.each_ref().map(String::as_str)) else {
        return;
    };
    // Published to the registry of this test, and still known under the names that Dockerfiles have. The bot itself
    // would not run on what is installed here: of its tests, those of the base remain.
    let toml = std::fs::read_to_string(it.lab.root().join("images/bot/image.toml")).unwrap();
    let (toml, _) = toml.split_once("[image.bot.test]").unwrap();
    let (start, rest) = toml.split_once("[image.bot-ci.test]").unwrap();
    let toml = format!("{start}{}", &rest[rest.find("[image.bot]").unwrap()..]);
    let toml = toml.replace("ghcr.io/cs24-1", &it.repositories());
    let args = format!(
        "[image.bot-base.args]\nTORCH_REQUIREMENTS = \"requirements-small.txt\"\nTORCH_INDEX_URL = \"{PYPI}\"\n"
    );
    it.lab.file("images/bot/image.toml", &format!("{toml}{args}"));
    for file in ["requirements-small.txt", "requirements.txt"] {
        it.lab.file(&format!("images/bot/requirements/{file}"), REQUIREMENTS);
    }
    it.append("Cargo.toml", "aliases = [\"ghcr.io/cs24-1\"]\n");
    it.lab.commit();

    let said = it.lab.say(&["push", "bot-base", "bot", "bot-ci", "--channel=main", "--yes"]);
    assert_eq!(said.status, Some(0), "{said}");
    let native = &test.engine.platform;
    for platform in platforms.iter().filter(|it| *it != native) {
        let note = format!("note: bot is built for {platform}, emulated on {native}");
        assert!(said.stderr.contains(&note), "{said}");
    }

    let [base, bot, ci] = ["base", "", "ci"].map(|end| {
        let name = format!("cs24-1/cs24-1-bot-{end}");
        Published::find(&it, name.trim_end_matches('-'), "latest")
    });
    assert_eq!(base.architectures(), ["amd64", "arm64"]);
    assert_eq!(bot.architectures(), ["amd64", "arm64"]);
    assert_eq!(ci.architectures(), ["amd64"]);
    for child in [&bot, &ci] {
        for (architecture, configuration) in &child.configurations {
            let labels = &configuration["config"]["Labels"];
            assert_eq!(labels["org.opencontainers.image.base.digest"], base.digest);
            let (own, of_base) = (child.layers(architecture), base.layers(architecture));
            assert!(own.len() > of_base.len() && own.starts_with(of_base), "{architecture}");
        }
    }
    assert_ne!(base.layers("amd64"), base.layers("arm64"));
    // D5: each platform's cache is there, for whoever builds that one alone.
    assert!(!said.stderr.contains("its cache was not written"), "{said}");
    for platform in ["linux-amd64", "linux-arm64"] {
        let tag = format!("buildcache-{platform}");
        assert!(it.registry.tag("cs24-1/cs24-1-bot-base", &tag).is_some(), "{tag}: {said}");
    }

    // What runs is of its platform, and the second time nothing is done.
    for (platform, machine) in PLATFORMS.into_iter().zip(["x86_64", "aarch64"]) {
        let image = format!("{}/cs24-1-bot-base:latest", it.repositories());
        let program =
            "import platform, tomli; print(platform.machine(), tomli.loads('a = 6')['a'])";
        let said = it.lab.docker(&[
            "run",
            "--rm",
            "--platform",
            platform,
            &image,
            "python",
            "-c",
            program,
        ]);
        assert_eq!(said.stdout, format!("{machine} 6\n"), "{said}");
    }
    let again = it.lab.say(&["push", "bot-base", "bot", "bot-ci", "--channel=main", "--yes"]);
    assert_eq!(again.status, Some(0), "{again}");
    assert!(!again.stderr.contains("emulated"), "{again}");
    assert_eq!(it.registry.tag("cs24-1/cs24-1-bot", "latest"), Some(bot.digest));
}
