//! The kinds `http` and `file_exists`. Who is asked, and how, is constant or one whole expression; data of the chain
//! is only ever a value.

use catena_core::chain::{Auth, Base, Body, HttpStep, Statuses, Url, Work};
use catena_core::template::{Part, Template};

use super::context::Context;
use super::outline::StepOutline;
use super::process::lift;
use crate::code::Code;
use crate::node::{Entry, Node};
use crate::problem::Problem;

const SCHEMES: [&str; 2] = ["https://", "http://"];
/// Headers that the client sets by what it sends.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"];
/// Methods that make something else of the connection, or send back what was sent.
const OTHER_METHODS: [&str; 2] = ["CONNECT", "TRACE"];

const WHOLE_HELP: &str = "data says where a request goes only as one whole expression: `url: \"{base}\"` with a \
                          `path` beside it, or `https://{host}/…`";

impl Context<'_> {
    pub(crate) fn file_exists<B>(&mut self, node: &Node) -> Option<Work<B>> {
        let paths: Vec<_> = node.one_or_more().iter().map(|path| self.text_template(path)).collect();
        Some(Work::FileExists { paths: paths.into_iter().collect::<Option<_>>()? })
    }

    /// A step as task-sync writes it. Of its kinds one runs; the others are checked as far as they can be.
    pub(crate) fn settings<B>(&mut self, node: &Node) -> Option<Work<B>> {
        let entry = node.as_object()?.first()?;
        let kind = crate::language::find_kind(&entry.key.text)?;
        match kind.name {
            "file_exists" => self.file_exists(&entry.value),
            _ => {
                self.check_within(&entry.value, &kind.shape);
                None
            }
        }
    }

    pub(crate) fn http<B>(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<B>> {
        let parse = step.get("parse").map(|entry| self.parse(&entry.value));
        let request = if node.as_object().is_some() { self.request(node) } else { self.bare_url(node) };
        let request = HttpStep { parse: lift(parse)?, ..request? };
        Some(Work::Http(Box::new(request)))
    }

    fn bare_url(&mut self, node: &Node) -> Option<HttpStep> {
        let template = self.text_template(node)?;
        let (base, tail) = self.base(template, node)?;
        Some(HttpStep::get(Url { base, tail, path: None }))
    }

    /// Every part is looked at, so that everything wrong is told at once.
    fn request(&mut self, node: &Node) -> Option<HttpStep> {
        let get = |key: &str| node.get(key);
        let url = self.url(node);
        let query = get("query").map_or(Some(Vec::new()), |entry| self.named(&entry.value));
        let method = get("method").map_or(Some("GET".to_owned()), |entry| self.method(&entry.value));
        let headers = get("headers").map_or(Some(Vec::new()), |entry| self.headers(&entry.value));
        let auth = get("auth").map(|entry| self.auth(&entry.value));
        let body = self.body(node);
        let status = get("status").map(|entry| self.statuses(&entry.value));
        let retry_on = get("retry_on").map(|entry| self.statuses(&entry.value));
        let follow_redirects = get("follow_redirects").map_or(Some(true), |entry| entry.value.as_bool());
        let max_body = get("max_body").map(|entry| entry.value.whole_number());
        Some(HttpStep {
            method: method?,
            url: url?,
            query: query?,
            headers: headers?,
            auth: lift(auth)?,
            body: body?,
            status: lift(status)?.unwrap_or_else(Statuses::success),
            retry_on: lift(retry_on)?.unwrap_or_else(Statuses::passing),
            follow_redirects: follow_redirects?,
            max_body: lift(max_body)?.unwrap_or(HttpStep::MAX_BODY_BYTES),
            parse: None,
        })
    }

    fn url(&mut self, node: &Node) -> Option<Url> {
        let path = node.get("path").map(|entry| self.text_template(&entry.value));
        let based = match (node.get("url"), node.get("host")) {
            (Some(url), _) => {
                let template = self.text_template(&url.value);
                template.and_then(|template| self.base(template, &url.value))
            }
            (None, Some(host)) => self.host(node, host).map(|base| (base, None)),
            (None, None) => None,
        };
        let (base, tail) = based?;
        Some(Url { base, tail, path: lift(path)? })
    }

    fn host(&mut self, node: &Node, entry: &Entry) -> Option<Base> {
        let scheme = node.get("scheme").map(|entry| self.text(&entry.value));
        let port = node.get("port").map(|entry| self.text_template(&entry.value));
        let host = self.text_template(&entry.value)?;
        let scheme = lift(scheme)?.unwrap_or_else(|| "https".to_owned()).to_lowercase();
        let port = lift(port)?;
        match &host {
            Template::Const(value) => {
                if let Err(why) = authority(&value.to_text()) {
                    self.bad_url(&entry.value, why);
                    return None;
                }
            }
            Template::Expr(_) => {}
            Template::Text(_) | Template::Secret(_) | Template::List(_) | Template::Map(_) => {
                self.bad_url(&entry.value, ("data is only a part of the host", WHOLE_HELP));
                return None;
            }
        }
        let is_port = |text: &str| text.parse::<u16>().is_ok();
        if let (Some(Template::Const(value)), Some(written)) = (&port, node.get("port"))
            && !is_port(&value.to_text())
        {
            self.bad_url(&written.value, ("this is no port", "ports are numbers up to 65535"));
            return None;
        }
        Some(Base::Host { scheme, host, port })
    }

    /// The part of a URL that says whom to ask, and the rest.
    fn base(&mut self, template: Template, node: &Node) -> Option<(Base, Option<Template>)> {
        let split = match template {
            Template::Const(value) => constant(&value.to_text()),
            Template::Expr(expr) => Ok((Base::Whole(expr), None)),
            Template::Text(parts) => mixed(parts),
            Template::Secret(_) | Template::List(_) | Template::Map(_) => return None,
        };
        split.map_err(|why| self.bad_url(node, why)).ok()
    }

    fn bad_url(&mut self, node: &Node, (message, help): Why) {
        self.add(Problem::new(Code::BadUrl, node.span, message).help(help));
    }

    fn named(&mut self, node: &Node) -> Option<Vec<(String, Template)>> {
        let values: Vec<_> = node
            .as_object()?
            .iter()
            .map(|entry| Some((entry.key.text.clone(), self.template(&entry.value)?)))
            .collect();
        values.into_iter().collect()
    }

    fn method(&mut self, node: &Node) -> Option<String> {
        let text = self.full_text(node)?;
        let method = text.trim().to_uppercase();
        if is_token(&method) && !OTHER_METHODS.contains(&method.as_str()) {
            return Some(method);
        }
        let message = format!("`{text}` is no method that can be sent");
        let help = "methods are `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS`, and words of a server's own";
        self.add(Problem::new(Code::BadRequest, node.span, message).help(help));
        None
    }

    fn headers(&mut self, node: &Node) -> Option<Vec<(String, Template)>> {
        let headers: Vec<_> = node.as_object()?.iter().map(|entry| self.header(entry)).collect();
        headers.into_iter().collect()
    }

    fn header(&mut self, entry: &Entry) -> Option<(String, Template)> {
        let name = &entry.key.text;
        let value = self.with_secrets(|own| own.text_template(&entry.value));
        if !is_token(name) {
            let message = format!("`{name}` cannot be the name of a header");
            let help = "names of headers are letters, digits and `-`";
            self.add(Problem::new(Code::BadRequest, entry.key.span, message).help(help));
            return None;
        }
        if OWN_HEADERS.contains(&name.to_lowercase().as_str()) {
            let message = format!("`{name}` is set by what is sent");
            self.add(Problem::new(Code::BadRequest, entry.key.span, message).help("leave it out"));
            return None;
        }
        let value = value?;
        if holds_line_break(&value) {
            let message =
                format!("the value of `{name}` has a line break or another control character in it");
            let help = "a header is one line; in YAML `|-` and `>-` leave no line break at the end";
            self.add(Problem::new(Code::BadRequest, entry.value.span, message).help(help));
            return None;
        }
        Some((name.clone(), value))
    }

    fn auth(&mut self, node: &Node) -> Option<Auth> {
        if let Some(token) = node.get("bearer") {
            return self.with_secrets(|own| own.text_template(&token.value)).map(Auth::Bearer);
        }
        let basic = &node.get("basic")?.value;
        let user = basic.get("user").map(|entry| self.with_secrets(|own| own.text_template(&entry.value)));
        let password =
            basic.get("password").map(|entry| self.with_secrets(|own| own.text_template(&entry.value)));
        let password = lift(password)?.unwrap_or_else(|| Template::constant(""));
        Some(Auth::Basic { user: user??, password })
    }

    /// The outer option says whether it is sound.
    fn body(&mut self, node: &Node) -> Option<Option<Body>> {
        if let Some(entry) = node.get("json") {
            let json = self.with_secrets(|own| own.template(&entry.value))?;
            return Some(Some(Body::Json(json)));
        }
        if let Some(entry) = node.get("form") {
            let form = self.with_secrets(|own| own.template(&entry.value))?;
            return Some(Some(Body::Form(form)));
        }
        let Some(entry) = node.get("body") else { return Some(None) };
        let text = self.with_secrets(|own| own.text_template(&entry.value))?;
        Some(Some(Body::Text(text)))
    }

    fn statuses(&mut self, node: &Node) -> Option<Statuses> {
        let ranges: Vec<_> = node.one_or_more().iter().map(|item| self.statuses_of(item)).collect();
        let ranges: Option<Vec<Vec<_>>> = ranges.into_iter().collect();
        Some(Statuses(ranges?.into_iter().flatten().collect()))
    }

    /// `2xx, 404` in one text is a list, too.
    fn statuses_of(&mut self, node: &Node) -> Option<Vec<(u16, u16)>> {
        if node.as_number().is_some_and(|number| !(100.0..600.0).contains(&number)) {
            // The structure check has told.
            return None;
        }
        let text = self.full_text(node)?;
        let ranges: Option<Vec<_>> = text.split(',').map(Statuses::parse_range).collect();
        if ranges.is_none() {
            let message = format!("`{text}` is no status of a response");
            let help = "write `404`, `2xx`, `200-204`, or a list of these";
            self.add(Problem::new(Code::BadRequest, node.span, message).help(help));
        }
        ranges
    }
}

