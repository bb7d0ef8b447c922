//! What is said on a connection: commands in, replies out, and the content of a message. Called by [super::session].
//! Nothing here knows who may send.

pub mod address;
pub mod command;
pub mod connection;
pub mod dots;
pub mod parameters;
pub mod reply;
