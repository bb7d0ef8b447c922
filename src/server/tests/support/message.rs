//! A message of the past, as tests describe it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{TestApp, at};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{ApiKeyId, TemplateId, TemplateVersionId};
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::emails::{Attachment, NewEmail};
use crate::server::store::events::{EmailFacts, NewEvent};

/// A message of the past.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) at: DateTime<Utc>,
    pub(crate) status: EmailStatus,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) template: Option<(TemplateId, TemplateVersionId)>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) key: Option<ApiKeyId>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            at: at("2024-01-20T10:30:00Z"),
            status: EmailStatus::Delivered,
            to: vec!["user@example.com".to_owned()],
            subject: "Welcome to Our Service!".to_owned(),
            template: None,
            attachments: Vec::new(),
            key: None,
        }
    }
}

impl Message {
    pub(crate) fn with_status(status: EmailStatus) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn historic(&self, app: &TestApp) -> HistoricEmail {
        let kinds = events_of(self.status);
        let event = |(index, kind): (usize, &EventKind)| NewEvent {
            event: EmailEvent {
                id: app.id_at(self.at),
                kind: *kind,
                at: self.at + TimeDelta::seconds(5) * index as i32,
                recipient: None,
                detail: EventDetail::default(),
            },
            provider_event_id: None,
        };
        let recipient = |address: &String| Recipient { kind: RecipientKind::To, address: address.clone(), name: None };
        let email = NewEmail {
            names_adapter: false,
            id: app.id_at(self.at),
            job_id: app.id_at(self.at),
            template: self.template,
            channel: Channel::Email,
            notification_id: None,
            external_user_id: None,
            adapter_id: Some(app.id_at(self.at)),
            api_key_id: self.key,
            api_request_id: None,
            recipients: self.to.iter().map(recipient).collect(),
            from_address: "noreply@example.com".to_owned(),
            reply_to: None,
            subject: self.subject.clone(),
            tags: Vec::new(),
            variables: serde_json::json!({"name": "John", "company": "Acme Inc"}),
            metadata: serde_json::json!({}),
            html: Some("<p>Hello</p>".to_owned()),
            text: None,
            attachments: self.attachments.clone(),
            mime: None,
            sent_subject: None,
            worded_by: None,
            resend_of: None,
            scheduled_at: None,
            headers: Vec::new(),
            events: kinds.iter().enumerate().map(event).collect(),
        };
        HistoricEmail { email, facts: EmailFacts::default(), waiting: None }
    }
}

/// The history of a message with this status.
pub(crate) fn events_of(status: EmailStatus) -> &'static [EventKind] {
    use EventKind::*;
    match status {
        EmailStatus::Queued => &[Queued],
        EmailStatus::Sent => &[Queued, Sent],
        EmailStatus::Delivered => &[Queued, Sent, Delivered],
        EmailStatus::Opened => &[Queued, Sent, Delivered, Opened],
        EmailStatus::Clicked => &[Queued, Sent, Delivered, Opened, Clicked],
        EmailStatus::Bounced => &[Queued, Sent, Bounced],
        EmailStatus::Failed => &[Queued, Failed],
        EmailStatus::Spam => &[Queued, Sent, Delivered, ReportedAsSpam],
    }
}
