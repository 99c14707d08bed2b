//! The log of a build as a file, in the words of buildx's plain progress.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use camino::Utf8Path;

use super::super::Invocation;
use super::super::progress::{CANCELED, Event};

/// Written as it happens, without a buffer: `tail -f` shows what the build does.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// The first error of writing; nothing is written after it.
    pub(super) error: Option<std::io::Error>,
    words: Words,
}

impl Log {
    /// Makes the folders, replaces an older log, and writes the command.
    pub(super) fn create(path: &Utf8Path, invocation: &Invocation) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        writeln!(file, "{invocation}")?;
        Ok(Self { file, error: None, words: Words::default() })
    }

    pub(super) fn event(&mut self, event: &Event) {
        let text = self.words.event(event);
        self.write(&text);
    }

    pub(super) fn end(&mut self, how: &str) {
        self.write(&format!("{how}\n"));
    }

    fn write(&mut self, text: &str) {
        if self.error.is_none() && !text.is_empty() {
            self.error = self.file.write_all(text.as_bytes()).err();
        }
    }
}

/// Events as lines.
#[derive(Debug, Default)]
struct Words {
    /// What was last said of the end of each step, and whose line was the last.
    ends: BTreeMap<usize, String>,
    last: usize,
}

impl Words {
    fn event(&mut self, event: &Event) -> String {
        let mut text = String::new();
        let mut line = |words: &mut Self, number: usize, line: &str| {
            // As in plain progress, an empty line where another step speaks.
            if words.last != number && words.last != 0 {
                text.push('\n');
            }
            words.last = number;
            text.push_str(line);
            text.push('\n');
        };
        match event {
            // A step that is run again is no news.
            Event::Started(step) if self.ends.contains_key(&step.number) => {}
            Event::Started(step) => {
                line(self, step.number, &format!("#{} {}", step.number, step.title()));
            }
            Event::Finished { step, cached, error, seconds } => {
                let end = match error {
                    Some(error) if error.contains(CANCELED) => "CANCELED".to_owned(),
                    Some(error) => format!("ERROR: {error}"),
                    None if *cached => "CACHED".to_owned(),
                    None => format!("DONE {seconds:.1}s"),
                };
                if self.ends.insert(step.number, end.clone()).as_ref() != Some(&end) {
                    line(self, step.number, &format!("#{} {end}", step.number));
                }
            }
            Event::Log { step, seconds, text, .. } => {
                line(self, step.number, &format!("#{} {seconds:.3} {text}", step.number));
            }
            Event::Warning(warning) => {
                let place = match (&warning.file, warning.line) {
                    (Some(file), Some(line)) => format!(" ({file}:{line})"),
                    (Some(file), None) => format!(" ({file})"),
                    (None, _) => String::new(),
                };
                let url = warning.url.as_ref().map_or(String::new(), |url| format!(" {url}"));
                line(self, 0, &format!("WARNING: {}{place}{url}", warning.short));
            }
            Event::Transfer { step, id, current, done: true, .. } => {
                let size = if *current > 0 { format!(" {current} B") } else { String::new() };
                line(self, step.number, &format!("#{} {id}{size} done", step.number));
            }
            Event::Transfer { .. } => {}
            Event::Text(text) => line(self, 0, text),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::progress::{Output, Step, Warning};

    #[test]
    fn reads_like_plain_progress() {
        let step = |number, name: &str| {
            Arc::new(Step { number, digest: String::new(), name: name.to_owned() })
        };
        let (load, run) = (step(1, "[internal] load"), step(2, "[2/2] RUN <<EOF\n  make\nEOF"));
        let end = |step: &Arc<Step>, cached, error: Option<&str>, seconds| {
            let error = error.map(str::to_owned);
            Event::Finished { step: Arc::clone(step), cached, error, seconds }
        };
        let done = |id: &str, current| Event::Transfer {
            step: Arc::clone(&load),
            id: id.to_owned(),
            current,
            total: None,
            done: true,
        };
        let warning = Warning {
            short: "Legacy".to_owned(),
            detail: Vec::new(),
            file: Some("Dockerfile".to_owned()),
            line: Some(3),
            url: None,
        };
        let mut words = Words::default();
        let text: String = [
            Event::Started(Arc::clone(&load)),
            done("transferring context:", 12),
            end(&load, false, None, 0.01),
            Event::Started(Arc::clone(&load)),
            end(&load, false, None, 0.02),
            Event::Started(Arc::clone(&run)),
            Event::Log {
                step: Arc::clone(&run),
                output: Output::Stdout,
                seconds: 0.5124,
                text: "hi".to_owned(),
            },
            Event::Warning(warning),
            end(&run, false, Some("exit code: 1"), 1.0),
            Event::Text("ERROR: x".to_owned()),
        ]
        .iter()
        .map(|event| words.event(event))
        .collect();
        assert_eq!(
            text,
            "#1 [internal] load\n#1 transferring context: 12 B done\n#1 DONE 0.0s\n\n#2 [2/2] RUN <<EOF make EOF\n\
             #2 0.512 hi\n\nWARNING: Legacy (Dockerfile:3)\n#2 ERROR: exit code: 1\n\nERROR: x\n"
        );
    }
}
