//! Makes Dockerfiles out of what is hard to read in them.

use super::support::Random;

/// Images that the engine has while the test runs.
pub(crate) const POOL: &[&str] =
    &["dyr0", "dyr1:v2", "dyrorg/x:1", "docker.io/library/dyr2", "localhost:5999/dyr/y:z-1"];

/// Further names that a generated Dockerfile may turn out to mean.
pub(crate) const MORE: &[&str] = &[
    "dyr0:1", "dyr0:v2", "dyr0x", "dyr1", "dyr1:1", "s0", "s1", "s2", "s3", "build-x", "final",
    "context", "0", "1", "2", "3",
];

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) args: Vec<(String, String)>,
    pub(crate) target: Option<String>,
    pub(crate) contexts: Vec<String>,
}

const STAGES: &[&str] = &["s0", "s1", "S1", "s2", "build-x", "s3", "Final"];

pub(crate) fn case(seed: u64) -> Case {
    let mut make = Make {
        random: Random::new(seed),
        escape: '\\',
        text: String::new(),
        stage: 0,
        names: Vec::new(),
    };
    let top = make.random.below(8);
    if top == 0 {
        make.text.push_str(make.random.of(&[
            "# escape=`\n",
            "#ESCAPE = `\n# check=skip=all\n",
            " # escape=`\n",
        ]));
        make.escape = '`';
    } else if top == 1 {
        let line = make.random.of(&[
            "\n# escape=`\n",
            "# x\n# escape=`\n",
            "# escape=\\\n",
            "# unknown=1\n",
        ]);
        make.text.push_str(line);
    }
    make.globals();
    let stages = 1 + make.random.below(5);
    for stage in 0..stages {
        make.stage(stage);
    }
    make.stage = stages;
    let target = (make.random.below(3) == 0).then(|| make.earlier().to_owned());
    let mut args = Vec::new();
    for (name, value) in [("A", "dyr0"), ("B", "v2"), ("C", "1"), ("E", "")] {
        if make.random.below(2) == 0 {
            args.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut text = make.text;
    if make.random.below(10) == 0 {
        text = text.replace('\n', "\r\n");
    }
    if make.random.below(12) == 0 {
        text.insert(0, '\u{feff}');
    }
    Case { name: format!("generated {seed}"), text, args, target, contexts: Vec::new() }
}

struct Make {
    random: Random,
    escape: char,
    text: String,
    /// The stage in the making, and the names of those before it.
    stage: usize,
    names: Vec<&'static str>,
}

impl Make {
    /// Mostly a stage that is there.
    fn earlier(&mut self) -> &'static str {
        if self.names.is_empty() || self.random.below(12) == 0 {
            return self.random.of(STAGES);
        }
        let names = self.names.clone();
        self.random.of(&names)
    }

    fn line(&mut self, line: &str) {
        if self.random.below(12) == 0 {
            self.text.push_str(self.random.of(&["# FROM nothing\n", "\n", "   \n", "  # x\n"]));
        }
        let broken = line.rfind(' ').filter(|_| self.random.below(5) == 0 && !line.contains("<<"));
        if let Some(at) = broken {
            let between = self.random.of(&["", "", "# comment \\\n", "\n", "   # comment\n\n"]);
            let blank = self.random.of(&["", " ", "\t "]);
            let indent = self.random.of(&["", "  "]);
            let (head, tail) = (&line[..at], &line[at..]);
            let escape = self.escape;
            for part in [
                head,
                " ",
                escape.encode_utf8(&mut [0; 4]),
                blank,
                "\n",
                between,
                indent,
                tail,
                "\n",
            ] {
                self.text.push_str(part);
            }
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn globals(&mut self) {
        for _ in 0..self.random.below(5) {
            let line = self.random.of(&[
                "ARG A=dyr0",
                "ARG B=v2",
                "ARG C",
                "ARG A=dyr1 B=\"v2\"",
                "arg C='1'",
                "ARG B=${C:+v2}",
                "ARG A=${A:-dyr0}",
                "ARG E=",
                "ARG D=$A",
                "ARG D=${A%%1*}0",
                "ARG B=v${N:-2}",
                "ARG C=${TARGETARCH:+1}",
                "ARG F=\"dyrorg/x\":1",
                "ARG D=\\dyr0",
                "ARG E=\"\"",
                "ARG F=${A/r?/r0}",
                "ARG F=${F:-${A:-dyr0}}",
                "ARG B=${B-v2}",
                "ARG C=${U}1",
                "ARG A=$E${E}dyr0",
            ]);
            self.line(line);
        }
    }

    fn stage(&mut self, index: usize) {
        self.stage = index;
        let mut from = (*self.random.of(&["FROM", "FROM", "from", "From"])).to_owned();
        if self.random.below(4) == 0 {
            from.push_str(self.random.of(&[
                " --platform=$BUILDPLATFORM",
                " --platform=linux/arm64",
                " --platform=${TARGETPLATFORM}",
                " --platform=arm64",
                " --platform=${NONE:-linux/arm64}",
                " --platform=linux",
                " --platform=${TARGETOS}/${TARGETARCH}",
                " --platform=\"linux/amd64\"",
            ]));
        }
        from.push(' ');
        let base = match self.random.below(8) {
            0..=2 => self.random.of(POOL),
            3 | 4 if index > 0 => {
                &if self.random.below(20) == 0 {
                    self.earlier().to_owned()
                } else {
                    self.earlier().to_lowercase()
                }
            }
            5 => "scratch",
            6 if self.random.below(6) == 0 => {
                self.random.of(&["$U", "${A:?no}", "${U:?no}", "Dyr0", "dyr0:", "dyr{0", "${A"])
            }
            _ => self.random.of(&[
                "${A-dyr0}",
                "${A:-s0}",
                "dyr1:${B:-v2}",
                "dyrorg/x:${C:-1}",
                "${A:-dyr0}",
                "\"${A:-dyr0}\"",
                "dyr0${E-}",
                "dyr0${E:+x}",
                "dyr${U:-0}",
                "${D:-dyr1}",
                "${F:-dyr0}",
                "dyr${TARGETARCH/amd64/0}",
                "s${C:-1}",
                "${TARGETSTAGE:+dyr0}",
                "${TARGETOS#linux}dyr0",
                "dyr'0'",
                "dyr\\0",
                "dyr${BUILDVARIANT}0",
                "${TARGETOS+dyr0}",
                "${A:-dyr1}:v2",
                "dyr${C-1}:${B:-v2}",
            ]),
        };
        from.push_str(base);
        let mut name = None;
        if self.random.below(4) != 0 {
            from.push_str(self.random.of(&[" AS ", " as ", " As  "]));
            let chosen = self.random.of(STAGES);
            name = Some(chosen);
            from.push_str(if self.random.below(60) == 0 {
                self.random.of(&["1x", "s$A", "s-", "ä", "x y"])
            } else {
                chosen
            });
        }
        self.line(&from);
        for _ in 0..self.random.below(6) {
            self.instruction();
        }
        self.names.extend(name);
    }

    fn source(&mut self) -> String {
        match self.random.below(10) {
            0..=3 => self.earlier().to_owned(),
            4 | 5 if self.stage > 0 => self.random.below(self.stage).to_string(),
            6..=8 => (*self.random.of(POOL)).to_owned(),
            _ if self.random.below(8) != 0 => {
                (*self.random.of(&["scratch", "context", "S0", "dyr0:1"])).to_owned()
            }
            _ => (*self
                .random
                .of(&["$A", "scratch", "'s0'", "s\\0", "-1", "01", "x$", "9", "context"]))
            .to_owned(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a list of instructions")]
    fn instruction(&mut self) {
        let source = self.source();
        let mut line = match self.random.below(14) {
            0..=3 => {
                let form = self.random.of(&[
                    "COPY --from=@ /a /b",
                    "copy --link --from=@ a b c/",
                    "COPY --from=\"@\" [\"a b\", \"/c\"]",
                    "COPY --chown=1 --from=@ a /",
                    "COPY --from=@ --exclude=*.x a /",
                    "COPY a --from=@ /",
                    "COPY --from=@ <<E a /\nFROM x\nE",
                    "COPY  --from=@\ta\tb",
                ]);
                form.replace('@', &source)
            }
            4 | 5 => {
                let form = self.random.of(&[
                    "RUN --mount=from=@,target=/x true",
                    "RUN --mount=type=cache,target=/c --mount=type=bind,from=@,dst=/x true",
                    "RUN --mount=type=secret,id=x --network=none true",
                    "RUN --mount=\"from=@,target=/x\" [\"true\"]",
                    "RUN --mount=type=cache,target=/c,FROM=@ <<E\nFROM y\nE",
                    "RUN --mount=type=${TARGETOS:+bind}bind,target=/q,from=@ x",
                    "RUN --mount=target=/x,from=@,source=/y,rw true",
                ]);
                form.replace('@', &source)
            }
            6 | 7 => {
                let form = self.random.of(&[
                    "ONBUILD COPY --from=@ /a /b",
                    "ONBUILD RUN --mount=from=@,target=/x true",
                    "onbuild ARG Q=1",
                    "ONBUILD COPY --from=@ <<E /x\nFROM z\nE",
                    "ONBUILD RUN <<E cat\nx\nE",
                    "ONBUILD LABEL a=$A",
                    "ONBUILD RUN --mount=from=@,target=/x <<-E\n\tb\n\tE",
                ]);
                form.replace('@', &source)
            }
            8..=10 => (*self.random.of(&[
                "RUN <<EOF\nFROM a\nCOPY --from=b c d\nEOF",
                "RUN cat <<A <<-\"B\" > /x\nFROM a\nA\nFROM b\n\tB",
                "RUN echo \"<<EOF\"",
                "RUN echo it's <<EOF",
                "RUN x 3<<EOF\n\\\nEOF",
                "RUN [\"x\", \"<<EOF\"]",
                "RUN << EOF\nx\nEOF",
                "COPY <<a <<'b' /x/\n$A\na\n$U\nb",
                "RUN cat <<<EOF",
                "RUN x <<$A\nFROM z\n$A",
                "RUN x \\<<EOF",
                "RUN cat <<EOF\nx\n EOF\nEOF \nEOF",
                "ADD <<E /x\n${A}\nE",
                "RUN <<E\nE",
            ]))
            .to_owned(),
            _ => (*self.random.of(&[
                "ARG A",
                "ARG C=${B:-x}",
                "ENV X=$A Y=\"a b\" Z=a\\ b",
                "ENV OLD some $A thing",
                "LABEL a=b \"c d\"=e",
                "LABEL $A=x",
                "WORKDIR /a/$B",
                "USER ${U:-1}",
                "CMD [\"a\"]",
                "CMD a && b",
                "ENTRYPOINT []",
                "EXPOSE 80 ${P:-90}/tcp",
                "VOLUME /a /b",
                "VOLUME [\"/a\"]",
                "SHELL [\"/bin/x\", \"-c\"]",
                "HEALTHCHECK --interval=5s CMD x",
                "HEALTHCHECK NONE",
                "STOPSIGNAL 9",
                "MAINTAINER someone",
                "ADD x /y",
                "COPY x /y",
                "ARG --flag A",
                "RUN x\\\\",
                "RUN x \\\n\n# y\n z",
                "VOLUME a",
            ]))
            .to_owned(),
        };
        if self.random.below(40) == 0 {
            line = (*self.random.of(&[
                "ENV A",
                "LABEL",
                "COPY x",
                "RUN --unknown x",
                "FROMM x",
                "WORKDIR \"/a",
                "ENV A=${A:?}",
                "LABEL x='a",
                "COPY --from x y",
                "RUN --mount=type=foo x",
                "CMD [\"a\", 1]",
                "HEALTHCHECK X",
                "ONBUILD FROM x",
                "ONBUILD ONBUILD RUN x",
                "ONBUILD MAINTAINER x",
                "ARG =x",
                "USER a b",
                "USER",
                "COPY --link=maybe a b",
                "ENV A=1 B",
                "SHELL a",
                "ARG A=\"x",
                "COPY x <<E",
                "STOPSIGNAL",
                "VOLUME",
            ]))
            .to_owned();
        }
        if self.escape == '`' {
            line = line.replace('\\', "`");
        }
        self.line(&line);
    }
}
