//! The server under test, in a folder of its own, and the mail server that it sends to.

mod sink;
mod target;

pub use sink::Sink;
pub use target::{Server, create_key, create_template, post};
