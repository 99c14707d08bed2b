//! Runs a generated workflow as GitHub would: its jobs by `needs` and `if`, each in a clone of its own, and their `run`
//! steps by bash. Actions are replaced by what they do here: a checkout is a clone, an artifact a copy; logins and caches
//! are nothing. The step that compiles the xtask gives the one that these tests were compiled with.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::expression::{Scope, condition, evaluate, shown, substituted};
use crate::forge::{Forge, run};

/// Why a workflow runs.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `push`, `pull_request`, …
    pub(crate) name: &'static str,
    /// What is checked out: `refs/heads/main`, `refs/pull/7/merge`.
    pub(crate) reference: String,
    /// Of a pull request: the branch that it changes, and the one that it comes from.
    pub(crate) base: &'static str,
    pub(crate) head: String,
    /// GitHub's own description of what happened.
    pub(crate) payload: Value,
    /// What a person has written into the form.
    pub(crate) inputs: Value,
}

impl Event {
    pub(crate) fn push(reference: &str) -> Self {
        Self {
            name: "push",
            reference: reference.to_owned(),
            base: "",
            head: String::new(),
            payload: json!({ "ref": reference }),
            inputs: json!({}),
        }
    }

    pub(crate) fn pull_request(head: &str, title: &str) -> Self {
        let of = |name: &str| json!({ "ref": name, "label": name });
        let pull_request = json!({ "number": 7, "title": title, "body": title, "head": of(head), "base": of("main") });
        Self {
            name: "pull_request",
            reference: "refs/pull/7/merge".to_owned(),
            base: "main",
            head: head.to_owned(),
            payload: json!({ "number": 7, "pull_request": pull_request }),
            inputs: json!({}),
        }
    }

    pub(crate) fn dispatch(reference: &str, images: &str) -> Self {
        let inputs = json!({ "images": images });
        Self { name: "workflow_dispatch", inputs, ..Self::push(reference) }
    }

    fn github(&self) -> Value {
        let name = self.reference.splitn(3, '/').nth(2).unwrap_or_default();
        json!({
            "event_name": self.name, "event": self.payload, "ref": self.reference, "ref_name": name,
            "head_ref": self.head, "base_ref": self.base, "actor": "ann", "token": "a-token",
            "repository": "acme/images", "workflow": "images", "run_id": 1, "run_attempt": 1,
            "server_url": "https://github.com",
        })
    }
}

/// What became of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    /// `success`, `failure` or `skipped`.
    pub(crate) result: &'static str,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) log: String,
    pub(crate) summary: String,
    /// Every script, as bash got it.
    pub(crate) scripts: Vec<String>,
    /// Its work tree and what lies beside it.
    pub(crate) folder: Utf8PathBuf,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) jobs: BTreeMap<String, Job>,
}

impl Run {
    /// The jobs for which a runner was started, but for the plan.
    pub(crate) fn ran(&self) -> BTreeSet<&str> {
        let ran = self.jobs.iter().filter(|(id, job)| job.result != "skipped" && *id != "plan");
        ran.map(|(id, _)| id.as_str()).collect()
    }

    pub(crate) fn failed(&self) -> BTreeSet<&str> {
        let failed = self.jobs.iter().filter(|(_, job)| job.result == "failure");
        failed.map(|(id, _)| id.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert!(self.failed().is_empty(), "{self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (id, job) in self.jobs.iter().filter(|(_, job)| job.result != "skipped") {
            writeln!(f, "== {id}: {}\n{}", job.result, job.log)?;
        }
        Ok(())
    }
}

/// A workflow's file.
pub(crate) struct Workflow(Value);

impl Workflow {
    pub(crate) fn parse(text: &str) -> Self {
        let documents = YamlLoader::load_from_str(text).unwrap();
        Self(json_of(&documents[0]))
    }

