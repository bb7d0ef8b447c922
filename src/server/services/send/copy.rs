//! A message once more: a copy for those whom it did not reach. Called by the resend of [crate::server::services::emails].

use super::accept::{accept_with, accepted_by, choose_adapter, event};
use super::changed::{Changed, apply, audited, named_adapter, require_change};
use super::once::{IdempotencyKey, new_key};
use crate::domain::audit::AuditAction;
use crate::domain::channel::Channel;
use crate::domain::email::{Accepted, Email, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::mailbox::is_same_address;
use crate::domain::masking::audited_text;
use crate::domain::resend::{Knowing, ResendClaim, origin_words};
use crate::domain::resend_change::{CopyChange, ResendChange};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::services::audit;
use crate::server::store::audit::AuditEvent;
use crate::server::store::emails::{Acceptance, KeptAnswer, NewEmail, StoredContent};
use crate::server::store::resends::ResendTurn;

/// A copy of a message, ready to be accepted.
pub(in crate::server::services) struct PreparedCopy {
    new: NewEmail,
    claim: ResendClaim,
    audit: AuditEvent,
    changed: Changed,
}

impl PreparedCopy {
    /// What the caller is told of it.
    pub fn accepted(&self) -> Accepted {
        Accepted { id: self.new.id, job_id: self.new.job_id }
    }

    /// The message as it would be accepted.
    pub fn email(&self) -> &NewEmail {
        &self.new
    }

    /// What it has otherwise than the one that it sends again.
    pub fn change(&self) -> &CopyChange {
        &self.changed.change
    }

    /// Whether it is made anew and yet has the subject that the application gave.
    pub fn keeps_subject(&self) -> bool {
        self.changed.keeps_subject
    }
}

/// Makes a copy of `email`, with its bodies and attachments as they were. The caller has checked the permission. Of a
/// message that some recipients did get, by itself or by a copy, only the others get this copy. A request that may repeat
/// another is refused in [accept_copy] alone, where that is known.
pub(in crate::server::services) async fn prepare_copy(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    knowing: Knowing,
    must_have_failed: bool,
    may_repeat: bool,
) -> Result<PreparedCopy, AppError> {
    let change = ResendChange::default();
    prepare_changed_copy(app, viewer, email, knowing, must_have_failed, may_repeat, &change).await
}

/// The same with a change, where the viewer may make it. A change of the adapter makes the copy go by that one alone.
pub(in crate::server::services) async fn prepare_changed_copy(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    knowing: Knowing,
    must_have_failed: bool,
    may_repeat: bool,
    change: &ResendChange,
) -> Result<PreparedCopy, AppError> {
    require_change(viewer, change)?;
    let relatives = app.store.find_family(viewer.team, email.id).await?;
    let family: Vec<EmailId> = relatives.iter().map(|relative| relative.id).collect();
    let claim = ResendClaim { of: email.id, family, knowing, must_have_failed, now: app.clock.now() };
    if !may_repeat {
        // What is refused now needs no lock; the transaction looks again.
        claim.check(&relatives)?;
    }
    let stored = app.store.find_stored_content(viewer.team, email.id).await?;
    let StoredContent { content, sent_subject, version } = stored.ok_or_else(|| {
        let why =
            "Its body is not kept any more, so that it cannot be sent again: the team keeps bodies for a time only";
        AppError::Conflict(why.to_owned())
    })?;
    let named = named_adapter(app, viewer, email.channel, change.adapter).await?;
    let adapter = match email.adapter_id.filter(|_| named.is_none()) {
        Some(id) => app.store.find_adapter(viewer.team, id).await?,
        None => named.clone(),
    };
    // Where the one that it named is gone, it goes like any other.
    let names_adapter = adapter.is_some() && (email.names_adapter || change.adapter.is_some());
    let adapter_id = match adapter {
        Some(adapter) => Some(adapter.id),
        None if email.channel == Channel::Email => Some(choose_adapter(app, viewer, None).await?.id),
        None => app.store.find_default_adapter(viewer.team, email.channel).await?.map(|adapter| adapter.id),
    };
    let again = Some(origin_words(email.id, &accepted_by(viewer).unwrap_or_default()));
    let (id, job_id) = (app.clock.mint(), app.clock.mint());
    let mut new = NewEmail {
        adapter_id,
        names_adapter,
        api_key_id: viewer.api_key_id(),
        recipients: unreached_recipients(app, viewer, email, &claim.family).await?,
        sent_subject,
        worded_by: version.as_ref().map(|(id, _)| *id),
        variables: content.variables,
        metadata: content.metadata,
        headers: content.headers,
        html: content.html,
        text: content.text,
        attachments: app.store.list_attachments(viewer.team, email.id).await?,
        mime: app.store.find_mime(viewer.team, email.id).await?,
        ..email.copy(id, job_id)
    };
    let line =
        audit::by(app, viewer, AuditAction::EmailResent).about(email.id, audited_text(viewer, email.subject.clone()));
    let changed = apply(app, viewer, email, &mut new, version, (change, named)).await?;
    let words = Some(changed.change.words().join("; ")).filter(|words| !words.is_empty());
    let queued = words.map(|words| format!("Changed: {words}"));
    new.events = vec![event(app, EventKind::Requested, again), event(app, EventKind::Queued, queued)];
    let audit = line.made(audited(new.id, &changed.change));
    Ok(PreparedCopy { new, claim, audit, changed })
}

/// Accepts a copy. `Some`, and nothing accepted, where an earlier request came with the same key: what that one was
/// answered. `once` is the key with what this one is answered.
pub(in crate::server::services) async fn accept_copy(
    app: &App,
    viewer: &Viewer,
    copy: PreparedCopy,
    once: Option<(IdempotencyKey, KeptAnswer)>,
) -> Result<Option<KeptAnswer>, AppError> {
    let idempotency = once.map(|(key, answer)| new_key(app, &key, answer));
    let change = Some(copy.changed.change).filter(|change| !change.is_none());
    let with =
        Acceptance { audit: Some(copy.audit), claim: Some(copy.claim), idempotency, change, ..Acceptance::default() };
    accept_with(app, viewer, &[copy.new], with).await
}

/// Accepts the copy of a message of a resend job, whose turn it is. What refuses it leaves the message its turn.
pub(in crate::server::services) async fn accept_copy_of_item(
    app: &App,
    viewer: &Viewer,
    copy: PreparedCopy,
    turn: ResendTurn,
) -> Result<(), AppError> {
    let with = Acceptance {
        audit: Some(copy.audit),
        claim: Some(copy.claim),
        resend_item: Some(turn),
        ..Acceptance::default()
    };
    accept_with(app, viewer, &[copy.new], with).await.map(drop)
}

/// Those that neither the message nor another of its family reached; where that is nobody, those that it did not reach
/// itself; where that is nobody, all.
async fn unreached_recipients(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    family: &[EmailId],
) -> Result<Vec<Recipient>, AppError> {
    let events = app.store.list_events_of(viewer.team, family).await?;
    let reached = |id: &EmailId, recipient: &Recipient| {
        let events = events.get(id).map(Vec::as_slice).unwrap_or_default();
        let is_recipient = |address: &String| is_same_address(address, &recipient.address);
        let is_about = |event: &&EmailEvent| event.recipient.as_ref().is_some_and(is_recipient);
        let told = |kinds: &[EventKind]| events.iter().filter(is_about).any(|event| kinds.contains(&event.kind));
        told(&[EventKind::Sent, EventKind::Delivered, EventKind::Opened, EventKind::Clicked])
            && !told(&[EventKind::Bounced, EventKind::Failed])
    };
    for messages in [family, &[email.id]] {
        let is_unreached = |recipient: &&Recipient| !messages.iter().any(|id| reached(id, recipient));
        let unreached: Vec<Recipient> = email.recipients.iter().filter(is_unreached).cloned().collect();
        if !unreached.is_empty() {
            return Ok(unreached);
        }
    }
    Ok(email.recipients.clone())
}
