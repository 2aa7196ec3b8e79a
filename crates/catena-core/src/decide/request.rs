//! The request of an `http` step, resolved: its URL as it is sent, and what else of it is not constant. Data in a
//! URL is encoded, so that it is a part of a segment or a value and never a separator.

use std::collections::BTreeMap;

use crate::{
    chain::{Auth, Base, HttpStep, Url},
    event::Request,
    expr::Scope,
    failure::{Failure, FailureType},
    given::Given,
    template::{Part, Template, read_whole},
    value::Value,
};

/// Longer ones are refused by nearly every server.
const URL_MAX_BYTES: usize = 16 * 1024;

pub(super) fn request(step: &HttpStep, scope: &dyn Scope) -> Result<Request, Failure> {
    let mut url = url(&step.url, scope)?;
    add_query(&mut url, &step.query, scope)?;
    if url.len() > URL_MAX_BYTES {
        return Err(refused(format!("the URL has {} bytes, at most {URL_MAX_BYTES} are sent", url.len())));
    }
    let auth: Vec<(&str, &Template)> = match &step.auth {
        None => Vec::new(),
        Some(Auth::Basic { user, password }) => vec![("user", user), ("password", password)],
        Some(Auth::Bearer(token)) => vec![("token", token)],
    };
    let headers = step.headers.iter().map(|(name, value)| (name.as_str(), value));
    let body = step.body.as_ref().map(|body| body.template()).filter(|body| !body.is_constant());
    Ok(Request {
        url,
        headers: give_all(headers, scope)?,
        auth: give_all(auth, scope)?,
        body: body.map(|body| body.give(scope)).transpose()?,
    })
}

fn give_all<'t>(
    templates: impl IntoIterator<Item = (&'t str, &'t Template)>,
    scope: &dyn Scope,
) -> Result<BTreeMap<String, Given>, Failure> {
    let open = templates.into_iter().filter(|(_, template)| !template.is_constant());
    open.map(|(name, template)| Ok((name.to_owned(), template.give(scope)?))).collect()
}

fn url(url: &Url, scope: &dyn Scope) -> Result<String, Failure> {
    let mut text = match &url.base {
        Base::Origin(origin) => origin.clone(),
        Base::Whole(expr) => whole(&read_whole(&expr.eval(scope)?, scope).to_text())?,
        Base::Host { scheme, host, port } => {
            let host = text_of(host, scope)?;
            check_host(&host)?;
            match port {
                None => format!("{scheme}://{host}"),
                Some(port) => format!("{scheme}://{host}:{}", port_of(&text_of(port, scope)?)?),
            }
        }
    };
    if let Some(tail) = &url.tail {
        text.push_str(&encoded(tail, scope)?);
    }
    if let Some(hash) = text.find('#') {
        text.truncate(hash);
    }
    if let Some(path) = &url.path {
        let path = encoded(path, scope)?;
        let query = text.find('?').map(|at| text.split_off(at)).unwrap_or_default();
        let bare = text.trim_end_matches('/').len();
        text.truncate(bare);
        if !path.starts_with(['/', '?']) {
            text.push('/');
        }
        text.push_str(&path);
        if let Some(rest) = query.strip_prefix('?').filter(|rest| !rest.is_empty()) {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(rest);
        }
    }
    Ok(text)
}

/// A URL that data gives as a whole. What it may hold beyond this, whoever sends it knows.
fn whole(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let Some(scheme) = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme)) else {
        return Err(refused(format!("`{}` is no URL that begins with http:// or https://", excerpt(text))));
    };
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(refused("the URL has white space or control characters in it"));
    }
    let rest = &text[scheme.len()..];
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    if authority.contains('@') {
        // It is not shown: what stands there may be a password.
        return Err(refused("the URL has a user or a password in it; write them under `auth`"));
    }
    Ok(text.to_owned())
}

fn check_host(text: &str) -> Result<(), Failure> {
    let is_name = |c: char| c.is_alphanumeric() || ['-', '.', '_'].contains(&c);
    let is_ipv6 = |inner: &str| inner.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !name.contains(':') || name.ends_with(']') => {
            (name, Some(port))
        }
        _ => (text, None),
    };
    let is_host = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => is_ipv6(inner) && inner.contains(':'),
        None => !name.is_empty() && name.chars().all(is_name),
    };
    if is_host && port.is_none_or(|port| port.parse::<u16>().is_ok()) {
        return Ok(());
    }
    Err(refused(format!("`{}` is no host", excerpt(text))))
}

