//! Time zones by their IANA names, from the database that is compiled in.

use std::{fmt, sync::LazyLock};

use jiff::{
    Timestamp as Instant,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The zones as they are compiled in: what an execution or a schedule computes does not depend on files of the machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The rules of a zone; the name is found in any case.
pub(crate) fn find_zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

/// A time zone of the database. Its serial form is its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`")]
pub struct UnknownZone(pub String);

impl Zone {
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Finds a zone by its IANA name, in any case.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        // What the database gives for `Etc/Unknown` is a zone that knows no place.
        let known = find_zone(name).filter(|zone| !zone.is_unknown());
        let rules = known.ok_or_else(|| UnknownZone(name.to_owned()))?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, rules })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the zone's clocks show a date and time: at the end of the gap that it falls into, in the first pass of a
    /// fold.
    pub fn instant_of(&self, local: jiff::civil::DateTime) -> Option<Timestamp> {
        super::walk::instant_of(&self.rules, local).map(|at| Timestamp(at.as_microsecond()))
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// RFC 3339 with the offset that the zone's clocks have at the instant.
    pub fn rfc3339(&self, at: Timestamp) -> String {
        let Ok(instant) = Instant::from_microsecond(at.0) else { return at.0.to_string() };
        let offset = self.rules.to_offset(instant);
        instant.display_with_offset(offset).to_string()
    }

    /// The day that it is there, as `2026-11-20`.
    pub fn day(&self, at: Timestamp) -> String {
        self.rfc3339(at).chars().take_while(|letter| *letter != 'T').collect()
    }

    pub fn is_utc(&self) -> bool {
        self.name == "UTC"
    }

    /// The names that there are, in order.
    pub fn names() -> Vec<String> {
        ZONES.available().map(|name| name.as_str().to_owned()).collect()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::parse(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}
