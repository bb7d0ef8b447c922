//! What a leased row of the outbox sends.

use sqlx::types::Json;

use super::adapter_order::DownRow;
use super::bodies::BodyRow;
use super::mimes::unpack_mime;
use super::{Store, stored};
use crate::domain::adapter::{AdapterDown, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::email::{Attachment, Recipient};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, NotificationId, TeamId};
use crate::domain::tracking::{MessageTracking, TemplateTracking, Tracking};

/// What to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The adapter to send by; `None` when it is deleted.
    pub adapter: Option<OutgoingAdapter>,
    /// Whether it names that one, so that it goes by no other.
    pub names_adapter: bool,
    pub channel: Channel,
    pub notification_id: Option<NotificationId>,
    pub notification_kind: Option<String>,
    pub external_user_id: Option<String>,
    pub tags: Vec<String>,
    /// The template's values, a JSON object.
    pub variables: serde_json::Value,
    /// The caller's own data, a JSON object.
    pub metadata: serde_json::Value,
    pub headers: Vec<(String, String)>,
    pub from_address: String,
    pub reply_to: Option<String>,
    /// Everybody it is for, for the headers.
    pub recipients: Vec<Recipient>,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
    pub attachments: Vec<Attachment>,
    /// The message itself, where it came as mail.
    pub mime: Option<Vec<u8>>,
    pub tracking: MessageTracking,
}

/// The adapter of a message to send.
#[derive(Clone, Debug)]
pub struct OutgoingAdapter {
    pub id: AdapterId,
    pub name: String,
    pub kind: AdapterKind,
    /// Where it connects to: `smtp://host:587`, or an `https://` address.
    pub endpoint: String,
    pub sealed_secret: String,
    /// The sender of messages that name none.
    pub from_address: String,
    pub down: Option<AdapterDown>,
}

#[derive(sqlx::FromRow)]
struct OutgoingRow {
    from_address: String,
    reply_to: Option<String>,
    recipients: Json<Vec<Recipient>>,
    subject: String,
    channel: i16,
    notification_id: Option<NotificationId>,
    notification_kind: Option<String>,
    external_user_id: Option<String>,
    tags: Json<Vec<String>>,
    #[sqlx(flatten)]
    bodies: BodyRow,
    variables: Json<serde_json::Value>,
    metadata: Json<serde_json::Value>,
    headers: Json<Vec<(String, String)>>,
    mime: Option<Vec<u8>>,
    mime_bytes: Option<i64>,
    team_tracks_opens: bool,
    team_tracks_clicks: bool,
    tracks_opens: Option<bool>,
    tracks_clicks: Option<bool>,
    offers_unsubscribe: Option<bool>,
    adapter_id: Option<AdapterId>,
    adapter_name: Option<String>,
    adapter_kind: Option<String>,
    endpoint: Option<String>,
    sealed_secret: Option<String>,
    adapter_from: Option<String>,
    names_adapter: bool,
    #[sqlx(flatten)]
    down: DownRow,
}

impl Store {
    /// What to send for a leased row; `None` when the message is gone.
    pub async fn find_outgoing(&self, team_id: TeamId, email_id: EmailId) -> Result<Option<Outgoing>, AppError> {
        let row: Option<OutgoingRow> = self
            .read(format!(
                "SELECT e.from_address, e.reply_to, e.recipients, COALESCE(c.subject, e.subject) AS subject,
                     e.channel, e.notification_id,
                     n.kind AS notification_kind, e.external_user_id, e.tags, {}, c.variables, c.metadata, c.headers,
                     m.mime, m.mime_bytes,
                     t.tracks_opens AS team_tracks_opens, t.tracks_clicks AS team_tracks_clicks,
                     p.tracks_opens, p.tracks_clicks, p.offers_unsubscribe,
                     a.id AS adapter_id, a.name AS adapter_name, a.kind AS adapter_kind, a.endpoint, a.sealed_secret,
                     a.from_address AS adapter_from, a.down_since, a.down_reason, a.probe_at, a.probes, e.names_adapter
                 FROM emails e
                 JOIN teams t ON t.id = e.team_id AND t.deleted_at IS NULL
                 JOIN email_contents c ON c.team_id = e.team_id AND c.email_id = e.id
                 LEFT JOIN email_mimes m ON m.team_id = e.team_id AND m.email_id = e.id
                 LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
                 LEFT JOIN templates p ON p.team_id = e.team_id AND p.id = e.template_id
                 LEFT JOIN notifications n ON n.team_id = e.team_id AND n.id = e.notification_id
                 LEFT JOIN adapters a ON a.team_id = e.team_id AND a.id = e.adapter_id AND a.deleted_at IS NULL
                 WHERE e.team_id = $1 AND e.id = $2",
                BodyRow::COLUMNS
            ))
            .bind(team_id)
            .bind(email_id)
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let adapter = match (row.adapter_id, row.adapter_name, row.adapter_kind, row.endpoint, row.sealed_secret) {
            (Some(id), Some(name), Some(kind), Some(endpoint), Some(sealed_secret)) => {
                let kind = stored("adapters.kind", kind.parse())?;
                let (from_address, down) = (row.adapter_from.unwrap_or_default(), row.down.read());
                Some(OutgoingAdapter { id, name, kind, endpoint, sealed_secret, from_address, down })
            }
            _ => None,
        };
        let of_team = Tracking { tracks_opens: row.team_tracks_opens, tracks_clicks: row.team_tracks_clicks };
        let of_template = TemplateTracking {
            tracks_opens: row.tracks_opens,
            tracks_clicks: row.tracks_clicks,
            offers_unsubscribe: row.offers_unsubscribe.unwrap_or_default(),
        };
        let (html, text) = row.bodies.read()?;
        let mime = row.mime.zip(row.mime_bytes).map(|(packed, length)| unpack_mime(&packed, length));
        Ok(Some(Outgoing {
            adapter,
            names_adapter: row.names_adapter,
            channel: stored("emails.channel", Channel::from_code(row.channel).ok_or("unknown code"))?,
            notification_id: row.notification_id,
            notification_kind: row.notification_kind,
            external_user_id: row.external_user_id,
            tags: row.tags.0,
            variables: row.variables.0,
            metadata: row.metadata.0,
            headers: row.headers.0,
            from_address: row.from_address,
            reply_to: row.reply_to,
            recipients: row.recipients.0,
            subject: row.subject,
            html,
            text,
            attachments: self.list_attachments(team_id, email_id).await?,
            mime: mime.transpose()?,
            tracking: of_team.with(Some(of_template)),
        }))
    }
}
