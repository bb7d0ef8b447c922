//! Addresses that a team does not write to any more: looking at them, adding and importing some, and writing to one again. Called
//! by `/settings/suppressions`, `/api/suppressions` and Resend's `/suppressions`. What events say of an address the store keeps by itself.

mod import;

use std::collections::HashMap;

use serde_json::json;

use self::import::{ImportedLine, read_import};
use super::audit;
use super::spreadsheet::{csv_head, csv_lines};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::SuppressionId;
use crate::domain::mailbox::mailbox_key;
use crate::domain::masking::{audited_text, mask_addresses, masks_addresses};
use crate::domain::page::{Cursor, CursorPage};
use crate::domain::permission::Permission;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::mailbox::parse_mailbox;

pub use crate::server::store::suppressions::SuppressionFilter;

/// The longest note, and the longest reason, in characters.
const MAX_NOTE_CHARS: usize = 500;
/// How many addresses an export reads at a time.
const EXPORTED_AT_ONCE: i64 = 1_000;
/// How many addresses are added in one transaction.
const ADDED_AT_ONCE: usize = 500;

/// What was added of several addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    pub added: usize,
    /// How many were on the list already.
    pub known: usize,
    /// What could not be read: its line from 1, and what is wrong with it.
    pub wrong: Vec<(usize, String)>,
}

impl Added {
    /// What was done, in sentences.
    pub fn sentence(&self) -> String {
        let of = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut words = format!("{} suppressed.", of(self.added, "address is", "addresses are"));
        if self.known > 0 {
            words += &format!(" {} on the list already.", of(self.known, "was", "were"));
        }
        if let Some((line, wrong)) = self.wrong.first() {
            let left_out = of(self.wrong.len(), "line was left out", "lines were left out");
            words += &format!(" {left_out}, the first of them line {line}: {wrong}.");
        }
        words
    }
}

/// The team's suppressed addresses, the newest first. Needs `suppressions:view`. A viewer who sees addresses masked finds them
/// whole or not at all.
pub async fn list_suppressions(
    app: &App,
    viewer: &Viewer,
    filter: &SuppressionFilter,
    cursor: Cursor<SuppressionId>,
    limit: i64,
) -> Result<CursorPage<Suppression>, AppError> {
    viewer.require(Permission::SuppressionsView)?;
    let Some(filter) = asked(viewer, filter) else { return Ok(CursorPage { items: Vec::new(), has_more: false }) };
    let CursorPage { items, has_more } = app.store.list_suppressions(viewer.team, &filter, cursor, limit).await?;
    Ok(CursorPage { items: items.into_iter().map(|item| shown(viewer, item)).collect(), has_more })
}

/// How many there are. Needs `suppressions:view`.
pub async fn count_suppressions(app: &App, viewer: &Viewer, filter: &SuppressionFilter) -> Result<i64, AppError> {
    viewer.require(Permission::SuppressionsView)?;
    match asked(viewer, filter) {
        Some(filter) => app.store.count_suppressions(viewer.team, &filter).await,
        None => Ok(0),
    }
}

/// Suppresses addresses: those of texts of one a line, or of the lines of CSV files. Needs `suppressions:update`. `reason` is that
/// of lines that name none.
pub async fn add_suppressions(
    app: &App,
    viewer: &Viewer,
    texts: &[&str],
    reason: SuppressionReason,
    note: &str,
) -> Result<Added, AppError> {
    viewer.require(Permission::SuppressionsUpdate)?;
    let note = checked_note("note", note)?;
    let (mut new, mut outcome) = (Vec::new(), Added::default());
    for text in texts {
        for line in read_import(text)? {
            match checked_line(app, line, reason, &note) {
                Ok(suppression) => new.push(suppression),
                Err(wrong) => outcome.wrong.push(wrong),
            }
        }
    }
    if new.is_empty() {
        let words = match outcome.wrong.first() {
            Some((line, words)) => format!("Line {line}: {words}"),
            None => "Write the addresses, one a line".to_owned(),
        };
        return Err(AppError::invalid_field("addresses", words));
    }
    outcome.added = insert(app, viewer, &new, &note).await?;
    outcome.known = new.len() - outcome.added;
    Ok(outcome)
}

