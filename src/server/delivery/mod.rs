//! Sending what was accepted. The [worker] takes messages from the outbox as [plan] says, [message] writes them as mail, [smtp] hands
//! them to a mail server and tells each recipient's fate; [http] posts messages of other channels to an address of the
//! team's, and [providers] hands messages to providers by their APIs. [tracking] writes
//! what tells when a mail is opened. [api_call] asks other systems for what they know. Services call [header::check_header] and
//! [mailbox::parse_mailboxes] before they accept a message, and [endpoint::SmtpEndpoint::parse] and
//! [endpoint::SmtpSecret::seal], or those of [http_endpoint], when they save an adapter.

pub mod api_call;
pub mod endpoint;
pub mod header;
mod hidden;
pub mod http;
pub mod http_endpoint;
mod http_words;
pub mod mailbox;
pub mod message;
mod plan;
mod provider_id;
pub mod providers;
pub mod retention;
pub mod smtp;
mod tracking;
mod transcript;
pub mod webhook;
pub mod worker;
