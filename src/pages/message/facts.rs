//! Every fact about a message: those that people ask for in sight, the technical ones folded away.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde_json::Value;

use super::recipients::MANY;
use crate::components::breaks::mailbox;
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::hint::Hint;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{byte_size, counted};
use crate::components::time::{Time, TimeStyle};
use crate::domain::address::logs::{search_url, shared_url};
use crate::domain::email::{AttachmentSummary, Email, EmailContent, Recipient, RecipientKind};
use crate::domain::ids::{EmailId, NotificationId};
use crate::domain::masking::is_masked;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::of_field;
use crate::domain::resend_change::FamilyChanges;

/// How many values of the caller's own data are shown beside the message; all of them are in the tab of the variables.
const SHOWN_METADATA: usize = 6;

/// How long such a value may be, in characters.
const MAX_METADATA_CHARS: usize = 60;

/// The fields of a message that are not empty. A value that other messages share leads to all of them.
#[component]
pub fn Facts(
    email: Email,
    changes: FamilyChanges,
    content: EmailContent,
    /// The `Message-ID` that Sendlog gave it.
    message_id: Option<String>,
    /// Who runs the recipients' mailboxes.
    mailbox_providers: Vec<String>,
    /// Whether an address leads to the messages for it; one that is masked finds none.
    links_addresses: bool,
    /// Whether the viewer may save what is attached.
    opens_attachments: bool,
) -> impl IntoView {
    let EmailContent { attachments, headers, metadata, .. } = content;
    let attachments_of = opens_attachments.then_some(email.id);
    let people = |kind: RecipientKind, name: &'static str| {
        let people: Vec<_> = email.recipients.iter().filter(|recipient| recipient.kind == kind).cloned().collect();
        let is_shown = !people.is_empty() && email.recipients.len() > 1;
        if email.recipients.len() >= MANY {
            let words = counted(people.len() as i64, "recipient", "recipients");
            return is_shown.then(|| fact(name, view! { <a href="#recipients">{words}</a> }));
        }
        is_shown.then(|| fact(name, view! { <People people links=links_addresses/> }))
    };
    let has_template = email.template_id.is_some() || email.template_deleted;
    let shown = [
        email.notification_id.map(|id| fact("Part of", view! { <NotificationLink id/> })),
        people(RecipientKind::To, "To"),
        people(RecipientKind::Cc, "Cc"),
        people(RecipientKind::Bcc, "Bcc"),
        email.external_user_id.clone().map(|id| fact("User id", shared("person", id))),
        filled(email.from_address.clone()).map(|from| fact("From", mailbox(&from))),
        email.reply_to.clone().map(|address| fact("Reply to", mailbox(&address))),
        has_template.then(|| fact("Template", view! { <TemplateFact email=email.clone()/> })),
        (!email.tags.is_empty()).then(|| fact("Tags", view! { <Tags tags=email.tags.clone()/> })),
        Some(fact("API key", view! { <KeyFact email=email.clone()/> })),
        email.adapter_name.clone().map(|name| fact("Adapter", shared("adapter", name))),
        (!mailbox_providers.is_empty())
            .then(|| fact("Mailbox provider", view! { <Providers names=mailbox_providers/> })),
        (!attachments.is_empty()).then(|| fact("Attached", view! { <Attachments attachments of=attachments_of/> })),
        email.resend_of.map(|id| fact("Resend of", view! { <MessageLink id/> })),
        (!email.resent_as.is_empty())
            .then(|| fact("Resent as", view! { <Copies ids=email.resent_as.clone() changes/> })),
        email.scheduled_at.map(|at| fact("Scheduled", view! { <Time at style=TimeStyle::Second/> })),
    ];
    let own = own_data(&metadata).into_iter().map(|(name, value)| {
        let qualifier = format!("meta.{name}");
        pair(name, shared(&qualifier, value))
    });
    view! {
        <section class="panel message-facts" aria-label="Message">
            <dl class="facts">{shown.into_iter().flatten().collect_view()}{own.collect_view()}</dl>
            <details class="technical">
                <summary>"Technical: ids, times, headers"</summary>
                <dl class="facts">{technical_facts(email, headers, message_id)}</dl>
            </details>
        </section>
    }
}

/// What of the caller's own data fits beside the message.
fn own_data(metadata: &Value) -> Vec<(String, String)> {
    let fields = metadata.as_object().into_iter().flatten();
    let short = fields.filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty() && text.chars().count() <= MAX_METADATA_CHARS).then(|| (name.clone(), text))
    });
    short.take(SHOWN_METADATA).collect()
}

