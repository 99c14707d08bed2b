//! What `list`, `graph`, `tags` and `plan` show.

use expect_test::expect;

use crate::support::{Workspace, configured, find, workspace};

fn course() -> Workspace {
    configured("registries = [\"ghcr.io/acme\", \"docker.io/acme\"]\nversion = \"0.3.0\"")
        .image("base", "description = \"What all have\"", "FROM debian:trixie-slim\n")
        .image(
            "notebook",
            "
            name = \"clm-notebook\"
            platforms = [\"linux/amd64\"]
            [variants.lite]
            default = true
            [variants.full]
            ",
            "FROM node:22 AS web\nFROM ghcr.io/acme/base\nCOPY --from=web /x /x\n",
        )
        .image(
            "docs",
            "tags = { main = [\"latest\"], release = [\"{{ version }}\"] }",
            "FROM scratch\nCOPY --from=acme/clm-notebook / /\n",
        )
        .committed()
}

#[test]
fn list() {
    let course = course();
    expect![[r#"
        image          version  platforms    folder    description
        base           0.3.0    linux/amd64  base      What all have
        docs           0.3.0    linux/amd64  docs
        notebook:full  0.3.0    linux/amd64  notebook
        notebook:lite  0.3.0    linux/amd64  notebook
    "#]]
    .assert_eq(&course.read(&["list"]));
    let json = course.json(&["list", "--json"]);
    assert_eq!(json["version"], 1);
    expect![[r#"
        {
          "context": "base",
          "description": "What all have",
          "dockerfile": "base/Dockerfile",
          "folder": "base",
          "id": "base",
          "name": "base",
          "parents": [],
          "platforms": [
            "linux/amd64"
          ],
          "publish": true,
          "repositories": [
            "ghcr.io/acme/base",
            "docker.io/acme/base"
          ],
          "variant": null,
          "version": "0.3.0"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", json["images"][0]));
}

#[test]
fn the_graph_in_four_forms() {
    let course = course();
    expect![[r#"
        debian:trixie-slim
        └── base
            ├── notebook:full
            └── notebook:lite
                └── docs
        node:22
        ├── notebook:full
        └── notebook:lite (above)
    "#]]
    .assert_eq(&course.read(&["graph"]));
    expect![[r#"
        flowchart TD
            base0(["debian:trixie-slim"])
            base1(["node:22"])
            image0["base"]
            image1["notebook:full"]
            image2["notebook:lite"]
            image3["docs"]
            base0 --> image0
            base1 --> image1
            image0 --> image1
            base1 --> image2
            image0 --> image2
            image2 -. "COPY --from" .-> image3
    "#]]
    .assert_eq(&course.read(&["graph", "--format", "mermaid"]));
    expect![[r#"
        digraph images {
            rankdir = TB;
            node [shape = box];
            base0 [label = "debian:trixie-slim", style = dashed];
            base1 [label = "node:22", style = dashed];
            image0 [label = "base"];
            image1 [label = "notebook:full"];
            image2 [label = "notebook:lite"];
            image3 [label = "docs"];
            base0 -> image0;
            base1 -> image1;
            image0 -> image1;
            base1 -> image2;
            image0 -> image2;
            image2 -> image3 [style = dashed, label = "COPY --from"];
        }
    "#]]
    .assert_eq(&course.read(&["graph", "--format", "dot"]));
    let json = course.json(&["graph", "--format", "json"]);
    assert_eq!(json, course.json(&["graph", "--json"]));
    expect![[r#"
        {
          "external": [
            {
              "digest": null,
              "note": null,
              "platforms": [
                "linux/amd64"
              ],
              "reference": "docker.io/library/node:22",
              "via": "FROM"
            }
          ],
          "id": "notebook",
          "parents": [
            {
              "id": "base",
              "reference": "ghcr.io/acme/base",
              "variant": null,
              "via": "FROM"
            }
          ],
          "variant": "full"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", json["images"][1]));
}

#[test]
fn tags_of_every_channel() {
    let course = course();
    expect![[r#"
        image          tag       repositories                                 from
        base           dev       ghcr.io/acme/base acme/base                  dev (Cargo.toml:4:11)
        notebook:full  dev-full  ghcr.io/acme/clm-notebook acme/clm-notebook  dev-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  dev       ghcr.io/acme/clm-notebook acme/clm-notebook  dev (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags"]));
    expect![[r#"
        image          tag               repositories                                 from
        base           latest            ghcr.io/acme/base acme/base                  latest (Cargo.toml:4:11)
        base           sha-00b53a8       ghcr.io/acme/base acme/base                  sha-{{ sha }} (Cargo.toml:4:11)
        docs           latest            ghcr.io/acme/docs acme/docs                  latest (docs/image.toml:1:18)
        notebook:full  full              ghcr.io/acme/clm-notebook acme/clm-notebook  {{ variant }} (Cargo.toml:4:11)
        notebook:full  sha-00b53a8-full  ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }}-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  latest            ghcr.io/acme/clm-notebook acme/clm-notebook  latest (Cargo.toml:4:11)
        notebook:lite  sha-00b53a8       ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }} (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags", "--channel", "main"]));
    expect![[r#"
        image          tag               repositories                                 from
        notebook:full  0.3.0-full        ghcr.io/acme/clm-notebook acme/clm-notebook  {{ version }}-{{ variant }} (Cargo.toml:4:11)
        notebook:full  0.3-full          ghcr.io/acme/clm-notebook acme/clm-notebook  {{ major }}.{{ minor }}-{{ variant }} (Cargo.toml:4:11)
        notebook:full  full              ghcr.io/acme/clm-notebook acme/clm-notebook  {{ variant }} (Cargo.toml:4:11)
        notebook:full  sha-00b53a8-full  ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }}-{{ variant }} (Cargo.toml:4:11)
        notebook:lite  0.3.0             ghcr.io/acme/clm-notebook acme/clm-notebook  {{ version }} (Cargo.toml:4:11)
        notebook:lite  0.3               ghcr.io/acme/clm-notebook acme/clm-notebook  {{ major }}.{{ minor }} (Cargo.toml:4:11)
        notebook:lite  latest            ghcr.io/acme/clm-notebook acme/clm-notebook  latest (Cargo.toml:4:11)
        notebook:lite  sha-00b53a8       ghcr.io/acme/clm-notebook acme/clm-notebook  sha-{{ sha }} (Cargo.toml:4:11)
    "#]].assert_eq(&course.read(&["tags", "notebook", "--channel", "release"]));
    assert_eq!(course.read(&["tags", "--channel", "pr"]).lines().count(), 1);
    // At a version tag, nobody has to say that this is a release.
    let tagged = course.git(&["tag", "v0.3.0"]);
    assert_eq!(tagged.json(&["tags", "--json"])["channel"], "release");
}

#[test]
fn tags_from_what_is_not_known_yet() {
    let toml = "
        version = \"1.2.0-rc.1\"
        tags = [\"{{ version }}-{{ distro }}\", \"{{ torch }}\", \"{{ base_name }}\"]
        facts.torch = \"2.5.1+cu118\"
        facts.distro = { os-release = \"ID\" }
    ";
    let workspace = workspace().image("app", toml, "FROM debian:13\n");
    expect![[r#"
        image  tag                          repositories      from
        app    1.2.0-rc.1-<distro>          ghcr.io/acme/app  {{ version }}-{{ distro }} (app/image.toml:3:17); <distro>: ID in /etc/os-release
        app    2.5.1-cu118                  ghcr.io/acme/app  {{ torch }} (app/image.toml:3:47)
        app    docker.io-library-debian-13  ghcr.io/acme/app  {{ base_name }} (app/image.toml:3:62)
    "#]].assert_eq(&workspace.read(&["tags"]));
}

#[test]
fn the_plan_without_an_engine() {
    let course = course();
    let said = course.run(&["plan"]);
    assert_eq!(said.status, 0);
    assert!(
        said.stderr.starts_with("note: no engine was asked what it holds: "),
        "{}",
        said.stderr
    );
    expect![[r#"
        build base           never built here
        build notebook:full  never built here
        build notebook:lite  never built here
        build docs           never built here
        note: not locked, each as old as the last build that fetched it: debian:trixie-slim (base), node:22 (notebook:full, notebook:lite); `cargo xtask lock-update` locks them, --pull fetches them anew
        4 to build, 0 up to date
    "#]]
    .assert_eq(&said.stdout);
    let plan = course.plan();
    let mut keys: Vec<&String> = find(&plan, "base").as_object().unwrap().keys().collect();
    keys.sort();
    // The contract's fields; more may follow, none may go.
    for field in [
        "id",
        "variant",
        "folder",
        "name",
        "repositories",
        "context",
        "dockerfile",
        "target",
        "platforms",
        "args",
        "parents",
        "external",
        "inputs",
        "key",
        "keys",
        "tags",
        "action",
        "reasons",
        "last_seconds",
        "command",
    ] {
        assert!(keys.iter().any(|key| *key == field), "{field}");
    }
    assert_eq!(find(&plan, "base")["command"][0], "docker");
}
