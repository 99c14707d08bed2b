//! What may move, as a person typed it: everything, or names of packages and bases.

use std::collections::BTreeSet;

use crate::cli::{LockUpdateArgs, Locks};
use crate::mistake::{Mistake, Mistakes};
use crate::reference::Reference;

/// The values of `--upgrade`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upgrades {
    Nothing,
    Everything,
    Names(BTreeSet<String>),
}

impl Upgrades {
    pub(super) fn new(args: &LockUpdateArgs) -> Self {
        if args.upgrade.is_empty() {
            Self::Nothing
        } else if args.upgrade.iter().any(String::is_empty) {
            Self::Everything
        } else {
            Self::Names(args.upgrade.iter().cloned().collect())
        }
    }

    /// The name by which `reference` was asked for: with its tag, or without one for every tag.
    pub(super) fn name_of(&self, reference: &Reference) -> Option<&str> {
        let Self::Names(names) = self else { return None };
        let repository = &reference.repository;
        let spelled = [
            reference.familiar(),
            reference.to_string(),
            repository.familiar().to_owned(),
            repository.to_string(),
        ];
        names.iter().find(|name| spelled.contains(name)).map(String::as_str)
    }

    pub(super) fn moves(&self, reference: &Reference) -> bool {
        *self == Self::Everything || self.name_of(reference).is_some()
    }

    /// Whether each name was `taken` for something.
    ///
    /// # Errors
    /// A mistake for each that was not.
    pub(super) fn all_are(
        &self,
        taken: &BTreeSet<String>,
        only: Option<Locks>,
    ) -> Result<(), Mistakes> {
        let Self::Names(names) = self else { return Ok(()) };
        let what = match only {
            None => "package or base",
            Some(Locks::Pixi) => "package",
            Some(Locks::Bases) => "base",
        };
        let mistake = |name: &String| {
            Mistake::new(format!("--upgrade {name:?}: no lock of these images holds a {what} of this name"))
                .mend("name a package of a pixi.lock, or a base as a Dockerfile names it; images stand before the options")
        };
        let mistakes: Mistakes =
            names.iter().filter(|name| !taken.contains(*name)).map(mistake).collect();
        mistakes.none()
    }
}
