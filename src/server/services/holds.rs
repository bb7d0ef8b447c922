//! Legal holds: placed and lifted by members, and asked by whatever deletes. Called by `/settings/privacy` and the message's page.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tracing::info;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::hold::{Held, Hold, HoldScope, MAX_HOLD_CHARS};
use crate::domain::ids::{EmailId, HoldId};
use crate::domain::masking::{mask_addresses, masks_addresses};
use crate::domain::permission::Permission;
use crate::domain::person::Person;
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;

/// A hold, as it is typed.
#[derive(Clone, Copy, Debug)]
pub struct NewHold<'a> {
    pub name: &'a str,
    pub reason: &'a str,
    pub scope: HoldScope,
    pub address: &'a str,
    /// The first day and the last one, in UTC: `2026-03-31`.
    pub from: &'a str,
    pub until: &'a str,
    pub message: &'a str,
}

/// The team's holds, the newest first. Every member sees them.
pub async fn list_holds(app: &App, viewer: &Viewer) -> Result<Vec<Hold>, AppError> {
    viewer.require_member_or(Permission::HoldsUpdate)?;
    let holds = app.store.list_holds(viewer.team).await?;
    Ok(holds.into_iter().map(|hold| shown(viewer, hold)).collect())
}

/// The holds in force that cover a message. Needs `logs:view`.
pub async fn list_holds_of(app: &App, viewer: &Viewer, id: EmailId) -> Result<Vec<Hold>, AppError> {
    viewer.require(Permission::LogsView)?;
    let holds = app.store.list_holds_of(viewer.team, id).await?;
    Ok(holds.into_iter().map(|hold| shown(viewer, hold)).collect())
}

/// Places a hold. Needs `holds:update`. From then on nothing that it covers is deleted.
pub async fn place_hold(app: &App, viewer: &Viewer, new: NewHold<'_>) -> Result<Hold, AppError> {
    viewer.require(Permission::HoldsUpdate)?;
    let hold = Hold {
        id: app.clock.mint(),
        name: checked_text("name", "The name", new.name)?,
        reason: checked_text("reason", "The reason", new.reason)?,
        held: checked_held(app, viewer, new).await?,
        placed_by: name_of(viewer),
        lifted: None,
    };
    let event = audit::by(app, viewer, AuditAction::HoldPlaced).about(hold.id, &hold.name);
    let event = event.because(&hold.reason).made(said(&hold));
    if !app.store.insert_hold(viewer.team, &hold, &event).await? {
        return Err(AppError::not_found("Team"));
    }
    info!(team.id = %viewer.team, hold.id = %hold.id, "placed a legal hold");
    Ok(hold)
}

/// Ends a hold. Needs `holds:update`. What it covered is kept from then on as everything else.
pub async fn lift_hold(app: &App, viewer: &Viewer, id: HoldId, reason: &str) -> Result<Hold, AppError> {
    viewer.require(Permission::HoldsUpdate)?;
    let reason = checked_text("reason", "The reason", reason)?;
    let gone = || AppError::not_found("Hold in force");
    let holds = app.store.list_holds(viewer.team).await?;
    let hold = holds.into_iter().find(|hold| hold.id == id && hold.lifted.is_none()).ok_or_else(gone)?;
    let event = audit::by(app, viewer, AuditAction::HoldLifted).about(id, &hold.name);
    let event = event.because(reason).removed(said(&hold));
    if !app.store.lift_hold(viewer.team, id, &name_of(viewer), app.clock.now(), &event).await? {
        return Err(gone());
    }
    info!(team.id = %viewer.team, hold.id = %id, "lifted a legal hold");
    Ok(hold)
}

fn shown(viewer: &Viewer, hold: Hold) -> Hold {
    if !masks_addresses(viewer) {
        return hold;
    }
    let held = match hold.held {
        Held::Address(address) => Held::Address(mask_addresses(&address)),
        held @ (Held::Team | Held::Range(..) | Held::Message(_)) => held,
    };
    Hold { held, name: mask_addresses(&hold.name), reason: mask_addresses(&hold.reason), ..hold }
}

/// What the audit log says of a hold. The address stays out: the log is kept when the person is forgotten.
fn said(hold: &Hold) -> Value {
    match &hold.held {
        Held::Team | Held::Address(_) => json!({ "scope": hold.held.scope() }),
        Held::Range(from, until) => json!({ "scope": hold.held.scope(), "from": from, "until": until }),
        Held::Message(id) => json!({ "scope": hold.held.scope(), "message": id.to_string() }),
    }
}

fn name_of(viewer: &Viewer) -> String {
    match &viewer.actor {
        Actor::User { email, .. } => email.clone(),
        Actor::ApiKey { name, .. } => name.clone(),
    }
}

async fn checked_held(app: &App, viewer: &Viewer, new: NewHold<'_>) -> Result<Held, AppError> {
    Ok(match new.scope {
        HoldScope::Team => Held::Team,
        HoldScope::Address => {
            let person = Person::new(new.address);
            let words = "Write one email address, or a telephone number that begins with +";
            let person = person.ok_or_else(|| AppError::invalid_field("address", words))?;
            if [new.name, new.reason].iter().any(|text| person.is_in(text)) {
                let words = "The name and the reason must not have the address: the audit log keeps them";
                return Err(AppError::invalid_field("name", words));
            }
            Held::Address(new.address.trim().to_owned())
        }
        HoldScope::Range => {
            let (from, last) = (day("from", new.from)?, day("until", new.until)?);
            if last < from {
                return Err(AppError::invalid_field("until", "The last day is before the first one"));
            }
            Held::Range(from, last + TimeDelta::days(1))
        }
        HoldScope::Message => {
            let wrong = || AppError::invalid_field("message", "Write the id of a message of this team, eml_…");
            let typed = new.message.trim().rsplit('/').next().unwrap_or_default();
            let id: EmailId = typed.parse().map_err(|_| wrong())?;
            let found = app.store.find_emails(viewer.team, &[id.0]).await?;
            if found.is_empty() {
                return Err(wrong());
            }
            Held::Message(id)
        }
    })
}

fn day(field: &str, typed: &str) -> Result<DateTime<Utc>, AppError> {
    let day: NaiveDate =
        typed.trim().parse().map_err(|_| AppError::invalid_field(field, "Write a day like 2026-03-31"))?;
    Ok(day.and_time(NaiveTime::MIN).and_utc())
}

fn checked_text(field: &str, label: &str, text: &str) -> Result<String, AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AppError::invalid_field(field, format!("{label} is required")));
    }
    if text.chars().count() > MAX_HOLD_CHARS || text.chars().any(char::is_control) {
        let words = format!("{label} must be one line of at most {MAX_HOLD_CHARS} characters");
        return Err(AppError::invalid_field(field, words));
    }
    Ok(text.to_owned())
}
