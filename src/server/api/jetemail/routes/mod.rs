//! The handlers: extract, call the use case, put the answer into the wire's shape.

pub mod email;
pub mod logs;