fn port_of(text: &str) -> Result<u16, Failure> {
    text.parse().map_err(|_| refused(format!("`{}` is no port", excerpt(text))))
}

fn text_of(template: &Template, scope: &dyn Scope) -> Result<String, Failure> {
    Ok(read_whole(&template.eval(scope)?, scope).to_text())
}

/// Text of a URL in which all data is encoded.
fn encoded(template: &Template, scope: &dyn Scope) -> Result<String, Failure> {
    let mut text = Encoded { text: String::new(), segment: 0, has_data: false, is_path: true };
    match template {
        Template::Const(value) => text.literal(&value.to_text())?,
        Template::Text(parts) => {
            for part in parts {
                match part {
                    Part::Text(literal) => text.literal(literal)?,
                    Part::Expr(expr) => text.data(&read_whole(&expr.eval(scope)?, scope))?,
                    Part::Secret(_) => return Err(refused("no secret may stand in a URL")),
                }
            }
        }
        Template::Expr(_) | Template::Secret(_) | Template::List(_) | Template::Map(_) => {
            text.data(&read_whole(&template.eval(scope)?, scope))?;
        }
    }
    text.end_segment()?;
    Ok(text.text)
}

struct Encoded {
    text: String,
    /// Where the current segment of the path begins.
    segment: usize,
    has_data: bool,
    is_path: bool,
}

impl Encoded {
    fn literal(&mut self, literal: &str) -> Result<(), Failure> {
        for letter in literal.chars() {
            if self.is_path && ['/', '?', '#'].contains(&letter) {
                self.end_segment()?;
                self.is_path = letter == '/';
                self.segment = self.text.len() + 1;
                self.has_data = false;
            }
            self.text.push(letter);
        }
        Ok(())
    }

    fn data(&mut self, value: &Value) -> Result<(), Failure> {
        encode(&scalar(value)?, &mut self.text);
        self.has_data = true;
        Ok(())
    }

    /// A segment that data makes empty, `.` or `..` would make another path of it: `/users/{id}` all users.
    fn end_segment(&self) -> Result<(), Failure> {
        if !self.is_path || !self.has_data {
            return Ok(());
        }
        let segment = self.text[self.segment..].to_ascii_lowercase().replace("%2e", ".");
        match segment.as_str() {
            "" => Err(refused("data would leave a segment of the URL's path empty")),
            "." | ".." => Err(refused(format!("data would make `{segment}` of a segment of the URL's path"))),
            _ => Ok(()),
        }
    }
}

/// What can stand in one place of a URL.
fn scalar(value: &Value) -> Result<String, Failure> {
    let json = value.as_json();
    if json.is_null() || json.is_array() || json.is_object() {
        let what = if json.is_null() { "nothing" } else { "a list or an object" };
        return Err(refused(format!("{what} cannot stand in a URL: text, a number or a boolean can")));
    }
    Ok(value.to_text())
}

/// A list gives its name several times, and null none at all.
fn add_query(url: &mut String, query: &[(String, Template)], scope: &dyn Scope) -> Result<(), Failure> {
    for (name, template) in query {
        let value = read_whole(&template.eval(scope)?, scope);
        for value in value.items().unwrap_or_else(|| vec![value]) {
            if value.as_json().is_null() {
                continue;
            }
            if !url.contains('?') {
                url.push('?');
            } else if !url.ends_with(['?', '&']) {
                url.push('&');
            }
            encode(name, url);
            url.push('=');
            encode(&scalar(&value)?, url);
        }
    }
    Ok(())
}

