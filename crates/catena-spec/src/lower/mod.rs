//! Tree to chain. First the outline is drawn: which steps there are, of which kind, with which ids, in which blocks.
//! Then each part is lowered with the whole outline known, so that a jump or a name can refer to what comes later.

mod chain;
mod code;
mod context;
mod declared;
mod depends;
mod flow;
mod frames;
mod http;
mod order;
mod outline;
mod policy;
mod preview;
mod process;
mod schedule;
mod scope;
mod script_argument;
mod step;
mod step_file;
mod template;
mod values;
mod wait;

pub(crate) use chain::lower;
pub(crate) use context::Lowered;
pub use schedule::{cron, zone};
