//! What else went to whom a message went. Called by the message's page and the panel beside the list.

use chrono::TimeDelta;

use super::emails::{asked, list_newest};
use crate::domain::email::{ArrivedLater, Customer};
use crate::domain::error::AppError;
use crate::domain::filter::{Condition, Criteria, EmailFilter, StatusSet, TimeRange, Wanted};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// How many of the customer's messages are shown.
const SHOWN: usize = 5;

/// The newest messages to the person that a message is for, by its user id and its one `To` address; `None` for a message
/// that has neither. Needs `logs:view`.
pub async fn find_customer(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<Customer>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some(email) = app.store.find_email(viewer.team, id).await? else { return Ok(None) };
    let address = email.only_to().map(|recipient| Wanted::Recipient(recipient.address.clone()));
    let person = email.external_user_id.clone().map(Wanted::Person);
    let either: Vec<Wanted> = person.into_iter().chain(address.clone()).collect();
    if either.is_empty() {
        return Ok(None);
    }
    let filter = to_any_of(app, either);
    let (total, arrived) = app.store.count_arrived(viewer.team, &asked(viewer, &filter)).await?;
    let others = list_newest(app, viewer, &filter, SHOWN as i64 + 1).await?;
    let recent = others.into_iter().filter(|other| other.id != email.id).take(SHOWN).collect();
    let arrived_later = match address {
        Some(address) => later_than(app, viewer, email.id, address).await?,
        None => None,
    };
    Ok(Some(Customer { recent, total, arrived, arrived_later }))
}

/// What reached the one `To` recipient of a message that was accepted after it. Needs `logs:view`.
pub async fn find_arrived_later(app: &App, viewer: &Viewer, id: EmailId) -> Result<Option<ArrivedLater>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some(email) = app.store.find_email(viewer.team, id).await? else { return Ok(None) };
    let Some(recipient) = email.only_to() else { return Ok(None) };
    later_than(app, viewer, email.id, Wanted::Recipient(recipient.address.clone())).await
}

/// The messages of the last [Customer::DAYS] to whoever is named.
fn to_any_of(app: &App, any_of: Vec<Wanted>) -> EmailFilter {
    let criteria = Criteria { conditions: vec![Condition { is_not: false, any_of }], ..Criteria::default() };
    let range = TimeRange { from: Some(app.clock.now() - TimeDelta::days(Customer::DAYS)), to: None };
    EmailFilter { range, criteria, ..EmailFilter::default() }
}

/// What arrived, accepted after a message, of what went to the same address.
async fn later_than(
    app: &App,
    viewer: &Viewer,
    id: EmailId,
    address: Wanted,
) -> Result<Option<ArrivedLater>, AppError> {
    let to_address = to_any_of(app, vec![address]);
    let range = TimeRange { from: to_address.range.from.max(Some(id.created_at())), to: None };
    let arrived = EmailFilter { statuses: StatusSet::ARRIVED, range, ..to_address };
    let newest = list_newest(app, viewer, &arrived, 2).await?;
    let mut later = newest.iter().map(|other| other.id).filter(|other| *other > id);
    Ok(later.next().map(|newest| ArrivedLater { newest, is_only: later.next().is_none() }))
}
