//! What tells when a mail is opened, which of its links are followed, and who wants no more of it: [token]s that nobody forges,
//! [links] that carry them in a mail's HTML, what is known of the [visitor], and [geoip]. Pure: the worker writes the links,
//! [crate::server::services::tracking] records who comes by them.

pub mod geoip;
pub mod links;
pub mod token;
pub mod visitor;
