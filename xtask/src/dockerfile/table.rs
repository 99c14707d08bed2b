//! Every instruction, flag and mount key that BuildKit knows, each with what it means for the key of an image.
//!
//! Read from BuildKit's `command.Commands`, the flags that `instructions/*.go` register, and `parseMount`.

/// What an instruction or flag can make a build depend on, at its widest. Ordered: the wider, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Its own text, values, and exactly the paths and images that it names.
    Exact,
    /// Any file of the context.
    WholeContext,
    /// Something that can change without any input changing.
    AlwaysStale,
}

/// How a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `--flag` or `--flag=true|false`, once.
    Bool,
    /// `--flag=value`, once.
    Text,
    /// `--flag=value`, as often as one likes.
    Texts,
}

/// A flag of an instruction, without its dashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    pub form: Form,
    pub class: Class,
}

/// An instruction that the reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub keyword: &'static str,
    pub flags: &'static [Flag],
    /// Without its flags, where every variable in it is known.
    pub class: Class,
    /// Whether BuildKit looks at its flags at all (`ARG --x Y` is not refused).
    pub checks_flags: bool,
}

const fn flag(name: &'static str, form: Form) -> Flag {
    Flag { name, form, class: Class::Exact }
}

const fn known(keyword: &'static str, flags: &'static [Flag]) -> Known {
    Known { keyword, flags, class: Class::Exact, checks_flags: true }
}

const fn unchecked(keyword: &'static str) -> Known {
    Known { keyword, flags: &[], class: Class::Exact, checks_flags: false }
}

/// Every instruction. `ADD` is the one that can be always stale: of a URL or a git repository, without a checksum or
/// a commit. The flags that take files from elsewhere (`--from`, `--mount`) name what they take, and are exact.
pub const INSTRUCTIONS: &[Known] = &[
    Known {
        keyword: "ADD",
        flags: &[
            flag("chown", Form::Text),
            flag("chmod", Form::Text),
            flag("link", Form::Bool),
            flag("keep-git-dir", Form::Bool),
            flag("checksum", Form::Text),
            flag("unpack", Form::Bool),
            flag("exclude", Form::Texts),
        ],
        class: Class::AlwaysStale,
        checks_flags: true,
    },
    unchecked("ARG"),
    known("CMD", &[]),
    known(
        "COPY",
        &[
            flag("chown", Form::Text),
            flag("from", Form::Text),
            flag("chmod", Form::Text),
            flag("link", Form::Bool),
            flag("exclude", Form::Texts),
            flag("parents", Form::Bool),
        ],
    ),
    known("ENTRYPOINT", &[]),
    known("ENV", &[]),
    known("EXPOSE", &[]),
    known("FROM", &[flag("platform", Form::Text)]),
    known(
        "HEALTHCHECK",
        &[
            flag("interval", Form::Text),
            flag("timeout", Form::Text),
            flag("start-period", Form::Text),
            flag("start-interval", Form::Text),
            flag("retries", Form::Text),
        ],
    ),
    known("LABEL", &[]),
    known("MAINTAINER", &[]),
    known("ONBUILD", &[]),
    known(
        "RUN",
        &[
            flag("mount", Form::Texts),
            flag("network", Form::Text),
            flag("security", Form::Text),
            flag("device", Form::Texts),
        ],
    ),
    known("SHELL", &[]),
    unchecked("STOPSIGNAL"),
    known("USER", &[]),
    known("VOLUME", &[]),
    known("WORKDIR", &[]),
];

/// The keys of `RUN --mount=`, and what each can make a build depend on.
pub const MOUNT_KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

/// The types of `RUN --mount=type=`. Only `bind` reads the build context.
pub const MOUNT_TYPES: &[&str] = &["bind", "cache", "tmpfs", "secret", "ssh"];

pub(super) fn find(keyword: &str) -> Option<&'static Known> {
    INSTRUCTIONS.iter().find(|known| known.keyword.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::super::{Command, Dockerfile};
    use super::*;

    /// BuildKit 0.25 and 0.31: `command/command.go`, and the flags registered in `instructions/*.go`.
    const BUILDKIT: &str = "ADD chown chmod link keep-git-dir checksum unpack exclude|ARG|CMD|\
        COPY chown from chmod link exclude parents|ENTRYPOINT|ENV|EXPOSE|FROM platform|\
        HEALTHCHECK interval timeout start-period start-interval retries|LABEL|MAINTAINER|ONBUILD|\
        RUN mount network security device|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR";

    #[test]
    fn every_instruction_and_flag_of_buildkit_is_here() {
        let ours: Vec<String> = INSTRUCTIONS
            .iter()
            .map(|known| {
                let names = known.flags.iter().map(|flag| flag.name);
                std::iter::once(known.keyword).chain(names).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(ours.join("|"), BUILDKIT);
    }

    #[test]
    fn every_instruction_and_flag_is_handled() {
        for known in INSTRUCTIONS {
            let rest = match known.keyword {
                "ADD" | "COPY" | "ENV" | "LABEL" => "a=b c=d",
                "SHELL" => "[\"a\"]",
                "HEALTHCHECK" => "CMD x",
                "ONBUILD" => "RUN x",
                _ => "x",
            };
            for flag in std::iter::once(None).chain(known.flags.iter().map(Some)) {
                let value = match flag.map(|flag| flag.name) {
                    Some("network") => "none",
                    Some("security") => "sandbox",
                    Some("mount") => "target=/x",
                    _ => "1",
                };
                let flag = match flag {
                    None => String::new(),
                    Some(Flag { name, form: Form::Bool, .. }) => format!("--{name}"),
                    Some(Flag { name, .. }) => format!("--{name}={value}"),
                };
                let text = format!("FROM a\n{} {flag} {rest}", known.keyword);
                let file = Dockerfile::parse(Utf8Path::new("D"), &text).unwrap();
                assert!(file.instructions()[1].command != Command::Unknown, "{text}");
                assert!(file.instructions()[1].unknown_flags.is_empty(), "{text}");
            }
        }
    }
}
