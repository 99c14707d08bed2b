//! Which runner builds for a platform?

use std::collections::BTreeMap;

use crate::reference::Platform;

/// GitHub's own runners.
const DEFAULTS: [(&str, &str); 2] =
    [("linux/amd64", "ubuntu-24.04"), ("linux/arm64", "ubuntu-24.04-arm")];

/// The labels of runners, by the platform for which each builds natively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runners(BTreeMap<Platform, Vec<String>>);

/// Where a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runner<'r> {
    /// One or several labels.
    pub(super) labels: &'r [String],
    /// Which xtask it can run.
    pub(super) arch: &'r str,
    pub(super) is_emulated: bool,
}

impl Runners {
    /// GitHub's, but for what `chosen` says.
    pub(super) fn new(chosen: &BTreeMap<Platform, Vec<String>>) -> Self {
        let defaults = DEFAULTS.into_iter().map(|(platform, label)| {
            (platform.parse().expect("it is a platform"), vec![label.to_owned()])
        });
        let mut runners: BTreeMap<Platform, Vec<String>> = defaults.collect();
        runners.extend(chosen.clone());
        Self(runners)
    }

    /// Where everything runs that is not for a platform.
    pub(super) fn main(&self) -> Runner<'_> {
        self.exact(&Platform::amd64()).expect("there always is one for amd64")
    }

    /// The native runner of `platform`; else the main one, which has to emulate it. One for `linux/amd64` also is one for
    /// `linux/amd64/v3`.
    pub(super) fn of(&self, platform: &Platform) -> Runner<'_> {
        self.exact(platform)
            .or_else(|| self.exact(&platform.without_variant()))
            .unwrap_or(Runner { is_emulated: true, ..self.main() })
    }

    fn exact(&self, platform: &Platform) -> Option<Runner<'_>> {
        let (platform, labels) = self.0.get_key_value(platform)?;
        // These run on machines of the larger architecture, and so does the xtask.
        let arch = match platform.arch() {
            "386" => "amd64",
            "arm" => "arm64",
            arch => arch,
        };
        Some(Runner { labels, arch, is_emulated: false })
    }
}
