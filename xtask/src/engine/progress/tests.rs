use super::*;

fn events(chunks: &[&str]) -> Vec<String> {
    let mut seen = Vec::new();
    let mut emit = |event| seen.push(show(&event));
    let mut progress = Progress::default();
    for chunk in chunks {
        progress.feed(chunk.as_bytes(), &mut emit);
    }
    progress.finish(&mut emit);
    seen
}

fn show(event: &Event) -> String {
    match event {
        Event::Started(step) => format!("#{} {}", step.number, step.name),
        Event::Finished { step, cached, error, seconds } => {
            let how = error.as_deref().unwrap_or(if *cached { "cached" } else { "done" });
            format!("#{} {how} {seconds:.1}", step.number)
        }
        Event::Log { step, output, seconds, text } => {
            format!("#{} {output:?} {seconds:.1} {text}", step.number)
        }
        Event::Warning(warning) => format!("{warning:?}"),
        Event::Transfer { step, id, current, total, done } => {
            format!("#{} {id} {current}/{total:?} {done}", step.number)
        }
        Event::Text(text) => format!("text {text}"),
    }
}

fn vertex(digest: &str, name: &str, times: &str) -> String {
    format!("{{\"vertexes\":[{{\"digest\":\"{digest}\",\"name\":\"{name}\"{times}}}]}}\n")
}

#[test]
fn a_step_from_start_to_end() {
    let start = r#","started":"2026-11-21T01:00:00.5Z""#;
    let end = r#","started":"2026-11-21T01:00:00.5Z","completed":"2026-11-21T01:00:02Z""#;
    let again =
        r#","started":"2026-11-21T01:00:03Z","completed":"2026-11-21T01:00:04Z","cached":true"#;
    let failed = r#","started":"2026-11-21T01:00:00Z","completed":"2026-11-21T01:00:01Z","error":"exit code: 3""#;
    let log = |stream: u8, data: &str| {
        format!(
            r#"{{"logs":[{{"vertex":"a","stream":{stream},"data":"{data}","timestamp":"2026-11-21T01:00:01.5Z"}}]}}"#
        )
    };
    for (chunks, expected) in [
        // Announced, and nothing more: it was not needed.
        (vec![vertex("a", "A", "")], &[][..]),
        (
            vec![
                vertex("a", "A", ""),
                vertex("a", "A", start),
                vertex("a", "A", start),
                vertex("a", "A", end),
            ],
            &["#1 A", "#1 done 1.5"],
        ),
        // The end is told twice.
        (vec![vertex("a", "A", end), vertex("a", "A", end)], &["#1 A", "#1 done 1.5"]),
        (
            vec![vertex("a", "A", end), vertex("a", "A", again)],
            &["#1 A", "#1 done 1.5", "#1 A", "#1 cached 2.5"],
        ),
        (
            vec![vertex("b", "B", start), vertex("a", "A", failed)],
            &["#1 B", "#2 A", "#2 exit code: 3 1.0"],
        ),
        // é over two logs, stderr between them, the last line without an end.
        (
            vec![
                vertex("a", "A", start),
                log(1, "YcM="),
                log(2, "ZXJyCg=="),
                log(1, "qQpi"),
                vertex("a", "A", end),
            ],
            &["#1 A", "#1 Stderr 1.0 err", "#1 Stdout 1.0 aé", "#1 Stdout 1.0 b", "#1 done 1.5"],
        ),
        // A log of a step that was never named, and without base64.
        (vec![log(1, "not base64!")], &["#1 Stdout 0.0 not base64!"]),
        // The stream ends in the middle.
        (
            vec![vertex("a", "A", start), log(1, "Yg=="), "{\"vert".to_owned()],
            &["#1 A", "text {\"vert", "#1 Stdout 1.0 b"],
        ),
    ] {
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        assert_eq!(events(&chunks), expected, "{chunks:?}");
        // Cut at every byte, the same.
        let bytes = chunks.concat();
        let parts: Vec<&str> = (0..bytes.len()).map(|index| &bytes[index..=index]).collect();
        assert_eq!(events(&parts), expected, "{chunks:?}");
    }
}

#[test]
fn the_end_of_a_step_comes_after_what_it_said_in_the_same_update() {
    let first = r#"{"digest":"a","name":"A","started":"2026-11-21T01:00:00Z","completed":"2026-11-21T01:00:01Z"}"#;
    let second = r#"{"digest":"a","name":"A","started":"2026-11-21T01:00:02Z","completed":"2026-11-21T01:00:03Z"}"#;
    let log = r#"{"vertex":"a","stream":1,"data":"Yg==","timestamp":"2026-11-21T01:00:02.5Z"}"#;
    let update = format!("{{\"vertexes\":[{first},{second}],\"logs\":[{log}]}}");
    assert_eq!(
        events(&[&update]),
        ["#1 A", "#1 done 1.0", "#1 A", "#1 Stdout 1.5 b", "#1 done 2.0"]
    );
}

#[test]
fn transfers_and_warnings() {
    let text = r#"{"statuses":[{"id":"extracting","vertex":"a","current":5,"total":10},{"id":"sent","vertex":"a","current":-1,"total":0,"completed":"x"}],"logs":null}
{"warnings":[{"vertex":"a","level":1,"short":"TGVnYWN5","detail":["eA=="],"url":"https://x","sourceInfo":{"filename":"Dockerfile","data":"eA=="},"range":[{"start":{"line":3},"end":{"line":3}}]},{"short":"eA=="}]}
"#;
    assert_eq!(
        events(&[text]),
        [
            "#1 extracting 5/Some(10) false",
            "#1 sent 0/None true",
            "Warning { short: \"Legacy\", detail: [\"x\"], file: Some(\"Dockerfile\"), line: Some(3), url: Some(\"https://x\") }",
            "Warning { short: \"x\", detail: [], file: None, line: None, url: None }",
        ]
    );
}
