//! The kinds `http` and `file_exists` through the binary, against a server on this machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "http/server.rs"]
mod server;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
};

use serde_json::{Value as Json, json};
use server::{Request, respond, serve, serve_tls};

const TOKEN: &str = "hunter2 & more";

/// A home, a configuration and definitions of one's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("config.toml", "[secrets]\nTOKEN = { env = \"HTTP_TEST_TOKEN\" }\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catena"));
        command.current_dir(self.0.path()).env("CATENA_HOME", self.path("home")).env("NO_COLOR", "1");
        command.env("CATENA_CONFIG", self.path("config.toml")).env("HTTP_TEST_TOKEN", TOKEN);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a definition and gives the document of its execution.
    fn run(&self, definition: &str) -> Json {
        self.run_with(definition, |_| {})
    }

    fn run_with(&self, definition: &str, change: impl FnOnce(&mut Command)) -> Json {
        self.write("chain.yaml", definition);
        let mut command = self.command(&["run", "chain.yaml", "-o", "json"]);
        change(&mut command);
        let output = command.output().unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        for part in ["hunter2", "aHVudGVy"] {
            assert!(!out.contains(part) && !err.contains(part), "{out}\n{err}");
            let found =
                Command::new("grep").args(["-rla", part]).arg(self.path("home/logs")).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a secret is in a log");
        }
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"))
    }

    fn result(&self, definition: &str) -> Json {
        let document = self.run(definition);
        assert_eq!(document["execution"]["status"], "completed", "{document:#}");
        document["steps"][0]["result"].clone()
    }

    fn error(&self, definition: &str) -> Json {
        let document = self.run(definition);
        assert_eq!(document["execution"]["status"], "failed", "{document:#}");
        document["steps"][0]["error"].clone()
    }
}

/// One step that does `http`, with `more` beside it.
fn step(http: &Json, more: Json) -> String {
    let mut step = json!({ "http": http, "output_key": "r" });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "steps": [step] }).to_string()
}

/// What a server is asked by a step.
fn asked(http: impl Fn(SocketAddr) -> Json) -> Request {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let server = serve(move |request, stream| {
        respond(stream, "200 OK", &[], b"");
        sender.lock().unwrap().send(request).unwrap();
    });
    Place::new().result(&step(&http(server), json!({})));
    receiver.recv().unwrap()
}

