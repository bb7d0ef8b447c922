//! Showing contents: what a message says as its viewer sees it, and giving a reason to see the rest. Reasons count for one
//! message or API request, for one session, for [REVEAL_MINUTES]. Called by the services that read the log, and by the
//! forms of the message's and the request's page.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde_json::json;
use tower_sessions::Session;
use tracing::error;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::email::{Email, EmailContent};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiRequestId, EmailId};
use crate::domain::masking::{
    Contents, REVEAL_MINUTES, Reveal, Secrets, Visibility, audited_request, audited_text, hidden_content, mask_marked,
};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::render::Undefined;
use crate::server::store::audit::AuditEvent;
use crate::server::store::emails::StoredContent;

/// Where a session holds what it may see.
const SESSION_REVEALS: &str = "reveals";
/// The most that a session may see at once; the oldest gives way.
const MAX_REVEALS: usize = 20;
/// The longest name of a message that is looked for, in bytes.
const MAX_NAME_BYTES: usize = 2000;
/// How many of them are looked for at a time.
const NAMES_AT_ONCE: usize = 1000;
/// How long a reason is, in characters.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 3..=200;

/// Writes a reason into the audit log, then shows the contents of a message to this session for a while. For people only.
/// Needs `logs:view` and `logs:reveal`.
pub async fn reveal_email(
    app: &App,
    viewer: &Viewer,
    session: &Session,
    id: EmailId,
    reason: &str,
) -> Result<(), AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsReveal)?;
    let email = app.store.find_email(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Email log"))?;
    let line = audit::by(app, viewer, AuditAction::EmailRevealed).about(id, audited_text(viewer, email.subject));
    reveal(app, viewer, session, id.to_string(), line, reason).await
}

/// The same for the bodies of an API request. Needs `requests:view` and `logs:reveal`.
pub async fn reveal_request(
    app: &App,
    viewer: &Viewer,
    session: &Session,
    id: ApiRequestId,
    reason: &str,
) -> Result<(), AppError> {
    viewer.require(Permission::RequestsView)?;
    viewer.require(Permission::LogsReveal)?;
    let found = app.store.find_api_request(viewer.team, id).await?;
    let (request, _) = found.ok_or_else(|| AppError::not_found("API request"))?;
    let name = audited_request(viewer, &request.method, &request.endpoint);
    let line = audit::by(app, viewer, AuditAction::RequestRevealed).about(id, name);
    reveal(app, viewer, session, id.to_string(), line, reason).await
}

async fn reveal(
    app: &App,
    viewer: &Viewer,
    session: &Session,
    target: String,
    line: AuditEvent,
    reason: &str,
) -> Result<(), AppError> {
    let user = viewer.user_id().ok_or_else(|| {
        AppError::Forbidden("Log in as a person to do this: an API key cannot give a reason".to_owned())
    })?;
    let reason = checked_reason(reason)?;
    let until = app.clock.now() + TimeDelta::minutes(REVEAL_MINUTES);
    app.store.append_audit_event(viewer.team, &line.because(&reason).made(json!({"until": until}))).await?;
    let mut kept = reveals_of(session).await;
    kept.retain(|reveal| reveal.until > app.clock.now() && reveal.target != target);
    kept.push(Reveal { team: viewer.team, user, target, until, reason });
    let surplus = kept.len().saturating_sub(MAX_REVEALS);
    kept.drain(..surplus);
    session.insert(SESSION_REVEALS, kept).await.map_err(|cause| {
        error!(%cause, "session storage");
        AppError::Internal
    })
}

/// What a session gave a reason to see, ended or not.
pub async fn reveals_of(session: &Session) -> Vec<Reveal> {
    session.get(SESSION_REVEALS).await.ok().flatten().unwrap_or_default()
}

fn checked_reason(reason: &str) -> Result<String, AppError> {
    let reason = reason.trim();
    if REASON_CHARS.contains(&reason.chars().count()) && !reason.chars().any(char::is_control) {
        return Ok(reason.to_owned());
    }
    let message = format!("Give a reason in one line of {} to {} characters", REASON_CHARS.start(), REASON_CHARS.end());
    Err(AppError::invalid_field("reason", message))
}

