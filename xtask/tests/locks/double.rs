//! A program in pixi's place that notes how it is called. It solves nothing: what a manifest's comment says, it does.

use std::path::{Path, PathBuf};

use super::workspace::{Said, Workspace};

pub(crate) const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ "$1" = --version ]; then echo "pixi $(cat "$here/version")"; exit; fi
check=; dry=
for word; do
    case $word in
        --manifest-path=*) manifest=${word#*=} ;;
        --check) check=1 ;;
        --dry-run) dry=1 ;;
    esac
done
folder=$(dirname "$manifest")
name=$(basename "$folder")
echo "$name: $* cuda=$CONDA_OVERRIDE_CUDA" 2>/dev/null >> "$here/calls"
echo "begin $name" >> "$here/order"
sleep 0.1
lock=$folder/pixi.lock
nothing='{"version":1,"environment":{}}'
changed='{"version":1,"environment":{"default":{"linux-64":[{"name":"torch","before":{"conda":"https://c/linux-64/torch-2.5.1-h_0.conda"},"after":{"conda":"https://c/linux-64/torch-2.6.0-h_0.conda"},"type":"conda"}]}}}'
status=0
if grep -q '# broken' "$manifest"; then
    printf 'half a lo' > "$lock"
    echo "Error: no candidates were found for torch 9.*" >&2
    status=1
elif grep -q '# slow' "$manifest"; then
    printf 'half a lo' > "$lock"
    exec sleep 60
elif grep -q '# stale' "$manifest"; then
    # As pixi's own check does, it writes unless it is told not to.
    [ $dry ] || echo "- conda: https://c/linux-64/torch-2.6.0-h_0.conda" > "$lock"
    echo "$changed"
    [ $check ] && status=1
else
    touch "$lock"
    echo "$nothing"
fi
echo "end $name" >> "$here/order"
exit $status
"#;

/// The double, outside of the workspace.
pub(crate) struct Double {
    folder: tempfile::TempDir,
}

impl Double {
    pub(crate) fn new(version: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("pixi");
        std::fs::write(&program, SCRIPT).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("version"), version).unwrap();
        Self { folder }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("pixi")
    }

    /// `lock-update` with it.
    pub(crate) fn run(&self, workspace: &Workspace, args: &[&str]) -> Said {
        let program = self.program();
        let pixi = format!("--pixi={}", program.display());
        let mut all = vec!["lock-update", &pixi];
        all.extend(args);
        workspace.run(&all)
    }

    /// How it was called, sorted, without the folder of the workspace.
    pub(crate) fn calls(&self, root: &Path) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        let text = lines.into_iter().fold(String::new(), |text, line| text + line + "\n");
        text.replace(root.to_str().unwrap(), "ROOT")
    }

    pub(crate) fn order(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("order")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
