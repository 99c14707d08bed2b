//! Which paths of a context does an instruction read? Wider where it cannot be told exactly.
//!
//! Follows what BuildKit hashes for its own cache (`cache/contenthash/checksum.go`): a path with everything in it, its
//! links followed; for wildcards and `--exclude` each match, and what the links among the matches lead to.

use crate::context::{Context, End, Entry, Found};
use crate::glob::{self, has_wildcard};
use crate::ignore::Ignore;
use crate::tree::{Folder, Kind};

/// What is asked of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These files and folders with all that is in them.
    Paths {
        /// Cleaned and relative to the context's root, `.` for all of it. Symbolic links on the way are followed inside
        /// the context. Wildcards (`*`, `?`, `[]`) match as Go's `filepath.Match`; none need match.
        sources: Vec<String>,
        /// `--exclude`, patterns as in `.dockerignore`.
        excludes: Vec<String>,
        /// `COPY --parents`: wildcards match as in `.dockerignore` (`**` too), and the folders above a source count.
        parents: bool,
    },
    Whole,
}

impl Selection {
    /// Whether it may take everything that is in a context.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Paths { sources, .. } => sources.iter().any(|source| source == "."),
            Self::Whole => true,
        }
    }
}

/// What `selection` takes from `context`, entries sorted by path.
pub(crate) fn find<'t>(context: &'t Context, selection: &Selection) -> anyhow::Result<Found<'t>> {
    let Selection::Paths { sources, excludes, parents } = selection else {
        return Ok(sorted(context.whole()?));
    };
    let excludes = plain_patterns(excludes);
    let mut all = Found::default();
    for source in sources {
        let excludes = excludes.as_ref();
        let found = if *parents {
            with_parents(context, source)?
        } else if has_wildcard(source) {
            matching(context, source, excludes)?
        } else {
            literal(context, source, excludes)?
        };
        match found {
            Some(found) => all.append(found),
            None => return Ok(sorted(context.whole()?)),
        }
    }
    Ok(sorted(all))
}

fn sorted(mut found: Found<'_>) -> Found<'_> {
    // Stable, because that is fast where they are nearly sorted.
    found.entries.sort_by(|a, b| a.path.cmp(&b.path));
    found.entries.dedup_by(|a, b| a.path == b.path);
    found.listed.sort_unstable_by(|a, b| a.path().cmp(b.path()));
    found.listed.dedup_by(|a, b| a.path() == b.path());
    found
}

fn literal<'t>(
    context: &'t Context,
    source: &str,
    excludes: Option<&Ignore>,
) -> anyhow::Result<Option<Found<'t>>> {
    let way = context.follow(source)?;
    let mut found = match way.end {
        End::Lost => return Ok(None),
        End::Nothing => Found::default(),
        End::Root => context.below("", &context.root, excludes)?,
        End::There(entry) => context.with_content(&entry, excludes)?,
    };
    found.entries.extend(way.links);
    if excludes.is_some() {
        return follow_links(context, found);
    }
    Ok(Some(found))
}

/// What the links in `found` lead to, too: without `--exclude`s, which hold for what is copied, and not for where a
/// link leads.
fn follow_links<'t>(
    context: &'t Context,
    mut found: Found<'t>,
) -> anyhow::Result<Option<Found<'t>>> {
    for index in 0..found.entries.len() {
        if !matches!(found.entries[index].node.kind, Kind::Symlink(_)) {
            continue;
        }
        let way = context.follow(&found.entries[index].path)?;
        found.entries.extend(way.links);
        match way.end {
            End::Lost | End::Root => return Ok(None),
            End::Nothing => {}
            End::There(entry) => found.append(context.with_content(&entry, None)?),
        }
    }
    Ok(Some(found))
}

fn matching<'t>(
    context: &'t Context,
    pattern: &str,
    excludes: Option<&Ignore>,
) -> anyhow::Result<Option<Found<'t>>> {
    let parts: Vec<&str> = pattern.split('/').collect();
    // A class may match a `/`, and who escapes is rare.
    if pattern.contains(['[', '\\']) && parts.len() > 1 {
        return Ok(None);
    }
    let plain = parts.iter().take_while(|part| !has_wildcard(part)).count();
    let way = context.follow(&parts[..plain].join("/"))?;
    let mut found = Found { entries: way.links, listed: Vec::new() };
    let (path, folder) = match &way.end {
        End::Lost => return Ok(None),
        End::Nothing => return Ok(Some(found)),
        End::Root => (String::new(), &context.root),
        End::There(Entry { path, node }) => match &node.kind {
            Kind::Folder(folder) => (path.clone(), folder),
            _ => return Ok(Some(found)),
        },
    };
    let mut matched = Found::default();
    expand(folder, &path, &parts[plain..], &mut matched)?;
    found.listed.append(&mut matched.listed);
    for entry in matched.entries {
        found.append(context.with_content(&entry, excludes)?);
    }
    follow_links(context, found)
}

/// The paths below `folder` whose parts match `patterns` one by one.
fn expand<'t>(
    folder: &'t Folder,
    path: &str,
    patterns: &[&str],
    found: &mut Found<'t>,
) -> anyhow::Result<()> {
    let Some((pattern, rest)) = patterns.split_first() else { return Ok(()) };
    found.listed.push(folder);
    for node in folder.children()?.iter().filter(|node| glob::matches(pattern, &node.name)) {
        let path =
            if path.is_empty() { node.name.to_string() } else { format!("{path}/{}", node.name) };
        match &node.kind {
            _ if rest.is_empty() => found.entries.push(Entry { path, node }),
            Kind::Folder(below) => expand(below, &path, rest, found)?,
            _ => {}
        }
    }
    Ok(())
}

/// `COPY --parents`: the folders above what is copied are made in the image, with their modes. `--exclude`s are not
/// looked at: where their paths begin depends on a `/./` that is no longer seen here.
fn with_parents<'t>(context: &'t Context, pattern: &str) -> anyhow::Result<Option<Found<'t>>> {
    let plain: Vec<&str> = pattern.split('/').take_while(|part| !has_wildcard(part)).collect();
    let Some(mut found) = literal(context, &plain.join("/"), None)? else { return Ok(None) };
    if has_wildcard(pattern)
        && let Some(patterns) = plain_patterns(&[pattern.to_owned()])
        && !pattern.contains(['[', '\\'])
    {
        found.listed.extend(found.entries.iter().filter_map(|entry| match &entry.node.kind {
            Kind::Folder(folder) => Some(&**folder),
            _ => None,
        }));
        found.entries.retain(|entry| {
            matches!(entry.node.kind, Kind::Symlink(_)) || patterns.matches(&entry.path)
        });
    }
    let mut above = Vec::new();
    for entry in &found.entries {
        let mut rest = entry.path.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            rest = parent;
            above.push(parent.to_owned());
        }
    }
    above.sort_unstable();
    above.dedup();
    for path in above {
        if let End::There(entry) = context.follow(&path)?.end {
            found.entries.push(entry);
        }
    }
    follow_links(context, found)
}

/// `patterns` as an ignore file has them; nothing where a line of such a file would say something else, or nothing is
/// to be excluded.
fn plain_patterns(patterns: &[String]) -> Option<Ignore> {
    let special = |pattern: &String| {
        pattern.trim() != pattern
            || pattern.is_empty()
            || pattern.starts_with(['#', '!', '/', '\u{feff}'])
            || pattern.contains(['\n', '\r'])
    };
    if patterns.is_empty() || patterns.iter().any(special) {
        return None;
    }
    Ignore::parse(&patterns.join("\n")).ok()
}
