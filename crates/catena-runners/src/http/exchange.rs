//! Asking and being answered: the client, redirects, and the body as far as it is wanted.

use std::{error::Error as _, sync::Arc, time::Duration};

use catena_core::{Failure, FailureType, chain::HttpStep};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{
        AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, LOCATION,
        PROXY_AUTHORIZATION,
    },
    redirect,
};
use serde_json::json;

use super::{
    request::Prepared,
    response::{Received, Wanted},
};
use crate::process::AttemptLog;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection is kept for the next request. A server closes one that is idle, and a request that meets
/// this fails, so it is short.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const REDIRECTS_MAX: usize = 10;

/// The clients of a process, with the proxies of its environment.
#[derive(Clone)]
pub(super) struct Clients {
    /// Trusts what the system trusts; else why there is none.
    client: Result<Client, Arc<str>>,
    /// For addresses without TLS, where the first one is missing.
    plain: Option<Client>,
}

impl Clients {
    /// Reads the system's certificates, so it takes a moment.
    pub(super) fn new() -> Self {
        // Whoever embeds this may have chosen a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = || {
            Client::builder()
                // Followed here, where it is known what may not go elsewhere.
                .redirect(redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
        };
        match builder().build() {
            Ok(client) => Self { client: Ok(client), plain: None },
            Err(error) => {
                let plain = builder().tls_certs_only([]).build().ok();
                Self { client: Err(root_of(&error).into()), plain }
            }
        }
    }

    fn for_url(&self, url: &Url) -> Result<&Client, Failure> {
        match (&self.client, &self.plain) {
            (Ok(client), _) => Ok(client),
            (Err(_), Some(plain)) if url.scheme() == "http" => Ok(plain),
            (Err(why), _) => {
                let message = format!(
                    "TLS cannot be set up: {why}; install the system's CA certificates, or name their file in \
                     SSL_CERT_FILE"
                );
                Err(transport("tls", message, Chance::None))
            }
        }
    }
}

/// Sends the request, follows where it is sent on to, and reads what is wanted of the response.
pub(super) async fn exchange(
    step: &HttpStep,
    mut request: Prepared,
    clients: &Clients,
    wanted: &Wanted,
    log: &mut AttemptLog,
) -> Result<Received, Failure> {
    for _ in 0..=REDIRECTS_MAX {
        let response = send(&request, clients, log).await?;
        let status = response.status();
        log.say(&format!("< {status}{}", described(response.headers())));
        match redirected(step, &response, &request)? {
            Some(target) => go_on(&mut request, target, status)?,
            None => {
                let received = read(response, request, wanted).await?;
                log.say(&format!("< {} bytes", received.bytes));
                return Ok(received);
            }
        }
    }
    let message = format!("it was redirected more than {REDIRECTS_MAX} times, last to {}", request.url);
    Err(transport("redirect", message, Chance::None))
}

async fn send(request: &Prepared, clients: &Clients, log: &mut AttemptLog) -> Result<Response, Failure> {
    let client = clients.for_url(&request.url)?;
    log.say(&format!("> {} {}", request.method, request.url));
    let mut builder =
        client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    if let Some(body) = &request.body {
        log.say(&format!("> {} bytes", body.bytes.len()));
        builder = builder.body(body.bytes.clone());
    }
    builder.send().await.map_err(|error| not_sent(&error, &request.url))
}

/// Where the response sends on to, if that is followed.
fn redirected(step: &HttpStep, response: &Response, request: &Prepared) -> Result<Option<Url>, Failure> {
    let status = response.status();
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    // Who expects the redirect wants to see it.
    if !is_redirect || !step.follow_redirects || step.status.contains(status.as_u16()) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let refused = || transport("redirect", "it was redirected to what is no URL", Chance::None);
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| refused())?;
    let mut target = request.url.join(location).map_err(|_| refused())?;
    if !matches!(target.scheme(), "http" | "https") || !target.has_host() {
        let message = format!("it was redirected to an address of the scheme `{}`", target.scheme());
        return Err(transport("redirect", message, Chance::None));
    }
    // Credentials that a server hands out in an address are nobody's.
    let is_clean = target.set_username("").is_ok() && target.set_password(None).is_ok();
    target.set_fragment(None);
    if is_clean { Ok(Some(target)) } else { Err(refused()) }
}

/// The same request to another address: without a body where the status says so, and to another origin without
/// anything that was meant for the first one alone.
fn go_on(request: &mut Prepared, target: Url, status: StatusCode) -> Result<(), Failure> {
    let becomes_get = match status.as_u16() {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = None;
        for name in [CONTENT_TYPE, CONTENT_LENGTH] {
            request.headers.remove(name);
        }
    }
    if target.origin() != request.url.origin() {
        if request.body.as_ref().is_some_and(|body| body.holds_secrets) {
            let message = format!(
                "it was redirected to {}, another server, which must not see the secrets in its body",
                target.origin().ascii_serialization()
            );
            return Err(transport("redirect", message, Chance::None));
        }
        let own: Vec<HeaderName> = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE]
            .into_iter()
            .chain(std::mem::take(&mut request.own))
            .collect();
        for name in own {
            request.headers.remove(name);
        }
    }
    request.url = target;
    Ok(())
}