/// Suppresses these addresses, all or none, for an application; answers with what there is of each, in their order: one that is on
/// the list already stays as it is. Needs `suppressions:update`. What is wrong is said of `field`.
pub async fn suppress_addresses(
    app: &App,
    viewer: &Viewer,
    field: &str,
    addresses: &[String],
    reason: SuppressionReason,
    note: &str,
) -> Result<Vec<Suppression>, AppError> {
    viewer.require(Permission::SuppressionsUpdate)?;
    let note = checked_note("note", note)?;
    let mut new = Vec::new();
    for (place, address) in (1..).zip(addresses) {
        let line = ImportedLine { number: place, address: address.clone(), reason: None, created_at: None };
        let words = |_| match addresses {
            [_] => format!("`{field}` must be an email address"),
            _ => format!("`{field}` must hold email addresses: number {place} is none"),
        };
        new.push(checked_line(app, line, reason, &note).map_err(|wrong| AppError::invalid_field(field, words(wrong)))?);
    }
    insert(app, viewer, &new, &note).await?;
    let given: Vec<String> = new.into_iter().map(|one| one.address).collect();
    let found = app.store.find_suppressions_of(viewer.team, &given).await?;
    let by_key: HashMap<String, Suppression> = found.into_iter().map(|one| (mailbox_key(&one.address), one)).collect();
    let known = given.iter().filter_map(|address| by_key.get(&mailbox_key(address)).cloned());
    Ok(known.map(|one| shown(viewer, one)).collect())
}

/// How many there were not yet.
async fn insert(app: &App, viewer: &Viewer, new: &[Suppression], note: &str) -> Result<usize, AppError> {
    let mut added = 0;
    for chunk in new.chunks(ADDED_AT_ONCE) {
        let names: Vec<String> = chunk.iter().take(20).map(|one| audited_text(viewer, one.address.clone())).collect();
        let event = audit::by(app, viewer, AuditAction::SuppressionsAdded);
        let event = event.made(json!({ "count": chunk.len(), "addresses": names, "note": note }));
        let event = match chunk {
            [only] => event.about(only.id, audited_text(viewer, only.address.clone())),
            _ => event,
        };
        added += app.store.insert_suppressions(viewer.team, chunk, &event).await?;
    }
    Ok(added)
}

/// What names a suppression in an address of an API: its id, or the address that is not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuppressionName {
    Id(SuppressionId),
    Address(String),
}

/// Finds one. Needs `suppressions:view`.
pub async fn find_suppression(app: &App, viewer: &Viewer, name: &SuppressionName) -> Result<Suppression, AppError> {
    viewer.require(Permission::SuppressionsView)?;
    named(app, viewer, name).await.map(|found| shown(viewer, found))
}

async fn named(app: &App, viewer: &Viewer, name: &SuppressionName) -> Result<Suppression, AppError> {
    let found = match name {
        SuppressionName::Id(id) => app.store.find_suppression(viewer.team, *id).await?,
        SuppressionName::Address(address) => {
            app.store.find_suppressions_of(viewer.team, std::slice::from_ref(address)).await?.pop()
        }
    };
    found.ok_or_else(missing)
}

fn missing() -> AppError {
    AppError::not_found("Suppression")
}

/// Lets an address be written to again, for a reason that the audit log keeps; answers with what there was of it. Needs
/// `suppressions:update`.
pub async fn lift_suppression(
    app: &App,
    viewer: &Viewer,
    name: &SuppressionName,
    reason: &str,
) -> Result<Suppression, AppError> {
    viewer.require(Permission::SuppressionsUpdate)?;
    let reason = checked_note("reason", reason)?;
    if reason.is_empty() {
        return Err(AppError::invalid_field("reason", "Say why this address may be written to again"));
    }
    let found = named(app, viewer, name).await?;
    let about = audited_text(viewer, found.address.clone());
    let event = audit::by(app, viewer, AuditAction::SuppressionLifted).about(found.id, about).because(reason);
    let event =
        event.removed(json!({ "reason": found.reason.as_str(), "since": found.created_at, "note": found.note }));
    match app.store.delete_suppression(viewer.team, found.id, &event).await? {
        true => Ok(shown(viewer, found)),
        false => Err(missing()),
    }
}

