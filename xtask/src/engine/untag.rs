//! Taking many names away, without waiting for the engine to clean its store.
//!
//! With an image's last name, containerd's store is cleaned before the engine answers: 0.2 s where there are 100 images,
//! seconds where there are many, and nothing else is written meanwhile. Called by `execute` for what was replaced.

use std::time::Duration;

use anyhow::Context as _;

use super::docker::{Engine, Store};
use super::http::Api;
use super::image::{LIMIT, of_each, path_segment, untagged};

/// How long is waited between two looks whether a name has gone.
const LOOK: Duration = Duration::from_millis(5);

impl Engine {
    /// Takes each of `names` away, as [`untag`](Self::untag) does, several at once. Where the engine keeps images in
    /// containerd's store, it may be cleaning that still when this returns.
    ///
    /// # Errors
    /// When the engine refuses or does not answer; the others are tried all the same.
    pub fn untag_all<S: AsRef<str> + Sync>(&self, names: &[S]) -> anyhow::Result<()> {
        let http = self.http.as_ref().filter(|_| self.store == Store::Containerd);
        // The engine removes nameless parents of an image behind it, for which it has to be left to its end.
        let http = match http {
            Some(http) if !names.is_empty() && !self.has_nameless()? => Some(http),
            _ => None,
        };
        let untag = |name: &S| {
            let name = name.as_ref();
            match http {
                Some(http) => self.untag_soon(http, name),
                None => self.untag(name).map(drop),
            }
        };
        of_each(names, untag).into_iter().collect()
    }

    /// Returns when `name` has gone, whatever the engine still does because of it.
    fn untag_soon(&self, http: &Api, name: &str) -> anyhow::Result<()> {
        let failed = || format!("failed to remove the image name {name}");
        let path = self.versioned(&format!("/images/{}", path_segment(name)));
        let mut begun = http.begin("DELETE", &path, LIMIT).with_context(failed)?;
        loop {
            if let Some(answer) = begun.answer(LOOK).with_context(failed)? {
                return untagged(name, &answer).map(drop);
            }
            if self.named(name)?.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether there are images without a name.
    fn has_nameless(&self) -> anyhow::Result<bool> {
        // {"dangling":["true"]}
        let filter = path_segment("{\"dangling\":[\"true\"]}");
        let answer = self.ask("GET", &format!("/images/json?filters={filter}"))?;
        Ok(answer.status != 200 || answer.json()?.as_array().is_none_or(|all| !all.is_empty()))
    }
}
