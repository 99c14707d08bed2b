//! What are several builds of one process doing? Its progress becomes that of each of them.
//!
//! `docker buildx bake` puts its target's name into the name of every vertex (buildx, `util/progress`, `WithPrefix`):
//! `[web 2/3] RUN …`, `[web internal] load …`, `[web] exporting to image`. A vertex that several targets have in common
//! comes once a target, each time with its output.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::stream::{Piece, Stream};
use super::wire::Update;
use super::{Event, Progress};

/// Reads the progress of one `docker buildx bake`.
#[derive(Debug)]
pub struct ProgressOfMany {
    stream: Stream,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    name: String,
    progress: Progress,
    vertexes: BTreeSet<String>,
    /// Hashes of the pieces of output that have come, since those of a shared vertex come several times.
    heard: HashSet<u64>,
}

impl ProgressOfMany {
    pub fn new<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        let target = |name: &str| Target {
            name: name.to_owned(),
            progress: Progress::default(),
            vertexes: BTreeSet::new(),
            heard: HashSet::new(),
        };
        Self { stream: Stream::default(), targets: targets.into_iter().map(target).collect() }
    }

    /// Takes the next bytes, cut anywhere; `emit` gets events with the index of their target.
    pub fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(usize, Event)) {
        self.stream.feed(bytes);
        while let Some(piece) = self.stream.next_piece() {
            self.piece(&piece, emit);
        }
    }

    /// The stream has ended: what is incomplete comes out as it is.
    pub fn finish(mut self, emit: &mut dyn FnMut(usize, Event)) {
        while let Some(piece) = self.stream.last_piece() {
            self.piece(&piece, emit);
        }
        for (index, target) in self.targets.into_iter().enumerate() {
            target.progress.finish(&mut |event| emit(index, event));
        }
    }

    fn piece(&mut self, piece: &Piece, emit: &mut dyn FnMut(usize, Event)) {
        match piece {
            // It may be of any of them, and is told once.
            Piece::Text(text) => emit(0, Event::Text(text.clone())),
            Piece::Update(update) => {
                for (index, target) in self.targets.iter_mut().enumerate() {
                    let own = target.part(update);
                    target.progress.piece(Piece::Update(own), &mut |event| emit(index, event));
                }
            }
        }
    }
}

impl Target {
    /// What of `update` is this target's.
    fn part(&mut self, update: &Update) -> Update {
        let mut vertexes = Vec::new();
        for vertex in update.vertexes.iter().flatten() {
            if let Some(name) = self.own_name(&vertex.name) {
                self.vertexes.insert(vertex.digest.clone());
                let mut own = vertex.clone();
                own.name = name;
                vertexes.push(own);
            }
        }
        let own = |digest: &String| self.vertexes.contains(digest);
        let statuses = update.statuses.iter().flatten().filter(|status| own(&status.vertex));
        let warnings = update.warnings.iter().flatten().filter(|warning| own(&warning.vertex));
        let mut logs = Vec::new();
        for log in update.logs.iter().flatten().filter(|log| own(&log.vertex)) {
            let mut hasher = DefaultHasher::new();
            (&log.vertex, &log.timestamp, log.stream, &log.data).hash(&mut hasher);
            if self.heard.insert(hasher.finish()) {
                logs.push(log.clone());
            }
        }
        Update {
            statuses: Some(statuses.cloned().collect()),
            warnings: Some(warnings.cloned().collect()),
            vertexes: Some(vertexes),
            logs: Some(logs),
        }
    }

    /// `[2/3] RUN …` of `[web 2/3] RUN …`, where `web` is this target.
    fn own_name(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix('[')?.strip_prefix(self.name.as_str())?;
        match rest.strip_prefix("] ") {
            Some(rest) => Some(rest.to_owned()),
            None => Some(format!("[{}", rest.strip_prefix(' ')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        format!("{text}\n")
    }

    #[test]
    fn each_gets_its_own_and_what_is_shared() {
        let time = |second: u32| format!("2026-01-01T00:00:0{second}Z");
        let vertex = |digest: &str, name: &str| {
            format!(
                r#"{{"vertexes":[{{"digest":"{digest}","name":"{name}","started":"{}","completed":"{}"}}]}}"#,
                time(0),
                time(1)
            )
        };
        // `aGkK` is `hi` and a line break.
        let log = |digest: &str| {
            format!(
                r#"{{"logs":[{{"vertex":"{digest}","stream":1,"data":"aGkK","timestamp":"{}"}}]}}"#,
                time(0)
            )
        };
        let text: String = [
            vertex("0", "[internal] load local bake definitions"),
            vertex("1", "[a 2/3] RUN x"),
            vertex("2", "[ab 2/3] RUN y"),
            log("2"),
            vertex("3", "[a 1/3] RUN shared"),
            log("3"),
            vertex("3", "[ab 1/3] RUN shared"),
            log("3"),
            vertex("4", "[ab] exporting to image"),
            "WARNING: x".to_owned(),
        ]
        .iter()
        .map(|text| line(text))
        .collect();
        let mut seen = [Vec::new(), Vec::new()];
        let mut emit = |index: usize, event: Event| {
            seen[index].push(match event {
                Event::Started(step) => format!("+{}", step.name),
                Event::Finished { step, .. } => format!("-{}", step.name),
                Event::Log { step, text, .. } => format!("{}: {text}", step.name),
                Event::Text(text) => text,
                other => format!("{other:?}"),
            });
        };
        let mut progress = ProgressOfMany::new(["a", "ab"]);
        for byte in text.as_bytes() {
            progress.feed(&[*byte], &mut emit);
        }
        progress.finish(&mut emit);
        let [a, ab] = seen;
        let shared = ["+[1/3] RUN shared", "-[1/3] RUN shared", "[1/3] RUN shared: hi"];
        assert_eq!(a, [&["+[2/3] RUN x", "-[2/3] RUN x"][..], &shared, &["WARNING: x"]].concat());
        let own = ["+[2/3] RUN y", "-[2/3] RUN y", "[2/3] RUN y: hi"];
        let end = ["+exporting to image", "-exporting to image"];
        assert_eq!(ab, [&own[..], &shared, &end].concat());
    }
}
