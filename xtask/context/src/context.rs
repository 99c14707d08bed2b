//! A build context as BuildKit sees it: every path that its ignore file lets through.

use std::sync::Arc;

use rayon::prelude::*;

use crate::ignore::{Ignore, Verdict};
use crate::tree::{Folder, Kind, Node, Symlink};

/// The most links that BuildKit follows on the way to one path.
const MOST_LINKS: usize = 40;
/// In a folder with fewer folders than this, they are walked one after another.
const WORTH_SHARING: usize = 2;

/// One context with one ignore file.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) root: Arc<Folder>,
    pub(crate) ignore: Arc<Ignore>,
    /// Whether `.git` and `target` are not looked at.
    without_own_output: bool,
}

/// A path of a context.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'t> {
    /// Relative to the context, with `/` between parts.
    pub(crate) path: String,
    pub(crate) node: &'t Node,
}

/// What was found of a context.
#[derive(Debug, Default)]
pub(crate) struct Found<'t> {
    pub(crate) entries: Vec<Entry<'t>>,
    /// Folders that were looked into and are no entries themselves: the context's own, those above wildcards, and those
    /// that are left out but for exceptions. What comes into them may be an entry.
    pub(crate) listed: Vec<&'t Folder>,
}

impl<'t> Found<'t> {
    pub(crate) fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.listed.append(&mut other.listed);
    }

    fn of(entry: Entry<'t>) -> Self {
        Self { entries: vec![entry], listed: Vec::new() }
    }
}

/// Where a path leads, its links followed inside the context.
#[derive(Debug)]
pub(crate) struct Way<'t> {
    /// The links on the way, the last part's included.
    pub(crate) links: Vec<Entry<'t>>,
    pub(crate) end: End<'t>,
}

#[derive(Debug)]
pub(crate) enum End<'t> {
    Nothing,
    /// The context itself.
    Root,
    /// No link.
    There(Entry<'t>),
    /// There are too many links to follow.
    Lost,
}

/// What is left out below a folder: by the ignore file, and by `--exclude`s, whose paths begin at `base`.
#[derive(Clone, Copy)]
struct Filter<'f> {
    ignore: &'f Ignore,
    excludes: Option<(&'f Ignore, usize)>,
}

#[derive(Clone, Default)]
struct Verdicts {
    ignore: Verdict,
    excludes: Verdict,
}

impl Context {
    /// What `ignore` lets through of `root`.
    pub fn new(root: Arc<Folder>, ignore: Arc<Ignore>) -> Self {
        Self { root, ignore, without_own_output: false }
    }

    /// The same without `.git` and `target`, where everything is asked for.
    #[must_use]
    pub fn without_own_output(self) -> Self {
        Self { without_own_output: true, ..self }
    }

    /// Whether the ignore file keeps `path` out.
    pub fn ignores(&self, path: &str) -> bool {
        self.ignore.matches(path)
    }

    /// Everything in the context.
    pub(crate) fn whole(&self) -> anyhow::Result<Found<'_>> {
        if !self.without_own_output {
            return self.below("", &self.root, None);
        }
        let filter = Filter { ignore: &self.ignore, excludes: None };
        let mut found = Found { entries: Vec::new(), listed: vec![&self.root] };
        for node in self.root.children()? {
            if !matches!(node.name.as_ref(), ".git" | "target") {
                add(node, "", filter, &Verdicts::default(), &mut found)?;
            }
        }
        Ok(found)
    }

    /// `entry` and what is below it, as far as it is not left out.
    pub(crate) fn with_content<'t>(
        &'t self,
        entry: &Entry<'t>,
        excludes: Option<&Ignore>,
    ) -> anyhow::Result<Found<'t>> {
        let ignored = self.ignores(&entry.path);
        let Kind::Folder(folder) = &entry.node.kind else {
            return Ok(if ignored { Found::default() } else { Found::of(entry.clone()) });
        };
        if ignored && !self.ignore.may_reinclude_below(&entry.path) {
            return Ok(Found::default());
        }
        let mut found = self.below(&entry.path, folder, excludes)?;
        // A folder that is left out is still sent where something in it is not.
        if !ignored || !found.entries.is_empty() {
            found.entries.push(entry.clone());
        }
        Ok(found)
    }

    /// What is in `folder`, which is at `path`.
    pub(crate) fn below<'t>(
        &'t self,
        path: &str,
        folder: &'t Folder,
        excludes: Option<&Ignore>,
    ) -> anyhow::Result<Found<'t>> {
        let base = if path.is_empty() { 0 } else { path.len() + 1 };
        let filter =
            Filter { ignore: &self.ignore, excludes: excludes.map(|excludes| (excludes, base)) };
        let mut verdicts = Verdicts::default();
        for (end, _) in path.match_indices('/') {
            verdicts.ignore = self.ignore.below(&verdicts.ignore, &path[..end]);
        }
        if !path.is_empty() {
            verdicts.ignore = self.ignore.below(&verdicts.ignore, path);
        }
        let mut found = Found { entries: Vec::new(), listed: vec![folder] };
        walk(folder, path, filter, &verdicts, &mut found)?;
        Ok(found)
    }

    /// Follows `path`; links lead to where they would with the context as the root of everything.
    pub(crate) fn follow(&self, path: &str) -> anyhow::Result<Way<'_>> {
        let mut links = Vec::new();
        let mut at: Vec<&Node> = Vec::new();
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => {}
            }
            let folder = match at.last().map(|node| &node.kind) {
                None => &self.root,
                Some(Kind::Folder(folder)) => folder,
                Some(_) => return Ok(Way { links, end: End::Nothing }),
            };
            let Some(node) = folder.child(&part)? else {
                return Ok(Way { links, end: End::Nothing });
            };
            if let Kind::Symlink(Symlink { target, .. }) = &node.kind {
                links.push(Entry { path: joined(&at, &part), node });
                if links.len() > MOST_LINKS {
                    return Ok(Way { links, end: End::Lost });
                }
                if target.starts_with('/') {
                    at.clear();
                }
                rest.extend(target.split('/').rev().map(str::to_owned));
                continue;
            }
            at.push(node);
        }
        let end = match at.split_last() {
            None => End::Root,
            Some((node, above)) => End::There(Entry { path: joined(above, &node.name), node }),
        };
        Ok(Way { links, end })
    }
}

