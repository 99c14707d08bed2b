//! What a container is started from, and the words of `docker container run` for it. Pure.

use std::collections::BTreeMap;

use crate::engine::Invocation;
use crate::reference::Platform;

/// A container that is to be.
#[derive(Clone, Debug)]
pub struct Spec<'a> {
    /// A name of the engine's, or `repository@sha256:…`. It is not fetched.
    pub image: &'a str,
    pub platform: &'a Platform,
    /// What follows the image's name: for its entry point.
    pub words: &'a [String],
    /// The program, in place of the image's entry point.
    pub entrypoint: Option<&'a str>,
    pub env: Option<&'a BTreeMap<String, String>>,
    pub user: Option<&'a str>,
    /// A folder of the engine's machine that is mounted at `/work`, where the program then starts.
    pub mount: Option<&'a str>,
    /// Whether the program may write into it.
    pub writable: bool,
    /// A port that is published on a free port of 127.0.0.1.
    pub port: Option<u16>,
    /// With every GPU.
    pub gpus: bool,
}

impl<'a> Spec<'a> {
    pub fn new(image: &'a str, platform: &'a Platform) -> Self {
        Self {
            image,
            platform,
            words: &[],
            entrypoint: None,
            env: None,
            user: None,
            mount: None,
            writable: false,
            port: None,
            gpus: false,
        }
    }

    /// With everything that belongs to the container itself behind `docker container VERB NAME LABELS`. What the
    /// workspace says stands behind `--option=`, or after `--`.
    pub(super) fn complete(&self, command: Invocation) -> Invocation {
        let mut options = vec![format!("--platform={}", self.platform), "--pull=never".to_owned()];
        options.extend(self.entrypoint.map(|program| format!("--entrypoint={program}")));
        options.extend(self.user.map(|user| format!("--user={user}")));
        let env = self.env.into_iter().flatten();
        options.extend(env.map(|(name, value)| format!("--env={name}={value}")));
        if let Some(folder) = self.mount {
            let readonly = if self.writable { "" } else { ",readonly" };
            options.push(format!("--mount=type=bind,{},target=/work{readonly}", source(folder)));
            options.push("--workdir=/work".to_owned());
        }
        options.extend(self.port.map(|port| format!("--publish=127.0.0.1::{port}/tcp")));
        options.extend(self.gpus.then(|| "--gpus=all".to_owned()));
        command.args(options).args(["--", self.image]).args(self.words)
    }
}

/// As a field of the CSV that `--mount` is.
fn source(folder: &str) -> String {
    if folder.contains([',', '"', '\n']) {
        format!("\"source={}\"", folder.replace('"', "\"\""))
    } else {
        format!("source={folder}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_workspace_becomes_an_option() {
        let platform = Platform::native();
        let words = ["--privileged".to_owned(), "a b".to_owned()];
        let env = [("A".to_owned(), "--b".to_owned())].into();
        let spec = Spec {
            words: &words,
            entrypoint: Some("--net=host"),
            env: Some(&env),
            user: Some("-v"),
            mount: Some("/a,readonly=false\""),
            port: Some(80),
            gpus: true,
            ..Spec::new("app:dev", &platform)
        };
        let command = spec.complete(Invocation::new("docker"));
        let words: Vec<&str> = command.argv().skip(2).collect();
        assert_eq!(
            words,
            [
                "--pull=never",
                "--entrypoint=--net=host",
                "--user=-v",
                "--env=A=--b",
                "--mount=type=bind,\"source=/a,readonly=false\"\"\",target=/work,readonly",
                "--workdir=/work",
                "--publish=127.0.0.1::80/tcp",
                "--gpus=all",
                "--",
                "app:dev",
                "--privileged",
                "a b",
            ]
        );
    }
}
