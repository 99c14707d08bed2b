//! How long does Dockyard take for what `docker buildx bake` does, on the same engine, in turn?
//!
//! `cargo bench --bench peers`. Both run as people type it: `cargo xtask build` and `docker buildx bake`. A further column
//! has bake without its attestations, which Dockyard's local images do not have either.
//!
//! A generated workspace of 50 images (1 base, 5 on it, 44 on these, each with one `COPY` and one `RUN`) is built cold,
//! with nothing changed, with one leaf changed, and with the base changed. Then 300 images, which not every tool
//! survives. The engine is a private one of the benchmark's own, for images and cache are removed in between. Nothing is
//! asserted of the times: they are printed and kept.

mod support;

#[path = "../tests/support/engines.rs"]
mod engines;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use engines::TestEngine;
use serde_json::{Value, json};
use support::{REGISTRY, Run, Workspace, load, median, middle, number, rounded, run};

const CASES: [&str; 4] = ["cold", "nothing changed", "one leaf changed", "base changed"];

/// What people type, and bake without the attestations that it makes by default and Dockyard does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Dockyard,
    Bake,
    BareBake,
}

const TOOLS: [Tool; 3] = [Tool::Dockyard, Tool::Bake, Tool::BareBake];

/// The workspace, the tools and the engine that both use.
struct Bench {
    engine: TestEngine,
    xtask: PathBuf,
    workspace: Workspace,
    images: usize,
    /// Counts changes, so that no content ever comes back.
    changes: std::cell::Cell<usize>,
}

fn main() {
    let rounds = number("DOCKYARD_BENCH_ROUNDS", 3);
    let (images, many) = (number("DOCKYARD_BENCH_IMAGES", 50), number("DOCKYARD_BENCH_MANY", 300));
    let Some(engine) = engines::own("bench") else { return };
    engine.debian();
    let xtask = support::xtask();
    println!("engine: {}", engine.engine);
    let mut bench = Bench::new(engine, xtask, images);
    let times = bench.compare(rounds);
    let mut results = json!({
        "images": images, "rounds": rounds, "load": load(), "engine": bench.engine.engine.to_string(),
        "cases": table(images, &times),
    });
    if many > 0 {
        bench = Bench::new(bench.engine, bench.xtask, many);
        results["many"] = bench.many();
    }
    bench.clear();
    support::keep("peers", &results);
}

type Times = BTreeMap<(usize, Tool), Vec<Duration>>;

/// Prints the medians, and gives them. A ratio says how many times as long bake takes: of each round the one of its own
/// times, and of these the median, because a machine may be faster in one round than in another.
fn table(images: usize, times: &Times) -> Value {
    let (what, bare) = (format!("{images} images"), "without attestations");
    println!(
        "{what:>18} {:>10} {:>10} {:>8} {bare:>22} {:>8}",
        "dockyard", "bake", "ratio", "ratio"
    );
    let mut cases = serde_json::Map::new();
    for (index, case) in CASES.into_iter().enumerate() {
        let of = |tool| times.get(&(index, tool)).map_or(f64::NAN, |times| median(times));
        let [ours, theirs, bare] = TOOLS.map(of);
        let ratio_of = |tool| {
            let [ours, theirs] = [Tool::Dockyard, tool].map(|tool| times[&(index, tool)].iter());
            let ratios = ours.zip(theirs).map(|(ours, theirs)| theirs.div_duration_f64(*ours));
            middle(&ratios.collect::<Vec<_>>())
        };
        let (ratio, bare_ratio) = (ratio_of(Tool::Bake), ratio_of(Tool::BareBake));
        println!(
            "{case:>18} {ours:>8.2} s {theirs:>8.2} s {ratio:>7.1}× {bare:>20.2} s {bare_ratio:>7.1}×"
        );
        let case_of = json!({
            "dockyard_seconds": rounded(ours), "bake_seconds": rounded(theirs), "ratio": rounded(ratio),
            "bake_without_attestations_seconds": rounded(bare),
            "ratio_without_attestations": rounded(bare_ratio),
        });
        cases.insert(case.to_owned(), case_of);
    }
    Value::Object(cases)
}

fn name(image: usize) -> String {
    format!("i{image:03}")
}

impl Bench {
    fn new(engine: TestEngine, xtask: PathBuf, images: usize) -> Self {
        let workspace = Workspace::new();
        let mut bake = format!("group \"default\" {{ targets = {:?} }}\n", all(images));
        for image in 0..images {
            let parent = parent(image, images);
            let base = parent.map_or_else(
                || "debian:trixie-slim".to_owned(),
                |parent| format!("{REGISTRY}/{}", name(parent)),
            );
            let folder = format!("images/{}", name(image));
            workspace.write(&format!("{folder}/image.toml"), "");
            workspace.write(&format!("{folder}/content"), &format!("{image}"));
            workspace.write(
                &format!("{folder}/Dockerfile"),
                &format!("FROM {base}\nCOPY content /content-{image}\nRUN cat /content-* > /all\n"),
            );
            let contexts = parent.map_or_else(String::new, |parent| {
                format!("  contexts = {{ \"{base}\" = \"target:{}\" }}\n", name(parent))
            });
            write!(
                bake,
                "target {:?} {{\n  context = {folder:?}\n  tags = [\"{REGISTRY}/{}:bake\"]\n{contexts}}}\n",
                name(image),
                name(image),
            )
            .expect("text grows");
        }
        workspace.write("docker-bake.hcl", &bake);
        workspace.commit();
        Self { engine, xtask, workspace, images, changes: std::cell::Cell::new(0) }
    }

