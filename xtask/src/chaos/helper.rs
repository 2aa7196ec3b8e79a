//! The process helper of the store under test: found by its records, to be killed like the engine.

use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value as Json;

use super::engine::Site;

/// Kills the helper; whether there was one.
pub(super) fn kill(site: &Site) -> Result<bool> {
    let Some(pid) = pid(&site.home) else { return Ok(false) };
    // What is examined and what is killed are one process.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
    if !is_of(pid, &site.catena) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, Signal::KILL) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(error).context("cannot kill the helper"),
    }
}

/// A helper leads the session that it names in the first line of its records.
fn pid(home: &Path) -> Option<Pid> {
    let records = std::fs::read_to_string(home.join("helper/helper.records")).ok()?;
    let header: Json = serde_json::from_str(records.lines().next()?).ok()?;
    Pid::from_raw(i32::try_from(header["session"].as_i64()?).ok()?)
}

fn is_of(pid: Pid, program: &Path) -> bool {
    let path = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero()));
    path.is_ok_and(|path| path == program)
}
