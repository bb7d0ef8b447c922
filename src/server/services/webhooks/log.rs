//! What webhooks were told, and telling them again.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::json;

use super::{about, load, not_found};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId};
use crate::domain::masking::{Visibility, sees_contents};
use crate::domain::page::CursorPage;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::{DeliveryDetail, DeliveryFilter, Replay, ToldWebhook, WebhookDelivery};
use crate::server::App;

/// What a webhook was told, the newest first: those with ids below `before` where that is given. Needs `webhooks:view`.
pub async fn list_deliveries(
    app: &App,
    viewer: &Viewer,
    id: OutgoingWebhookId,
    filter: DeliveryFilter,
    before: Option<EventId>,
    limit: i64,
) -> Result<CursorPage<WebhookDelivery>, AppError> {
    viewer.require(Permission::WebhooksView)?;
    load(app, viewer, id).await?;
    let mut items = app.store.list_deliveries(viewer.team, id, filter, before, limit + 1).await?;
    let has_more = items.len() as i64 > limit;
    items.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(CursorPage { items, has_more })
}

/// One of them, with what was posted and answered for those who see the contents of messages. Needs `webhooks:view`.
pub async fn find_delivery(
    app: &App,
    viewer: &Viewer,
    webhook: OutgoingWebhookId,
    id: EventId,
) -> Result<DeliveryDetail, AppError> {
    viewer.require(Permission::WebhooksView)?;
    load(app, viewer, webhook).await?;
    let found = app.store.find_delivery(viewer.team, webhook, id).await?;
    let (delivery, body, answer) = found.ok_or_else(|| AppError::not_found("Delivery"))?;
    let is_shown = delivery.email_id.is_none()
        || viewer.may(Permission::LogsView)
            && sees_contents(viewer)
            && Visibility::of(viewer, id, app.clock.now()).shows_contents();
    Ok(DeliveryDetail { delivery, body: is_shown.then_some(body), answer: answer.filter(|_| is_shown) })
}

/// What webhooks were told of a message, the oldest first; nothing for those who may not view webhooks. Needs `logs:view`.
pub async fn list_told_webhooks(app: &App, viewer: &Viewer, id: EmailId) -> Result<Vec<ToldWebhook>, AppError> {
    viewer.require(Permission::LogsView)?;
    if !viewer.may(Permission::WebhooksView) {
        return Ok(Vec::new());
    }
    app.store.list_told_webhooks(viewer.team, id).await
}

/// Tells a webhook again; how many posts follow. Needs `webhooks:update`. Those that are on their way are left.
pub async fn replay(app: &App, viewer: &Viewer, id: OutgoingWebhookId, replay: Replay) -> Result<u64, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (webhook, _) = load(app, viewer, id).await?;
    if !webhook.is_on || webhook.disabled.is_some() {
        return Err(AppError::Conflict("The webhook is switched off: switch it on first".to_owned()));
    }
    let event = about(app, viewer, AuditAction::OutgoingWebhookReplayed, &webhook);
    let line = |count: u64| {
        event.made(match replay {
            Replay::One(id) => json!({ "delivery": id, "deliveries": count }),
            Replay::Range { from, to, filter } => json!({
                "from": from, "to": to, "onlyFailed": filter == DeliveryFilter::Failed, "deliveries": count
            }),
        })
    };
    let count = app.store.replay_deliveries(viewer.team, id, replay, app.clock.now(), line).await?;
    match (replay, count) {
        (Replay::One(one), 0) => match app.store.find_delivery(viewer.team, id, one).await? {
            Some(_) => Err(AppError::Conflict("This delivery is on its way just now".to_owned())),
            None => Err(not_found()),
        },
        (Replay::One(_) | Replay::Range { .. }, count) => Ok(count),
    }
}

/// Tells a webhook again of what happened in a span of time, each end as a browser's field gives it, in the viewer's time
/// zone; how many posts follow. Needs `webhooks:update`.
pub async fn replay_span(
    app: &App,
    viewer: &Viewer,
    id: OutgoingWebhookId,
    (from, to): (&str, &str),
    filter: DeliveryFilter,
) -> Result<u64, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (from, to) = (local_time(viewer, "from", from)?, local_time(viewer, "to", to)?);
    if from >= to {
        return Err(AppError::invalid_field("to", "The end must be later than the beginning"));
    }
    replay(app, viewer, id, Replay::Range { from, to, filter }).await
}

/// `2026-01-31T09:30` as the viewer's clocks have it.
fn local_time(viewer: &Viewer, field: &str, text: &str) -> Result<DateTime<Utc>, AppError> {
    let zone: Tz = viewer.time_zone().parse().unwrap_or(Tz::UTC);
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok());
    let time = local.and_then(|local| zone.from_local_datetime(&local).earliest());
    let wrong = || AppError::invalid_field(field, "Write day and time, such as 2026-01-31T09:30");
    time.map(|time| time.with_timezone(&Utc)).ok_or_else(wrong)
}
