//! The tag schemes of three labs, exactly as their own documents give them.

use std::fmt::Write as _;

use expect_test::expect;

use crate::support::{Workspace, configured, workspace};

/// Image and tag, one a line.
fn tags(workspace: &Workspace, args: &[&str]) -> String {
    let json = workspace.json(&[&["tags", "--json"], args].concat());
    let mut text = String::new();
    for image in json["images"].as_array().unwrap() {
        for repository in image["repositories"].as_array().unwrap() {
            for tag in image["tags"].as_array().unwrap() {
                let moves = if tag["immutable"] == true { "" } else { " moves" };
                let name = tag["tag"].as_str().unwrap_or("?");
                writeln!(text, "{}:{name}{moves}", repository.as_str().unwrap()).unwrap();
            }
        }
    }
    text
}

#[test]
fn course_services_have_their_version_and_latest() {
    let toml = |name: &str| {
        format!(
            "name = \"clm-{name}\"\nversion = \"0.3.0\"\ntags = [\"{{{{ version }}}}\", \"latest\"]\n"
        )
    };
    let mut course = configured("registries = [\"docker.io/user\"]");
    for name in ["drawio-converter", "notebook-processor", "plantuml-converter"] {
        course = course.image(name, &toml(name), "FROM debian:13\n");
    }
    for channel in ["dev", "main", "release"] {
        expect![[r#"
            docker.io/user/clm-drawio-converter:0.3.0
            docker.io/user/clm-drawio-converter:latest moves
            docker.io/user/clm-notebook-processor:0.3.0
            docker.io/user/clm-notebook-processor:latest moves
            docker.io/user/clm-plantuml-converter:0.3.0
            docker.io/user/clm-plantuml-converter:latest moves
        "#]]
        .assert_eq(&tags(&course, &["--channel", channel]));
    }
    assert_eq!(tags(&course, &["--channel", "pr"]), "");
}

#[test]
fn a_platform_has_calendar_versions_from_git_tags() {
    let toml = "name = \"ml\"\nversion = { git-tag = \"v*\" }\n";
    let platform = workspace().image("ml-platform", toml, "FROM debian:13\n").committed();
    expect![[r#"
        ghcr.io/acme/ml:latest moves
        ghcr.io/acme/ml:sha-684f179
    "#]]
    .assert_eq(&tags(&platform, &["--channel", "main"]));
    assert_eq!(tags(&platform, &["--channel", "pr"]), "");
    // The tag alone makes it a release.
    let released = platform.git(&["tag", "v2026.2.0"]);
    expect![[r#"
        ghcr.io/acme/ml:2026.2.0
        ghcr.io/acme/ml:2026.2 moves
        ghcr.io/acme/ml:latest moves
        ghcr.io/acme/ml:sha-684f179
    "#]]
    .assert_eq(&tags(&released, &[]));
}

#[test]
fn a_pre_release_moves_nothing() {
    let toml = "version = { git-tag = \"v*\" }\n";
    let workspace = workspace().image("ml", toml, "FROM debian:13\n").committed();
    expect![[r#"
        ghcr.io/acme/ml:2026.3.0-rc.1
        ghcr.io/acme/ml:sha-e017ace
    "#]]
    .assert_eq(&tags(&workspace.git(&["tag", "v2026.3.0-rc.1"]), &[]));
}

/// A zero-padded date gives no tags at all elsewhere, silently.
#[test]
fn a_zero_padded_date_is_refused() {
    let padded = workspace().image("ml", "version = \"2026.03.05\"\n", "FROM debian:13\n");
    expect![[r#"
        error: ml/image.toml:1:11: the version "2026.03.05" has the zero-padded number "03", which versions do not have; write "2026.3.5"
        status 2
    "#]]
    .assert_eq(&padded.refused(&["tags", "--channel", "release"]));
    let toml = "version = { git-tag = \"v*\" }\n";
    let tagged = workspace().image("ml", toml, "FROM debian:13\n").committed();
    let tagged = tagged.git(&["tag", "v2026.03.05"]);
    expect![[r#"
        error: ml/image.toml:1:11: the git tag "v2026.03.05" of HEAD: the version "2026.03.05" has the zero-padded number "03", which versions do not have; write "2026.3.5"
          mend: give the commit a tag of that version instead
        status 2
    "#]].assert_eq(&tagged.refused(&["tags"]));
    // Another tag of the commit may be the version.
    assert!(tags(&tagged.git(&["tag", "v2026.3.5"]), &[]).contains(":2026.3.5\n"));
}

/// `[jlab-]X.Y.Z-(torch|tf)x.y-distro`.
#[test]
fn a_toolkit_names_its_framework_and_distribution() {
    let toml = r#"
version = { file = "pyproject.toml", key = "project.version" }
[facts]
distro = { os-release = "VERSION_CODENAME" }
[variants.torch]
default = true
tags = ["{{ version }}-{{ framework }}{{ fw }}-{{ distro }}"]
facts.framework = "torch"
facts.fw = { probe = ["python", "-c", "import torch; print(torch.__version__)"], match = '^(\d+\.\d+)' }
[variants.jlab]
tags = ["jlab-{{ version }}-{{ framework }}{{ fw }}-{{ distro }}"]
facts.framework = "torch"
facts.fw = "2.6"
[variants.tf]
tags = ["{{ version }}-{{ framework }}{{ fw }}-{{ distro }}"]
facts.framework = "tf"
facts.fw = "2.16"
facts.distro = "noble"
"#;
    let toolkit = workspace()
        .image("itwinai", toml, "FROM debian:13\n")
        .file("itwinai/pyproject.toml", "[project]\nversion = \"0.2.2\"\n");
    expect![[r#"
        image          tag                           repositories          from
        itwinai:jlab   jlab-0.2.2-torch2.6-<distro>  ghcr.io/acme/itwinai  jlab-{{ version }}-{{ framework }}{{ fw }}-{{ distro }} (itwinai/image.toml:11:9); <distro>: VERSION_CODENAME in /etc/os-release
        itwinai:tf     0.2.2-tf2.16-noble            ghcr.io/acme/itwinai  {{ version }}-{{ framework }}{{ fw }}-{{ distro }} (itwinai/image.toml:15:9)
        itwinai:torch  0.2.2-torch<fw>-<distro>      ghcr.io/acme/itwinai  {{ version }}-{{ framework }}{{ fw }}-{{ distro }} (itwinai/image.toml:7:9); <distro>: VERSION_CODENAME in /etc/os-release; <fw>: the probe `python -c "import torch; print(torch.__version__)"`
    "#]]
    .assert_eq(&toolkit.read(&["tags"]));
    let json = toolkit.json(&["tags", "--json"]);
    let torch = &json["images"][2]["tags"][0];
    assert_eq!(torch["tag"], serde_json::Value::Null);
    assert_eq!(torch["awaits"], serde_json::json!(["distro", "fw"]));
    assert_eq!(torch["immutable"], true);
}

#[test]
fn what_is_observed_serves_tags_only() {
    let with = |lines: &str| {
        let toml = format!("{lines}\n[facts]\ntorch = {{ probe = [\"x\"] }}\n");
        workspace().image("app", &toml, "FROM debian:13\n").refused(&["plan"])
    };
    expect![[r#"
        error: app/image.toml:1:16: the template "{{ torch }}": `torch` is read from the built image and can only serve tags
        status 2
    "#]]
    .assert_eq(&with("labels = { a = \"{{ torch }}\" }"));
    expect![[r#"
        error: app/image.toml:1:10: the argument A uses `torch`, which is read from the built image and can only serve tags
        status 2
    "#]]
    .assert_eq(&with("args.A = \"{{ torch }}\""));
}
