//! The three services really convert: every case of `services/*/tests/cases.toml`, with `docker run`.
//!
//! They are built first, as `cargo xtask build --setup` builds them; a second build, after a change in the shared
//! package, must not install anything again.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests, their shared functions too")]

#[path = "support/engines.rs"]
mod engines;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use engines::TestEngine;
use serde::Deserialize;
use tempfile::TempDir;

const SERVICES: [&str; 3] = ["notebook-processor", "plantuml-converter", "drawio-converter"];

/// What a restrictive cluster gives a container: some user, no root file system to write, no network.
const LOCKED_DOWN: [&str; 10] = [
    "--user",
    "54321:54321",
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--network",
    "none",
    "--cap-drop",
    "ALL",
    "--security-opt=no-new-privileges",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    input: String,
    output: String,
    #[serde(default)]
    args: Vec<String>,
    /// Texts that the output holds.
    #[serde(default)]
    contains: Vec<String>,
    /// The least width and height of a PNG.
    pixels: Option<[u32; 2]>,
    /// The exit status.
    #[serde(default)]
    status: i32,
    /// What standard error holds.
    #[serde(default)]
    message: String,
}

impl Case {
    fn format(&self) -> &str {
        Path::new(&self.output).extension().and_then(|it| it.to_str()).expect("an extension")
    }
}

#[test]
fn notebook_processor_converts() {
    converts("notebook-processor");
}

#[test]
fn plantuml_converter_converts() {
    converts("plantuml-converter");
}

#[test]
fn drawio_converter_converts() {
    converts("drawio-converter");
}

#[test]
fn no_service_runs_as_root() {
    for service in wanted() {
        let image = image(service);
        let user = docker(&["image", "inspect", "--format", "{{.Config.User}}", &image]);
        assert_eq!(text(&user.stdout).trim(), "1000:1000", "{image}");
        let id = docker(&["run", "--rm", &image, "id", "-u"]);
        assert_eq!(text(&id.stdout).trim(), "1000", "{image}");
    }
}

#[test]
fn every_service_works_for_any_user_in_a_locked_down_container() {
    for service in wanted() {
        let case = &cases(service)[0];
        let image = image(service);
        let command = [
            &["run", "--rm", "-i"],
            &LOCKED_DOWN[..],
            &[&image, "convert", "-", "-", "--to", case.format()],
        ]
        .concat();
        let source = fs::read(input(service, case)).unwrap();
        let done = run(&command, &source);
        assert!(done.status.success(), "{image}: {}", text(&done.stderr));
        check_content(&format!("{service}: stdin to {}", case.format()), case, &done.stdout);
    }
}

#[test]
fn a_folder_that_the_user_may_not_write_is_explained() {
    for service in wanted() {
        let data = TempDir::new().unwrap();
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let owner = fs::metadata(data.path()).unwrap().uid();
        if owner == 1000 {
            println!("not run for {service}: we are the image's own user");
            continue;
        }
        let done = convert(service, data.path(), &cases(service)[0]);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{errors}");
        assert!(errors.contains(&format!("/data belongs to {owner}:")), "{errors}");
        assert!(errors.contains("with mode 700, and this runs as 1000:1000"), "{errors}");
        let mend = if owner == 0 { "chown 1000:1000 DIR" } else { &format!("--user {owner}:") };
        assert!(errors.contains(mend), "{errors}");
    }
}

#[test]
fn every_service_answers_over_http() {
    for service in wanted() {
        let case = &cases(service)[0];
        let server = Server::start(service);

        let (status, body) = server.request("GET", "/health", &[]);
        let health: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(
            (&health["status"], &health["service"]),
            (&"ok".into(), &image_name(service).into())
        );

        // Two at once, so that they could disturb each other.
        let source = fs::read(input(service, case)).unwrap();
        let path = format!("/convert?to={}", case.format());
        thread::scope(|scope| {
            let answers = [(); 2].map(|()| scope.spawn(|| server.request("POST", &path, &source)));
            for answer in answers {
                let (status, body) = answer.join().unwrap();
                assert_eq!(status, 200, "{service}: {}", text(&body));
                check_content(&format!("{service}: POST {path}"), case, &body);
            }
        });

        let (status, body) = server.request("POST", &path, b"neither of them");
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &error["error"]["kind"]), (422, &"input".into()), "{service}");
        let (status, _) = server.request("POST", "/convert?to=docx", b"x");
        assert_eq!(status, 400, "{service}");
    }
}

/// Makes every conversion of `service`'s table.
fn converts(service: &str) {
    if !wanted().contains(&service) {
        return;
    }
    // The images' user may write here.
    let data = TempDir::new().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for case in cases(service) {
        let what = format!("{service}: {} {:?} to {}", case.input, case.args, case.output);
        let done = convert(service, data.path(), &case);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(case.status), "{what}: {errors}");
        assert!(errors.contains(&case.message), "{what}: {errors}");
        let output = data.path().join(&case.output);
        assert_eq!(output.exists(), case.status == 0, "{what}: {errors}");
        if case.status == 0 {
            check_content(&what, &case, &fs::read(output).unwrap());
        }
    }
}

