//! A step of a build.

/// A vertex that has something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1, in the order of starts.
    pub number: usize,
    pub digest: String,
    /// As BuildKit names it: `[stage-0 2/3] RUN …`, `[internal] load …`, `exporting to image`.
    pub name: String,
}

impl Step {
    /// `(2, 3)` of `[linux/amd64 stage-0 2/3] RUN …`: only an instruction of a Dockerfile has one.
    pub fn position(&self) -> Option<(u32, u32)> {
        let (label, _) = self.name.strip_prefix('[')?.split_once(']')?;
        let (number, of) = label.split_whitespace().last()?.split_once('/')?;
        Some((number.parse().ok()?, of.parse().ok()?))
    }

    /// `RUN …` of `[2/3] RUN …`.
    pub fn instruction(&self) -> Option<&str> {
        self.position()?;
        self.name.split_once(']').map(|(_, rest)| rest.trim_start())
    }

    /// Whether it makes a layer: an instruction other than `FROM`, which only fetches.
    pub fn makes_layer(&self) -> bool {
        self.instruction().is_some_and(|instruction| !instruction.starts_with("FROM "))
    }

    /// Whether it reads or writes a cache beyond the builder's own.
    pub fn moves_cache(&self) -> bool {
        self.writes_cache() || self.name.starts_with("importing cache manifest from ")
    }

    /// Whether it writes such a cache (`Name` of BuildKit's `cache/remotecache` exporters).
    pub fn writes_cache(&self) -> bool {
        self.name.starts_with("exporting cache to ")
            || self.name == "exporting to GitHub Actions Cache"
    }

    /// The name in one line.
    pub fn title(&self) -> String {
        self.name.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn reads_names() {
        for (name, position, instruction, makes_layer) in [
            ("[stage-0 2/3] RUN make", Some((2, 3)), Some("RUN make"), true),
            ("[ 2/10] COPY a b", Some((2, 10)), Some("COPY a b"), true),
            ("[linux/amd64->arm64 build 4/4] RUN x", Some((4, 4)), Some("RUN x"), true),
            (
                "[1/2] FROM docker.io/library/debian",
                Some((1, 2)),
                Some("FROM docker.io/library/debian"),
                false,
            ),
            ("[internal] load .dockerignore", None, None, false),
            ("[linux/amd64 internal] load metadata for x", None, None, false),
            ("[auth] library/debian:pull token", None, None, false),
            ("exporting to image", None, None, false),
            ("[", None, None, false),
            ("", None, None, false),
        ] {
            let step = Step { number: 1, digest: String::new(), name: name.to_owned() };
            assert_eq!(step.position(), position, "{name}");
            assert_eq!(step.instruction(), instruction, "{name}");
            assert_eq!(step.makes_layer(), makes_layer, "{name}");
        }
    }
}
