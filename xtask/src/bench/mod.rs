//! `cargo xtask bench`: each kind of work beside its floor, measured in turns in the same run. Times are shown and
//! never tested; the counts beside them are tests of their own, in the crates.

mod chains;
mod code;
mod context;
mod counts;
mod graph;
mod lab;
mod long;
mod many;
mod measure;
mod program;
mod run;
mod sequence;
mod shell;
mod sqlite;
mod table;

pub(crate) use run::run;