/// What a step makes of one response.
fn answered(status: &'static str, headers: &'static [&'static str], body: &'static [u8], more: Json) -> Json {
    let server = serve(move |_, stream| respond(stream, status, headers, body));
    let result = Place::new().result(&step(&json!(format!("http://{server}/")), more));
    let mut fields = result.as_object().unwrap().clone();
    fields.remove("headers");
    fields.remove("url");
    Json::Object(fields)
}

#[test]
fn what_is_asked_is_what_the_step_says() {
    let request = asked(
        |server| json!({"url": format!("http://{server}/a?b=c"), "query": {"q": ["x y", 2], "z": null}}),
    );
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/a?b=c&q=x%20y&q=2"));
    assert!(request.header("user-agent").starts_with("catena/"));

    let request = asked(|server| {
        json!({"url": format!("http://{server}/"), "method": "post", "json": {"a": [1, "b"], "s": "{secrets.TOKEN}"},
            "headers": {"X-Key": "k {secrets.TOKEN}"}, "auth": {"bearer": "{secrets.TOKEN}"}})
    });
    assert_eq!((request.method.as_str(), request.header("content-type")), ("POST", "application/json"));
    assert_eq!(serde_json::from_str::<Json>(&request.body).unwrap(), json!({"a": [1, "b"], "s": TOKEN}));
    assert_eq!(
        (request.header("x-key"), request.header("authorization")),
        ("k hunter2 & more", "Bearer hunter2 & more")
    );

    let request = asked(|server| {
        json!({"host": "127.0.0.1", "scheme": "HTTP", "port": server.port(), "path": "x/y", "method": "PUT",
            "form": {"a": ["1", 2], "b": "x y&", "c": null}, "auth": {"basic": {"user": "ann", "password": "pw"}}})
    });
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/x/y"));
    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(
        (request.body.as_str(), request.header("authorization")),
        ("a=1&a=2&b=x+y%26", "Basic YW5uOnB3")
    );

    let request = asked(
        |server| json!({"url": format!("http://{server}/"), "method": "PATCH", "body": "plain", "headers": {"Content-Type": "x/y", "User-Agent": "me"}}),
    );
    assert_eq!(
        (request.body.as_str(), request.header("content-type"), request.header("user-agent")),
        ("plain", "x/y", "me")
    );
}

#[test]
fn a_body_becomes_a_value_by_what_it_is() {
    let plain = json!({});
    let json_type = &["Content-Type: application/problem+json; charset=utf-8"];
    let check = |got: Json, body: Json| assert_eq!(got, json!({"status": 200, "body": body}));
    check(answered("200 OK", json_type, b"{\"a\": [1, 2]}", plain.clone()), json!({"a": [1, 2]}));
    check(answered("200 OK", json_type, b"<html>", plain.clone()), json!("<html>"));
    check(answered("200 OK", json_type, b"", plain.clone()), Json::Null);
    check(answered("200 OK", &[], b"{\"a\": 1}", plain.clone()), json!("{\"a\": 1}"));
    check(answered("200 OK", &[], b"{\"a\": 1}", json!({"parse": "json"})), json!({"a": 1}));
    check(answered("200 OK", &[], b"a\nb\n", json!({"parse": "lines"})), json!(["a", "b"]));
    check(
        answered("200 OK", &["Content-Type: text/plain; charset=ISO-8859-1"], b"caf\xe9", plain.clone()),
        json!("café"),
    );
    let squeezed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+.,MM\xadJMQ(\x1e:\x0c\x00\xd8\xbe\xdb\x00\xb4\x00\x00\x00";
    check(
        answered("200 OK", &["Content-Encoding: gzip"], squeezed, plain.clone()),
        json!("squeezed ".repeat(20)),
    );
    let binary = answered("200 OK", &[], b"\xff\xfe\x00", plain.clone());
    assert_eq!(binary, json!({"status": 200, "body": "//4A", "encoding": "base64"}));
    assert_eq!(answered("204 No Content", &[], b"", plain), json!({"status": 204, "body": ""}));
}

#[test]
fn what_is_sent_back_of_a_secret_is_masked() {
    let server = serve(|request, stream| {
        let echo = format!("{}|{}|{}", request.header("authorization"), request.body, TOKEN);
        respond(stream, "200 OK", &[&format!("X-Echo: {TOKEN}")], echo.as_bytes());
    });
    let http = json!({"url": format!("http://{server}/"), "form": {"key": "{secrets.TOKEN}"},
        "auth": {"basic": {"user": "ann", "password": "{secrets.TOKEN}"}}});
    let result = Place::new().result(&step(&http, json!({})));
    assert_eq!(
        (&result["body"], &result["headers"]["x-echo"]),
        (&json!("Basic ***|key=***|***"), &json!("***"))
    );
}

#[test]
fn a_status_that_is_not_expected_is_a_failure_with_what_was_said() {
    let server = serve(|_, stream| respond(stream, "404 Not Found", &["X-Why: gone"], b"no such thing"));
    let url = format!("http://{server}/x");
    let error = Place::new().error(&step(&json!(url), json!({})));
    assert_eq!(error["type"], "http_status");
    assert_eq!(error["message"], format!("GET {url} was answered with 404 Not Found"));
    assert_eq!(
        (&error["detail"]["status"], &error["detail"]["body"]),
        (&json!(404), &json!("no such thing"))
    );
    assert_eq!(error["detail"]["headers"]["x-why"], "gone");
    let result = Place::new().result(&step(&json!({"url": url, "status": ["2xx", 404]}), json!({})));
    assert_eq!(result["status"], 404);
}

/// How often a server that always answers so is asked.
fn attempts(status: &'static str, http: Json) -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let before = COUNT.load(Ordering::SeqCst);
    let server = serve(move |_, stream| {
        COUNT.fetch_add(1, Ordering::SeqCst);
        respond(stream, status, &[], b"");
    });
    let mut http = http;
    http["url"] = json!(format!("http://{server}/"));
    Place::new().error(&step(&http, json!({"retry_config": {"max_attempts": 3, "initial_delay": 0}})));
    COUNT.load(Ordering::SeqCst) - before
}

#[test]
fn only_what_may_pass_is_tried_again() {
    assert_eq!(attempts("503 Service Unavailable", json!({})), 3);
    assert_eq!(attempts("429 Too Many Requests", json!({})), 3);
    assert_eq!(attempts("404 Not Found", json!({})), 1);
    assert_eq!(attempts("404 Not Found", json!({"retry_on": [404]})), 3);
    assert_eq!(attempts("503 Service Unavailable", json!({"retry_on": 404})), 1);
}

#[test]
fn a_redirect_to_another_origin_takes_nothing_secret_along() {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let other = serve(move |request, stream| {
        respond(stream, "200 OK", &[], b"there");
        sender.lock().unwrap().send(request).unwrap();
    });
    let first = serve(move |request, stream| {
        let status = request.target.trim_start_matches('/').to_owned();
        let to = match status.as_str() {
            "own" => "Location: /302".to_owned(),
            _ => format!("Location: http://ann:pw@{other}/to#x"),
        };
        let status =
            if status == "own" { "307 Temporary Redirect".to_owned() } else { format!("{status} Redirect") };
        respond(stream, &status, &[&to], b"");
    });
    let http = |path: &str| {
        json!({"url": format!("http://{first}/{path}"), "method": "POST", "body": "data", "auth": {"bearer": "abcd"},
            "headers": {"Cookie": "a=b", "X-Key": "{secrets.TOKEN}", "X-Plain": "p"}})
    };
    for (path, method, body) in
        [("302", "GET", ""), ("303", "GET", ""), ("308", "POST", "data"), ("own", "GET", "")]
    {
        let result = Place::new().result(&step(&http(path), json!({})));
        assert_eq!(
            (&result["body"], &result["url"]),
            (&json!("there"), &json!(format!("http://{other}/to")))
        );
        let request = receiver.recv().unwrap();
        assert_eq!((request.method.as_str(), request.body.as_str()), (method, body), "{path}");
        for name in ["authorization", "cookie", "x-key"] {
            assert_eq!(request.header(name), "", "{path}");
        }
        assert_eq!(request.header("x-plain"), "p");
    }
    let mut secret = http("307");
    secret["body"] = json!("{secrets.TOKEN}");
    let error = Place::new().error(&step(&secret, json!({})));
    assert_eq!((&error["type"], &error["detail"]["reason"]), (&json!("http_error"), &json!("redirect")));
    assert!(receiver.try_recv().is_err(), "another server was asked");
    let mut seen = http("302");
    seen["follow_redirects"] = json!(false);
    assert_eq!(Place::new().error(&step(&seen, json!({})))["detail"]["status"], 302);
    seen["status"] = json!(302);
    seen["follow_redirects"] = json!(true);
    assert_eq!(Place::new().result(&step(&seen, json!({})))["status"], 302);
}

#[test]
fn redirects_have_an_end() {
    let server = serve(|_, stream| respond(stream, "302 Found", &["Location: /again"], b""));
    let error = Place::new().error(&step(&json!(format!("http://{server}/")), json!({})));
    assert_eq!(error["detail"]["reason"], "redirect");
    let server = serve(|_, stream| respond(stream, "302 Found", &["Location: file:///etc/passwd"], b""));
    let error = Place::new().error(&step(&json!(format!("http://{server}/")), json!({})));
    assert_eq!(error["message"], "it was redirected to an address of the scheme `file`");
}

#[test]
fn a_body_has_a_limit_also_behind_a_compression() {
    let server = serve(|_, stream| respond(stream, "200 OK", &[], &[b'x'; 101]));
    let place = Place::new();
    let http = |most: u64| json!({"url": format!("http://{server}/"), "max_body": most});
    assert_eq!(place.error(&step(&http(100), json!({})))["type"], "result_too_large");
    assert_eq!(place.result(&step(&http(101), json!({})))["status"], 200);
    // Nobody keeps it, so that nobody minds.
    let unkept = json!({"steps": [{"http": http(100)}]}).to_string();
    assert_eq!(place.run(&unkept)["execution"]["status"], "completed");
    // 180 bytes behind 32.
    let squeezed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03+.,MM\xadJMQ(\x1e:\x0c\x00\xd8\xbe\xdb\x00\xb4\x00\x00\x00";
    let server = serve(|_, stream| respond(stream, "200 OK", &["Content-Encoding: gzip"], squeezed));
    let http = json!({"url": format!("http://{server}/"), "max_body": 100});
    assert_eq!(place.error(&step(&http, json!({})))["type"], "result_too_large");
}

/// A server that never answers, and tells when it is asked and when its client has gone.
fn silent() -> (SocketAddr, Receiver<&'static str>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let server = serve(move |_, stream| {
        let sender = sender.lock().unwrap().clone();
        sender.send("asked").unwrap();
        drop(stream.read(&mut [0]));
        _ = sender.send("gone");
    });
    (server, receiver)
}

#[test]
fn time_that_is_up_ends_the_request() {
    let (server, heard) = silent();
    let error = Place::new().error(&step(&json!(format!("http://{server}/")), json!({"timeout": 0.2})));
    assert_eq!(
        (&error["type"], &error["message"]),
        (&json!("timeout"), &json!("the attempt was not done after 0.2 s"))
    );
    assert_eq!(heard.recv().unwrap(), "asked");
    assert_eq!(heard.recv().unwrap(), "gone");
}

#[test]
fn a_cancel_ends_the_request_at_once() {
    let (server, heard) = silent();
    let place = Place::new();
    place.write("chain.yaml", &step(&json!(format!("http://{server}/")), json!({})));
    let run = place.command(&["run", "chain.yaml"]).spawn().unwrap();
    assert_eq!(heard.recv().unwrap(), "asked");
    assert!(place.command(&["ps", "cancel", "2"]).status().unwrap().success());
    assert_eq!(heard.recv().unwrap(), "gone");
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(8));
}

