//! The key under which a result holds again: what the step does, what it is given, and the files that it names.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use catena_core::{ExecutionId, State, Timestamp, VisitNo, chain::Cache, event::CacheHit, value::digest};
use catena_store::{Error, Store};
use serde_json::json;

/// A visit that asks whether an earlier result holds.
#[derive(Clone, Debug)]
pub(crate) struct LookUp {
    pub(crate) execution: ExecutionId,
    pub(crate) visit: VisitNo,
    /// All that decides what the step does, as JSON.
    identity: String,
    cache: Cache,
    folder: PathBuf,
}

impl LookUp {
    pub(crate) fn of(state: &State, visit: VisitNo) -> Self {
        let (chain, step) = (state.chain(), state.step_of(visit));
        let input = &state.visit(visit).input;
        let mut identity = json!([chain.name, step.id, step.work, chain.env, step.output, input]);
        if let (Some(iterations), Some(parts)) = (&step.iterations, identity.as_array_mut()) {
            parts.push(json!(iterations));
        }
        let identity = identity.to_string();
        let own = step.work.process().and_then(|process| process.workdir.as_deref());
        let folder = own.or(chain.workdir.as_deref()).map(PathBuf::from).unwrap_or_default();
        let cache = step.cache.clone().unwrap_or_default();
        Self { execution: state.id(), visit, identity, cache, folder }
    }

    /// The key, and the result that is kept under it, if that is not too old.
    pub(crate) fn answer(
        &self,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(String, Option<CacheHit>), Error> {
        let files: Vec<(String, String)> =
            self.files().into_iter().map(|path| (path.display().to_string(), content(&path))).collect();
        let key = digest(json!([self.identity, files]).to_string().as_bytes());
        let found = store.cached(&key)?.filter(|cached| match self.cache.ttl_ms {
            Some(ttl_ms) => cached.at.plus_ms(ttl_ms) > now,
            None => true,
        });
        let hit = found.map(|cached| CacheHit { execution: cached.execution, result: cached.result });
        Ok((key, hit))
    }

    /// The files that the step names, each once and in order.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for pattern in &self.cache.files {
            let pattern = self.folder.join(pattern);
            match glob::glob(&pattern.to_string_lossy()) {
                Ok(paths) => found.extend(paths.flatten().filter(|path| path.is_file())),
                // What is no pattern is the name of a file.
                Err(_) => drop(found.insert(pattern)),
            }
        }
        found
    }
}

/// The digest of a file's content; what cannot be read is as good as another content.
fn content(path: &Path) -> String {
    match std::fs::read(path) {
        Ok(bytes) => digest(&bytes),
        Err(error) => error.to_string(),
    }
}