/// Lets several addresses be written to again, as [lift_suppression] does; answers with those that were on the list. Needs
/// `suppressions:update`.
pub async fn lift_suppressions(
    app: &App,
    viewer: &Viewer,
    names: &[SuppressionName],
    reason: &str,
) -> Result<Vec<Suppression>, AppError> {
    let mut lifted = Vec::new();
    for name in names {
        match lift_suppression(app, viewer, name, reason).await {
            Ok(one) => lifted.push(one),
            Err(AppError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lifted)
}

/// A CSV file of the whole list, a piece at a time.
pub struct Export {
    app: App,
    viewer: Viewer,
    cursor: Cursor<SuppressionId>,
    has_begun: bool,
    has_ended: bool,
}

/// Begins an export, and notes it in the audit log. Needs `suppressions:view` and `logs:export`.
pub async fn start_export(app: &App, viewer: &Viewer) -> Result<Export, AppError> {
    viewer.require(Permission::SuppressionsView)?;
    viewer.require(Permission::LogsExport)?;
    let event = audit::by(app, viewer, AuditAction::SuppressionsExported);
    app.store.append_audit_event(viewer.team, &event).await?;
    Ok(Export { app: app.clone(), viewer: viewer.clone(), cursor: Cursor::Newest, has_begun: false, has_ended: false })
}

impl Export {
    /// The next piece; `None` after the last one.
    pub async fn next_piece(&mut self) -> Result<Option<String>, AppError> {
        if !self.has_begun {
            self.has_begun = true;
            return csv_head(&["address", "reason", "created_at", "message", "note"]).map(Some);
        }
        if self.has_ended {
            return Ok(None);
        }
        let filter = SuppressionFilter::default();
        let page = self.app.store.list_suppressions(self.viewer.team, &filter, self.cursor, EXPORTED_AT_ONCE).await?;
        let CursorPage { items, has_more } = page;
        self.has_ended = !has_more;
        self.cursor = items.last().map_or(self.cursor, |item| Cursor::After(item.id));
        let rows = items.into_iter().map(|item| shown(&self.viewer, item)).map(|item| {
            let message = item.email_id.map(|id| id.to_string()).unwrap_or_default();
            let at = item.created_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            [item.address, item.reason.as_str().to_owned(), at, message, item.note]
        });
        csv_lines(rows).map(Some)
    }
}

/// The filter as it is asked for a viewer; `None` where it finds nothing for them.
fn asked(viewer: &Viewer, filter: &SuppressionFilter) -> Option<SuppressionFilter> {
    let search = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    if masks_addresses(viewer) && search.is_some_and(|search| !search.contains('@')) {
        return None;
    }
    Some(SuppressionFilter { search: search.map(mailbox_key), reasons: filter.reasons.clone() })
}

fn shown(viewer: &Viewer, suppression: Suppression) -> Suppression {
    if !masks_addresses(viewer) {
        return suppression;
    }
    let (address, note) = (mask_addresses(&suppression.address), mask_addresses(&suppression.note));
    Suppression { address, note, ..suppression }
}

fn checked_line(
    app: &App,
    line: ImportedLine,
    reason: SuppressionReason,
    note: &str,
) -> Result<Suppression, (usize, String)> {
    let mailbox = parse_mailbox("address", &line.address);
    let mailbox = mailbox.map_err(|_| (line.number, "This is no email address".to_owned()))?;
    Ok(Suppression {
        id: app.clock.mint(),
        address: mailbox.address,
        reason: line.reason.unwrap_or(reason),
        email_id: None,
        note: note.to_owned(),
        created_at: line.created_at.filter(|at| *at <= app.clock.now()).unwrap_or_else(|| app.clock.now()),
    })
}

fn checked_note(field: &str, note: &str) -> Result<String, AppError> {
    let note = note.trim();
    if note.chars().count() > MAX_NOTE_CHARS || note.chars().any(char::is_control) {
        let words = format!("{field} must be one line of at most {MAX_NOTE_CHARS} characters");
        return Err(AppError::invalid_field(field, words));
    }
    Ok(note.to_owned())
}