fn joined(folders: &[&Node], name: &str) -> String {
    let mut path = String::new();
    for folder in folders {
        path.push_str(&folder.name);
        path.push('/');
    }
    path.push_str(name);
    path
}

/// Adds what is in `folder`, which is at `path`.
fn walk<'t>(
    folder: &'t Folder,
    path: &str,
    filter: Filter<'_>,
    above: &Verdicts,
    found: &mut Found<'t>,
) -> anyhow::Result<()> {
    let children = folder.children()?;
    let folders =
        children.iter().filter(|child| matches!(child.kind, Kind::Folder(_))).take(WORTH_SHARING);
    if folders.count() < WORTH_SHARING {
        for child in children {
            add(child, path, filter, above, found)?;
        }
        return Ok(());
    }
    let part = |child: &'t Node| {
        let mut found = Found::default();
        add(child, path, filter, above, &mut found).map(|()| found)
    };
    let parts: anyhow::Result<Vec<Found<'t>>> = children.par_iter().map(part).collect();
    for part in parts? {
        found.append(part);
    }
    Ok(())
}

/// Adds `node`, which is in the folder at `folder`, and what is in it: first itself, so that paths come nearly sorted.
fn add<'t>(
    node: &'t Node,
    folder: &str,
    filter: Filter<'_>,
    above: &Verdicts,
    found: &mut Found<'t>,
) -> anyhow::Result<()> {
    let path = if folder.is_empty() {
        node.name.to_string()
    } else {
        let mut path = String::with_capacity(folder.len() + 1 + node.name.len());
        path.push_str(folder);
        path.push('/');
        path.push_str(&node.name);
        path
    };
    let mut verdicts =
        Verdicts { ignore: filter.ignore.below(&above.ignore, &path), ..Verdicts::default() };
    if let Some((excludes, base)) = filter.excludes {
        verdicts.excludes = excludes.below(&above.excludes, &path[base..]);
    }
    let left_out = verdicts.ignore.is_ignored() || verdicts.excludes.is_ignored();
    match &node.kind {
        Kind::Folder(below) => {
            let cannot_return = (verdicts.ignore.is_ignored()
                && !filter.ignore.may_reinclude_below(&path))
                || (verdicts.excludes.is_ignored()
                    && filter.excludes.is_some_and(|(excludes, base)| {
                        !excludes.may_reinclude_below(&path[base..])
                    }));
            if cannot_return {
                return Ok(());
            }
            let own = found.entries.len();
            found.entries.push(Entry { path: path.clone(), node });
            walk(below, &path, filter, &verdicts, found)?;
            // It is still sent where something in it is not left out.
            if left_out && found.entries.len() == own + 1 {
                found.entries.pop();
                found.listed.push(below);
            }
        }
        Kind::Unnameable(why) if !left_out => {
            anyhow::bail!("{why}; rename it, or keep it out with the ignore file")
        }
        _ if left_out => {}
        _ => found.entries.push(Entry { path, node }),
    }
    Ok(())
}
