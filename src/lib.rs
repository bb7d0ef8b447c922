//! Sendlog: the log of every message a team sends. This library is built twice, for the server (`ssr`) and for the
//! browser (`hydrate`); `main.rs` is the command line over the server's half.

pub mod domain;
#[cfg(feature = "ssr")]
pub mod server;