    /// Every case with each tool in turn, `rounds` times; who begins changes.
    fn compare(&self, rounds: usize) -> Times {
        let mut times = Times::new();
        for round in 0..rounds {
            let mut tools = TOOLS;
            tools.rotate_left(round % TOOLS.len());
            for tool in tools {
                self.clear();
                for case in 0..CASES.len() {
                    self.change(case);
                    let ran = self.build(tool);
                    self.check(tool, case, &ran);
                    times.entry((case, tool)).or_default().push(ran.wall);
                }
            }
            let of = |case: usize| TOOLS.map(|tool| times[&(case, tool)][round].as_secs_f64());
            let cases = CASES.iter().enumerate().map(|(case, name)| {
                let [ours, theirs, bare] = of(case);
                format!("{name} {ours:.1} s, {theirs:.1} s, {bare:.1} s")
            });
            let cases: Vec<String> = cases.collect();
            println!("round {} of {rounds}, load {:?}: {}", round + 1, load(), cases.join("; "));
        }
        times
    }

    fn change(&self, case: usize) {
        let image = match case {
            2 => self.images - 1,
            3 => 0,
            _ => return,
        };
        self.changes.set(self.changes.get() + 1);
        let content = format!("change {}", self.changes.get());
        self.workspace.write(&format!("images/{}/content", name(image)), &content);
    }

    fn build(&self, tool: Tool) -> Run {
        let mut command = match tool {
            Tool::Dockyard => {
                let mut command = self.engine.command(&self.xtask.to_string_lossy());
                command.arg("build");
                command
            }
            Tool::Bake | Tool::BareBake => {
                let mut command = self.engine.command("docker");
                command.args(["buildx", "bake"]);
                match tool {
                    Tool::BareBake => command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"),
                    _ => command.env_remove("BUILDX_NO_DEFAULT_ATTESTATIONS"),
                };
                command
            }
        };
        run(command.current_dir(self.workspace.root()))
    }

    /// That the tool did what the case asks, and that every image is there.
    fn check(&self, tool: Tool, case: usize, ran: &Run) {
        ran.read();
        if tool == Tool::Dockyard {
            let said = String::from_utf8_lossy(&ran.output.stderr);
            let built = [self.images, 0, 1, self.images][case];
            let skipped = self.images - built;
            let expected: Vec<String> = [(built, "built"), (skipped, "skipped")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}"))
                .collect();
            let expected = format!("{} in ", expected.join(", "));
            let counts = said.lines().find(|line| line.starts_with(&expected));
            assert!(counts.is_some(), "{}: not {expected:?}: {said}", CASES[case]);
        }
        let tag = if tool == Tool::Dockyard { "dev" } else { "bake" };
        let listed = self.docker(&["image", "ls", "--format={{.Repository}}:{{.Tag}}"]);
        for image in all(self.images) {
            let wanted = format!("{REGISTRY}/{image}:{tag}");
            assert!(listed.lines().any(|line| line == wanted), "{wanted} is not there");
        }
    }

    /// As on a machine that never built any of it: no images but the base, no build cache, no records.
    fn clear(&self) {
        let listed = self.docker(&["image", "ls", "--format={{.Repository}}:{{.Tag}}"]);
        let ours: Vec<&str> = listed
            .lines()
            .filter(|line| line.starts_with(REGISTRY) || line.starts_with('i'))
            .collect();
        for some in ours.chunks(200) {
            self.docker(&[&["image", "rm", "--force"], some].concat());
        }
        self.docker(&["builder", "prune", "--all", "--force"]);
        let state = self.workspace.root().join("target");
        assert!(!state.exists() || std::fs::remove_dir_all(state).is_ok(), "the state goes");
    }

    fn docker(&self, args: &[&str]) -> String {
        let ran = run(self.engine.command("docker").args(args));
        String::from_utf8_lossy(ran.read()).into_owned()
    }

    /// What becomes of a build of this many images.
    fn many(&self) -> Value {
        let outcome = |tool, name: &str| {
            self.clear();
            let ran = self.build(tool);
            let said = String::from_utf8_lossy(&ran.output.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let good = ran.output.status.success();
            let outcome = if good { "completes".to_owned() } else { format!("fails: {last}") };
            let seconds = ran.wall.as_secs_f64();
            println!("{} images with {name}: {outcome} after {seconds:.0} s", self.images);
            json!({
                "completes": good, "seconds": rounded(seconds), "peak_kilobytes": ran.peak, "last": last,
            })
        };
        json!({
            "images": self.images,
            "dockyard": outcome(Tool::Dockyard, "dockyard"),
            "bake": outcome(Tool::Bake, "bake"),
        })
    }
}

/// A base, a tenth of all on it, the others on these.
fn parent(image: usize, images: usize) -> Option<usize> {
    let middle = images / 10;
    match image {
        0 => None,
        _ if image <= middle => Some(0),
        _ => Some(1 + image % middle),
    }
}

fn all(images: usize) -> Vec<String> {
    (0..images).map(name).collect()
}
