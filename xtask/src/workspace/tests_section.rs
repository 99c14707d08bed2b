//! The `[test]` section.

use std::time::Duration;

use camino::Utf8Path;

use super::paths::below_root;
use super::read::{Entry, Table};
use super::settings::{Gpus, HttpTest, TestRun, TestSettings};
use crate::mistake::Mistake;

/// How long a command may take that says nothing of it.
const COMMAND_LIMIT: Duration = Duration::from_mins(10);

pub(super) fn read(table: &Table<'_>, folder: &Utf8Path) -> Option<TestSettings> {
    let test = table.table("test")?;
    let mount = test
        .string("mount")
        .and_then(|text| test.check(&text.place, below_root(folder, &text.value)));
    let settings = TestSettings {
        run: test
            .items("run")
            .unwrap_or_default()
            .iter()
            .filter_map(|item| read_run(&test, item))
            .collect(),
        http: read_http(&test),
        mount,
        gpus: read_gpus(&test),
    };
    test.finish();
    Some(settings)
}

fn read_run(test: &Table<'_>, item: &Entry<'_, '_>) -> Option<TestRun> {
    let place = item.place();
    let mut run = TestRun {
        cmd: Vec::new(),
        expect: None,
        status: 0,
        env: std::collections::BTreeMap::new(),
        user: None,
        entrypoint: true,
        timeout: COMMAND_LIMIT,
        place: place.clone(),
    };
    if item.is_array() {
        run.cmd = item.strings()?.into_iter().map(|word| word.value).collect();
    } else if item.is_table() {
        let inner = item.table()?;
        run.cmd =
            inner.strings("cmd").unwrap_or_default().into_iter().map(|word| word.value).collect();
        run.expect = inner.string("expect").map(|text| text.value);
        run.status = read_status(&inner)?;
        run.user = inner.string("user").map(|text| text.value);
        run.entrypoint = inner.boolean("entrypoint").unwrap_or(true);
        run.timeout = read_timeout(&inner).unwrap_or(COMMAND_LIMIT);
        let env = inner.string_map("env").unwrap_or_default();
        for name in env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            inner.mistake(
                Mistake::new(format!("{name:?} is no name of a variable"))
                    .at(inner.place_of("env"))
                    .mend("write env = { NAME = \"value\" }"),
            );
        }
        run.env = env.into_iter().map(|(name, value)| (name, value.value)).collect();
        inner.finish();
        if run.cmd.is_empty() && inner.has("cmd") && !inner.is_empty_list("cmd") {
            return None;
        }
    }
    if run.cmd.is_empty() {
        test.mistake(
            Mistake::new("a test has no command")
                .at(place)
                .mend("write a list of words, e.g. [\"python\", \"--version\"], or { cmd = [\"…\"], expect = \"…\" }"),
        );
        return None;
    }
    Some(run)
}

/// Nothing where it is wrong, which is said.
fn read_status(run: &Table<'_>) -> Option<u8> {
    if !run.has("status") {
        return Some(0);
    }
    let written = run.integer("status")?;
    let status = u8::try_from(written.value).ok();
    if status.is_none() {
        run.mistake(
            Mistake::new(format!("{} is no exit status", written.value))
                .at(written.place)
                .mend("a number from 0 to 255"),
        );
    }
    status
}

fn read_http(test: &Table<'_>) -> Option<HttpTest> {
    let http = test.table("http")?;
    let port = http.integer("port");
    let path = http.string("path");
    // It becomes part of a request's first line.
    if let Some(text) = &path
        && !(text.value.starts_with('/') && text.value.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        http.mistake(
            Mistake::new(format!("{:?} is no path of an address", text.value))
                .at(text.place.clone())
                .mend("begin it with `/`, and write other than visible ASCII characters as %XX"),
        );
    }
    let timeout =
        if http.has("timeout") { read_timeout(&http) } else { Some(Duration::from_mins(1)) };
    let number =
        port.as_ref().and_then(|port| u16::try_from(port.value).ok()).filter(|&port| port > 0);
    if number.is_none() {
        let place = port.map_or_else(|| http.place(), |port| port.place);
        http.mistake(
            Mistake::new("`http` needs a port from 1 to 65535").at(place).mend("port = 8000"),
        );
    }
    http.finish();
    let path = path.map_or_else(|| "/".to_owned(), |text| text.value);
    Some(HttpTest { port: number?, path, timeout: timeout? })
}

/// Nothing where there is none, or a wrong one, which is said.
fn read_timeout(table: &Table<'_>) -> Option<Duration> {
    let text = table.string("timeout")?;
    let seconds = parse_duration(&text.value).filter(|&seconds| seconds > 0);
    if seconds.is_none() {
        table.mistake(
            Mistake::new(format!("{:?} is no duration", text.value))
                .at(text.place.clone())
                .mend("write e.g. \"60s\" or \"2m\""),
        );
    }
    seconds.map(Duration::from_secs)
}

fn read_gpus(test: &Table<'_>) -> Gpus {
    if test.is_boolean("gpus") {
        return if test.boolean("gpus") == Some(true) { Gpus::Required } else { Gpus::None };
    }
    let Some(text) = test.string("gpus") else { return Gpus::None };
    match text.value.as_str() {
        "optional" => Gpus::Optional,
        "required" => Gpus::Required,
        "none" => Gpus::None,
        other => {
            test.mistake(
                Mistake::new(format!("unknown value {other:?} of `gpus`"))
                    .at(text.place)
                    .mend("`optional`, `required` or `none`"),
            );
            Gpus::None
        }
    }
}

/// Seconds of `90`, `60s`, `2m`, `1h`.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        _ => (text, 1),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}
