//! Text that is shown nowhere.

use std::fmt;

/// A password or token. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

/// Shorter texts are words by chance, too.
const SHORTEST_REDACTED: usize = 4;

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the request that needs it, and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without it: a registry may repeat in an error what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.0.len() < SHORTEST_REDACTED {
            return text.to_owned();
        }
        text.replace(&self.0, "…")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
