//! Variables: the automatic platform arguments, the arguments before the first `FROM`, and a stage's environment.

use std::collections::{BTreeMap, BTreeSet};

use super::super::lex::{Environment, Lex, Lookup};
use super::super::{Command, Dockerfile};
use super::Request;
use crate::mistake::{Mistake, Mistakes};

/// What BuildKit gives `PATH` where an image has none (`util/system/path.go`).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Nothing where it depends on something unknown.
    pub text: Option<String>,
    /// The build arguments on which the value depends.
    pub arguments: BTreeSet<String>,
}

/// Variables by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    variables: BTreeMap<String, Variable>,
    /// Whether names that are not here may still be set, by an external image.
    open: bool,
}

impl Environment for Scope {
    fn look_up(&self, name: &str) -> Lookup {
        match self.variables.get(name) {
            Some(Variable { text: Some(text), .. }) => Lookup::Set(text.clone()),
            Some(_) => Lookup::Unknown,
            None if self.open => Lookup::Unknown,
            None => Lookup::Unset,
        }
    }
}

impl Scope {
    /// The environment of a stage on scratch, or on an external image.
    pub(super) fn of_base(is_scratch: bool) -> Self {
        let mut scope = Self { open: !is_scratch, ..Self::default() };
        if is_scratch {
            scope.set("PATH", Some(DEFAULT_PATH.to_owned()), BTreeSet::new());
        }
        scope
    }

    pub(super) fn set(&mut self, name: &str, text: Option<String>, arguments: BTreeSet<String>) {
        self.variables.insert(name.to_owned(), Variable { text, arguments });
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// The build arguments on which the variables `names` depend.
    pub(super) fn arguments_of<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> BTreeSet<String> {
        let variables = names.into_iter().filter_map(|name| self.variables.get(name));
        variables.flat_map(|variable| variable.arguments.iter().cloned()).collect()
    }

    /// The build arguments on which anything in the environment depends.
    pub(super) fn all_arguments(&self) -> BTreeSet<String> {
        self.variables.values().flat_map(|variable| variable.arguments.iter().cloned()).collect()
    }
}

/// What `FROM` sees: the automatic arguments, and every `ARG` before the first `FROM`.
pub(super) fn global(
    file: &Dockerfile,
    request: &Request<'_>,
    mistakes: &mut Mistakes,
) -> (Scope, BTreeSet<String>) {
    let mut scope = automatic(file, request);
    let mut declared = BTreeSet::new();
    let lex = Lex::new(file.escape);
    for instruction in file.instructions.iter().filter(|instruction| instruction.stage.is_none()) {
        let Command::Arg(arguments) = &instruction.command else { continue };
        for (name, default) in arguments {
            declared.insert(name.clone());
            let mut on = BTreeSet::from([name.clone()]);
            if let Some(value) = request.args.get(name) {
                scope.set(name, Some(value.clone()), on);
            } else if let Some(default) = default {
                match lex.expand(default, &scope) {
                    Ok(value) => {
                        on.extend(scope.arguments_of(&value.names));
                        scope.set(name, Some(value.text), on);
                    }
                    Err(why) => {
                        let place =
                            file.place(instruction.line, instruction.last_line, Some(default));
                        mistakes
                            .push(Mistake::new(format!("the default of {name}: {why}")).at(place));
                    }
                }
            }
        }
    }
    (scope, declared)
}

fn automatic(file: &Dockerfile, request: &Request<'_>) -> Scope {
    let (build, target) = (request.build_platform, request.platform);
    let last = file.stages().last().and_then(|stage| stage.name);
    let values = [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os().to_owned()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.arch().to_owned()),
        ("BUILDVARIANT", build.variant().unwrap_or_default().to_owned()),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os().to_owned()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", target.arch().to_owned()),
        ("TARGETVARIANT", target.variant().unwrap_or_default().to_owned()),
        ("TARGETSTAGE", request.target.or(last).unwrap_or("default").to_owned()),
    ];
    let mut scope = Scope::default();
    for (name, value) in values {
        let value = request.args.get(name).cloned().unwrap_or(value);
        scope.set(name, Some(value), BTreeSet::from([name.to_owned()]));
    }
    scope
}
