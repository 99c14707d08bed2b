//! Dockerfiles in, what they reach and read out.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::super::Dockerfile;
use super::{Base, Reading, Request, Resolved};
use crate::mistake::Mistakes;
use crate::reference::Platform;

/// Resolves `text`; `how` is `NAME=VALUE` for arguments, `@NAME` for contexts, `>NAME` for the target, `/arm64` for linux/arm64.
fn resolve(text: &str, how: &str) -> Result<Resolved, Mistakes> {
    let amd64: Platform = "linux/amd64".parse().unwrap();
    let mut platform = amd64.clone();
    let (mut args, mut contexts, mut target) = (BTreeMap::new(), BTreeSet::new(), None);
    for word in how.split(' ') {
        if let Some((name, value)) = word.split_once('=') {
            args.insert(name.to_owned(), value.to_owned());
        } else if let Some(name) = word.strip_prefix('@') {
            contexts.insert(name.to_owned());
        } else if let Some(name) = word.strip_prefix('>') {
            target = Some(name);
        } else if let Some(arch) = word.strip_prefix('/') {
            platform = format!("linux/{arch}").parse().unwrap();
        }
    }
    let request = Request {
        args: &args,
        target,
        platform: &platform,
        build_platform: &amd64,
        contexts: &contexts,
    };
    Dockerfile::parse(Utf8Path::new("D"), text)?.resolve(&request)
}