#[test]
fn a_request_whose_engine_dies_is_sent_again_or_asked_about() {
    for (effect, status) in [("idempotent", "completed"), ("at_most_once", "in_doubt")] {
        let (sender, asked) = channel();
        let sender = Mutex::new(sender);
        let count = AtomicUsize::new(0);
        let server = serve(move |_, stream| {
            sender.lock().unwrap().send(()).unwrap();
            match count.fetch_add(1, Ordering::SeqCst) {
                0 => drop(stream.read(&mut [0])),
                _ => respond(stream, "200 OK", &[], b"again"),
            }
        });
        let place = Place::new();
        place.write("chain.yaml", &step(&json!(format!("http://{server}/")), json!({"effect": effect})));
        let mut run = place.command(&["run", "chain.yaml"]).spawn().unwrap();
        asked.recv().unwrap();
        run.kill().unwrap();
        run.wait().unwrap();
        place.write("other.yaml", "steps: [{shell: 'true'}]");
        place.command(&["run", "other.yaml"]).output().unwrap();
        let shown = place.command(&["ps", "show", "2", "-o", "json"]).output().unwrap();
        let shown: Json = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["execution"]["status"], status, "{shown:#}");
    }
}

#[test]
fn a_connection_that_breaks_is_a_failure_with_its_cause() {
    let place = Place::new();
    let error = |server: SocketAddr| place.error(&step(&json!(format!("http://{server}/")), json!({})));
    let broken = error(serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    }));
    assert_eq!((&broken["type"], &broken["detail"]["reason"]), (&json!("http_error"), &json!("body")));
    assert!(broken["message"].as_str().unwrap().contains("broke off after 4 bytes"), "{broken}");
    let silent = error(serve(|_, _| {}));
    assert_eq!(silent["detail"]["reason"], "closed", "{silent}");
    let garbage = error(serve(|_, stream| stream.write_all(b"SSH-2.0-x\r\n\r\n").unwrap()));
    assert_eq!(garbage["detail"]["reason"], "closed", "{garbage}");
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let refused = error(nobody);
    assert_eq!(refused["detail"]["reason"], "connect", "{refused}");
    let message = format!("no connection to http://{nobody}: Connection refused (os error 111)");
    assert_eq!(refused["message"], message);
    let unknown = place.error(&step(&json!("http://nobody.invalid/"), json!({})));
    assert_eq!(unknown["detail"]["reason"], "dns", "{unknown}");
}

