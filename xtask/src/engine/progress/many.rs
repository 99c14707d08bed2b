//! What are several builds of one process doing? Its progress becomes that of each of them.
//!
//! `docker buildx bake` puts its target's name into the name of every vertex (buildx, `util/progress`, `WithPrefix`):
//! `[web 2/3] RUN …`, `[web internal] load …`, `[web] exporting to image`. A vertex that several targets have in common
//! comes once a target, each time with its output.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::stream::{Piece, Stream};
use super::wire::{Status, Update};
use super::{Event, Progress};

/// Reads the progress of one `docker buildx bake`.
#[derive(Debug)]
pub struct ProgressOfMany {
    stream: Stream,
    targets: Vec<Target>,
    by_name: HashMap<String, usize>,
    /// Whose each vertex is.
    vertexes: HashMap<String, BTreeSet<usize>>,
}

#[derive(Debug, Default)]
struct Target {
    progress: Progress,
    /// Hashes of the pieces of output and warnings that have come, since those of a shared vertex come once a target.
    heard: HashSet<u64>,
    /// How far each transfer was, by the hash of its vertex and name, and whether it had ended.
    transfers: HashMap<u64, (i64, bool)>,
}

impl Target {
    /// Whether `status` says more than what came before.
    fn goes_on(&mut self, status: &Status) -> bool {
        let (now, ended) = (status.current, status.completed.is_some());
        match self.transfers.entry(hash_of(&(&status.vertex, &status.id))) {
            Entry::Vacant(entry) => {
                entry.insert((now, ended));
                true
            }
            Entry::Occupied(mut entry) => {
                let (before, had_ended) = *entry.get();
                let more = !had_ended && (now > before || ended);
                if more {
                    entry.insert((now, ended));
                }
                more
            }
        }
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl ProgressOfMany {
    pub fn new<'a>(targets: impl IntoIterator<Item = &'a str>) -> Self {
        let by_name: HashMap<String, usize> =
            targets.into_iter().enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
        let targets = by_name.iter().map(|_| Target::default()).collect();
        Self { stream: Stream::default(), targets, by_name, vertexes: HashMap::new() }
    }

    /// Takes the next bytes, cut anywhere; `emit` gets events with the index of their target.
    pub fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(usize, Event)) {
        self.stream.feed(bytes);
        while let Some(piece) = self.stream.next_piece() {
            self.piece(piece, emit);
        }
    }

    /// The stream has ended: what is incomplete comes out as it is.
    pub fn finish(mut self, emit: &mut dyn FnMut(usize, Event)) {
        while let Some(piece) = self.stream.last_piece() {
            self.piece(piece, emit);
        }
        for (index, target) in self.targets.into_iter().enumerate() {
            target.progress.finish(&mut |event| emit(index, event));
        }
    }

    fn piece(&mut self, piece: Piece, emit: &mut dyn FnMut(usize, Event)) {
        match piece {
            // It may be of any of them, and is told once.
            Piece::Text(text) => emit(0, Event::Text(text)),
            Piece::Update(update) => {
                for (index, own) in self.parts(&update) {
                    let progress = &mut self.targets[index].progress;
                    progress.piece(Piece::Update(own), &mut |event| emit(index, event));
                }
            }
        }
    }

    /// What of `update` is each target's, of those that it says something of.
    fn parts(&mut self, update: &Update) -> BTreeMap<usize, Update> {
        let mut parts: BTreeMap<usize, Update> = BTreeMap::new();
        for vertex in update.vertexes.iter().flatten() {
            if let Some((index, name)) = self.owner(&vertex.name) {
                self.vertexes.entry(vertex.digest.clone()).or_default().insert(index);
                let mut own = vertex.clone();
                own.name = name;
                parts.entry(index).or_default().vertexes.get_or_insert_default().push(own);
            }
        }
        let owners = |vertex: &String| self.vertexes.get(vertex).into_iter().flatten().copied();
        for status in update.statuses.iter().flatten() {
            for index in owners(&status.vertex) {
                if self.targets[index].goes_on(status) {
                    let part = parts.entry(index).or_default();
                    part.statuses.get_or_insert_default().push(status.clone());
                }
            }
        }
        for warning in update.warnings.iter().flatten() {
            let hash = hash_of(&("warning", &warning.vertex, format!("{warning:?}")));
            for index in owners(&warning.vertex) {
                if self.targets[index].heard.insert(hash) {
                    let part = parts.entry(index).or_default();
                    part.warnings.get_or_insert_default().push(warning.clone());
                }
            }
        }
        for log in update.logs.iter().flatten() {
            let hash = hash_of(&(&log.vertex, &log.timestamp, log.stream, &log.data));
            for index in owners(&log.vertex) {
                if self.targets[index].heard.insert(hash) {
                    parts.entry(index).or_default().logs.get_or_insert_default().push(log.clone());
                }
            }
        }
        parts
    }

    /// The target of `[web 2/3] RUN …`, and `[2/3] RUN …`.
    fn owner(&self, name: &str) -> Option<(usize, String)> {
        let rest = name.strip_prefix('[')?;
        let end = rest.find([' ', ']'])?;
        let index = *self.by_name.get(&rest[..end])?;
        let rest = &rest[end..];
        let own = match rest.strip_prefix("] ") {
            Some(rest) => rest.to_owned(),
            None => format!("[{}", rest.strip_prefix(' ')?),
        };
        Some((index, own))
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
        let status = |current: u32, completed: &str| {
            format!(
                r#"{{"statuses":[{{"id":"sha256:x","vertex":"3","current":{current},"total":9{completed}}}]}}"#
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
            status(5, ""),
            status(5, ""),
            status(9, r#","completed":"2026-01-01T00:00:01Z""#),
            status(9, r#","completed":"2026-01-01T00:00:01Z""#),
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
                Event::Transfer { step, current, .. } => format!("{}: {current}", step.name),
                Event::Warning(warning) => format!("{warning:?}"),
            });
        };
        let mut progress = ProgressOfMany::new(["a", "ab"]);
        for byte in text.as_bytes() {
            progress.feed(&[*byte], &mut emit);
        }
        progress.finish(&mut emit);
        let [a, ab] = seen;
        let shared = [
            "+[1/3] RUN shared",
            "-[1/3] RUN shared",
            "[1/3] RUN shared: hi",
            "[1/3] RUN shared: 5",
            "[1/3] RUN shared: 9",
        ];
        assert_eq!(a, [&["+[2/3] RUN x", "-[2/3] RUN x"][..], &shared, &["WARNING: x"]].concat());
        let own = ["+[2/3] RUN y", "-[2/3] RUN y", "[2/3] RUN y: hi"];
        let end = ["+exporting to image", "-exporting to image"];
        assert_eq!(ab, [&own[..], &shared, &end].concat());
    }
}