fn images(resolved: &Resolved) -> String {
    let show = |image: &super::ImageUse| {
        let collides = if image.collides { "!" } else { "" };
        let argument = image.argument.as_ref().map(|name| format!("[{name}]")).unwrap_or_default();
        format!(
            "{} {}{argument}{collides} {}",
            image.via,
            image.reference.familiar(),
            image.platform
        )
    };
    resolved.images.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn reads(resolved: &Resolved) -> String {
    let show = |read: &super::ContextRead| {
        let context = read.context.as_deref().map(|name| format!("{name}:")).unwrap_or_default();
        let what = match &read.reading {
            Reading::Paths { sources, excludes, parents } => {
                let excludes = excludes.join(" -");
                let excludes = if excludes.is_empty() { excludes } else { format!(" -{excludes}") };
                format!("{}{excludes}{}", sources.join(" "), if *parents { " parents" } else { "" })
            }
            Reading::Whole { .. } => "WHOLE".to_owned(),
            Reading::Always { .. } => "ALWAYS".to_owned(),
        };
        format!("{} {context}{what}", read.instruction)
    };
    resolved.reads.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[test]
fn images_of_reached_stages() {
    for (text, how, expected) in [
        ("FROM a", "", "FROM a linux/amd64"),
        ("FROM a AS x\nFROM b\nFROM x AS y", ">Y", "FROM a linux/amd64"),
        (
            "ARG V=lite\nARG TARGETARCH\nFROM base-${V}\nFROM base-full-${TARGETARCH}",
            "/arm64",
            "FROM base-full-arm64 linux/arm64",
        ),
        ("ARG B\nFROM $B", "B=x:1", "FROM x:1[B] linux/amd64"),
        ("ARG B\nFROM ${B:-y}", "", "FROM y[B] linux/amd64"),
        ("ARG B=x\nFROM $B:1", "", "FROM x:1 linux/amd64"),
        ("FROM debian AS debian\nFROM debian", "", "FROM debian! linux/amd64"),
        (
            "FROM --platform=$BUILDPLATFORM a\nCOPY --from=b / /\nRUN --mount=from=c,target=/c x",
            "/arm64",
            "FROM a linux/amd64, COPY --from b linux/arm64, RUN --mount=from c linux/arm64",
        ),
        (
            "FROM a AS s\nFROM b\nCOPY --from=0 x y\nCOPY --from=S x y",
            "",
            "FROM a linux/amd64, FROM b linux/amd64",
        ),
        ("FROM a AS s\nFROM b AS s\nFROM s", "", "FROM b linux/amd64"),
        (
            "FROM a AS s\nONBUILD COPY --from=b / /\nFROM s",
            "",
            "FROM a linux/amd64, COPY --from b linux/amd64",
        ),
        ("FROM a AS s\nONBUILD COPY --from=b / /", "", "FROM a linux/amd64"),
        ("FROM a AS s\nFROM b\nCOPY --from=s / /", "@s", "FROM b linux/amd64"),
        ("FROM a", "@a", ""),
        ("FROM a", "@docker.io/library/a:latest::linux/amd64", ""),
        ("FROM a", "@a::linux/arm64", "FROM a linux/amd64"),
        ("FROM scratch", "", ""),
    ] {
        assert_eq!(images(&resolve(text, how).unwrap()), expected, "{text} ({how})");
    }
}

#[test]
fn what_is_read() {
    for (text, how, expected) in [
        ("FROM a\nCOPY a /b/ ./c* /d", "", "COPY a b c*"),
        ("FROM a\nCOPY . .\nCOPY [\"x y\", \"/\"]", "", "COPY ., COPY x y"),
        ("FROM a\nARG D=src\nENV E=$D/x\nCOPY $E /", "", "COPY src/x"),
        ("FROM a\nCOPY $E /", "", "COPY WHOLE"),
        ("FROM scratch\nCOPY a$E /", "", "COPY a"),
        ("FROM scratch\nENV E=1\nFROM 0\nCOPY a$E /", "", "COPY WHOLE"),
        ("FROM scratch AS s\nENV E=1\nFROM s\nCOPY a$E /", "", "COPY a1"),
        ("FROM a\nARG E\nCOPY x$E /", "", "COPY WHOLE"),
        ("FROM a\nARG E\nCOPY x$E /", "E=1", "COPY x1"),
        ("FROM a\nCOPY --exclude=*.md --parents a/./b /", "", "COPY a/b -*.md parents"),
        ("FROM a\nCOPY --from=b x /\nCOPY <<E /\nE", "", ""),
        ("FROM a\nCOPY --from=data x /", "@data", "COPY data:x"),
        ("FROM data\nRUN x", "@data", "FROM data:WHOLE"),
        ("FROM a AS s\nCOPY q /\nFROM b\nCOPY --from=s x /", "@s", "COPY s:x"),
        ("FROM a\nRUN --mount=target=/x y", "", "RUN --mount ."),
        (
            "FROM a\nRUN --mount=type=cache,target=/x --mount=source=p,target=/y y",
            "",
            "RUN --mount p",
        ),
        ("FROM a\nRUN --mount=source=$P,target=/y y", "", "RUN --mount WHOLE"),
        ("FROM a\nADD http://x/y /", "", "ADD ALWAYS"),
        ("FROM a\nADD --checksum=sha256:00 http://x/y /", "", ""),
        ("FROM a\nADD https://x/y.git#main /", "", "ADD ALWAYS"),
        ("FROM a\nADD https://x/y.git#0123456789012345678901234567890123456789 /", "", ""),
        ("FROM a\nADD $X /\nADD ./a-$X /", "", "ADD ALWAYS, ADD WHOLE"),
        ("FROM a AS s\nONBUILD COPY x /\nFROM s", "", "ONBUILD COPY x"),
        ("FROM a AS s\nCOPY x /\nFROM b", "", ""),
        ("# syntax=x\nFROM a\nCOPY --new=1 x /\nNEW y", "", "COPY x, COPY WHOLE, NEW ALWAYS"),
    ] {
        assert_eq!(reads(&resolve(text, how).unwrap()), expected, "{text} ({how})");
    }
}

#[test]
fn triggers_of_external_images_fire_in_their_stages() {
    let file = Dockerfile::parse(Utf8Path::new("D"), "FROM a AS x\nFROM x\nFROM b").unwrap();
    let platform: Platform = "linux/amd64".parse().unwrap();
    let (args, contexts) = (BTreeMap::new(), BTreeSet::new());
    let request = Request {
        args: &args,
        target: Some("x"),
        platform: &platform,
        build_platform: &platform,
        contexts: &contexts,
    };
    let lines =
        ["COPY package.json /", "COPY --from=tool /t /t", "RUN <<E\nFROM z\nE"].map(str::to_owned);
    let triggers = BTreeMap::from([("a".parse().unwrap(), lines.to_vec())]);
    let resolved = file.resolve_with_triggers(&request, &triggers).unwrap();
    assert_eq!(reads(&resolved), "ONBUILD COPY package.json");
    assert_eq!(images(&resolved), "FROM a linux/amd64, COPY --from tool linux/amd64");
}

#[test]
fn who_sees_an_argument() {
    for (text, expected) in [
        ("FROM a\nRUN x\nARG S\nLABEL s=$S\nCOPY a b", "nobody"),
        ("FROM a\nARG S\nLABEL s=$S\nRUN x", "4 RUN"),
        ("FROM a\nARG S\nENV X=$S", "3 ENV"),
        ("FROM a\nARG S\nARG T=$S\nWORKDIR /$T", "4 WORKDIR"),
        ("FROM a AS x\nARG S\nFROM x\nRUN x", "4 RUN"),
        ("FROM a AS x\nARG S\nRUN y\nFROM b", "nobody"),
        ("ARG S\nFROM a:${S:-1}", "2 FROM"),
        ("ARG S\nFROM a\nLABEL s=$S\nRUN x", "nobody"),
        ("ARG S\nFROM a\nARG S\nLABEL s=$S", "nobody"),
        ("ARG S\nARG T=$S\nFROM a\nARG T\nRUN x", "5 RUN"),
        ("FROM a\nARG S\nCOPY <<E /\n$S\nE", "3 COPY"),
        ("FROM a\nARG S\nCOPY <<'E' /\n$S\nE", "nobody"),
        ("FROM a AS x\nONBUILD RUN y\nARG S\nFROM x", "4 RUN"),
    ] {
        let seen = match resolve(text, "S=1").unwrap().only_labels_see("S") {
            Ok(()) => "nobody".to_owned(),
            Err(sighting) => format!("{} {}", sighting.line, sighting.instruction),
        };
        assert_eq!(seen, expected, "{text}");
    }
    let resolved = resolve("FROM a", "").unwrap();
    for argument in ["http_proxy", "HTTPS_PROXY", "BUILDKIT_SYNTAX", "SOURCE_DATE_EPOCH"] {
        assert!(resolved.only_labels_see(argument).is_err(), "{argument}");
    }
}

#[test]
fn labels_and_the_final_base() {
    let resolved = resolve(
        "FROM a AS x\nLABEL one=1\nFROM b AS y\nLABEL other=1\nFROM x\nLABEL two=2 three=3\nCOPY --from=y a b",
        "",
    )
    .unwrap();
    assert_eq!(
        resolved.labels.iter().map(String::as_str).collect::<Vec<_>>(),
        ["one", "three", "two"]
    );
    assert!(!resolved.labels_unknown);
    assert_eq!(resolved.images[resolved.final_base.unwrap()].written, "a");
    assert_eq!(resolved.stages[2].base, Base::Stage(0));
    assert!(resolve("FROM a\nLABEL $X=1", "").unwrap().labels_unknown);
    assert_eq!(resolve("FROM scratch", "").unwrap().final_base, None);
}

#[test]
fn mistakes_say_where_and_how() {
    for (text, how, expected) in [
        ("ARG B\nFROM  x:$B", "", "D:2:9: the argument B in FROM has no value"),
        ("FROM $B", "", "D:1:6: the argument B in FROM has no value"),
        ("FROM a AS x\nFROM b\nCOPY --from=y$Z / /", "", "D:3:13: --from=y$Z takes no variables"),
        ("FROM a\nCOPY --from=3 / /", "", "D:2:13: there is no stage 3"),
        ("FROM a", ">x", "D:1:1: there is no stage \"x\" to build"),
        (
            "FROM a AS x\nCOPY --from=y / /\nFROM b AS y",
            ">x",
            "D:2:13: COPY takes from the stage y, which is defined",
        ),
        (
            "FROM a AS x\nCOPY --from=x / /",
            "",
            "D:1:1: stages copy from each other in a circle: x → x",
        ),
        (
            "FROM a AS x\nONBUILD RUN --mount=from=y,target=/y z\nFROM x AS y",
            "",
            "D:3:1: stages copy from each other in a circle: y → y",
        ),
        ("FROM A", "", "D:1:6: \"A\" is not a valid reference"),
        ("FROM a\n  RUNN x", "", "D:2:3: \"RUNN\" is no instruction\n  mend: did you mean RUN?"),
        (
            "FROM a\nCOPY --form=x a b",
            "",
            "D:2:1: COPY has no flag --form\n  mend: did you mean --from?",
        ),
        ("RUN x\nFROM a", "", "D:1:1: RUN stands before the first FROM"),
        ("# nothing\n", "", "D:1:1: the file has no FROM"),
        ("FROM a\nRUN <<E\nx", "", "D:2:1: the heredoc `<<E` has no line that ends it"),
    ] {
        let mistakes = resolve(text, how).unwrap_err().to_string();
        assert!(mistakes.starts_with(expected), "{text}: {mistakes}");
    }
    let several = Dockerfile::parse(Utf8Path::new("D"), "FROM\nNO x\nCOPY a\n").unwrap_err();
    assert_eq!(several.into_iter().count(), 3);
}
