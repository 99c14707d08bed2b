//! What a result depends on besides the image: its tests, or its probes. Pure.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::workspace::{FactSource, Gpus, Target};

/// Raised when equal definitions would be tested in another way.
const SCHEMA: u32 = 1;

/// Of everything that `[test]` and `[limits]` say.
pub(super) fn of_tests(target: &Target) -> String {
    let test = &target.test;
    let run = test.run.iter().map(|run| {
        json!({ "cmd": run.cmd, "expect": run.expect, "status": run.status, "env": run.env, "user": run.user,
            "entrypoint": run.entrypoint, "timeout": run.timeout.as_secs() })
    });
    let gpus = match test.gpus {
        Gpus::None => "none",
        Gpus::Optional => "optional",
        Gpus::Required => "required",
    };
    hash(&json!({
        "schema": SCHEMA,
        "run": run.collect::<Vec<_>>(),
        "http": test.http.as_ref().map(|http| json!([http.port, http.path, http.timeout.as_secs()])),
        "mount": test.mount,
        "gpus": gpus,
        "size": target.size_limit,
    }))
}

/// Of every observed fact.
pub(super) fn of_probes(target: &Target) -> String {
    let facts = target.facts.iter().filter(|(_, fact)| fact.is_observed()).map(|(name, fact)| {
        let source = match &fact.source {
            FactSource::Probe(words) => json!({ "probe": words }),
            FactSource::OsRelease(key) => json!({ "os-release": key }),
            FactSource::Literal(_) | FactSource::File { .. } | FactSource::Lock { .. } => {
                Value::Null
            }
        };
        json!([name, source, fact.pattern, fact.entrypoint])
    });
    hash(&json!({ "schema": SCHEMA, "facts": facts.collect::<Vec<_>>() }))
}

fn hash(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string());
    hash.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace::targets_of;

    fn target(toml: &str) -> Target {
        targets_of("", &[("app/image.toml".to_owned(), toml.to_owned())]).remove(0)
    }

    #[test]
    fn every_part_of_a_test_counts_and_its_place_does_not() {
        let texts = [
            "",
            "[test]\nrun = [[\"a\"]]",
            "[test]\nrun = [[\"b\"]]",
            "[test]\nrun = [[\"a\"], [\"a\"]]",
            "[test]\nrun = [{ cmd = [\"a\"], expect = \"x\" }]",
            "[test]\nrun = [{ cmd = [\"a\"], status = 1 }]",
            "[test]\nrun = [{ cmd = [\"a\"], env = { A = \"1\" } }]",
            "[test]\nrun = [{ cmd = [\"a\"], user = \"1000\" }]",
            "[test]\nrun = [{ cmd = [\"a\"], entrypoint = false }]",
            "[test]\nrun = [{ cmd = [\"a\"], timeout = \"5s\" }]",
            "[test]\nhttp = { port = 80 }",
            "[test]\nhttp = { port = 80, path = \"/x\" }",
            "[test]\nmount = \"/\"",
            "[test]\nmount = \".\"",
            "[test]\ngpus = \"optional\"",
            "[limits]\nsize = \"1GB\"",
        ];
        let hashes: BTreeSet<String> = texts.iter().map(|text| of_tests(&target(text))).collect();
        assert_eq!(hashes.len(), texts.len());
        let moved = of_tests(&target("\n\ndescription = \"x\"\n[test]\nrun = [[\"a\"]]"));
        assert_eq!(moved, of_tests(&target(texts[1])));
    }

    #[test]
    fn every_part_of_a_probe_counts() {
        let texts = [
            "",
            "[facts]\na = { probe = [\"x\"] }",
            "[facts]\nb = { probe = [\"x\"] }",
            "[facts]\na = { probe = [\"x\", \"y\"] }",
            "[facts]\na = { probe = [\"x\"], match = '.' }",
            "[facts]\na = { probe = [\"x\"], entrypoint = false }",
            "[facts]\na = { os-release = \"x\" }",
        ];
        let hashes: BTreeSet<String> = texts.iter().map(|text| of_probes(&target(text))).collect();
        assert_eq!(hashes.len(), texts.len());
        assert_eq!(of_probes(&target("[facts]\na = \"literal\"")), of_probes(&target("")));
    }
}
