//! What jobs of CI have to do, have done, and have published: tables, Markdown for a step's summary, JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Align, Table, human, markdown};
use crate::publish::{Change, Decided, Holding};
use crate::workspace::TargetName;

/// `ci plan --json`.
#[derive(Debug, Serialize)]
pub struct CiPlanJson {
    pub version: u32,
    pub channel: String,
    /// Whether a publication follows.
    pub publish: bool,
    /// Completes «stale is …».
    pub stale: String,
    pub jobs: Vec<CiJob>,
    /// In a pull request: the connected parts of the graph that have work.
    pub components: Vec<String>,
}

/// One platform of a target that has work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CiJob {
    pub job: String,
    pub image: String,
    pub platform: Option<String>,
    /// `build` or `test`.
    pub work: &'static str,
    pub reason: String,
}

const TITLES: [&str; 4] = ["image", "platform", "work", "why"];

fn rows(jobs: &[CiJob]) -> Vec<[String; 4]> {
    let row = |job: &CiJob| {
        let platform = job.platform.clone().unwrap_or_default();
        [job.image.clone(), platform, job.work.to_owned(), job.reason.clone()]
    };
    jobs.iter().map(row).collect()
}

/// One row a job, and what is not in the table.
pub fn ci_plan(plan: &CiPlanJson) -> String {
    let mut table = Table::new(TITLES.map(|title| (title, Align::Left)));
    for row in rows(&plan.jobs) {
        table.row(row);
    }
    let table = if table.is_empty() { String::new() } else { table.to_string() };
    format!("{table}{}\n", counted(plan))
}

/// The same for a step's summary.
pub fn ci_plan_summary(plan: &CiPlanJson, most: usize) -> String {
    let mut text = format!("### Plan\n\n{}\n", markdown::plain(&counted(plan)));
    if !plan.jobs.is_empty() {
        text.push('\n');
        text.push_str(&markdown::table(TITLES, &rows(&plan.jobs), most));
    }
    text.push('\n');
    text
}

fn counted(plan: &CiPlanJson) -> String {
    let jobs = match plan.jobs.len() {
        0 => "nothing to build".to_owned(),
        count => format!("{count} to do"),
    };
    let then = if plan.publish {
        format!("then published on channel {}", plan.channel)
    } else {
        "nothing is published".to_owned()
    };
    format!("{jobs}; {then}; stale is {}", plan.stale)
}

/// What became of one image in a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiMade {
    pub image: String,
    pub platform: String,
    /// `built`, `taken`, …
    pub status: String,
    pub time: String,
    pub size: String,
    /// `passed`, `not run`, …
    pub tests: String,
    pub digest: String,
    pub reason: String,
}

/// A step's summary of a job that builds.
pub fn ci_made(title: &str, made: &[CiMade], most: usize) -> String {
    let titles = ["image", "platform", "status", "time", "size", "tests", "digest", "why"];
    let rows: Vec<[String; 8]> = made
        .iter()
        .cloned()
        .map(|one| {
            let CiMade { image, platform, status, time, size, tests, digest, reason } = one;
            [image, platform, status, time, size, tests, digest, reason]
        })
        .collect();
    format!("### {}\n\n{}\n", markdown::plain(title), markdown::table(titles, &rows, most))
}

/// The summary of a publication: what is published of each image, and which names it has.
pub fn ci_published(
    channel: &str,
    decided: &[Decided],
    held: &BTreeMap<TargetName, Holding>,
    most: usize,
) -> String {
    let images: BTreeSet<&TargetName> = decided.iter().map(|one| &one.wanted.target).collect();
    let of_image = |name: &&TargetName| {
        let holding = held.get(*name);
        let platforms = holding.into_iter().flat_map(|holding| &holding.images);
        let sizes: Vec<String> = platforms
            .map(|(platform, image)| format!("{platform} {}", human::bytes(image.bytes)))
            .collect();
        let digest = holding.map_or_else(String::new, |holding| holding.digest.to_string());
        [name.to_string(), sizes.join(", "), digest]
    };
    let images: Vec<[String; 3]> = images.iter().map(of_image).collect();
    let of_name = |one: &Decided| {
        let name = format!("{}:{}", one.wanted.repository.familiar(), one.wanted.tag);
        let note = match &one.change {
            Change::Move { from } => format!("was {from}"),
            Change::Stay { newer } => format!("stays with version {newer}, which is newer"),
            Change::Create | Change::Keep | Change::Conflict { .. } => String::new(),
        };
        [one.wanted.target.to_string(), name, one.change.to_string(), note]
    };
    let names: Vec<[String; 4]> = decided.iter().map(of_name).collect();
    format!(
        "### Published on channel {}\n\n{}\n{}\n",
        markdown::plain(channel),
        markdown::table(["image", "platforms", "digest"], &images, most),
        markdown::table(["image", "name", "change", ""], &names, most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> CiPlanJson {
        let job = |image: &str, work, reason: &str| CiJob {
            job: format!("build-{image}"),
            image: image.to_owned(),
            platform: Some("linux/amd64".to_owned()),
            work,
            reason: reason.to_owned(),
        };
        CiPlanJson {
            version: 1,
            channel: "main".to_owned(),
            publish: true,
            stale: "what is not staged".to_owned(),
            jobs: vec![
                job("base", "build", "changed: base/`$(id)`|<b>"),
                job("app", "test", "its tests are new"),
            ],
            components: Vec::new(),
        }
    }

    #[test]
    fn a_plan_for_the_terminal_and_for_a_summary() {
        expect_test::expect![[r"
            image  platform     work   why
            base   linux/amd64  build  changed: base/`$(id)`|<b>
            app    linux/amd64  test   its tests are new
            2 to do; then published on channel main; stale is what is not staged
        "]]
        .assert_eq(&ci_plan(&plan()));
        expect_test::expect![[r"
            ### Plan

            2 to do; then published on channel main; stale is what is not staged

            | image | platform | work | why |
            | --- | --- | --- | --- |
            | base | linux/amd64 | build | changed&#58; base/&#96;&#36;&#40;id&#41;&#96;&#124;&#60;b&#62; |

            and 1 more.

        "]]
        .assert_eq(&ci_plan_summary(&plan(), 1));
    }
}
