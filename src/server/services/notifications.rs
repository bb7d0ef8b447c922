//! Notifications over several channels: sending one, taking it back or moving it, and the log by them. Called by the
//! notification page and the NotificationAPI dialect.

mod person;
mod replacement;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use self::person::{address_on, checked_line, checked_number, checked_person, missing_address};
use self::replacement::{replace_texts, replaced_subject};
use super::emails::with_events;
use super::send::{self, Attachment, KeptAnswer, Origin, SendRequest};
use crate::domain::email::{Accepted, Email, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::{ApiRequestId, EmailId, NotificationId, TemplateId, TemplateVersionId};
use crate::domain::masking::Visibility;
use crate::domain::notification::{
    EmailRecord, EntryId, LogEntry, Notification, NotificationChannel, NotificationDetail, NotificationFilter,
};
use crate::domain::page::PartialPage;
use crate::domain::permission::Permission;
use crate::domain::template::{Template, TemplateSource};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::mailbox::{format_mailbox, parse_mailbox};
use crate::server::render::{RenderedTemplate, Undefined};
use crate::server::store::emails::NewEmail;

pub use person::{MAX_PERSON_CHARS, Person};

/// The longest `type` of a notification, in characters.
pub const MAX_KIND_CHARS: usize = 100;
/// The most messages that one call takes back.
const MAX_RETRACTED: i64 = 1_000;

/// A notification as an application asks for it.
#[derive(Clone, Debug, Default)]
pub struct NotificationRequest {
    /// What it is about: `order_shipped`. A template of this name is what it says, unless something else is named.
    pub kind: String,
    pub person: Person,
    /// The template: its id or its name.
    pub template: Option<String>,
    /// The values for template and contents, a JSON object or null.
    pub variables: Value,
    /// Texts to be replaced by others after the variables are in their places.
    pub replacements: Vec<(String, String)>,
    /// What it says on each channel; instead of a template.
    pub contents: Vec<Content>,
    /// The channels to use, in place of all that there is something to say on.
    pub forced: Option<Vec<NotificationChannel>>,
    pub email: EmailOptions,
    pub tags: Vec<String>,
    /// When to send it; at once when `None` or past.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What of the request is left out already, a sentence each.
    pub warnings: Vec<String>,
}

/// What a notification says on one channel, in the syntax of templates.
#[derive(Clone, Debug)]
pub struct Content {
    pub channel: NotificationChannel,
    pub source: TemplateSource,
    /// What else an adapter may need: a JSON object or null.
    pub data: Value,
}

/// What an email has beside its content.
#[derive(Clone, Debug, Default)]
pub struct EmailOptions {
    pub from_name: Option<String>,
    /// The sender's address, in place of the adapter's.
    pub from_address: Option<String>,
    pub reply_to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub attachments: Vec<Attachment>,
}

/// A notification has been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentNotification {
    pub id: NotificationId,
    pub accepted: Vec<Accepted>,
    /// What was left out and why, a sentence each.
    pub warnings: Vec<String>,
}

/// What one message is made of.
struct ChannelContent {
    content: RenderedTemplate,
    /// The subject as the log shows it, where that is another.
    shown_subject: Option<String>,
    template: Option<(TemplateId, TemplateVersionId)>,
    data: Value,
}

/// What all messages of a notification share.
struct Common<'a> {
    app: &'a App,
    viewer: &'a Viewer,
    request: &'a NotificationRequest,
    id: NotificationId,
    person_id: String,
    api_request_id: Option<ApiRequestId>,
    scheduled_at: Option<DateTime<Utc>>,
}

/// Accepts a notification, with a message for every channel it uses. Needs `emails:send`. A channel on which there is nothing
/// to say, or nobody to reach, is left out with a warning; a notification without any channel is kept too. Messages of
/// other channels than email wait where the team has no adapter for them. Gives what [send::send_email] does.
pub async fn send_notification(
    app: &App,
    viewer: &Viewer,
    request: NotificationRequest,
    origin: Origin,
    answer: impl FnOnce(SentNotification) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    let idempotency = origin.idempotency.clone();
    match accept_notification(app, viewer, request, origin, answer).await {
        Ok(answer) => Ok(answer),
        Err(error) => send::first_answer_or(app, viewer, idempotency.as_ref(), error).await,
    }
}

