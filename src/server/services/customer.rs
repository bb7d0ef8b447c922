//! What else went to whom a message went. Called by the message's page.

use chrono::TimeDelta;

use super::emails::list_emails;
use crate::domain::email::{Customer, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// How many of the recipient's messages are shown.
const SHOWN: usize = 5;

/// The newest messages to the one `To` recipient of a message; `None` for a message to several. Needs `logs:view`.
pub async fn find_customer(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<Customer>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some(email) = app.store.find_email(viewer.team, id).await? else { return Ok(None) };
    let mut to = email.recipients.into_iter().filter(|recipient| recipient.kind == RecipientKind::To);
    let (Some(recipient), None) = (to.next(), to.next()) else { return Ok(None) };
    let criteria = Criteria { recipient: Some(recipient.address), ..Criteria::default() };
    let range = TimeRange { from: Some(app.clock.now() - TimeDelta::days(Customer::DAYS)), to: None };
    let filter = EmailFilter { range, criteria, ..EmailFilter::default() };
    let request = PageRequest { page: 1, page_size: SHOWN as i64 + 1 };
    let page = list_emails(app, viewer, &filter, request).await?;
    let arrived = EmailFilter { statuses: StatusSet::ARRIVED, ..filter };
    let arrived = list_emails(app, viewer, &arrived, PageRequest { page: 1, page_size: 1 }).await?.total;
    let recent = page.items.into_iter().filter(|other| other.id != email.id).take(SHOWN).collect();
    Ok(Some(Customer { recent, total: page.total, arrived }))
}
