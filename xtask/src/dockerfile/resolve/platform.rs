//! The value of `FROM --platform=`, which may be an operating system or an architecture alone.
//! (`containerd/platforms`, `Parse`)

use crate::reference::Platform;

pub(super) fn parse(text: &str, build: &Platform) -> Result<Platform, String> {
    if text.is_empty() {
        return Err("--platform is empty".to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let full = match lower.as_str() {
        "linux" | "windows" | "darwin" | "freebsd" => {
            let variant = build.variant().map(|variant| format!("/{variant}")).unwrap_or_default();
            format!("{lower}/{}{variant}", build.arch())
        }
        "macos" => format!("darwin/{}", build.arch()),
        _ if is_architecture(&lower) => format!("{}/{lower}", build.os()),
        _ => lower,
    };
    full.parse::<Platform>()
        .map_err(|_| format!("{text:?} is no platform; write it as linux/amd64"))
}

fn is_architecture(text: &str) -> bool {
    matches!(
        text,
        "386"
            | "amd64"
            | "arm"
            | "arm64"
            | "ppc64"
            | "ppc64le"
            | "mips"
            | "mipsle"
            | "mips64"
            | "mips64le"
            | "riscv64"
            | "s390x"
            | "loong64"
            | "wasm"
            | "x86_64"
            | "x86-64"
            | "aarch64"
            | "armhf"
            | "armel"
            | "i386"
    )
}
