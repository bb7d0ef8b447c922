//! What else went to whom a message went. Called by the message's page and the panel beside the list.

use chrono::TimeDelta;

use super::emails::list_emails;
use crate::domain::email::{ArrivedLater, Customer, EmailSummary, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// How many of the recipient's messages are shown.
const SHOWN: usize = 5;

/// The newest messages to the one `To` recipient of a message; `None` for a message to several. Needs `logs:view`.
pub async fn find_customer(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<Customer>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some((id, filter)) = to_the_same(app, viewer, id).await? else { return Ok(None) };
    let request = PageRequest { page: 1, page_size: SHOWN as i64 + 1 };
    let page = list_emails(app, viewer, &filter, request).await?;
    let arrived = list_arrived(app, viewer, filter).await?;
    let recent = page.items.into_iter().filter(|other| other.id != id).take(SHOWN).collect();
    let arrived_later = later_than(id, &arrived.items);
    Ok(Some(Customer { recent, total: page.total, arrived: arrived.total, arrived_later }))
}

/// What reached the one `To` recipient of a message that was accepted after it. Needs `logs:view`.
pub async fn find_arrived_later(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<ArrivedLater>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some((id, filter)) = to_the_same(app, viewer, id).await? else { return Ok(None) };
    Ok(later_than(id, &list_arrived(app, viewer, filter).await?.items))
}

/// A message's id now, and all messages to its one `To` recipient.
async fn to_the_same(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<(EmailId, EmailFilter)>, AppError> {
    let Some(email) = app.store.find_email(viewer.team, id).await? else { return Ok(None) };
    let mut to = email.recipients.into_iter().filter(|recipient| recipient.kind == RecipientKind::To);
    let (Some(recipient), None) = (to.next(), to.next()) else { return Ok(None) };
    let criteria = Criteria { recipient: Some(recipient.address), ..Criteria::default() };
    let range = TimeRange { from: Some(app.clock.now() - TimeDelta::days(Customer::DAYS)), to: None };
    Ok(Some((email.id, EmailFilter { range, criteria, ..EmailFilter::default() })))
}

/// The two newest of these that arrived, and how many did.
async fn list_arrived(app: &App, viewer: &Viewer, filter: EmailFilter) -> Result<Page<EmailSummary>, AppError> {
    let arrived = EmailFilter { statuses: StatusSet::ARRIVED, ..filter };
    list_emails(app, viewer, &arrived, PageRequest { page: 1, page_size: 2 }).await
}

fn later_than(id: EmailId, arrived: &[EmailSummary]) -> Option<ArrivedLater> {
    let mut later = arrived.iter().map(|other| other.id).filter(|other| *other > id);
    later.next().map(|newest| ArrivedLater { newest, is_only: later.next().is_none() })
}
