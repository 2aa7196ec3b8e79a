//! Secrets as the core knows them: by name. Their values never come in here; a runner fills them in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name that expressions read every secret under.
pub const SECRETS: &str = "secrets";

/// What stands behind `secrets.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name has letters, digits and `_`, no digit in front, and at most {} characters",
    SecretName::MAX_CHARS
)]
pub struct SecretNameError;

impl SecretName {
    pub const MAX_CHARS: usize = 200;

    pub fn parse(text: &str) -> Result<Self, SecretNameError> {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins_well = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit());
        if begins_well && text.len() <= Self::MAX_CHARS && text.chars().all(is_letter) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SecretNameError)
        }
    }

    /// The name that an expression asks for, if it asks for nothing else.
    pub(crate) fn of_expression(source: &str) -> Option<Self> {
        let name = source.trim().strip_prefix(SECRETS)?.strip_prefix('.')?;
        Self::parse(name).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;

    fn try_from(text: String) -> Result<Self, SecretNameError> {
        Self::parse(&text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}
