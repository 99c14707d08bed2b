//! `tags`: which tags each image gets, and where each comes from.

use std::process::ExitCode;

use super::{load, plan, select, steps};
use crate::cli::{Global, TagsArgs};
use crate::report::{self, TagsJson};
use crate::tags::{self, WantedTag};
use crate::workspace::Target;

pub(super) fn run(global: &Global, args: &TagsArgs) -> anyhow::Result<ExitCode> {
    let loaded = load::load(global, &load::Typed::images(&args.images))?;
    let named = select::select(&loaded.workspace, &args.images)?;
    let channel = plan::channel(&loaded, args.channel);
    let (mut wanted, mistakes) = steps::wanted_tags(&loaded, channel);
    mistakes.none()?;
    wanted.retain(|(target, ..)| named.contains(&target.target_name()));
    if args.json {
        report::json(&TagsJson::new(channel, &wanted))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = report::Table::new(
        ["image", "tag", "repositories", "from"].map(|title| (title, report::Align::Left)),
    );
    for (target, repositories, tags) in &wanted {
        for tag in tags {
            table.row([
                target.target_name().to_string(),
                match (&tag.tag, loaded.facts.get(&target.target_name())) {
                    (Some(tag), _) => tag.to_string(),
                    (None, Some(facts)) => tags::outline(&tag.template, facts),
                    (None, None) => tag.template.value.clone(),
                },
                repositories
                    .iter()
                    .map(super::super::reference::Repository::familiar)
                    .collect::<Vec<_>>()
                    .join(" "),
                format!("{} ({}){}", tag.template.value, tag.template.place, awaited(target, tag)),
            ]);
        }
    }
    anstream::eprintln!("channel {channel}");
    anstream::print!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// What is asked once the image is built.
fn awaited(target: &Target, tag: &WantedTag) -> String {
    let facts = tag.awaits.iter().filter_map(|name| Some((name, target.facts.get(name)?)));
    let asked: Vec<String> =
        facts.map(|(name, fact)| format!("; <{name}>: {}", fact.source)).collect();
    asked.concat()
}
