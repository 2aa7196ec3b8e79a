//! The request of an `http` step, and which answers to it are good.

use serde::{Deserialize, Serialize};

use super::Parse;
use crate::{expr::Expr, secret::SecretName, template::Template, value::VALUE_MAX_BYTES};

/// A request. Its method and the names in it are constant; data of the chain is never more than a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpStep {
    pub method: String,
    pub url: Url,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, Template)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Template)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The statuses that are no failure.
    pub status: Statuses,
    /// The failures that another attempt may help.
    pub retry_on: Statuses,
    pub follow_redirects: bool,
    /// Bytes of the response's body, at most.
    pub max_body: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<Parse>,
}

/// Where a request goes: to whom, and what behind that. Only what stands as one whole expression says to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Url {
    pub base: Base,
    /// What the URL has behind the host; begins with `/`, `?` or `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Template>,
    /// What the key `path` says, behind the path of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Template>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// `https://example.org:8443`.
    Origin(String),
    /// An expression that gives the whole URL.
    Whole(Expr),
    /// A host, and a port, that may come from expressions.
    Host {
        scheme: String,
        host: Template,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<Template>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    Basic { user: Template, password: Template },
    Bearer(Template),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Json(Template),
    /// An object: its values by the names of the fields.
    Form(Template),
    Text(Template),
}

/// Statuses, as ranges with both ends in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statuses(pub Vec<(u16, u16)>);

impl Statuses {
    const ALL: (u16, u16) = (100, 599);

    pub fn success() -> Self {
        Self(vec![(200, 299)])
    }

    /// What most servers mean as "later": 408, 425, 429 and all failures of their own.
    pub fn passing() -> Self {
        Self(vec![(408, 408), (425, 425), (429, 429), (500, 599)])
    }

    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// A range as it is written: `404`, `2xx`, `200-204`.
    pub fn parse_range(text: &str) -> Option<(u16, u16)> {
        let text = text.trim();
        let (from, to) = if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            let class: u16 = class.parse().ok()?;
            (class.checked_mul(100)?, class.checked_mul(100)?.checked_add(99)?)
        } else if let Some((from, to)) = text.split_once('-') {
            (from.trim().parse().ok()?, to.trim().parse().ok()?)
        } else {
            (text.parse().ok()?, text.parse().ok()?)
        };
        let (least, most) = Self::ALL;
        (least <= from && from <= to && to <= most).then_some((from, to))
    }
}

impl HttpStep {
    pub const MAX_BODY_BYTES: u64 = VALUE_MAX_BYTES as u64;

    /// A plain GET, to be changed where a step says more.
    pub fn get(url: Url) -> Self {
        Self {
            method: "GET".to_owned(),
            url,
            query: Vec::new(),
            headers: Vec::new(),
            auth: None,
            body: None,
            status: Statuses::success(),
            retry_on: Statuses::passing(),
            follow_redirects: true,
            max_body: Self::MAX_BODY_BYTES,
            parse: None,
        }
    }

    pub(super) fn exprs(&self) -> Vec<&Expr> {
        let base = match &self.url.base {
            Base::Origin(_) => Vec::new(),
            Base::Whole(expr) => vec![expr],
            Base::Host { host, port, .. } => {
                std::iter::once(host).chain(port).flat_map(Template::exprs).collect()
            }
        };
        let url = self.url.tail.iter().chain(&self.url.path);
        let query = self.query.iter().map(|(_, value)| value);
        let rest = url.chain(query).chain(self.sealable()).flat_map(Template::exprs);
        base.into_iter().chain(rest).collect()
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.sealable().flat_map(Template::secrets)
    }

    /// Where secrets may stand.
    fn sealable(&self) -> impl Iterator<Item = &Template> {
        let auth = match &self.auth {
            None => Vec::new(),
            Some(Auth::Basic { user, password }) => vec![user, password],
            Some(Auth::Bearer(token)) => vec![token],
        };
        let body = self.body.iter().map(Body::template);
        self.headers.iter().map(|(_, value)| value).chain(auth).chain(body)
    }
}

impl Body {
    pub fn template(&self) -> &Template {
        match self {
            Self::Json(template) | Self::Form(template) | Self::Text(template) => template,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Statuses;

    #[test]
    fn statuses_are_read_as_people_write_them() {
        let cases = [
            ("404", Some((404, 404))),
            ("2xx", Some((200, 299))),
            ("5XX", Some((500, 599))),
            (" 200 - 204 ", Some((200, 204))),
            ("204-200", None),
            ("99", None),
            ("600", None),
            ("6xx", None),
            ("xx", None),
            ("ok", None),
            ("-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Statuses::parse_range(text), expected, "{text}");
        }
        assert!(Statuses::passing().contains(503) && !Statuses::passing().contains(404));
    }
}
