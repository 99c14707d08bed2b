//! Who logs in where, as the names of secrets.

use std::collections::BTreeSet;

use crate::reference::Repository;
use crate::workspace::{Config, RegistryLogin};

/// The registry to which a workflow's own token is a login.
pub(super) const GITHUB: &str = "ghcr.io";

/// A login to a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Login {
    pub(super) host: String,
    /// The names of the secrets; the workflow's own token where there is nothing.
    secrets: Option<(String, String)>,
}

impl Login {
    /// The login to `host`; nothing where the workspace names none.
    pub(super) fn to(host: &str, config: &Config) -> Option<Self> {
        let secrets = config
            .logins
            .get(host)
            .map(|RegistryLogin { user, secret }| (user.clone(), secret.clone()));
        (secrets.is_some() || host == GITHUB).then(|| Self { host: host.to_owned(), secrets })
    }

    /// Whether it is the workflow's own token that logs in.
    pub(super) fn is_with_token(&self) -> bool {
        self.secrets.as_ref().is_none_or(|(_, secret)| secret == "GITHUB_TOKEN")
    }

    pub(super) fn user(&self) -> String {
        match &self.secrets {
            Some((user, _)) => format!("${{{{ secrets.{user} }}}}"),
            None => "${{ github.actor }}".to_owned(),
        }
    }

    pub(super) fn password(&self) -> String {
        let secret = self.secrets.as_ref().map_or("GITHUB_TOKEN", |(_, secret)| secret);
        format!("${{{{ secrets.{secret} }}}}")
    }
}

/// The logins to the registries of `repositories`, each once.
pub(super) fn logins<'r>(
    repositories: impl IntoIterator<Item = &'r Repository>,
    config: &Config,
) -> BTreeSet<Login> {
    let hosts: BTreeSet<&str> = repositories.into_iter().map(Repository::registry).collect();
    hosts.into_iter().filter_map(|host| Login::to(host, config)).collect()
}
