//! Where the store and its folders are.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use catena_engine::{Config, Places};

use crate::{
    args::Place,
    exit::{Code, Failure},
};

/// The store, and the folder with what is not in it.
#[derive(Clone, Debug)]
pub(crate) struct Locations {
    pub(crate) store: PathBuf,
    /// Logs, private folders, helper and socket: the home folder, or for a store elsewhere a folder beside it,
    /// since all of these belong to one store.
    pub(crate) root: PathBuf,
}

impl Locations {
    pub(crate) fn find(place: &Place) -> Result<Self, Failure> {
        let home = match place.home.clone().or_else(|| variable("CATENA_HOME")) {
            Some(home) => absolute(&home)?,
            None => default_home()?,
        };
        let own = home.join("catena.db");
        match place.store.clone().or_else(|| variable("CATENA_STORE")) {
            None => Ok(Self { store: own, root: home }),
            Some(store) => {
                let store = absolute(&store)?;
                let root = if store == own { home } else { beside(&store) };
                Ok(Self { store, root })
            }
        }
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
        Ok(config)
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

fn default_home() -> Result<PathBuf, Failure> {
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map(|state| state.join("catena")).ok_or_else(|| {
        Failure::new(Code::Environment, "neither HOME nor XDG_STATE_HOME says where the store is")
            .next("catena … --home DIR")
    })
}