    /// All its jobs, as `event` has them run.
    pub(crate) fn run(&self, forge: &Forge, event: &Event) -> Run {
        assert!(
            !self.0["on"][event.name].is_null()
                || self.0["on"].as_object().unwrap().contains_key(event.name)
        );
        let artifacts = forge.folder("artifacts");
        let mut run = Run::default();
        let jobs = self.0["jobs"].as_object().unwrap();
        while run.jobs.len() < jobs.len() {
            let ready = jobs.iter().find(|(id, job)| {
                let needs = needs(job);
                !run.jobs.contains_key(*id) && needs.iter().all(|it| run.jobs.contains_key(it))
            });
            let (id, job) = ready.expect("no circle of needs");
            let runner =
                Runner { workflow: self, forge, event, artifacts: &artifacts, run: &run, id, job };
            let done = runner.run();
            run.jobs.insert(id.clone(), done);
        }
        run
    }

    /// All jobs that have to end before `id` begins.
    fn ancestors(&self, id: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut left = vec![id.to_owned()];
        while let Some(id) = left.pop() {
            for need in needs(&self.0["jobs"][&id]) {
                if all.insert(need.clone()) {
                    left.push(need);
                }
            }
        }
        all
    }
}

fn needs(job: &Value) -> Vec<String> {
    match &job["needs"] {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().map(shown).collect(),
        one => vec![shown(one)],
    }
}

/// One job on its way.
struct Runner<'a> {
    workflow: &'a Workflow,
    forge: &'a Forge,
    event: &'a Event,
    artifacts: &'a Utf8Path,
    run: &'a Run,
    id: &'a str,
    job: &'a Value,
}

/// What steps have done so far.
#[derive(Default)]
struct Steps {
    outputs: RefCell<BTreeMap<String, BTreeMap<String, String>>>,
    failed: RefCell<bool>,
    folder: Utf8PathBuf,
    env: RefCell<Value>,
}

/// Of a job or, with its steps, of one of them.
struct Seen<'a> {
    runner: &'a Runner<'a>,
    steps: Option<&'a Steps>,
}

impl Scope for Seen<'_> {
    fn context(&self, name: &str) -> Value {
        let runner = self.runner;
        match (name, self.steps) {
            ("github", _) => runner.event.github(),
            ("inputs", _) => runner.event.inputs.clone(),
            ("vars", _) => json!({}),
            ("secrets", _) => json!({ "GITHUB_TOKEN": "a-token" }),
            ("needs", _) => {
                let needs = needs(runner.job).into_iter().map(|id| {
                    let job = &runner.run.jobs[&id];
                    let seen = json!({ "result": job.result, "outputs": job.outputs });
                    (id, seen)
                });
                Value::Object(needs.collect())
            }
            ("runner", Some(steps)) => json!({
                "temp": steps.folder.join("temp"), "os": "Linux", "arch": "X64", "environment": "self-hosted",
            }),
            ("steps", Some(steps)) => {
                let outputs = steps.outputs.borrow();
                let outputs = outputs.iter().map(|(id, of)| (id.clone(), json!({ "outputs": of })));
                Value::Object(outputs.collect())
            }
            ("env", Some(steps)) => steps.env.borrow().clone(),
            (other, _) => panic!("the context {other:?} is not there in {}", runner.id),
        }
    }

    /// Of a step, by the steps before; of a job, by all jobs before: a skipped one is no success.
    fn status(&self, function: &str) -> bool {
        let ancestors = self.runner.workflow.ancestors(self.runner.id);
        let results: Vec<&str> =
            ancestors.iter().map(|id| self.runner.run.jobs[id].result).collect();
        match (function, self.steps) {
            ("always", _) => true,
            ("cancelled", _) => false,
            ("success", Some(steps)) => !*steps.failed.borrow(),
            ("failure", Some(steps)) => *steps.failed.borrow(),
            ("success", None) => results.iter().all(|result| *result == "success"),
            ("failure", None) => results.contains(&"failure"),
            _ => panic!("{function}()"),
        }
    }
}

