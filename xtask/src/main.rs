//! `cargo xtask`: see the library, `dockyard`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dockyard::main()
}
