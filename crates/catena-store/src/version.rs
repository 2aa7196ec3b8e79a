//! One version of a chain as it is stored: the text, what was read from it, and its step files.

use std::sync::Arc;

use catena_core::Chain;
use sha2::{Digest, Sha256};

/// What an execution pins and runs, whatever becomes of the files on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// SHA-256 over name, text and step files, in hex.
    pub digest: String,
    pub chain: Arc<Chain>,
    /// The definition as it was written.
    pub source: String,
    pub files: Vec<StepFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFile {
    /// SHA-256 of the bytes, in hex.
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl StepFile {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: hex(&Sha256::digest(&bytes)), bytes }
    }
}

impl Version {
    pub fn new(chain: Chain, source: String, mut files: Vec<StepFile>) -> Self {
        files.sort_by(|a, b| a.digest.cmp(&b.digest));
        files.dedup_by(|a, b| a.digest == b.digest);
        let digest = digest(&chain, &source);
        Self { digest, chain: Arc::new(chain), source, files }
    }
}

/// The compiled chain names each step file by path and digest, and the working folder, so it stands for them.
fn digest(chain: &Chain, source: &str) -> String {
    let compiled = serde_json::to_string(chain).expect("a chain holds only what JSON can say");
    let mut hash = Sha256::new();
    for part in [compiled.as_str(), source] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
