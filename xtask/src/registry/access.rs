//! What may be done with what is asked for: the scopes of the distribution token specification.

use crate::reference::Repository;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access<'a> {
    Pull,
    Push,
    /// To write into a repository, and to read from another one of the same registry.
    Mount {
        from: &'a Repository,
    },
}

impl Access<'_> {
    /// The scopes for `repository`.
    pub(super) fn scopes(self, repository: &Repository) -> Vec<String> {
        let path = repository.path();
        match self {
            Self::Pull => vec![format!("repository:{path}:pull")],
            Self::Push => vec![format!("repository:{path}:pull,push")],
            Self::Mount { from } => vec![
                format!("repository:{path}:pull,push"),
                format!("repository:{}:pull", from.path()),
            ],
        }
    }

    /// What includes it, so that a token for that serves, too.
    pub(super) fn wider(self) -> Option<Self> {
        (self == Self::Pull).then_some(Self::Push)
    }
}