async fn accept_notification(
    app: &App,
    viewer: &Viewer,
    request: NotificationRequest,
    origin: Origin,
    answer: impl FnOnce(SentNotification) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let kind = checked_line("type", &request.kind, MAX_KIND_CHARS)?;
    let person_id = checked_person(&request.person)?;
    let scheduled_at = match request.scheduled_at {
        Some(at) if at > app.clock.now() => Some(send::checked_schedule(app, at)?),
        Some(_) | None => None,
    };
    let mut warnings = request.warnings.clone();
    let template = find_template(app, viewer, &request, &mut warnings).await?;
    let common = Common {
        app,
        viewer,
        request: &request,
        id: app.clock.mint(),
        person_id,
        api_request_id: origin.api_request_id,
        scheduled_at,
    };
    let channels = chosen_channels(&request, template.is_some());
    if channels.is_empty() {
        warnings.push(format!("There is no template named “{kind}” and no content: nothing was sent"));
    }
    let (mut emails, mut ignored_channels) = (Vec::with_capacity(channels.len()), Vec::new());
    for channel in channels {
        let Some(address) = address_on(channel, &request.person, &common.person_id) else {
            warnings.push(format!("{} was left out: {}", channel.label(), missing_address(channel)));
            ignored_channels.push(channel);
            continue;
        };
        let Some(said) = content_on(app, channel, &request, template.as_ref()).await? else {
            warnings.push(format!("{} was left out: there is no content for it", channel.label()));
            ignored_channels.push(channel);
            continue;
        };
        emails.push(match channel {
            NotificationChannel::Email => email_of(&common, address, said).await?,
            NotificationChannel::Sms | NotificationChannel::Call => {
                message_of(&common, channel, checked_number(&address)?, said).await?
            }
            NotificationChannel::Push | NotificationChannel::WebPush | NotificationChannel::InApp => {
                message_of(&common, channel, address, said).await?
            }
        });
    }
    let notification = Notification {
        id: common.id,
        kind,
        external_user_id: Some(common.person_id),
        api_request_id: origin.api_request_id,
        warnings: warnings.clone(),
        ignored_channels,
    };
    let answer = answer(SentNotification { id: common.id, accepted: send::accepted_of(&emails), warnings })?;
    send::accept_all(app, viewer, emails, Some(notification), origin.idempotency, answer).await
}

/// Moves a notification's messages that have not gone out yet to another time. Needs `emails:send`.
/// [AppError::Conflict] when all have.
pub async fn reschedule_notification(
    app: &App,
    viewer: &Viewer,
    id: EntryId,
    at: DateTime<Utc>,
) -> Result<(), AppError> {
    viewer.require(Permission::EmailsSend)?;
    let mut moved = false;
    for email in messages_of(app, viewer, id).await? {
        moved |= is_done(send::reschedule_email(app, viewer, email, at).await)?;
    }
    if moved { Ok(()) } else { Err(AppError::Conflict("The notification has been sent already".to_owned())) }
}

/// Takes a notification's messages back that have not gone out yet. Needs `emails:send`. [AppError::Conflict] when all
/// have.
pub async fn cancel_notification(app: &App, viewer: &Viewer, id: EntryId) -> Result<(), AppError> {
    viewer.require(Permission::EmailsSend)?;
    let mut canceled = false;
    for email in messages_of(app, viewer, id).await? {
        canceled |= is_done(send::cancel_email(app, viewer, email).await)?;
    }
    if canceled { Ok(()) } else { Err(AppError::Conflict("The notification has been sent already".to_owned())) }
}

