//! The actions that workflows use, each pinned to the commit of a version: a tag can be moved to other code.

/// A version of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Action {
    /// `owner/name@commit`.
    pub(super) uses: &'static str,
    /// The version that the commit is.
    pub(super) version: &'static str,
}

pub(super) const CHECKOUT: Action =
    Action { uses: "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", version: "v7.0.1" };
pub(super) const CACHE: Action =
    Action { uses: "actions/cache@668228422ae6a00e4ad889ee87cd7109ec5666a7", version: "v5.0.4" };
pub(super) const UPLOAD: Action = Action {
    uses: "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a",
    version: "v7.0.1",
};
pub(super) const DOWNLOAD: Action = Action {
    uses: "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    version: "v8.0.1",
};
pub(super) const LOGIN: Action = Action {
    uses: "docker/login-action@4907a6ddec9925e35a0a9e82d7399ccc52663121",
    version: "v4.1.0",
};
pub(super) const QEMU: Action = Action {
    uses: "docker/setup-qemu-action@ce360397dd3f832beb865e1373c09c0e9f86d70a",
    version: "v4.0.0",
};
pub(super) const BUILDX: Action = Action {
    uses: "docker/setup-buildx-action@4d04d5d9486b7bd6fa91e7baf45bbb4f8b9deedd",
    version: "v4.0.0",
};

pub(super) const SCRIPT: Action = Action {
    uses: "actions/github-script@ed597411d8f924073f98dfc5c65a23a2325f34cd",
    version: "v8.0.0",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_pinned_by_whole_commits() {
        for action in [CHECKOUT, CACHE, UPLOAD, DOWNLOAD, LOGIN, QEMU, BUILDX, SCRIPT] {
            let (name, commit) = action.uses.split_once('@').unwrap();
            assert_eq!(name.split('/').count(), 2, "{name}");
            assert!(
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                "{commit}"
            );
            assert!(action.version.starts_with('v'), "{}", action.version);
        }
    }
}