/// Reads the body as far as it is wanted: whole where it is kept, its beginning where it tells of a failure.
async fn read(mut response: Response, request: Prepared, wanted: &Wanted) -> Result<Received, Failure> {
    let status = response.status().as_u16();
    let is_good = wanted.status.contains(status);
    let mut received = Received {
        status,
        reason: response.status().canonical_reason().unwrap_or_default().to_owned(),
        method: request.method.to_string(),
        url: request.url.to_string(),
        headers: std::mem::take(response.headers_mut()),
        body: Vec::new(),
        bytes: 0,
    };
    let most = if is_good { wanted.max_body } else { wanted.excerpt };
    while let Some(chunk) =
        response.chunk().await.map_err(|error| broke_off(&error, &request.url, received.bytes))?
    {
        received.bytes += chunk.len() as u64;
        if is_good && wanted.keeps_result && received.bytes > most {
            return Err(too_large(most));
        }
        if wanted.keeps_result || !is_good {
            received.body.extend_from_slice(&chunk);
        }
        if !is_good && received.bytes >= most {
            break;
        }
    }
    Ok(received)
}

fn described(headers: &HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.map(|kind| format!(", {kind}")).unwrap_or_default()
}

fn too_large(most: u64) -> Failure {
    let message = format!(
        "the body of the response has more than {most} bytes; raise `max_body`, or fetch larger data into a file"
    );
    Failure::lasting(FailureType::ResultTooLarge, message)
}

/// Whether another attempt may do better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chance {
    Good,
    None,
}

fn transport(reason: &str, message: impl Into<String>, chance: Chance) -> Failure {
    let failure = Failure::new(FailureType::HttpError, message).with_detail(json!({ "reason": reason }));
    Failure { retriable: chance == Chance::Good, ..failure }
}

/// Why there is no response. Of the request only the server is told: that is what the failure is about.
fn not_sent(error: &reqwest::Error, url: &Url) -> Failure {
    let server = url.origin().ascii_serialization();
    let cause = root_of(error);
    if let Some(tls) = tls_error(error) {
        let certificate = match tls {
            rustls::Error::InvalidCertificate(why) => Some(certificate_trouble(why)),
            _ => None,
        };
        return match certificate {
            Some(why) => transport(
                "certificate",
                format!("the certificate of {server} is refused: {why}"),
                Chance::None,
            ),
            None => transport("tls", format!("no TLS connection to {server}: {tls}"), Chance::Good),
        };
    }
    if error.is_dns() {
        let host = url.host_str().unwrap_or_default();
        return transport("dns", format!("the name `{host}` cannot be resolved: {cause}"), Chance::Good);
    }
    if error.is_timeout() {
        let message = format!("no connection to {server} within {} s", CONNECT_TIMEOUT.as_secs());
        return transport("connect", message, Chance::Good);
    }
    if error.is_connect() {
        return transport("connect", format!("no connection to {server}: {cause}"), Chance::Good);
    }
    if error.is_builder() {
        return transport("request", format!("the request cannot be sent: {cause}"), Chance::None);
    }
    transport("closed", format!("{server} ended the connection without a response: {cause}"), Chance::Good)
}

fn certificate_trouble(why: &rustls::CertificateError) -> String {
    use rustls::CertificateError;
    match why {
        CertificateError::UnknownIssuer => {
            "nobody whom this system trusts has issued it; for an authority of your own, name its certificates in \
             SSL_CERT_FILE"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn broke_off(error: &reqwest::Error, url: &Url, bytes: u64) -> Failure {
    let server = url.origin().ascii_serialization();
    let cause = root_of(error);
    if error.is_decode() && !is_io(error) {
        return transport("body", format!("the body from {server} cannot be decoded: {cause}"), Chance::Good);
    }
    let message = format!("the response of {server} broke off after {bytes} bytes: {cause}");
    transport("body", message, Chance::Good)
}

type Cause = dyn std::error::Error + 'static;

/// The error and what it comes from.
fn chain(error: &Cause) -> impl Iterator<Item = &Cause> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            // What an I/O error was made of is not its source, but the error itself.
            Some(inner) => Some(inner as &Cause),
            None => current.source(),
        };
        Some(current)
    })
}

fn root_of(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn is_io(error: &reqwest::Error) -> bool {
    let source = error.source();
    source.into_iter().flat_map(chain).any(|error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|io| {
            !matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
        })
    })
}