/// Takes the messages back that have not gone out yet of a person's notifications of a kind; with a label, those that
/// have it. Gives how many. Needs `emails:send`, and `logs:view` for what another key or person sent.
pub async fn retract_notifications(
    app: &App,
    viewer: &Viewer,
    kind: &str,
    person_id: &str,
    tag: Option<&str>,
) -> Result<usize, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let ids = app.store.list_waiting_emails(viewer.team, kind, person_id, MAX_RETRACTED).await?;
    let mut retracted = 0;
    for email in app.store.find_emails(viewer.team, &ids).await? {
        let is_meant =
            viewer.may_follow(email.api_key_id) && tag.is_none_or(|tag| email.tags.iter().any(|known| known == tag));
        if is_meant && is_done(send::cancel_email(app, viewer, email.id).await)? {
            retracted += 1;
        }
    }
    Ok(retracted)
}

/// Finds a notification with its messages. Needs `logs:view`.
pub async fn find_notification(app: &App, viewer: &Viewer, id: NotificationId) -> Result<NotificationDetail, AppError> {
    viewer.require(Permission::LogsView)?;
    let notification = app.store.find_notification(viewer.team, id).await?;
    let notification = notification.ok_or_else(|| AppError::not_found("Notification"))?;
    let ids = app.store.list_emails_of_notification(viewer.team, id).await?;
    let emails = app.store.find_emails(viewer.team, &ids).await?;
    let notification = Visibility::of(viewer, id, app.clock.now()).notification(notification);
    Ok(NotificationDetail { notification, channels: with_events(app, viewer, emails).await? })
}

/// Lists the viewer's team's log by notifications behind `after`, newest first; a message that is no part of one is an
/// entry of its own. Looks at some tens of thousands of them and says where the next call goes on. Needs `logs:view`.
pub async fn list_entries(
    app: &App,
    viewer: &Viewer,
    filter: &NotificationFilter,
    after: Option<EntryId>,
    limit: i64,
) -> Result<PartialPage<LogEntry, EntryId>, AppError> {
    viewer.require(Permission::LogsView)?;
    let PartialPage { items: ids, next } = app.store.list_entries(viewer.team, filter, after, limit).await?;
    let (mut notification_ids, mut email_ids) = (Vec::new(), Vec::new());
    for id in &ids {
        match id {
            EntryId::Notification(id) => notification_ids.push(*id),
            EntryId::Message(id) => email_ids.push(id.0),
        }
    }
    let mut notifications = app.store.find_notifications(viewer.team, &notification_ids).await?;
    let mut parts = app.store.list_emails_of_notifications(viewer.team, &notification_ids).await?;
    email_ids.extend(parts.values().flatten());
    let emails: Vec<Email> = app.store.find_emails(viewer.team, &email_ids).await?;
    let records = with_events(app, viewer, emails).await?;
    let mut records: HashMap<EmailId, EmailRecord> =
        records.into_iter().map(|record| (record.email.id, record)).collect();
    let now = app.clock.now();
    let entry = |id: EntryId| match id {
        EntryId::Notification(id) => {
            let channels = parts.remove(&id).unwrap_or_default();
            let channels = channels.into_iter().filter_map(|id| records.remove(&EmailId(id))).collect();
            let notification = Visibility::of(viewer, id, now).notification(notifications.remove(&id)?);
            Some(LogEntry::Notification(NotificationDetail { notification, channels }))
        }
        EntryId::Message(id) => records.remove(&id).map(Box::new).map(LogEntry::Message),
    };
    Ok(PartialPage { items: ids.into_iter().filter_map(entry).collect(), next })
}

