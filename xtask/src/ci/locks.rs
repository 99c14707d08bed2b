//! The workflow that opens a pull request with newer locks.

use super::images::{defaults, permissions, runs_on};
use super::login::logins;
use super::runner::Runners;
use super::step;
use super::work::Source;
use super::yaml::{self, Map, Node};

/// Where the pull request comes from.
const BRANCH: &str = "dockyard/locks";

/// The text of `.github/workflows/locks.yml`.
pub fn locks_workflow(source: &Source<'_>) -> String {
    let ci = &source.config.ci;
    let mut on = Map::new();
    if let Some(schedule) = &ci.schedule {
        on = on.with("schedule", vec![Map::new().with("cron", schedule.as_str())]);
    }
    let document = Map::new()
        .with("name", "locks")
        .with("on", on.with("workflow_dispatch", Map::new()))
        .with("permissions", Map::new())
        .after_comment("The job says what it needs.")
        .with("concurrency", Map::new().with("group", "locks").with("cancel-in-progress", false))
        .with_some("defaults", defaults(source))
        .with("jobs", Map::new().with("update", update(source)));
    yaml::document(&document)
}

fn update(source: &Source<'_>) -> Map {
    let config = source.config;
    let bases = source.graph.vertices.iter().flat_map(|vertex| &vertex.external);
    let bases: Vec<_> = bases
        .map(|base| config.mirrored(&base.reference).unwrap_or_else(|| base.reference.clone()))
        .map(|reference| reference.repository)
        .filter(|repository| config.logins.contains_key(repository.registry()))
        .collect();
    let logins = logins(&bases, config);
    let runners = Runners::new(&config.ci.runners);

    let mut steps = vec![step::checkout_of(&config.ci.branch)];
    steps.extend(step::build_xtask(source.xtask, source.folder));
    steps.extend(logins.iter().map(|login| step::login(login, None)));
    steps.push(
        Map::new().with("id", "update").with("name", "Move every lock to the newest").with(
            "run",
            "xtask lock-update --upgrade --format markdown >\"$RUNNER_TEMP/locks.md\"",
        ),
    );
    let env = Map::new()
        .with("GH_TOKEN", "${{ github.token }}")
        .with("BASE", config.ci.branch.as_str())
        .with("BRANCH", BRANCH);
    steps.push(
        Map::new()
            .with("name", "Open or renew the pull request")
            .with("if", "${{ !cancelled() && steps.update.outcome != 'skipped' }}")
            .after_comment("Also where some lock could not be solved: the others are worth having.")
            .with("env", env)
            .with("run", Node::Lines(SCRIPT.lines().map(str::to_owned).collect())),
    );
    let rights = permissions(&logins, "read");
    let rights = rights.replacing("contents", "write").with("pull-requests", "write");
    Map::new()
        .with("runs-on", runs_on(&runners.main()))
        .with("permissions", rights)
        .after_comment(
            "The repository's settings have to let workflows open pull requests. GitHub starts no workflow for one that its\n\
             own token opened until a person approves that, or closes and opens it.",
        )
        .with("steps", steps)
}

/// GitHub takes no body of more than 65,536 characters.
const SCRIPT: &str = r#"head -c 60000 "$RUNNER_TEMP/locks.md" >"$RUNNER_TEMP/body.md"
cat "$RUNNER_TEMP/body.md" >>"$GITHUB_STEP_SUMMARY"
git add --all -- ':(glob)**/*.lock'
if git diff --cached --quiet; then
  echo "Every lock is at the newest."
  exit 0
fi
git config user.name 'github-actions[bot]'
git config user.email '41898282+github-actions[bot]@users.noreply.github.com'
git switch --quiet --force-create "$BRANCH"
git commit --quiet --message 'Update locks'
gh auth setup-git
git push --quiet --force origin "HEAD:refs/heads/$BRANCH"
if [ -n "$(gh pr list --head "$BRANCH" --base "$BASE" --state open --json number --jq '.[].number')" ]; then
  gh pr edit "$BRANCH" --body-file "$RUNNER_TEMP/body.md"
else
  gh pr create --head "$BRANCH" --base "$BASE" --title 'Update locks' --body-file "$RUNNER_TEMP/body.md"
fi"#;