/// What the marked variables of messages hold that the viewer does not see all of, by message; the others hold nothing.
pub(super) async fn secrets_of(
    app: &App,
    viewer: &Viewer,
    emails: &[Email],
) -> Result<HashMap<EmailId, Secrets>, AppError> {
    let now = app.clock.now();
    let hides = |email: &&Email| {
        !email.marked_variables.is_empty() && Visibility::of(viewer, email.id, now).contents != Contents::All
    };
    let hiding: HashMap<EmailId, &Email> = emails.iter().filter(hides).map(|email| (email.id, email)).collect();
    let ids: Vec<EmailId> = hiding.keys().copied().collect();
    let variables = app.store.list_variables(viewer.team, &ids).await?;
    let secrets = |(id, variables)| Some((id, Secrets::of(&variables, &hiding.get(&id)?.marked_variables)));
    Ok(variables.into_iter().filter_map(secrets).collect())
}

/// The same of one message.
pub(super) async fn secrets_of_one(app: &App, viewer: &Viewer, email: &Email) -> Result<Secrets, AppError> {
    let mut secrets = secrets_of(app, viewer, std::slice::from_ref(email)).await?;
    Ok(secrets.remove(&email.id).unwrap_or_default())
}

/// The same of all messages that the texts name, by their ids or their providers' in quotes, and of these.
pub(super) async fn secrets_named(
    app: &App,
    viewer: &Viewer,
    texts: &[Option<&str>],
    made: impl Iterator<Item = EmailId>,
) -> Result<Secrets, AppError> {
    let quoted = texts.iter().flatten().flat_map(|text| text.split('"'));
    let mut names: Vec<&str> = quoted.filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len())).collect();
    names.sort_unstable();
    names.dedup();
    let mut ids: Vec<i64> = made.map(|id| id.0).collect();
    ids.extend(names.iter().filter_map(|name| name.parse::<EmailId>().ok()).map(|id| id.0));
    for names in names.chunks(NAMES_AT_ONCE) {
        ids.extend(app.store.list_ids_by_provider(viewer.team, names).await?.into_iter().map(|id| id.0));
    }
    ids.sort_unstable();
    ids.dedup();
    let emails = app.store.find_emails(viewer.team, &ids).await?;
    let ids: Vec<EmailId> =
        emails.iter().filter(|email| !email.marked_variables.is_empty()).map(|email| email.id).collect();
    let mut variables: HashMap<EmailId, serde_json::Value> =
        app.store.list_variables(viewer.team, &ids).await?.into_iter().collect();
    let mut secrets = Secrets::default();
    for email in &emails {
        if let Some(variables) = variables.remove(&email.id) {
            secrets.extend(Secrets::of(&variables, &email.marked_variables));
        }
    }
    Ok(secrets)
}

/// What a message says, as it is shown. Bodies that hold values of marked variables are made again without them, from the
/// version of the template that they were made from; where that does not work, they are not shown.
pub(super) async fn shown_content(
    app: &App,
    visibility: Visibility,
    email: &Email,
    stored: StoredContent,
) -> EmailContent {
    let StoredContent { content, version, .. } = stored;
    match visibility.contents {
        Contents::Hidden | Contents::Locked => return hidden_content(content),
        Contents::All => return content,
        Contents::AllButMarked => {}
    }
    if !holds_marked(email, &content) {
        return content;
    }
    let (variables, secrets) = mask_marked(&content.variables, &email.marked_variables);
    let rendered = match version {
        // It was accepted, with whatever was missing.
        Some((_, source)) => app.renderer.render_template(&source, &variables, Undefined::IsNothing).await.ok(),
        None => None,
    };
    let rendered = rendered.unwrap_or_default();
    let scrubbed = |body: Option<String>, kept: Option<String>| kept.and(body).map(|body| secrets.scrub(&body));
    EmailContent {
        html: scrubbed(rendered.html, content.html),
        text: scrubbed(rendered.text, content.text),
        metadata: secrets.scrub_json(content.metadata),
        headers: content.headers.into_iter().map(|(name, value)| (name, secrets.scrub(&value))).collect(),
        attachments: content
            .attachments
            .into_iter()
            .map(|mut file| {
                file.filename = secrets.scrub(&file.filename);
                file
            })
            .collect(),
        variables,
    }
}

/// Whether the viewer sees what is attached: what a marked variable says may stand in it.
pub(super) fn shows_attachments(visibility: Visibility, email: &Email, content: &EmailContent) -> bool {
    match visibility.contents {
        Contents::Hidden | Contents::Locked => false,
        Contents::AllButMarked => !holds_marked(email, content),
        Contents::All => true,
    }
}

/// Whether a message was made with variables that its template marks.
fn holds_marked(email: &Email, content: &EmailContent) -> bool {
    email.marked_variables.iter().any(|name| content.variables.get(name).is_some())
}
