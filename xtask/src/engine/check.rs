//! BuildKit's own checks of a Dockerfile: `docker buildx build --call=check`.
//!
//! Nothing is built and nothing fetched: every image that the file names is bound to an empty folder, and a `# syntax=`
//! line is taken out of what BuildKit sees, so that the frontend inside it reads the file.

use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8Path;
use serde::Deserialize;

use super::version::Version;
use super::{Engine, Invocation, child};
use crate::lint::Warning;

/// The first buildx with `--call`.
pub const OLDEST: Version = Version::new(0, 15, 0);
const LIMIT: Duration = Duration::from_mins(1);

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub root: &'a Utf8Path,
    /// Relative to `root`.
    pub dockerfile: &'a Utf8Path,
    /// Its text, where BuildKit shall read it from there instead: without the line of `# syntax=`.
    pub text: Option<&'a str>,
    /// Relative to `root`.
    pub context: &'a Utf8Path,
    pub stage: Option<&'a str>,
    pub args: &'a [(String, String)],
    /// Names of images, as contexts are named.
    pub images: &'a [String],
    /// An empty folder.
    pub empty: &'a Utf8Path,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    warnings: Option<Vec<Raw>>,
    #[serde(rename = "buildError")]
    error: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    rule_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    location: serde_json::Value,
}

impl Engine {
    /// Whether buildx has checks.
    pub fn has_checks(&self) -> bool {
        self.buildx.is_none_or(|version| version >= OLDEST)
    }

    /// What BuildKit finds.
    ///
    /// # Errors
    /// When it does not answer within a minute, or cannot read the file.
    pub fn check(&self, request: &Request<'_>) -> anyhow::Result<Vec<Warning>> {
        let command = invocation(self.buildx(), request);
        // Status 1 means that there is something to say, which stands on stdout.
        let handle = command.duct().stdout_capture().stderr_capture().start();
        let handle = handle.with_context(|| format!("failed to run `{command}`"))?;
        let output = match child::wait(&handle, Some(LIMIT)) {
            Ok(output) => output,
            Err(stopped) => anyhow::bail!("`{command}`: {stopped}"),
        };
        read(&output.stdout).map_err(|why| {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().rev().find(|line| line.starts_with("ERROR"));
            anyhow::anyhow!("{}", line.unwrap_or(&why))
        })
    }
}

fn invocation(buildx: Invocation, request: &Request<'_>) -> Invocation {
    let file = if request.text.is_some() { "-" } else { request.dockerfile.as_str() };
    let context = match request.context.as_str() {
        "" => ".".to_owned(),
        folder => format!("./{folder}"),
    };
    let command = buildx
        .args(["build", "--call=check,format=json", "--progress=plain"])
        .arg(format!("--file={file}"))
        .args(request.stage.map(|stage| format!("--target={stage}")))
        .args(request.args.iter().map(|(name, value)| format!("--build-arg={name}={value}")))
        .args(request.images.iter().map(|name| format!("--build-context={name}={}", request.empty)))
        .args(["--", &context])
        .folder(request.root);
    match request.text {
        Some(text) => command.stdin(text),
        None => command,
    }
}

/// The warnings of an answer, or why there are none.
fn read(answer: &[u8]) -> Result<Vec<Warning>, String> {
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|_| "its answer is not JSON".to_owned())?;
    if let Some(error) = answer.error {
        return Err(error.message);
    }
    let warning = |raw: Raw| Warning {
        line: raw.location["ranges"][0]["start"]["line"]
            .as_u64()
            .and_then(|line| u32::try_from(line).ok())
            .unwrap_or(1)
            .max(1),
        rule: raw.rule_name,
        detail: raw.detail,
        description: raw.description,
        url: raw.url,
    };
    Ok(answer.warnings.unwrap_or_default().into_iter().map(warning).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let text = r#"{"warnings":[{"ruleName":"A","description":"d","url":"u","detail":"x",
            "location":{"ranges":[{"start":{"line":3},"end":{"line":3}}]}},{"ruleName":"B"}],"sources":[]}"#;
        let found = read(text.as_bytes()).unwrap();
        assert_eq!((found[0].rule.as_str(), found[0].line), ("A", 3));
        assert_eq!(found[1].line, 1);
        assert_eq!(read(b"{\"warnings\":null}").unwrap(), []);
        assert_eq!(read(b"{\"buildError\":{\"message\":\"oh\"}}").unwrap_err(), "oh");
        assert!(read(b"").is_err());
    }
}
