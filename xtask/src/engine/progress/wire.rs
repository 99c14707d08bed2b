//! BuildKit's `SolveStatus` as `--progress=rawjson` prints it (`client/graph.go`). Only what is used is read.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Warning, base64, lines};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Update {
    pub(super) vertexes: Option<Vec<Vertex>>,
    pub(super) statuses: Option<Vec<Status>>,
    pub(super) logs: Option<Vec<Log>>,
    pub(super) warnings: Option<Vec<RawWarning>>,
}

impl Update {
    /// An object with none of these keys is something else's.
    pub(super) fn is_empty(&self) -> bool {
        self.vertexes.is_none()
            && self.statuses.is_none()
            && self.logs.is_none()
            && self.warnings.is_none()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Vertex {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) name: String,
    started: Option<String>,
    completed: Option<String>,
    #[serde(default)]
    pub(super) cached: bool,
    #[serde(default)]
    pub(super) error: String,
}

impl Vertex {
    pub(super) fn start(&self) -> Option<Timestamp> {
        time(self.started.as_deref()).or_else(|| self.end())
    }

    pub(super) fn end(&self) -> Option<Timestamp> {
        time(self.completed.as_deref())
    }
}

pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    pub(super) id: String,
    pub(super) vertex: String,
    #[serde(default)]
    pub(super) current: i64,
    pub(super) total: Option<i64>,
    pub(super) completed: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Log {
    pub(super) vertex: String,
    /// 1 is stdout, 2 is stderr.
    #[serde(default)]
    pub(super) stream: i64,
    #[serde(default)]
    pub(super) data: String,
    pub(super) timestamp: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct RawWarning {
    #[serde(default)]
    pub(super) vertex: String,
    #[serde(default)]
    short: String,
    detail: Option<Vec<String>>,
    url: Option<String>,
    #[serde(rename = "sourceInfo")]
    source: Option<Source>,
    range: Option<Vec<Range>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Source {
    filename: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Range {
    start: Option<Position>,
}

#[derive(Clone, Debug, Deserialize)]
struct Position {
    line: Option<u32>,
}

impl From<RawWarning> for Warning {
    fn from(raw: RawWarning) -> Self {
        let first = raw.range.unwrap_or_default().into_iter().next();
        Self {
            short: text(&raw.short),
            detail: raw.detail.unwrap_or_default().iter().map(|line| text(line)).collect(),
            file: raw.source.and_then(|source| source.filename).filter(|name| !name.is_empty()),
            line: first.and_then(|range| range.start).and_then(|start| start.line),
            url: raw.url.filter(|url| !url.is_empty()),
        }
    }
}

fn text(encoded: &str) -> String {
    let bytes = base64::decode(encoded).unwrap_or_else(|| encoded.as_bytes().to_vec());
    lines::printable(&bytes)
}
