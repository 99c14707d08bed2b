//! `inspect`: what registries hold of an image, and whether it is today's.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::publication::{Extent, Prepared, prepare, registries, troubles};
use crate::cli::{Global, InspectArgs, PublicationArgs};
use crate::engine::interrupt;
use crate::mistake::Mistake;
use crate::plan::Step;
use crate::publish::{self, Found};
use crate::reference::{Digest, Repository};
use crate::registry::{Content, Registries};
use crate::report::{self, InspectJson, Inspected, InspectedName};
use crate::workspace::Channel;

pub(super) fn run(global: &Global, args: &InspectArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen();
    let publication =
        PublicationArgs { images: vec![args.image.clone()], ..PublicationArgs::default() };
    let channel = args.channel.unwrap_or(Channel::Release);
    let prepared = prepare(global, &publication, Extent::Named, &|_| channel)?;
    let steps: Vec<&Step> = prepared
        .plan
        .steps
        .iter()
        .filter(|step| prepared.published.contains(&step.name()))
        .collect();
    let [step] = steps.as_slice() else {
        let names: Vec<String> = steps.iter().map(|step| step.name().to_string()).collect();
        return Err(Mistake::new(format!("{:?} is several images", args.image))
            .mend(format!("one of {}", names.join(", ")))
            .into_error());
    };
    let inspected = inspect(&prepared, step, &registries(global.quiet, None))?;
    if args.json {
        report::json(&InspectJson::new(&inspected))?;
    } else {
        anstream::print!("{}", report::inspect(&inspected));
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(prepared: &Prepared, step: &Step, registries: &Registries) -> anyhow::Result<Inspected> {
    let to = prepared
        .destinations
        .get(&step.name())
        .ok_or_else(|| anyhow::anyhow!("{} has no repository", step.name()))?;
    let held = prepared
        .holdings()
        .look(registries, &to.staging, &step.key, &step.platforms)
        .map_err(|trouble| troubles(vec![trouble]))?;
    let (staged, note) = match held {
        Found::Image(holding) => (Some(holding.digest), None),
        Found::Other(why) => (None, Some(why)),
        Found::Nothing => (None, None),
    };
    let names = prepared.names(step, &step.tags);
    let digests = publish::all(publish::parallel(&names, |name| {
        publish::head(registries, &name.repository, (&name.tag).into())
    }))
    .map_err(troubles)?;
    let mut contents: BTreeMap<Digest, (Repository, Content)> = BTreeMap::new();
    let wanted = staged.iter().map(|digest| (&to.staging, digest)).chain(
        names
            .iter()
            .zip(&digests)
            .filter_map(|(name, digest)| Some((&name.repository, digest.as_ref()?))),
    );
    for (repository, digest) in wanted {
        if contents.contains_key(digest) {
            continue;
        }
        let content =
            registries.content(repository, digest).map_err(|trouble| troubles(vec![trouble]))?;
        contents.extend(content.map(|content| (digest.clone(), (repository.clone(), content))));
    }
    let names = names
        .into_iter()
        .zip(digests)
        .map(|(name, digest)| InspectedName {
            repository: name.repository,
            tag: name.tag,
            is_today: digest.is_some() && digest == staged,
            digest,
        })
        .collect();
    Ok(Inspected {
        name: step.name(),
        key: step.key.clone(),
        staging: to.staging.clone(),
        staged,
        note,
        names,
        contents: contents.into_values().map(|(_, content)| content).collect(),
    })
}
