//! A base of a foreign platform, made from Debian's archive by native programs.
//!
//! Emulated, `dpkg` takes ten minutes to set up what it natively does in twenty seconds. What packages' scripts make
//! (users, links, certificates, dpkg's own records) is the same on every platform: it is taken from a native base, and
//! each package's files from the foreign package. What is built on it is emulated as on any other base.

use dockyard::reference::Platform;
use sha2::{Digest as _, Sha256};

use super::engines::{self, TestEngine};
use super::lab::succeed;

const DOCKERFILE: &str = r#"
FROM --platform=$BUILDPLATFORM NATIVE AS native
RUN PREPARE
ARG TARGETARCH
RUN dpkg --add-architecture $TARGETARCH && apt-get update && mkdir /debs && cd /debs \
    && own=$(dpkg --print-architecture) \
    && apt-get download $(dpkg-query -W -f '${Package}:${Architecture}\n' | sed "s/:$own\$/:$TARGETARCH/; s/:all\$//")
RUN mkdir /target && tar -C / --one-file-system --exclude=./target --exclude=./debs --exclude='./usr/lib/*-linux-gnu' \
        --exclude=./usr/lib64 --exclude=./var/lib/apt/lists --exclude=./etc/ld.so.cache -c . | tar -C /target -x \
    && for package in /debs/*.deb; do dpkg-deb -x "$package" /target || exit; done \
    && own=$(dpkg --print-architecture) && cd /target/var/lib/dpkg && rm -f arch \
    && sed -i "s/^Architecture: $own\$/Architecture: $TARGETARCH/" status \
    && for file in info/*:"$own".*; do mv "$file" "$(echo "$file" | sed "s/:$own\./:$TARGETARCH./")"; done \
    && mkdir -p /target/var/lib/apt/lists/partial
FROM scratch
COPY --from=native /target /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["bash"]
"#;

/// The name of a base for `platform`, like the native image `native` after the command `prepare`, which may leave nothing
/// behind that is of one platform only. Made once an engine.
pub(crate) fn base(test: &TestEngine, native: &str, prepare: &str, platform: &Platform) -> String {
    let dockerfile = DOCKERFILE.replace("NATIVE", native).replace("PREPARE", prepare);
    let hash = Sha256::digest(&dockerfile);
    let hash = hash.iter().take(6).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let name = format!("dockyard.invalid/crossed:{}-{hash}", platform.slug());
    engines::locked("crossed", || {
        if test.engine.image(&name).unwrap().is_some() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), &dockerfile).unwrap();
        let mut build = test.command("docker");
        build.args(["buildx", "build", "--builder=default", "--provenance=false"]);
        build.args([&format!("--platform={platform}"), "--tag", &name]);
        succeed(build.arg(folder.path())).unwrap();
    });
    name
}
