use camino::Utf8PathBuf;

use super::super::found::{Build, Found, Kind, Repository};
use super::super::{make, powershell};
use super::{Runner, parse};

fn repository() -> Repository {
    let tracked = [
        "Dockerfile",
        "images/a/Dockerfile",
        "images/b/Dockerfile",
        "images/b/Dockerfile.ci",
        "scripts/build.sh",
        "pyproject.toml",
        "VERSION",
    ];
    let script = "docker build -t \"lib-$1\" \"images/$1\"\n".to_owned();
    Repository {
        name: "repository".to_owned(),
        github: Some("acme/images".to_owned()),
        tracked: tracked.map(Utf8PathBuf::from).into(),
        texts: [
            ("scripts/build.sh".into(), script),
            ("pyproject.toml".into(), "[project]\n".to_owned()),
        ]
        .into(),
    }
}

/// A build as `Dockerfile context tags args`, with what is not known as it is written.
fn shown(build: &Build, repository: &Repository) -> String {
    let paths = match build.paths(repository) {
        Ok((file, context)) => format!("{file} {}", crate::workspace::shown(&context)),
        Err(_) => "?".to_owned(),
    };
    let names = build.names.iter().map(|name| format!(" {}", name.text));
    let args = build.args.iter().map(|(name, value)| format!(" {name}={value}"));
    paths + &names.chain(args).collect::<String>()
}

fn all(found: &Found, repository: &Repository) -> String {
    let builds: Vec<String> = found.builds.iter().map(|build| shown(build, repository)).collect();
    builds.join("\n")
}

fn builds(script: &str) -> String {
    let repository = repository();
    let folders = vec![Utf8PathBuf::new(), "scripts".into()];
    let mut runner = Runner::new(&repository, "scripts/x.sh".into(), Kind::Script, folders);
    runner.run(&parse(script, 1));
    all(&runner.found, &repository)
}

#[test]
fn scripts_are_followed() {
    for (script, expected) in [
        ("docker build .", "Dockerfile ."),
        (
            "sudo DOCKER_BUILDKIT=1 docker --log-level debug buildx build --push -ta:1 . # x",
            "Dockerfile . a:1",
        ),
        (
            "docker build \\\n  --tag=a \\\n  -f images/b/Dockerfile.ci \\\n  images/b",
            "images/b/Dockerfile.ci images/b a",
        ),
        (
            "for s in a b; do docker build -t \"x-$s\" images/$s; done",
            "images/a/Dockerfile images/a x-a\nimages/b/Dockerfile images/b x-b",
        ),
        (
            "for d in images/*/; do docker build -t $(basename \"$d\") $d; done",
            "images/a/Dockerfile images/a a\nimages/b/Dockerfile images/b b",
        ),
        (
            "cd images && (cd a && docker build .) && docker build b",
            "images/a/Dockerfile images/a\nimages/b/Dockerfile images/b",
        ),
        ("cd \"$(dirname \"$0\")/..\"; docker build images/a", "images/a/Dockerfile images/a"),
        (
            "D=\"$( cd \"$( dirname \"${BASH_SOURCE[0]}\" )\" && pwd )\"\ndocker build \"$D/../images/a\"",
            "images/a/Dockerfile images/a",
        ),
        (
            "cd \"$(git rev-parse --show-toplevel)/images/a\"\ndocker build .",
            "images/a/Dockerfile images/a",
        ),
        (
            "R=${R:-ghcr.io/acme}; T=${T:-1}; docker build -t $R/a:$T -t ${R#*/} .",
            "Dockerfile . ghcr.io/acme/a:1 acme",
        ),
        (
            "f() { local n=$1; docker build -t \"$n\" images/$2; }\nf x a\nfunction g { f y b; }\ng",
            "images/a/Dockerfile images/a x\nimages/b/Dockerfile images/b y",
        ),
        ("A=(--build-arg X=1 -t n); A+=(-t m)\ndocker build \"${A[@]}\" .", "Dockerfile . n m X=1"),
        (
            "declare -A M=([a]=one [b]=two)\nfor k in \"${!M[@]}\"; do docker build -t ${M[$k]} images/$k; done",
            "images/a/Dockerfile images/a one\nimages/b/Dockerfile images/b two",
        ),
        (
            "case \"$1\" in\n a|b) docker build images/a ;;\n *) docker build images/b ;;\nesac",
            "images/a/Dockerfile images/a\nimages/b/Dockerfile images/b",
        ),
        (
            "s=b; case $s in a) docker build images/a;; *) docker build images/$s;; esac",
            "images/b/Dockerfile images/b",
        ),
        (
            "X=1; if [ \"$X\" = 2 ]; then docker build images/a; elif [[ $X == 1 && $Y ]]; then docker build images/b; fi",
            "images/b/Dockerfile images/b",
        ),
        (
            "docker build --build-arg C=\"$(git rev-parse --verify HEAD)\" --build-arg S=$(git rev-parse --short HEAD) .",
            "Dockerfile . C={{ commit }} S={{ sha }}",
        ),
        (
            "docker build --build-arg V=\"$(grep -Po '(?<=^version = \")[^\"]*' pyproject.toml)\" -t a:$(cat VERSION | tr -d ' ') .",
            "Dockerfile . a:{{ version }} V={{ version }}",
        ),
        (
            "docker build --build-arg A='x y=z,\"q\"' --build-arg B=\"$HOME\" --build-arg C .",
            "Dockerfile . A=x y=z,\"q\" B=$HOME C=$C",
        ),
        (
            "cat <<EOF | docker build -\nFROM x\ndocker build images/a\nEOF\ndocker build images/b",
            "?\nimages/b/Dockerfile images/b",
        ),
        ("# docker build .\necho \"docker build .\"\necho 'docker build .'", ""),
        (
            "bash scripts/build.sh a; ./scripts/build.sh b",
            "images/a/Dockerfile images/a lib-a\nimages/b/Dockerfile images/b lib-b",
        ),
        (
            "docker build -t $GITHUB_REPOSITORY:${GITHUB_SHA} .",
            "Dockerfile . acme/images:{{ commit }}",
        ),
        (
            "N=Some/Name; docker build -t ${N,,} -t ${N//Some/x} -t ${N##*/} .",
            "Dockerfile . some/name x/Name Name",
        ),
        ("f() { f; }; f; while true; do docker build .; done", "Dockerfile ."),
    ] {
        assert_eq!(builds(script), expected, "{script}");
    }
}