#[test]
fn a_certificate_counts_if_the_system_trusts_who_issued_it() {
    let server = serve_tls(|_, stream| respond(stream, "200 OK", &[], b"sealed"));
    let definition = step(&json!(format!("https://localhost:{}/", server.port())), json!({}));
    let place = Place::new();
    let error = place.error(&definition);
    assert_eq!(error["detail"]["reason"], "certificate", "{error}");
    assert!(error["message"].as_str().unwrap().contains("SSL_CERT_FILE"), "{error}");
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/cert.pem");
    let document = place.run_with(&definition, |command| _ = command.env("SSL_CERT_FILE", certificate));
    assert_eq!(document["steps"][0]["result"]["body"], "sealed", "{document:#}");
    // Without a certificate of the system, what needs none works, and the rest says what is missing.
    let bare =
        |command: &mut Command| _ = command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nowhere");
    let document = place.run_with(&definition, bare);
    assert_eq!(document["steps"][0]["error"]["detail"]["reason"], "tls", "{document:#}");
    let plain = serve(|_, stream| respond(stream, "200 OK", &[], b"plain"));
    let document = place.run_with(&step(&json!(format!("http://{plain}/")), json!({})), bare);
    assert_eq!(document["steps"][0]["result"]["body"], "plain", "{document:#}");
}

