//! The door to the host of a store for other processes of the same user: a socket that carries commands and
//! announces commits. It changes nothing by itself; readers open the store beside it.

mod client;
mod protocol;
mod server;

pub use self::{client::HostClient, server::HostSocket};