/// All but the letters that mean nothing in any part of a URL.
fn encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::lasting(FailureType::TemplateError, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::expr::Expr;

    struct Data(Json);

    impl Scope for Data {
        fn get(&self, root: &str, _paths: &[&str]) -> Option<minijinja::Value> {
            self.0.get(root).map(jinja)
        }
    }

    fn jinja(json: &Json) -> minijinja::Value {
        match json {
            Json::Null => minijinja::Value::from(()),
            Json::Bool(value) => minijinja::Value::from(*value),
            Json::Number(number) => minijinja::Value::from(number.as_i64().unwrap()),
            Json::String(text) => minijinja::Value::from(text.as_str()),
            Json::Array(items) => items.iter().map(jinja).collect::<Vec<_>>().into(),
            Json::Object(fields) => {
                fields.iter().map(|(name, value)| (name.as_str(), jinja(value))).collect::<minijinja::Value>()
            }
        }
    }

    fn template(text: &str) -> Template {
        Template::scan(text, &|name| name.len() == 1).unwrap().template
    }

    /// The URL that `tail` and `query` give behind a constant host, or why there is none.
    fn check(tail: &str, query: &[(&str, &str)], data: Json, expected: &str) {
        let base = Base::Origin("https://h".to_owned());
        let url = Url { base, tail: Some(template(tail)), path: None };
        check_url(url, query, data, expected);
    }

    fn check_url(url: Url, query: &[(&str, &str)], data: Json, expected: &str) {
        let mut step = HttpStep::get(url);
        step.query = query.iter().map(|(name, text)| ((*name).to_owned(), template(text))).collect();
        let got = match request(&step, &Data(data)) {
            Ok(request) => request.url,
            Err(failure) => {
                assert_eq!((failure.kind, failure.retriable), (FailureType::TemplateError, false));
                failure.message
            }
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn data_in_a_url_is_never_a_separator() {
        check("/u/{x}/p", &[], json!({"x": "a/b?c#d &é%"}), "https://h/u/a%2Fb%3Fc%23d%20%26%C3%A9%25/p");
        check("/u?q={x}&n={n}", &[], json!({"x": "1&admin=1", "n": 7}), "https://h/u?q=1%26admin%3D1&n=7");
        check("/u", &[("q", "{x}"), ("a b", "=")], json!({"x": "a b"}), "https://h/u?q=a%20b&a%20b=%3D");
        check(
            "/u?k=v",
            &[("l", "{l}"), ("z", "{z}")],
            json!({"l": [1, "b", true], "z": null}),
            "https://h/u?k=v&l=1&l=b&l=true",
        );
        check("/u?#frag{x}", &[("q", "1")], json!({"x": "."}), "https://h/u?q=1");
    }

    #[test]
    fn data_makes_no_other_path() {
        check("/u/{x}", &[], json!({"x": ""}), "data would leave a segment of the URL's path empty");
        check("/u/{x}/k", &[], json!({"x": ".."}), "data would make `..` of a segment of the URL's path");
        check("/u/%2E{x}", &[], json!({"x": "."}), "data would make `..` of a segment of the URL's path");
        check("/u/v{x}?e={x}", &[], json!({"x": ""}), "https://h/u/v?e=");
        let message = "a list or an object cannot stand in a URL: text, a number or a boolean can";
        check("/{x}", &[], json!({"x": [1]}), message);
        check("/a", &[("q", "{x}")], json!({"x": {"a": 1}}), message);
        check(
            "/{x}",
            &[],
            json!({"x": null}),
            "nothing cannot stand in a URL: text, a number or a boolean can",
        );
    }

    #[test]
    fn a_whole_url_and_a_host_are_held_to_what_they_are() {
        let whole = |path: Option<&str>| Url {
            base: Base::Whole(Expr::parse("x").unwrap()),
            tail: None,
            path: path.map(template),
        };
        check_url(whole(None), &[("q", "1")], json!({"x": "https://a/b?c=d#e"}), "https://a/b?c=d&q=1");
        check_url(
            whole(Some("/k/{n}")),
            &[],
            json!({"x": "http://a/v1/?c=d", "n": "1/2"}),
            "http://a/v1/k/1%2F2?c=d",
        );
        check_url(whole(Some("k")), &[], json!({"x": "http://a"}), "http://a/k");
        for (text, why) in [
            ("file:///etc/passwd", "`file:///etc/passwd` is no URL that begins with http:// or https://"),
            ("https://u:p@h/", "the URL has a user or a password in it; write them under `auth`"),
            ("https://h/a\r\nX: 1", "the URL has white space or control characters in it"),
        ] {
            check_url(whole(None), &[], json!({ "x": text }), why);
        }
        let host = |port: Option<&str>| Url {
            base: Base::Host { scheme: "http".into(), host: template("{x}"), port: port.map(template) },
            tail: Some(template("/p")),
            path: None,
        };
        check_url(host(None), &[], json!({"x": "a.b"}), "http://a.b/p");
        check_url(host(None), &[], json!({"x": "a.b:81"}), "http://a.b:81/p");
        check_url(host(Some("{n}")), &[], json!({"x": "[::1]", "n": 82}), "http://[::1]:82/p");
        for text in ["", "a/b", "u@h", "h:x", "a b", "h?q", "::1", "[x]", "a:1:2"] {
            check_url(host(None), &[], json!({ "x": text }), &format!("`{text}` is no host"));
        }
        check_url(host(Some("{n}")), &[], json!({"x": "h", "n": 70000}), "`70000` is no port");
    }
}