/// What is wrong, and what to do.
type Why = (&'static str, &'static str);
type Split = (Base, Option<Template>);

fn constant(text: &str) -> Result<Split, Why> {
    let (origin, tail) = origin(text)?;
    let tail = (!tail.is_empty()).then(|| Template::constant(tail));
    Ok((Base::Origin(origin.to_owned()), tail))
}

/// Text and expressions: those stand behind the host, or one of them is the host.
fn mixed(parts: Vec<Part>) -> Result<Split, Why> {
    let mut parts = parts.into_iter().peekable();
    let Some(Part::Text(first)) = parts.next() else {
        return Err(("data is the beginning of the URL, and something follows", WHOLE_HELP));
    };
    let scheme = SCHEMES.into_iter().find(|scheme| first.eq_ignore_ascii_case(scheme));
    let Some(scheme) = scheme else {
        let (origin, tail) = origin(&first)?;
        // `https://api{name}/…`: the host would go on in the data.
        if tail.is_empty() {
            return Err(("data is a part of the host", WHOLE_HELP));
        }
        let (origin, tail) = (origin.to_owned(), tail.to_owned());
        let tail = std::iter::once(Part::Text(tail)).chain(parts).collect();
        return Ok((Base::Origin(origin), Some(Template::Text(tail))));
    };
    let host = match parts.next() {
        Some(Part::Expr(host)) => Template::Expr(host),
        Some(Part::Secret(_) | Part::Text(_)) | None => return Err(("the URL has no host", WHOLE_HELP)),
    };
    let literal = match parts.peek() {
        Some(Part::Text(text)) => text.clone(),
        Some(Part::Expr(_) | Part::Secret(_)) => return Err(("data is a part of the host", WHOLE_HELP)),
        None => String::new(),
    };
    parts.next();
    let end = literal.find(['/', '?', '#']).unwrap_or(literal.len());
    let (behind, tail) = literal.split_at(end);
    let port = match behind.strip_prefix(':') {
        Some(port) if port.parse::<u16>().is_ok() => Some(Template::constant(port)),
        None if behind.is_empty() => None,
        Some(_) | None => return Err(("data is a part of the host", WHOLE_HELP)),
    };
    if tail.is_empty() && parts.peek().is_some() {
        return Err(("data is a part of the host", WHOLE_HELP));
    }
    let tail: Vec<Part> = std::iter::once(Part::Text(tail.to_owned())).chain(parts).collect();
    let tail = match tail.as_slice() {
        [Part::Text(text)] if text.is_empty() => None,
        [Part::Text(text)] => Some(Template::constant(text.as_str())),
        _ => Some(Template::Text(tail)),
    };
    let scheme = scheme.trim_end_matches("://").to_owned();
    Ok((Base::Host { scheme, host, port }, tail))
}