/// The messages of a notification; a message stands for itself.
async fn messages_of(app: &App, viewer: &Viewer, id: EntryId) -> Result<Vec<EmailId>, AppError> {
    let email_id = match id {
        EntryId::Notification(id) => {
            if app.store.find_notification(viewer.team, id).await?.is_some() {
                let ids = app.store.list_emails_of_notification(viewer.team, id).await?;
                if ids.is_empty() && !viewer.may(Permission::LogsView) {
                    // Nobody knows whose it is.
                    return Err(AppError::not_found("Notification"));
                }
                return Ok(ids.into_iter().map(EmailId).collect());
            }
            EmailId(id.0)
        }
        EntryId::Message(id) => id,
    };
    let email = app.store.find_email(viewer.team, email_id).await?;
    email.map(|email| vec![email.id]).ok_or_else(|| AppError::not_found("Notification"))
}

/// Whether a message could be changed; one that has gone out could not.
fn is_done(result: Result<(), AppError>) -> Result<bool, AppError> {
    match result {
        Ok(()) => Ok(true),
        Err(AppError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The template that is named, by id or name, or else the one that is named like the notification.
async fn find_template(
    app: &App,
    viewer: &Viewer,
    request: &NotificationRequest,
    warnings: &mut Vec<String>,
) -> Result<Option<Template>, AppError> {
    let is_said = |channel: &NotificationChannel| request.contents.iter().any(|content| content.channel == *channel);
    let says_all_itself = match &request.forced {
        Some(forced) => forced.iter().all(is_said),
        None => is_said(&NotificationChannel::Email),
    };
    if says_all_itself {
        return Ok(None);
    }
    if let Some(named) = &request.template {
        let found = match named.parse::<TemplateId>() {
            Ok(id) => app.store.find_template(viewer.team, id).await?,
            Err(_) => app.store.find_template_by_name(viewer.team, named).await?,
        };
        if found.is_some() {
            return Ok(found);
        }
        warnings.push(format!("There is no template “{named}”"));
    }
    app.store.find_template_by_name(viewer.team, request.kind.trim()).await
}

/// The channels to use: those that are asked for, or else those that there is something to say on. A template makes email,
/// and its text the message of another channel where that is asked for.
fn chosen_channels(request: &NotificationRequest, has_template: bool) -> Vec<NotificationChannel> {
    let is_said = |channel: &NotificationChannel| {
        request.contents.iter().any(|content| content.channel == *channel)
            || *channel == NotificationChannel::Email && has_template
    };
    NotificationChannel::ALL
        .into_iter()
        .filter(|channel| match &request.forced {
            Some(forced) => forced.contains(channel),
            None => is_said(channel),
        })
        .collect()
}

/// What is said on a channel, with the variables in their places; `None` where there is nothing.
async fn content_on(
    app: &App,
    channel: NotificationChannel,
    request: &NotificationRequest,
    template: Option<&Template>,
) -> Result<Option<ChannelContent>, AppError> {
    if let Some(content) = request.contents.iter().find(|content| content.channel == channel) {
        let content_of = rendered(app, &content.source, request).await?;
        let said =
            ChannelContent { content: content_of, shown_subject: None, template: None, data: content.data.clone() };
        return Ok(Some(said));
    }
    let Some(template) = template else { return Ok(None) };
    let mut source = template.current.source.clone();
    match channel {
        NotificationChannel::Email => {}
        NotificationChannel::Sms
        | NotificationChannel::Call
        | NotificationChannel::Push
        | NotificationChannel::WebPush
        | NotificationChannel::InApp
            if source.text.is_none() =>
        {
            return Ok(None);
        }
        NotificationChannel::Sms
        | NotificationChannel::Call
        | NotificationChannel::Push
        | NotificationChannel::WebPush
        | NotificationChannel::InApp => source.html = None,
    }
    let shown = send::masked_subject(app, &source.subject, &request.variables, &template.masked_variables).await;
    let shown_subject = shown.map(|subject| replaced_subject(subject, &request.replacements)).transpose()?;
    let content = rendered(app, &source, request).await?;
    Ok(Some(ChannelContent {
        content,
        shown_subject,
        template: Some((template.id, template.current.id)),
        data: Value::Null,
    }))
}

async fn rendered(
    app: &App,
    source: &TemplateSource,
    request: &NotificationRequest,
) -> Result<RenderedTemplate, AppError> {
    let mut content = app.renderer.render_template(source, &request.variables, Undefined::Refused).await?;
    replace_texts(&mut content, &request.replacements)?;
    send::check_subject(&content.subject)?;
    Ok(content)
}

async fn email_of(common: &Common<'_>, address: String, said: ChannelContent) -> Result<NewEmail, AppError> {
    let options = &common.request.email;
    let from = match (&options.from_name, &options.from_address) {
        (None, None) => None,
        (name, Some(address)) => Some(send::person_mailbox("from", name.as_deref(), address)?),
        (Some(name), None) => {
            let adapter = send::choose_adapter(common.app, common.viewer, None).await?;
            let sender = parse_mailbox("from", &adapter.from_address)?;
            Some(format_mailbox(Some(name), &sender.address))
        }
    };
    let request = SendRequest {
        // A notification is for one person.
        to: vec![parse_mailbox("to.email", &address)?.format()],
        cc: options.cc.clone(),
        bcc: options.bcc.clone(),
        variables: common.request.variables.clone(),
        from,
        subject: Some(said.content.subject),
        html: said.content.html,
        text: said.content.text,
        reply_to: (!options.reply_to.is_empty()).then(|| options.reply_to.join(", ")),
        attachments: options.attachments.clone(),
        tags: common.request.tags.clone(),
        metadata: said.data,
        scheduled_at: common.scheduled_at,
        ..SendRequest::default()
    };
    let email = send::prepare(common.app, common.viewer, request, common.api_request_id).await?;
    let (notification_id, external_user_id) = (Some(common.id), Some(common.person_id.clone()));
    let (subject, sent_subject) = send::split_subject(email.subject, said.shown_subject);
    Ok(NewEmail { notification_id, external_user_id, template: said.template, subject, sent_subject, ..email })
}

async fn message_of(
    common: &Common<'_>,
    channel: NotificationChannel,
    address: String,
    said: ChannelContent,
) -> Result<NewEmail, AppError> {
    let Common { app, viewer, request, .. } = common;
    let mut tags = request.tags.clone();
    if channel == NotificationChannel::WebPush {
        tags.push(NotificationChannel::WEB_PUSH_TAG.to_owned());
    }
    let adapter = app.store.find_default_adapter(viewer.team, channel.message_channel()).await?;
    let when = match (&adapter, common.scheduled_at) {
        (None, _) => Some(format!("Waits until the team has an adapter for {}", channel.message_channel().label())),
        (Some(_), Some(at)) => Some(format!("Scheduled for {}", at.format("%Y-%m-%d %H:%M UTC"))),
        (Some(_), None) => None,
    };
    let object = |value: &Value| if value.is_object() { value.clone() } else { Value::Object(serde_json::Map::new()) };
    let (subject, sent_subject) = send::split_subject(said.content.subject, said.shown_subject);
    let (id, job_id) = (app.clock.mint(), app.clock.mint());
    // Templates make email alone: what they say elsewhere is not counted as theirs.
    Ok(NewEmail {
        notification_id: Some(common.id),
        external_user_id: Some(common.person_id.clone()),
        adapter_id: adapter.as_ref().map(|adapter| adapter.id),
        api_key_id: viewer.api_key_id(),
        api_request_id: common.api_request_id,
        recipients: vec![Recipient { kind: RecipientKind::To, address, name: None }],
        from_address: adapter.map(|adapter| adapter.from_address).unwrap_or_default(),
        subject,
        tags,
        variables: object(&request.variables),
        metadata: object(&said.data),
        html: said.content.html,
        text: said.content.text,
        sent_subject,
        worded_by: said.template.map(|(_, version)| version),
        scheduled_at: common.scheduled_at,
        events: vec![
            send::event(app, EventKind::Requested, send::accepted_by(viewer)),
            send::event(app, EventKind::Queued, when),
        ],
        ..NewEmail::blank(id, job_id, channel.message_channel())
    })
}