#[test]
fn a_proxy_of_the_environment_is_used_but_where_it_is_not_wanted() {
    let proxy = serve(|request, stream| respond(stream, "200 OK", &[], request.target.as_bytes()));
    let definition = step(&json!("http://service.test/x"), json!({}));
    let place = Place::new();
    let with = |command: &mut Command| _ = command.env("HTTP_PROXY", format!("http://{proxy}"));
    let document = place.run_with(&definition, with);
    assert_eq!(document["steps"][0]["result"]["body"], "http://service.test/x", "{document:#}");
    let document = place.run_with(&definition, |command| {
        with(command);
        command.env("NO_PROXY", "service.test");
    });
    assert_eq!(document["steps"][0]["error"]["detail"]["reason"], "dns", "{document:#}");
}

#[test]
fn data_breaks_no_header_and_no_address() {
    let place = Place::new();
    let check = |http: Json, x: &str, message: &str| {
        let definition = json!({"variables": {"x": x}, "steps": [{"http": http}]}).to_string();
        let error = place.error(&definition);
        assert_eq!((&error["type"], &error["message"]), (&json!("template_error"), &json!(message)));
    };
    let header = json!({"url": "http://127.0.0.1:1/", "headers": {"X-A": "{x}"}});
    let message = "the value of `X-A` has a line break or another control character in it";
    check(header, "a\r\nX-Admin: 1", message);
    check(json!("http://{x}/"), "evil.test/?", "`evil.test/?` is no host");
    check(
        json!("{x}"),
        "file:///etc/passwd",
        "`file:///etc/passwd` is no URL that begins with http:// or https://",
    );
    check(json!("http://127.0.0.1:1/users/{x}"), "..", "data would make `..` of a segment of the URL's path");
}

#[test]
fn files_are_there_or_every_missing_one_is_named() {
    let place = Place::new();
    place.write("a.txt", "");
    std::fs::create_dir(place.path("work")).unwrap();
    place.write("work/b.txt", "");
    let root = place.0.path().canonicalize().unwrap();
    let text = |name: &str| root.join(name).to_string_lossy().into_owned();
    let definition = r#"
variables: {more: [a.txt, work]}
steps:
  - {file_exists: ["a.txt", "{more[1]}/b.txt"], output_key: one}
  - {file_exists: "{more}", output_key: two}
  - {settings: {file_exists: [work/b.txt]}, name: three, output_key: three}
"#;
    let document = place.run(definition);
    let results: Vec<&Json> =
        document["steps"].as_array().unwrap().iter().map(|step| &step["result"]).collect();
    let expected = [
        json!([text("a.txt"), text("work/b.txt")]),
        json!([text("a.txt"), text("work")]),
        json!([text("work/b.txt")]),
    ];
    assert_eq!(results, expected.iter().collect::<Vec<_>>(), "{document:#}");

    let error = place.error("steps: [{file_exists: [a.txt, no.txt, /nowhere/x]}]");
    assert_eq!(error["type"], "file_missing");
    assert_eq!(error["message"], format!("2 files are not there: {}, /nowhere/x", text("no.txt")));
    assert_eq!(error["detail"]["missing"], json!([text("no.txt"), "/nowhere/x"]));
    let error = place.error("variables: {n: 5}\nsteps: [{file_exists: '{n}'}]");
    assert_eq!(error["message"], "5 is no path of a file");
}
