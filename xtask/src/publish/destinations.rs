//! Where is an image published? Its repositories on the channel, as a command line narrows or replaces them. Pure.

use crate::reference::{Invalid, Repository};
use crate::workspace::{Channel, Target, repository_of};

/// What the command line says of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// `--user X`: `docker.io/X/<name>` instead of all others.
    pub user: Option<String>,
    /// `--registry R`: only repositories of these hosts, or below these prefixes.
    pub registries: Vec<String>,
}

/// Where one image is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    /// Holds content under its key before anything public names it.
    pub staging: Repository,
    /// Where its tags are written; empty where the command line leaves none.
    pub repositories: Vec<Repository>,
}

/// The destinations of `target`; nothing where it is not published on `channel` at all.
///
/// `staging` is the workspace's; `--user` does not write there, since who publishes under a name of their own may have
/// no right to.
///
/// # Errors
/// When the user's name makes no repository.
pub fn destinations(
    target: &Target,
    channel: Channel,
    staging: Option<&Repository>,
    narrowing: &Narrowing,
) -> Result<Option<Destinations>, Invalid> {
    if !target.publish {
        return Ok(None);
    }
    if let Some(user) = &narrowing.user {
        let own = repository_of(&format!("docker.io/{user}"), &target.name)
            .map_err(|invalid| invalid.of("user name", user))?;
        return Ok(Some(Destinations { staging: own.clone(), repositories: vec![own] }));
    }
    let all = target.repositories.get(channel).cloned().unwrap_or_default();
    Ok(chosen(all, staging, narrowing))
}

/// Those of `all` that are wanted, and where their content is staged.
fn chosen(
    all: Vec<Repository>,
    staging: Option<&Repository>,
    narrowing: &Narrowing,
) -> Option<Destinations> {
    let first = all.first().cloned()?;
    let wanted = |repository: &Repository| {
        narrowing.registries.is_empty()
            || narrowing.registries.iter().any(|prefix| is_below(repository, prefix))
    };
    let repositories: Vec<Repository> = all.into_iter().filter(wanted).collect();
    // Without a staging repository of its own, content goes where it is wanted anyway.
    let staging = staging.or(repositories.first()).unwrap_or(&first).clone();
    Some(Destinations { staging, repositories })
}

/// Whether `repository` is of the host, or below the prefix, `prefix`.
fn is_below(repository: &Repository, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let rest = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    rest(repository.as_str()) || rest(repository.familiar())
}

#[cfg(test)]
mod tests {
    use super::{Narrowing, chosen, is_below};
    use crate::reference::Repository;

    #[test]
    fn content_is_staged_where_the_workspace_says_or_where_it_is_wanted() {
        let repository = |text: &str| Repository::parse(text).unwrap();
        let all = ["a.test/x", "b.test/x"];
        for (staging, registries, expected, wanted) in [
            (None, &[][..], "a.test/x", &["a.test/x", "b.test/x"][..]),
            (None, &["b.test"], "b.test/x", &["b.test/x"]),
            (Some("s.test/all"), &["b.test"], "s.test/all", &["b.test/x"]),
            (Some("s.test/all"), &[], "s.test/all", &["a.test/x", "b.test/x"]),
            // Nothing of it is wanted: as a parent it is still looked for where it usually is.
            (None, &["c.test"], "a.test/x", &[]),
        ] {
            let registries = registries.iter().map(|&text| text.to_owned()).collect();
            let narrowing = Narrowing { user: None, registries };
            let all = all.iter().map(|text| repository(text)).collect();
            let to = chosen(all, staging.map(repository).as_ref(), &narrowing).unwrap();
            assert_eq!(to.staging, repository(expected));
            assert_eq!(
                to.repositories,
                wanted.iter().map(|text| repository(text)).collect::<Vec<_>>()
            );
        }
        assert_eq!(chosen(Vec::new(), None, &Narrowing::default()), None);
    }

    #[test]
    fn prefixes_end_where_a_path_component_does() {
        for (repository, prefix, expected) in [
            ("ghcr.io/acme/app", "ghcr.io", true),
            ("ghcr.io/acme/app", "ghcr.io/acme/", true),
            ("ghcr.io/acme-2/app", "ghcr.io/acme", false),
            ("acme/app", "docker.io", true),
            ("acme/app", "acme", true),
            ("127.0.0.1:5000/app", "127.0.0.1:5000", true),
            ("127.0.0.1:5001/app", "127.0.0.1:5000", false),
        ] {
            let repository = Repository::parse(repository).unwrap();
            assert_eq!(is_below(&repository, prefix), expected, "{repository} {prefix}");
        }
    }
}