fn technical_facts(email: Email, headers: Vec<(String, String)>, message_id: Option<String>) -> impl IntoView {
    let code = |text: String| view! { <code>{text}</code> };
    let request = email.api_request_id.map(|id| match may(Permission::RequestsView) {
        true => view! { <a class="id-link" href=mounted(format!("/requests/{id}"))>{id.to_string()}</a> }.into_any(),
        false => code(id.to_string()).into_any(),
    });
    let moment = |at: DateTime<Utc>| view! { <Time at style=TimeStyle::Second/> };
    [
        Some(fact("Id", code(email.id.to_string()))),
        Some(fact("Channel", view! { <ChannelMark channel=email.channel/> })),
        Some(fact("Accepted", moment(email.created_at()))),
        email.sent_at.map(|at| fact("Sent", moment(at))),
        email.delivered_at.map(|at| fact("Delivered", moment(at))),
        email.error_message.map(|words| fact("Error", code(words))),
        email.provider_message_id.map(|id| fact("Provider id", code(id))),
        message_id.map(|id| fact("Message-ID", code(id))),
        request.map(|request| fact("API request", request)),
        email.template_version_id.map(|id| fact("Version id", code(id.to_string()))),
        email.has_pdf_attachment.then(|| fact("PDF attached", "yes")),
        (!headers.is_empty()).then(|| fact("Headers", view! { <Headers headers/> })),
        Some(fact("Job", code(email.job_id.to_string()))),
        Some(fact("Team", code(email.team_id.to_string()))),
    ]
    .into_iter()
    .flatten()
    .collect_view()
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A value that leads to the messages that share it, unless it is masked.
fn shared(qualifier: &str, value: String) -> AnyView {
    if is_masked(&value) {
        return value.into_any();
    }
    let url = shared_url(qualifier, &value);
    view! { <a href=mounted(url) title="All messages of the last 30 days with this value">{value}</a> }.into_any()
}

#[component]
fn KeyFact(email: Email) -> impl IntoView {
    match (email.api_key_name, email.api_key_id) {
        (Some(name), _) => shared("key", name),
        (None, Some(id)) => view! { <code>{id.to_string()}</code> }.into_any(),
        (None, None) => "Sent from the dashboard".into_any(),
    }
}

/// A field that Sendlog names, which explains itself.
fn fact(name: &'static str, value: impl IntoView + 'static) -> AnyView {
    let shown = match of_field(name) {
        Some(words) => {
            let id = format!("hint-{}", name.to_lowercase().replace(' ', "-"));
            view! { <Hint id words><span>{name}</span></Hint> }.into_any()
        }
        None => name.into_any(),
    };
    pair(shown, value)
}

fn pair(name: impl IntoView + 'static, value: impl IntoView + 'static) -> AnyView {
    view! {
        <div class="fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
        </div>
    }
    .into_any()
}

/// Addresses, each a link to the messages for it.
#[component]
fn People(people: Vec<Recipient>, links: bool) -> impl IntoView {
    let shown = people.into_iter().map(|person| {
        let address = mailbox(&person.address);
        let address = if links {
            let url = search_url(&person.address);
            view! { <a href=mounted(url) title="All messages to this address in the last 30 days">{address}</a> }
                .into_any()
        } else {
            address
        };
        view! {
            <li>
                {address}
                {person.name.map(|name| view! { <span class="name">{name}</span> })}
            </li>
        }
    });
    view! { <ul class="plain-list">{shown.collect_view()}</ul> }
}

#[component]
fn NotificationLink(id: NotificationId) -> impl IntoView {
    view! { <a href=mounted(format!("/notifications/{id}"))>"notification " <code>{id.to_string()}</code></a> }
}

/// The headers that the caller added.
#[component]
fn Headers(headers: Vec<(String, String)>) -> impl IntoView {
    let shown = headers.into_iter().map(|(name, value)| view! { <li><code>{format!("{name}: {value}")}</code></li> });
    view! { <ul class="plain-list">{shown.collect_view()}</ul> }
}

#[component]
fn TemplateFact(email: Email) -> impl IntoView {
    let version = email.template_version.map(|version| format!(" · version {version}"));
    match (email.template_id, email.template_name) {
        (Some(id), name) => view! {
            <a href=mounted(format!("/templates/{id}"))>{name.unwrap_or_else(|| id.to_string())}</a>
            {version}
        }
        .into_any(),
        (None, _) if email.template_deleted => view! { <span class="nothing">"deleted"</span> {version} }.into_any(),
        (None, _) => ().into_any(),
    }
}

#[component]
fn Tags(tags: Vec<String>) -> impl IntoView {
    view! { <ul class="tags">{tags.into_iter().map(|tag| view! { <li>{shared("tag", tag)}</li> }).collect_view()}</ul> }
}

#[component]
fn Providers(names: Vec<String>) -> impl IntoView {
    let shown = names.into_iter().map(|name| view! { <li>{shared("provider", name)}</li> });
    view! { <ul class="plain-list">{shown.collect_view()}</ul> }
}

#[component]
fn Attachments(
    attachments: Vec<AttachmentSummary>,
    /// The message whose files may be saved.
    of: Option<EmailId>,
) -> impl IntoView {
    let shown = attachments.into_iter().enumerate().map(|(place, file)| {
        let name = match of {
            Some(id) => {
                view! { <a href=mounted(format!("/logs/{id}/attachments/{place}")) download>{file.filename}</a> }
                    .into_any()
            }
            None => file.filename.into_any(),
        };
        view! {
            <li class="attachment">
                <Icon glyph=Glyph::File/>
                {name}
                <span class="name">{format!("{} · {}", file.content_type, byte_size(file.size_bytes))}</span>
            </li>
        }
    });
    view! { <ul class="plain-list">{shown.collect_view()}</ul> }
}

#[component]
fn MessageLink(id: EmailId) -> impl IntoView {
    view! { <a class="id-link" href=mounted(format!("/logs/{id}"))>{id.to_string()}</a> }
}

/// The messages that send it again, and what each of them has otherwise.
#[component]
fn Copies(ids: Vec<EmailId>, changes: FamilyChanges) -> impl IntoView {
    let links = ids.into_iter().map(|id| {
        let words = changes.of_copy(id).map(|change| change.words().join(", ")).filter(|words| !words.is_empty());
        view! { <li><MessageLink id/> {words.map(|words| view! { " " <span class="name">{words}</span> })}</li> }
    });
    view! { <ul class="plain-list">{links.collect_view()}</ul> }
}
