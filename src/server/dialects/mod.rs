//! The endpoints in the shapes of other systems: each a thin translation between its own requests and answers and the
//! use cases of [crate::server::services]. A dialect never calls the store. [crate::server::web] mounts them.

pub mod canary;