/// `https://host:port`, and what is behind it.
fn origin(text: &str) -> Result<(&str, &str), Why> {
    let scheme = SCHEMES
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(scheme) = scheme else {
        return Err((
            "a URL begins with `https://` or `http://`",
            "write the whole address: `https://example.org/path`",
        ));
    };
    let end = text[scheme.len()..].find(['/', '?', '#']).map_or(text.len(), |at| scheme.len() + at);
    let (origin, tail) = text.split_at(end);
    authority(&origin[scheme.len()..])?;
    Ok((origin, tail))
}

fn authority(text: &str) -> Result<(), Why> {
    if text.contains('@') {
        let help = "write them under `auth: {basic: {user: …, password: \"{secrets.NAME}\"}}`";
        return Err(("a user and a password do not stand in a URL", help));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_letter = |c: char| c.is_alphanumeric() || "-._[]:".contains(c);
    if name.is_empty() || !name.chars().all(is_letter) {
        return Err(("the URL has no host", "write the whole address: `https://example.org/path`"));
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(("the URL's port is no port", "ports are numbers up to 65535"));
    }
    Ok(())
}

/// What names of headers and methods are made of.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn holds_line_break(value: &Template) -> bool {
    let breaks = |text: &str| text.chars().any(|c| c.is_control() && c != '\t');
    match value {
        Template::Const(value) => breaks(&value.to_text()),
        Template::Text(parts) => parts.iter().any(|part| match part {
            Part::Text(text) => breaks(text),
            Part::Expr(_) | Part::Secret(_) => false,
        }),
        Template::Expr(_) | Template::Secret(_) | Template::List(_) | Template::Map(_) => false,
    }
}