impl Runner<'_> {
    fn run(&self) -> Job {
        let scope = Seen { runner: self, steps: None };
        if !condition(self.job["if"].as_str(), &scope) {
            return Job { result: "skipped", ..Job::default() };
        }
        let folder = self.forge.folder("job");
        fs::create_dir(folder.join("temp")).unwrap();
        let steps = Steps { folder: folder.clone(), ..Steps::default() };
        let mut job = Job { folder, ..Job::default() };
        for step in self.job["steps"].as_array().unwrap() {
            let scope = Seen { runner: self, steps: Some(&steps) };
            *steps.env.borrow_mut() = self.env(step, &scope);
            if !condition(step["if"].as_str(), &scope) {
                continue;
            }
            if !self.step(step, &steps, &scope, &mut job) {
                *steps.failed.borrow_mut() = true;
            }
        }
        job.result = if *steps.failed.borrow() { "failure" } else { "success" };
        let scope = Seen { runner: self, steps: Some(&steps) };
        if let Some(outputs) = self.job["outputs"].as_object() {
            let output = |(name, value): (&String, &Value)| {
                (name.clone(), substituted(value.as_str().unwrap(), &scope))
            };
            job.outputs = outputs.iter().map(output).collect();
        }
        job
    }

    /// The variables that the workflow, the job and the step set.
    fn env(&self, step: &Value, scope: &Seen<'_>) -> Value {
        let mut env = serde_json::Map::new();
        for level in [&self.workflow.0["env"], &self.job["env"], &step["env"]] {
            for (name, value) in level.as_object().into_iter().flatten() {
                env.insert(name.clone(), substituted(&shown(value), scope).into());
            }
            *scope.steps.unwrap().env.borrow_mut() = Value::Object(env.clone());
        }
        Value::Object(env)
    }

    /// Whether it ended well.
    fn step(&self, step: &Value, steps: &Steps, scope: &Seen<'_>, job: &mut Job) -> bool {
        let with = |name: &str| substituted(&shown(&step["with"][name]), scope);
        if let Some(action) = step["uses"].as_str() {
            let (action, commit) = action.split_once('@').expect("an action is pinned");
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit, "{action}@{commit} is no commit");
            match action {
                "actions/checkout" => self.checkout(&steps.folder.join("work")),
                "actions/upload-artifact" => {
                    let to = self.artifacts.join(with("name"));
                    fs::create_dir_all(&to).unwrap();
                    let from = Utf8PathBuf::from(with("path"));
                    fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
                }
                "actions/download-artifact" => {
                    let to = Utf8PathBuf::from(with("path"));
                    fs::create_dir_all(&to).unwrap();
                    for entry in self.artifacts.join(with("name")).read_dir_utf8().unwrap() {
                        let entry = entry.unwrap();
                        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
                    }
                }
                "actions/cache"
                | "docker/login-action"
                | "docker/setup-buildx-action"
                | "docker/setup-qemu-action" => {}
                other => panic!("what does {other} do?"),
            }
            return true;
        }
        let text = step["run"].as_str().expect("a step uses or runs something");
        let script = substituted(text, scope);
        job.scripts.push(script.clone());
        self.bash(step, &script, steps, job)
    }

    fn checkout(&self, work: &Utf8Path) {
        let reference = &self.event.reference;
        let at = work.as_str();
        self.forge.lab.git(&["clone", "--quiet", "--no-checkout", ".", at]);
        let fetched = format!("+{reference}:refs/fetched");
        self.forge.lab.git(&["-C", at, "fetch", "--quiet", "origin", &fetched]);
        match reference.strip_prefix("refs/heads/") {
            Some(branch) => {
                self.forge.lab.git(&[
                    "-C",
                    at,
                    "checkout",
                    "--quiet",
                    "-B",
                    branch,
                    "refs/fetched",
                ]);
            }
            None => {
                self.forge.lab.git(&["-C", at, "checkout", "--quiet", "--detach", "refs/fetched"]);
            }
        }
    }

    fn bash(&self, step: &Value, script: &str, steps: &Steps, job: &mut Job) -> bool {
        let folder = &steps.folder;
        let paths = folder.join("paths");
        let temp = folder.join("temp");
        if script.contains("cargo build") {
            fs::create_dir_all(temp.join("xtask")).unwrap();
            fs::copy(env!("CARGO_BIN_EXE_xtask"), temp.join("xtask/xtask")).unwrap();
            fs::write(&paths, format!("{temp}/xtask\n")).unwrap();
            return true;
        }
        let file = folder.join("script");
        fs::write(&file, script).unwrap();
        let mut command = self.forge.lab.test.command("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", file.as_str()]);
        command.stdin(std::process::Stdio::null());
        // What was written to `$GITHUB_PATH` is found first.
        let first = fs::read_to_string(&paths).unwrap_or_default();
        let set = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let set = set.map(|path| path.to_str().unwrap().to_owned());
        let path = set.unwrap_or_else(|| std::env::var("PATH").unwrap());
        let path: Vec<&str> = first.lines().chain([path.as_str()]).collect();
        let github = self.event.github();
        let of = |name: &str| shown(&github[name]);
        let mut variables: BTreeMap<String, String> = BTreeMap::from(
            [
                ("PATH", path.join(":")),
                ("CI", "true".to_owned()),
                ("GITHUB_ACTIONS", "true".to_owned()),
                ("GITHUB_PATH", paths.to_string()),
                ("RUNNER_TEMP", temp.to_string()),
                ("GITHUB_EVENT_NAME", of("event_name")),
                ("GITHUB_REF", of("ref")),
                ("GITHUB_REF_NAME", of("ref_name")),
                ("GITHUB_HEAD_REF", of("head_ref")),
                ("GITHUB_BASE_REF", of("base_ref")),
                ("GITHUB_ACTOR", of("actor")),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        for (name, value) in steps.env.borrow().as_object().unwrap() {
            variables.insert(name.clone(), shown(value));
        }
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let did = run(&folder.join("work"), &mut command, &variables);
        job.log.push_str(&did.said.to_string());
        job.summary.push_str(&did.summary);
        if let Some(id) = step["id"].as_str() {
            steps.outputs.borrow_mut().insert(id.to_owned(), did.outputs);
        }
        did.said.status == Some(0)
    }
}

