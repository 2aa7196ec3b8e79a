//! Where the store and its folders are.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use catena_engine::{Config, Notice, Places};

use crate::{
    args::Place,
    config,
    exit::{Code, Failure},
};

/// The store, and the folder with what is not in it.
#[derive(Clone, Debug)]
pub(crate) struct Locations {
    pub(crate) store: PathBuf,
    /// Logs, private folders, helper and socket: the home folder, or for a store elsewhere a folder beside it,
    /// since all of these belong to one store.
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) origins: Origins,
    pub(crate) config: Arc<config::Config>,
}

/// What decided where things are.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    pub(crate) home: String,
    pub(crate) store: String,
}

impl Locations {
    pub(crate) fn find(place: &Place) -> Result<Self, Failure> {
        let config = Arc::new(config::Config::load()?);
        let (home, home_origin) = match (&place.home, variable("CATENA_HOME")) {
            (Some(home), _) => (absolute(home)?, "--home".to_owned()),
            (None, Some(home)) => (absolute(&home)?, "CATENA_HOME".to_owned()),
            (None, None) => default_home()?,
        };
        let own = home.join("catena.db");
        let (store, store_origin) = match (&place.store, variable("CATENA_STORE"), &config.store) {
            (Some(store), ..) => (absolute(store)?, "--store".to_owned()),
            (None, Some(store), _) => (absolute(&store)?, "CATENA_STORE".to_owned()),
            (None, None, Some(set)) => (absolute(&set.value)?, config.place(set.line)),
            (None, None, None) => (own.clone(), "home".to_owned()),
        };
        let root = if store == own { home.clone() } else { beside(&store) };
        let origins = Origins { home: home_origin, store: store_origin };
        Ok(Self { store, root, home, origins, config })
    }

    pub(crate) fn places(&self) -> Places {
        Places::new(&self.root)
    }

    /// What an engine on this store is opened with; its helper is this very program.
    pub(crate) fn engine_config(&self) -> Result<Config, Failure> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(Code::Environment, format!("cannot find the program that runs: {error}"))
                .next("the same command, with the full path of catena")
        })?;
        let dir = self.places().helper();
        let helper = move || {
            let mut command = Command::new(&program);
            command.arg("helper").arg("--dir").arg(&dir);
            command
        };
        let mut config = Config::new(&self.root, Arc::new(helper));
        config.store.clone_from(&self.store);
        config.secrets = Arc::clone(&self.config.secrets) as _;
        config.pools = self.config.pools.iter().map(|(name, slots)| (name.clone(), slots.value)).collect();
        if let Some(slots) = &self.config.slots {
            config.slots = slots.value;
        }
        // A step has a secret because it asks for it, not because this process was started with it.
        config.environment.retain(|(name, _)| !self.config.secrets.is_source(name));
        config.notify = Arc::new(tell);
        Ok(config)
    }
}

/// Says once that the engine takes nothing, and once that it goes on.
fn tell(notice: &Notice) {
    match notice {
        Notice::Suspended { why, is_disk_full } => {
            talk!("nothing is started any more: {why}; what runs goes on, nothing acknowledged is lost");
            let next = if *is_disk_full { "free some space" } else { "see to the disk" };
            talk!(
                "  next: {next}; this goes on by itself within seconds. `ps` and `ps cancel` work meanwhile"
            );
        }
        Notice::Resumed => talk!("the store takes commits again: everything goes on"),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(Code::Usage, format!("`{}` cannot be a place: {error}", path.display()))
            .next("catena … --home DIR")
    })
}

fn beside(store: &Path) -> PathBuf {
    let mut name: OsString = store.as_os_str().to_owned();
    name.push(".d");
    name.into()
}

/// A path of the environment; an empty variable is none.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn default_home() -> Result<(PathBuf, String), Failure> {
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute()).map(|s| (s, "XDG_STATE_HOME"));
    let state = state.or_else(|| Some((variable("HOME")?.join(".local/state"), "default")));
    state.map(|(state, origin)| (state.join("catena"), origin.to_owned())).ok_or_else(|| {
        Failure::new(Code::Environment, "neither HOME nor XDG_STATE_HOME says where the store is")
            .next("catena … --home DIR")
    })
}
