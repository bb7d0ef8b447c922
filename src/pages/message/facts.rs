//! Every fact about a message, as the log's specification lists them.

use leptos::prelude::*;

use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::byte_size;
use crate::components::time::{Time, TimeStyle};
use crate::domain::channel::Channel;
use crate::domain::email::{AttachmentSummary, Email, EmailContent, Recipient, RecipientKind};
use crate::domain::ids::{EmailId, NotificationId};
use crate::domain::permission::Permission;

/// The fields of a message; those that are empty are left out, except where emptiness says something.
#[component]
pub fn Facts(
    email: Email,
    content: EmailContent,
    /// Whether an address leads to the messages for it; one that is masked finds none.
    links_addresses: bool,
    /// Whether the viewer may save what is attached.
    opens_attachments: bool,
) -> impl IntoView {
    let EmailContent { attachments, headers, .. } = content;
    let attachments_of = opens_attachments.then_some(email.id);
    let to = of_kind(&email.recipients, RecipientKind::To);
    let cc = of_kind(&email.recipients, RecipientKind::Cc);
    let bcc = of_kind(&email.recipients, RecipientKind::Bcc);
    let accepted = email.created_at();
    // A message that failed or bounced is not sent later by itself.
    let has_ended = email.status.can_be_resent();
    let is_email = email.channel == Channel::Email;
    let shown = [
        Some(fact("Channel", view! { <ChannelMark channel=email.channel/> })),
        email.notification_id.map(|id| fact("Part of", view! { <NotificationLink id/> })),
        Some(fact("To", view! { <People people=to links=links_addresses/> })),
        (!cc.is_empty()).then(|| fact("Cc", view! { <People people=cc links=links_addresses/> })),
        (!bcc.is_empty()).then(|| fact("Bcc", view! { <People people=bcc links=links_addresses/> })),
        email.external_user_id.clone().map(|id| fact("User id", view! { <code>{id}</code> })),
        (is_email || !email.from_address.is_empty()).then(|| fact("From", email.from_address.clone())),
        email.reply_to.clone().map(|address| fact("Reply to", address)),
        (is_email || !email.subject.is_empty()).then(|| fact("Subject", email.subject.clone())),
        (!headers.is_empty()).then(|| fact("Headers", view! { <Headers headers/> })),
        Some(fact("Template", view! { <TemplateFact email=email.clone()/> })),
        (!email.tags.is_empty()).then(|| fact("Tags", view! { <Tags tags=email.tags.clone()/> })),
        (!attachments.is_empty()).then(|| fact("Attached", view! { <Attachments attachments of=attachments_of/> })),
        email.resend_of.map(|id| fact("Resend of", view! { <MessageLink id/> })),
        (!email.resent_as.is_empty()).then(|| fact("Resent as", view! { <Links ids=email.resent_as.clone()/> })),
        Some(fact("Accepted", view! { <Time at=accepted style=TimeStyle::Second/> })),
        email.scheduled_at.map(|at| fact("Scheduled", view! { <Time at style=TimeStyle::Second/> })),
        Some(fact("Sent", view! { <Moment at=email.sent_at has_ended/> })),
        Some(fact("Delivered", view! { <Moment at=email.delivered_at has_ended/> })),
    ];
    let technical = technical_facts(email);
    view! {
        <section class="panel message-facts" aria-label="Message">
            <div class="panel-head"><h2>"Message"</h2></div>
            <dl class="facts">{shown.into_iter().flatten().collect_view()}{technical}</dl>
        </section>
    }
}

fn technical_facts(email: Email) -> impl IntoView {
    let code = |text: Option<String>| match text {
        Some(text) => view! { <code>{text}</code> }.into_any(),
        None => view! { <Nothing/> }.into_any(),
    };
    let key = match (email.api_key_name, email.api_key_id) {
        (Some(name), _) => name.into_any(),
        (None, Some(id)) => code(Some(id.to_string())),
        (None, None) => "none: sent in the dashboard".into_any(),
    };
    let request = match email.api_request_id {
        Some(id) if may(Permission::RequestsView) => {
            view! { <a class="id-link" href=format!("/requests/{id}")>{id.to_string()}</a> }.into_any()
        }
        id => code(id.map(|id| id.to_string())),
    };
    let adapter = email.adapter_name.or_else(|| email.adapter_id.map(|id| id.to_string()));
    [
        fact("Version id", code(email.template_version_id.map(|id| id.to_string()))),
        fact("Adapter", adapter.unwrap_or_else(|| "–".to_owned())),
        fact("API key", key),
        fact("API request", request),
        fact("Provider id", code(email.provider_message_id)),
        fact("Error", code(email.error_message)),
        fact("PDF attached", if email.has_pdf_attachment { "yes" } else { "no" }),
        fact("Job", code(Some(email.job_id.to_string()))),
        fact("Team", code(Some(email.team_id.to_string()))),
        fact("Id", code(Some(email.id.to_string()))),
    ]
    .into_iter()
    .collect_view()
}

fn fact(name: &'static str, value: impl IntoView + 'static) -> AnyView {
    view! {
        <div class="fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
        </div>
    }
    .into_any()
}

#[component]
fn Nothing() -> impl IntoView {
    view! { <span class="nothing">"none"</span> }
}

#[component]
fn Moment(at: Option<chrono::DateTime<chrono::Utc>>, has_ended: bool) -> impl IntoView {
    match at {
        Some(at) => view! { <Time at style=TimeStyle::Second/> }.into_any(),
        None if has_ended => view! { <span class="nothing">"no"</span> }.into_any(),
        None => view! { <span class="nothing">"not yet"</span> }.into_any(),
    }
}

fn of_kind(recipients: &[Recipient], kind: RecipientKind) -> Vec<Recipient> {
    recipients.iter().filter(|recipient| recipient.kind == kind).cloned().collect()
}

/// Addresses, each a link to the messages for it.
#[component]
fn People(people: Vec<Recipient>, links: bool) -> impl IntoView {
    let shown = people.into_iter().map(|person| {
        let address = if links {
            let url = crate::pages::logs::search_url(&person.address);
            view! { <a href=url title="All messages to this address in the last 30 days">{person.address}</a> }
                .into_any()
        } else {
            person.address.into_any()
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
    view! { <a href=format!("/notifications/{id}")>"notification " <code>{id.to_string()}</code></a> }
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
            <a href=format!("/templates/{id}")>{name.unwrap_or_else(|| id.to_string())}</a>
            {version}
        }
        .into_any(),
        (None, _) if email.template_deleted => view! { <span class="nothing">"deleted"</span> {version} }.into_any(),
        (None, _) => view! { <Nothing/> }.into_any(),
    }
}

#[component]
fn Tags(tags: Vec<String>) -> impl IntoView {
    view! { <ul class="tags">{tags.into_iter().map(|tag| view! { <li>{tag}</li> }).collect_view()}</ul> }
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
                view! { <a href=format!("/logs/{id}/attachments/{place}") download>{file.filename}</a> }.into_any()
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
    view! { <a class="id-link" href=format!("/logs/{id}")>{id.to_string()}</a> }
}

#[component]
fn Links(ids: Vec<EmailId>) -> impl IntoView {
    let links = ids.into_iter().map(|id| view! { <li><MessageLink id/></li> });
    view! { <ul class="plain-list">{links.collect_view()}</ul> }
}