fn json_of(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().unwrap().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Boolean(it) => (*it).into(),
        Yaml::Array(all) => all.iter().map(json_of).collect(),
        Yaml::Hash(members) => {
            let member = |(name, value): (&Yaml, &Yaml)| {
                let name = match name {
                    Yaml::String(name) => name.clone(),
                    // As YAML 1.1 reads it; this is 1.2, where `on` is a text.
                    Yaml::Boolean(true) => "on".to_owned(),
                    other => panic!("the name {other:?}"),
                };
                (name, json_of(value))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("{yaml:?}"),
    }
}

#[test]
fn texts_become_values() {
    let text = "on:\n  push:\njobs:\n  a:\n    needs: [b]\n    steps:\n      - run: |\n          echo a\n          echo b\n";
    let workflow = Workflow::parse(text);
    assert_eq!(workflow.0["jobs"]["a"]["steps"][0]["run"], "echo a\necho b\n");
    assert_eq!(workflow.0["on"], json!({ "push": null }));
    let scope_free = evaluate("'x' == 'X'", &Nothing);
    assert_eq!(scope_free, Value::Bool(true));
}

struct Nothing;

impl Scope for Nothing {
    fn context(&self, name: &str) -> Value {
        panic!("{name}")
    }

    fn status(&self, function: &str) -> bool {
        panic!("{function}")
    }
}
