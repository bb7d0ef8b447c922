//! The use cases, one function each: check the permission, load, decide, store, return. Server functions, dialects and
//! the command line call them; they alone call the store.

pub mod accounts;
pub mod adapters;
pub mod api_keys;
pub mod api_requests;
pub mod audit;
pub mod backups;
pub mod bounces;
pub mod cancel;
pub mod checks;
pub mod condition_names;
pub mod customer;
mod direct;
pub mod doctor;
pub mod drafts;
pub mod emails;
pub mod events;
pub mod failures;
pub mod first_steps;
pub mod gauges;
pub mod history_imports;
pub mod holds;
pub mod limits;
pub mod live;
pub mod mail;
pub mod nodes;
pub mod notifications;
pub mod overview;
pub mod period;
pub mod persons;
pub mod provider_webhooks;
pub mod reasons;
pub mod resend_changes;
pub mod resends;
pub mod retention;
pub mod reveal;
pub mod roles;
pub mod search;
pub mod send;
pub mod sizes;
pub mod spreadsheet;
pub mod suggestions;
pub mod suppressions;
pub mod teams;
pub mod templates;
pub mod tracking;
pub mod webhooks;

use lettre::Address;

use crate::domain::error::AppError;

/// The longest name of anything, in characters.
const MAX_NAME_CHARS: usize = 100;

/// A name as it is kept: trimmed, not empty, one line, not too long.
fn checked_name(field: &str, name: &str) -> Result<String, AppError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(AppError::invalid_field(field, format!("{field} is required")));
    }
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(AppError::invalid_field(
            field,
            format!("{field} must be one line of at most {MAX_NAME_CHARS} characters"),
        ));
    }
    Ok(name.to_owned())
}

/// An address as it is kept.
fn checked_email(email: &str) -> Result<String, AppError> {
    let email = email.trim();
    let parsed: Result<Address, _> = email.parse();
    match parsed {
        Ok(_) if email.len() <= 254 => Ok(email.to_owned()),
        _ => Err(AppError::invalid_field("email", "email must be an address like ada@example.com")),
    }
}

/// The address of somebody who is to become a member. A recipient of a message may be in a network without domains.
fn checked_member_email(email: &str) -> Result<String, AppError> {
    let email = checked_email(email)?;
    match email.rsplit_once('@') {
        Some((_, domain)) if domain.contains('.') => Ok(email),
        _ => Err(AppError::invalid_field("email", "The part after the @ needs a domain, like example.com")),
    }
}