/// `docker run --rm -v DIR:/data IMAGE convert /data/IN /data/OUT`, as the READMEs show it.
fn convert(service: &str, data: &Path, case: &Case) -> Output {
    fs::copy(input(service, case), data.join(&case.input)).unwrap();
    let (mount, image) = (format!("{}:/data", data.display()), image(service));
    let (from, to) = (format!("/data/{}", case.input), format!("/data/{}", case.output));
    let mut command =
        vec!["run", "--rm", "--network", "none", "-v", &mount, &image, "convert", &from, &to];
    command.extend(case.args.iter().map(String::as_str));
    run(&command, &[])
}

fn check_content(what: &str, case: &Case, content: &[u8]) {
    if case.format() == "png" {
        let [width, height] = png_size(content).unwrap_or_else(|| panic!("{what}: not a PNG"));
        let [least_width, least_height] = case.pixels.expect("a PNG's case says how large it is");
        assert!(width >= least_width && height >= least_height, "{what}: {width} x {height}");
        // An empty picture packs to far less.
        let least = 1000 + u64::from(width) * u64::from(height) / 200;
        assert!(content.len() as u64 > least, "{what}: {} bytes", content.len());
        return;
    }
    let content = std::str::from_utf8(content).unwrap_or_else(|error| panic!("{what}: {error}"));
    let shown = match case.format() {
        "svg" => svg_text(what, content),
        _ => content.to_owned(),
    };
    for wanted in &case.contains {
        assert!(shown.contains(wanted.as_str()), "{what}: no {wanted:?} in\n{shown:.2000}");
    }
}

/// All the text of an SVG, which must be well formed and show something.
fn svg_text(what: &str, content: &str) -> String {
    let document =
        roxmltree::Document::parse(content).unwrap_or_else(|error| panic!("{what}: {error}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"), "{what}");
    let drawn = ["path", "rect", "ellipse", "polygon", "line", "circle"];
    let shapes = root.descendants().filter(|node| drawn.contains(&node.tag_name().name())).count();
    assert!(shapes > 3, "{what}: {shapes} shapes");
    let words: Vec<_> = root.descendants().filter_map(|node| node.text()).collect();
    words.join("\n").replace('\u{a0}', " ")
}

/// Width and height from a PNG's first chunk (PNG specification, 11.2.2).
fn png_size(content: &[u8]) -> Option<[u32; 2]> {
    let header = content.strip_prefix(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    content.ends_with(b"IEND\xaeB\x60\x82").then_some([number(0)?, number(4)?])
}

/// A running `serve`, which is removed when this is dropped.
struct Server {
    container: String,
    address: String,
}

impl Server {
    fn start(service: &str) -> Server {
        let started = docker(&["run", "-d", "-p", "127.0.0.1::8000", &image(service)]);
        let mut server =
            Server { container: text(&started.stdout).trim().to_owned(), address: String::new() };
        let port = docker(&["port", &server.container, "8000/tcp"]);
        text(&port.stdout).trim().clone_into(&mut server.address);
        let end = Instant::now() + Duration::from_mins(1);
        while server.try_request("GET", "/health", &[]).is_none() {
            assert!(Instant::now() < end, "{service}: no answer at {} within 60 s", server.address);
            thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        self.try_request(method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// HTTP's status and the body, or nothing where no whole answer came.
    fn try_request(&self, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(2))).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let status = text(&answer[..end]).split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_off(end + 4)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = run(&["rm", "--force", &self.container], &[]);
    }
}

/// The services to test: all, built and in the engine; or none where no engine can be had.
fn wanted() -> Vec<&'static str> {
    match built() {
        Some(_) => SERVICES.to_vec(),
        None => Vec::new(),
    }
}

/// The engine that holds the images of the services, which are built once a run.
fn built() -> Option<&'static TestEngine> {
    static BUILT: OnceLock<Option<&'static TestEngine>> = OnceLock::new();
    *BUILT.get_or_init(|| {
        let engine = engines::any()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let done = engine
            .command(env!("CARGO_BIN_EXE_xtask"))
            .args(["build", "--setup", "--root"])
            .arg(root)
            .args(SERVICES)
            .output()
            .expect("xtask starts");
        assert!(done.status.success(), "{}", text(&done.stderr));
        Some(engine)
    })
}

fn image_name(service: &str) -> String {
    format!("clm-{service}")
}

fn image(service: &str) -> String {
    format!("{}:latest", image_name(service))
}

fn tests(service: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(service).join("tests")
}

fn input(service: &str, case: &Case) -> PathBuf {
    tests(service).join("inputs").join(&case.input)
}

/// The table of `service`, whose first case is a conversion that succeeds.
fn cases(service: &str) -> Vec<Case> {
    let path = tests(service).join("cases.toml");
    let table = fs::read_to_string(&path).unwrap();
    let Cases { case } =
        toml::from_str(&table).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let inputs: BTreeSet<_> =
        case.iter().filter(|case| case.status == 0).map(|case| &case.input).collect();
    assert!(inputs.len() >= 3, "{}: only {} inputs are converted", path.display(), inputs.len());
    case
}

/// Runs docker, which must succeed.
fn docker(arguments: &[&str]) -> Output {
    let done = run(arguments, &[]);
    assert!(done.status.success(), "docker {}: {}", arguments.join(" "), text(&done.stderr));
    done
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let engine = built().expect("a test that runs docker has an engine");
    let mut child = engine
        .command("docker")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker starts");
    // The inputs are smaller than a pipe's buffer, so this cannot wait for the output to be read.
    child.stdin.take().expect("is piped").write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
