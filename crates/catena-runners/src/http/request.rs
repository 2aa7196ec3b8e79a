//! What is sent: the constant parts of the step and the resolved ones, with secrets filled in.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use catena_core::{
    Failure, FailureType, Given,
    chain::{Auth, Body, HttpStep, Work},
    event,
    template::Template,
};
use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use crate::{Attempt, mask::Mask, prepare::cannot_start, process_runner::Sources, secrets::Unsealed, values};

const AGENT: &str = concat!("catena/", env!("CARGO_PKG_VERSION"));

pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// The headers that nobody but the server which was asked may see.
    pub(super) own: Vec<HeaderName>,
    pub(super) body: Option<Sent>,
    pub(super) mask: Option<Arc<Mask>>,
}

#[derive(Clone)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) holds_secrets: bool,
}

/// Reads secrets and large values, so it may take its time.
pub(super) fn prepare(mut attempt: Attempt, sources: &Sources) -> Result<Prepared, Failure> {
    values::fill_in(&mut attempt, &*sources.files)?;
    let unsealed = Unsealed::of(&attempt.chain, &*sources.secrets);
    let Work::Http(step) = &attempt.step().work else { return Err(cannot_start("the step is no request")) };
    let Some(resolved) = attempt.input.request.as_deref() else {
        return Err(cannot_start("the request was not resolved"));
    };
    let filler = Filler { unsealed: &unsealed };
    let mut prepared = Prepared {
        method: Method::from_bytes(step.method.as_bytes())
            .map_err(|_| refused(format!("`{}` is no method", step.method)))?,
        url: Url::parse(&resolved.url)
            .map_err(|error| refused(format!("the URL cannot be read: {error}")))?,
        headers: HeaderMap::new(),
        own: Vec::new(),
        body: None,
        mask: None,
    };
    prepared.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let mut hidden = Vec::new();
    filler.auth(step, &resolved.auth, &mut prepared, &mut hidden)?;
    filler.headers(step, &resolved.headers, &mut prepared)?;
    filler.body(step, resolved, &mut prepared)?;
    prepared.mask = unsealed.mask_with(hidden);
    Ok(prepared)
}

struct Filler<'a> {
    unsealed: &'a Unsealed,
}

impl Filler<'_> {
    fn headers(
        &self,
        step: &HttpStep,
        resolved: &BTreeMap<String, Given>,
        prepared: &mut Prepared,
    ) -> Result<(), Failure> {
        for (name, template) in &step.headers {
            let value = self.text(template, resolved.get(name))?;
            let header = header_name(name)?;
            let sent = header_value(name, &value.text, value.holds_secrets)?;
            // There is one of these, and what the step says outright is it.
            if [USER_AGENT, AUTHORIZATION].contains(&header) {
                prepared.headers.insert(&header, sent);
            } else {
                prepared.headers.append(&header, sent);
            }
            if value.holds_secrets {
                prepared.own.push(header);
            }
        }
        Ok(())
    }

    fn auth(
        &self,
        step: &HttpStep,
        resolved: &BTreeMap<String, Given>,
        prepared: &mut Prepared,
        hidden: &mut Vec<Zeroizing<String>>,
    ) -> Result<(), Failure> {
        let value = match &step.auth {
            None => return Ok(()),
            Some(Auth::Bearer(token)) => {
                let token = self.text(token, resolved.get("token"))?.text;
                Zeroizing::new(format!("Bearer {}", *token))
            }
            Some(Auth::Basic { user, password }) => {
                let user = self.text(user, resolved.get("user"))?.text;
                let password = self.text(password, resolved.get("password"))?.text;
                if user.contains(':') {
                    return Err(refused("a user with a `:` in it cannot be sent"));
                }
                let credentials = Zeroizing::new(format!("{}:{}", *user, *password));
                let encoded = Zeroizing::new(STANDARD.encode(credentials.as_bytes()));
                let value = Zeroizing::new(format!("Basic {}", *encoded));
                hidden.push(encoded);
                value
            }
        };
        prepared.headers.insert(AUTHORIZATION, header_value("auth", &value, true)?);
        Ok(())
    }

    fn body(
        &self,
        step: &HttpStep,
        resolved: &event::Request,
        prepared: &mut Prepared,
    ) -> Result<(), Failure> {
        let Some(body) = &step.body else { return Ok(()) };
        let given = given(body.template(), resolved.body.as_ref())?;
        let (bytes, content_type) = match body {
            Body::Json(_) => (self.json(&given)?.to_string(), "application/json"),
            Body::Form(_) => (form(&self.json(&given)?)?, "application/x-www-form-urlencoded"),
            Body::Text(_) => (self.unsealed.fill_one(&given)?.to_string(), "text/plain; charset=utf-8"),
        };
        if !prepared.headers.contains_key(CONTENT_TYPE) {
            prepared.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        prepared.body = Some(Sent { bytes: bytes.into_bytes(), holds_secrets: given.as_plain().is_none() });
        Ok(())
    }

    fn text(&self, template: &Template, resolved: Option<&Given>) -> Result<Filled, Failure> {
        let given = given(template, resolved)?;
        Ok(Filled { holds_secrets: given.as_plain().is_none(), text: self.unsealed.fill_one(&given)? })
    }

    fn json(&self, given: &Given) -> Result<Json, Failure> {
        self.unsealed.fill_json(given)
    }
}

struct Filled {
    text: Zeroizing<String>,
    holds_secrets: bool,
}

/// What is constant stands in the step, the rest was resolved.
fn given(template: &Template, resolved: Option<&Given>) -> Result<Given, Failure> {
    match (template, resolved) {
        (Template::Const(value), _) => Ok(Given::Plain(value.clone())),
        (_, Some(given)) => Ok(given.clone()),
        (_, None) => Err(cannot_start("a part of the request was not resolved")),
    }
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(format!("`{name}` is no name of a header")))
}

/// The value is not told: it may be a secret.
fn header_value(name: &str, value: &str, is_sensitive: bool) -> Result<HeaderValue, Failure> {
    let mut header = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        refused(format!("the value of `{name}` has a line break or another control character in it"))
    })?;
    header.set_sensitive(is_sensitive);
    Ok(header)
}

/// A list gives its field several times, null none at all; an object becomes JSON.
fn form(json: &Json) -> Result<String, Failure> {
    let fields = json.as_object().ok_or_else(|| refused("a form is an object"))?;
    let mut form = Url::parse("http://form/").expect("this is a URL");
    {
        let mut pairs = form.query_pairs_mut();
        for (name, value) in fields {
            for value in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
                match value {
                    Json::Null => {}
                    Json::String(text) => _ = pairs.append_pair(name, text),
                    Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                        _ = pairs.append_pair(name, &value.to_string());
                    }
                }
            }
        }
    }
    Ok(form.query().unwrap_or_default().to_owned())
}

pub(super) fn refused(message: impl Into<String>) -> Failure {
    Failure::lasting(FailureType::TemplateError, message)
}
