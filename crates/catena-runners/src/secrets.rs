//! Secrets at the moment of an attempt: where their values come from, and what an attempt does with them.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use catena_core::{Chain, Failure, FailureType, Given, SecretName};
use zeroize::Zeroizing;

use crate::{mask::Mask, prepare::refuse_too_long, process::Launch};

/// The value of a secret. Wiped when it is dropped; nothing prints or stores it.
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for who must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Where the values of secrets come from.
pub trait Secrets: Send + Sync {
    /// The value as it is now. It may take its time: nobody else waits meanwhile.
    fn resolve(&self, name: &SecretName) -> Result<Secret, SecretMissing>;
}

/// Why a secret has no value, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret `{name}` {why}")]
pub struct SecretMissing {
    pub name: SecretName,
    /// Goes on behind the name: "is not configured …".
    pub why: String,
}

/// The source of a program that has no secrets.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, name: &SecretName) -> Result<Secret, SecretMissing> {
        Err(SecretMissing { name: name.clone(), why: "is not configured".to_owned() })
    }
}

/// What of a launch is filled in when the attempt starts.
#[derive(Default)]
pub(crate) struct Gaps {
    pub(crate) env: BTreeMap<String, Given>,
    pub(crate) stdin: Option<Given>,
}

/// The secrets of a chain as they were when an attempt of it began: its own to be filled in, all of them to be
/// masked, since what a step is not given it may still come across.
pub(crate) struct Unsealed {
    values: BTreeMap<SecretName, Secret>,
    missing: Vec<SecretMissing>,
}

impl Unsealed {
    pub(crate) fn of(chain: &Chain, secrets: &dyn Secrets) -> Self {
        let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
        for name in chain.secrets() {
            let resolved = catch_unwind(AssertUnwindSafe(|| secrets.resolve(name)));
            let broken = |_| Err(missing_for(name, "cannot be read: its source panicked"));
            match resolved.unwrap_or_else(broken) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(why) => missing.push(why),
            }
        }
        Self { values, missing }
    }

    pub(crate) fn mask(&self) -> Option<Arc<Mask>> {
        Mask::new(self.values.values().map(Secret::expose)).map(Arc::new)
    }

    /// The same where the secrets are sent in other forms as well: those in `more`, and as URLs and forms have them.
    #[cfg(feature = "http")]
    pub(crate) fn mask_with(&self, more: Vec<Zeroizing<String>>) -> Option<Arc<Mask>> {
        let values = self.values.values().map(Secret::expose);
        let encoded: Vec<Zeroizing<String>> = values.clone().map(in_form).chain(more).collect();
        Mask::new(values.chain(encoded.iter().map(|text| text.as_str()))).map(Arc::new)
    }

    #[cfg(feature = "http")]
    pub(crate) fn fill_json(&self, given: &Given) -> Result<serde_json::Value, Failure> {
        given.fill_json(&mut |name| self.value(name))
    }

    pub(crate) fn fill(&self, gaps: &Gaps) -> Result<Filling, Failure> {
        let env: Result<Vec<_>, Failure> =
            gaps.env.iter().map(|(name, given)| Ok((name.clone(), self.fill_one(given)?))).collect();
        let env = env?;
        refuse_too_long(&[], &env)?;
        let stdin = gaps.stdin.as_ref().map(|given| self.fill_one(given)).transpose()?;
        let hidden = self.values.values().map(|value| value.0.clone()).collect();
        Ok(Filling { env, stdin, hidden })
    }

    pub(crate) fn fill_one(&self, given: &Given) -> Result<Zeroizing<String>, Failure> {
        given.fill(&mut |name| self.value(name)).map(Zeroizing::new)
    }

    fn value(&self, name: &SecretName) -> Result<String, Failure> {
        match self.values.get(name) {
            Some(value) => Ok(value.expose().to_owned()),
            None => {
                let known = self.missing.iter().find(|missing| missing.name == *name).cloned();
                let missing = known.unwrap_or_else(|| missing_for(name, "is none of the chain's"));
                // Another attempt may find it: files of secrets come and go with what mounts them.
                Err(Failure::new(FailureType::SecretMissing, missing.to_string()))
            }
        }
    }
}

/// A text as a field of a form has it.
#[cfg(feature = "http")]
fn in_form(text: &str) -> Zeroizing<String> {
    use std::fmt::Write as _;
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    encoded
}

fn missing_for(name: &SecretName, why: &str) -> SecretMissing {
    SecretMissing { name: name.clone(), why: why.to_owned() }
}

/// What the gaps of a launch are filled with.
pub(crate) struct Filling {
    env: Vec<(String, Zeroizing<String>)>,
    stdin: Option<Zeroizing<String>>,
    hidden: Vec<Zeroizing<String>>,
}

impl Filling {
    pub(crate) fn apply(&self, launch: &mut Launch) {
        launch.env.extend(self.env.iter().map(|(name, value)| (name.clone(), value.to_string())));
        if let Some(stdin) = &self.stdin {
            launch.stdin = Some(stdin.as_bytes().to_vec());
        }
        launch.hidden = self.hidden.iter().map(|value| value.to_string()).collect();
    }
}
