//! What is said over the socket: one JSON object per line.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use catena_core::{
    Chain, ExecutionId, GivenContext, ScheduleId, StepIx, Timestamp, Value, chain::Part, rerun::Again,
    schedule::Schedule,
};
use catena_store::{Actor, InboxCommand, StepFile, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Announcement, Backfilled, Begin, Error, ScheduleRequest, Scheduled, Standing, StartRequest, error::Kind,
};

/// Programs of different protocols do not talk.
pub(super) const PROTOCOL: u32 = 4;
pub(super) const SOCKET: &str = "catena.sock";
/// The longest message: a definition with all its step files.
pub(super) const MESSAGE_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    pub(super) version: String,
    pub(super) pid: u32,
}

impl Hello {
    pub(super) fn mine() -> Self {
        Self { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Start(Box<StartDto>),
    Tell {
        execution: ExecutionId,
        command: InboxCommand,
        actor: Actor,
    },
    /// Announce the commits of an execution until its end.
    Follow {
        execution: ExecutionId,
    },
    /// Store a chain with its schedules.
    Schedule(Box<ScheduleDto>),
    ChangeChain {
        chain: String,
        standing: Standing,
    },
    RemoveChain {
        chain: String,
    },
    ChangeSchedule {
        id: ScheduleId,
        standing: Standing,
    },
    RunNow {
        id: ScheduleId,
        actor: Actor,
    },
    Backfill {
        id: ScheduleId,
        from: Timestamp,
        to: Timestamp,
        actor: Actor,
    },
    /// Announce what is new of schedules from now on.
    FollowSchedules,
    /// Announce that something was committed, until the host goes. A host that does not know it hangs up.
    FollowAll {},
}

impl Request {
    /// The kind as it is written.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Tell { .. } => "tell",
            Self::Follow { .. } => "follow",
            Self::FollowAll {} => "follow_all",
            Self::Schedule(_) => "schedule",
            Self::ChangeChain { .. } => "change_chain",
            Self::RemoveChain { .. } => "remove_chain",
            Self::ChangeSchedule { .. } => "change_schedule",
            Self::RunNow { .. } => "run_now",
            Self::Backfill { .. } => "backfill",
            Self::FollowSchedules => "follow_schedules",
        }
    }

    /// The execution that it is about.
    pub(super) fn execution(&self) -> Option<ExecutionId> {
        match *self {
            Self::Tell { execution, .. } | Self::Follow { execution } => Some(execution),
            Self::Start(_)
            | Self::FollowAll {}
            | Self::Schedule(_)
            | Self::ChangeChain { .. }
            | Self::RemoveChain { .. }
            | Self::ChangeSchedule { .. }
            | Self::RunNow { .. }
            | Self::Backfill { .. }
            | Self::FollowSchedules => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Response {
    Started {
        execution: ExecutionId,
        is_new: bool,
    },
    Done,
    Scheduled(Scheduled),
    Backfilled(Backfilled),
    Announced(Announcement),
    /// Events up to `seq` are in the store.
    Committed {
        seq: u64,
        ended: bool,
    },
    /// Something was committed, one announcement for all that gathered.
    Changed {},
    Refused {
        kind: Kind,
        message: String,
    },
}

impl Response {
    pub(super) fn refused(error: &Error) -> Self {
        Self::Refused { kind: error.kind(), message: error.to_string() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StartDto {
    chain: Chain,
    source: String,
    /// The bytes of step files, in base64.
    files: Vec<String>,
    /// As plain JSON: a peer gives data, never references.
    params: BTreeMap<String, Json>,
    key: Option<String>,
    actor: Actor,
    #[serde(default)]
    part: Option<Part>,
    #[serde(default)]
    pins: Vec<(StepIx, Json)>,
    #[serde(default)]
    context: ContextDto,
    #[serde(default)]
    rerun: Option<(ExecutionId, Again)>,
}

impl From<StartRequest> for StartDto {
    fn from(request: StartRequest) -> Self {
        Self {
            chain: Chain::clone(&request.version.chain),
            source: request.version.source.clone(),
            files: request.version.files.iter().map(|file| STANDARD.encode(&file.bytes)).collect(),
            params: request.params.into_iter().map(|(name, value)| (name, value.as_json().clone())).collect(),
            key: request.key,
            actor: request.actor,
            part: request.part,
            pins: request.pins.into_iter().map(|(step, value)| (step, value.as_json().clone())).collect(),
            context: request.context.into(),
            rerun: request.rerun,
        }
    }
}

/// As plain JSON, too.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ContextDto {
    names: BTreeMap<String, Json>,
    variables: BTreeMap<String, Json>,
    steps: Vec<(StepIx, Json)>,
    errors: Vec<(StepIx, Json)>,
    items: Vec<(StepIx, Vec<Json>)>,
}

impl From<GivenContext> for ContextDto {
    fn from(context: GivenContext) -> Self {
        let plain = |value: Value| value.as_json().clone();
        let GivenContext { names, variables, steps, errors, items } = context;
        Self {
            names: names.into_iter().map(|(name, value)| (name, plain(value))).collect(),
            variables: variables.into_iter().map(|(name, value)| (name, plain(value))).collect(),
            steps: steps.into_iter().map(|(step, value)| (step, plain(value))).collect(),
            errors: errors.into_iter().map(|(step, value)| (step, plain(value))).collect(),
            items: items
                .into_iter()
                .map(|(step, items)| (step, items.into_iter().map(plain).collect()))
                .collect(),
        }
    }
}

impl From<ContextDto> for GivenContext {
    fn from(dto: ContextDto) -> Self {
        let ContextDto { names, variables, steps, errors, items } = dto;
        Self {
            names: names.into_iter().map(|(name, json)| (name, json.into())).collect(),
            variables: variables.into_iter().map(|(name, json)| (name, json.into())).collect(),
            steps: steps.into_iter().map(|(step, json)| (step, json.into())).collect(),
            errors: errors.into_iter().map(|(step, json)| (step, json.into())).collect(),
            items: items
                .into_iter()
                .map(|(step, items)| (step, items.into_iter().map(Value::from).collect()))
                .collect(),
        }
    }
}

impl StartDto {
    /// The digest is made anew from what has arrived.
    pub(super) fn into_request(self) -> Result<StartRequest, base64::DecodeError> {
        let files: Result<Vec<StepFile>, _> =
            self.files.iter().map(|text| STANDARD.decode(text).map(StepFile::new)).collect();
        let version = Arc::new(Version::new(self.chain, self.source, files?));
        let params = self.params.into_iter().map(|(name, json)| (name, Value::from(json))).collect();
        let pins = self.pins.into_iter().map(|(step, json)| (step, Value::from(json))).collect();
        let Self { key, actor, part, context, rerun, .. } = self;
        Ok(StartRequest { version, params, key, actor, part, pins, context: context.into(), rerun })
    }
}

/// A chain with its schedules: what a start has, and what a start does not need.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ScheduleDto {
    start: StartDto,
    schedules: Vec<Schedule>,
    begin: Begin,
}

impl From<ScheduleRequest> for ScheduleDto {
    fn from(request: ScheduleRequest) -> Self {
        let ScheduleRequest { version, schedules, params, actor, begin } = request;
        let start = StartRequest::new(version, params, actor).into();
        Self { start, schedules, begin }
    }
}

impl ScheduleDto {
    pub(super) fn into_request(self) -> Result<ScheduleRequest, base64::DecodeError> {
        let Self { start, schedules, begin } = self;
        let StartRequest { version, params, actor, .. } = start.into_request()?;
        Ok(ScheduleRequest { version, schedules, params, actor, begin })
    }
}