#[test]
fn what_is_no_script_ends_too() {
    for text in [
        "((((((",
        "$(",
        "${",
        "\"",
        "'",
        "`",
        "case",
        "case x in",
        "for",
        "if",
        "f() {",
        "x=(",
        "<<",
        "[[",
        "\\",
        "a[",
        "for ((",
        ")))",
        "}}",
        ";;",
    ] {
        builds(text);
        builds(&text.repeat(2000));
        powershell::parse(&text.repeat(2000), 1);
    }
    builds(&"$(echo ".repeat(500));
    let doubling = "x=a".to_owned() + &"; x=$x$x".repeat(60) + "; docker build -t $x .";
    assert!(builds(&doubling).len() < 1 << 20);
}

#[test]
fn powershell_is_followed() {
    let repository = repository();
    for (script, expected) in [
        (
            "$v = \"1\"\ndocker build `\n  -t \"a:$v\" `\n  images/a # x",
            "images/a/Dockerfile images/a a:1",
        ),
        (
            "foreach ($s in @('a', 'b')) { docker build -t \"x-$s\" \"images/$s\" }",
            "images/a/Dockerfile images/a x-a\nimages/b/Dockerfile images/b x-b",
        ),
        (
            "$all = @(\"a\", \"b\")\nforeach ($s in $all) {\n  docker build \"images/$($s)\"\n}",
            "images/a/Dockerfile images/a\nimages/b/Dockerfile images/b",
        ),
        (
            "function B($n, $p) { docker build -t $n $p }\nB one images/a\nB -p images/b -n two",
            "images/a/Dockerfile images/a one\nimages/b/Dockerfile images/b two",
        ),
        (
            "if ($x -eq 'a') { docker build images/a } else { docker build images/b }",
            "images/a/Dockerfile images/a\nimages/b/Dockerfile images/b",
        ),
        ("Set-Location $PSScriptRoot/..\n& docker build images/a", "images/a/Dockerfile images/a"),
        ("<# docker build . #>\n# docker build .\nWrite-Host \"docker build .\"", ""),
    ] {
        let mut runner = Runner::new(
            &repository,
            "scripts/x.ps1".into(),
            Kind::Script,
            vec![Utf8PathBuf::new()],
        );
        runner.run(&powershell::parse(script, 1));
        assert_eq!(all(&runner.found, &repository), expected, "{script}");
    }
}

#[test]
fn makefiles_are_followed() {
    let repository = repository();
    for (text, expected) in [
        (
            "R ?= acme\nI := $(R)/a\nbuild:\n\t@docker build -t $(I):$(shell git rev-parse --short HEAD) \\\n\t\timages/a\n",
            "images/a/Dockerfile images/a acme/a:{{ sha }}",
        ),
        (
            "all: build-a build-b\nbuild-%:\n\tdocker build -t x-$* images/$*\n",
            "images/a/Dockerfile images/a x-a\nimages/b/Dockerfile images/b x-b",
        ),
        (
            "S = a b\nbuild:\n\tfor s in $(S); do docker build images/$$s; done\n",
            "images/a/Dockerfile images/a\nimages/b/Dockerfile images/b",
        ),
        (
            "x:\n\tcd images/a && docker build .\n\tdocker build .\n",
            "images/a/Dockerfile images/a\nDockerfile .",
        ),
        ("L = $(L)\nx:\n\tdocker build -t $(L) .\n", "Dockerfile . ${MAKE}"),
    ] {
        let found = make::read("Makefile".into(), text, &repository);
        assert_eq!(all(&found, &repository), expected, "{text}");
    }
}
