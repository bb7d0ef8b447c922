//! Forgetting a person in a message to or from them. What is about them alone goes; what others have of the message stays.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use sqlx::types::Json as Column;

use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{EmailId, EventId, TeamId};
use crate::domain::person::Person;
use crate::server::store::engine::Transaction;
use crate::server::store::events::{EmailFacts, NewEvent, fold_events};
use crate::server::store::holds::InForce;
use crate::server::store::rollups::Rollups;

/// What is put in place of whom.
pub(super) struct Work<'w> {
    pub team_id: TeamId,
    pub person: &'w Person,
    pub placeholder: &'w str,
    pub mint: &'w (dyn Fn() -> EventId + Send + Sync),
    pub now: DateTime<Utc>,
    pub in_force: InForce,
}

/// What stands in place of a subject.
pub(in crate::server::store) const FORGOTTEN_SUBJECT: &str = "(forgotten)";

/// What is a message's alone.
const CONTENTS: [&str; 5] = ["email_contents", "email_attachments", "email_mimes", "email_attempts", "email_aliases"];

/// What came of a message.
pub(super) enum Outcome {
    /// What it changes in the counts: it is not to be sent any more.
    Changed(Box<Rollups>),
    /// It is being sent.
    Postponed,
    /// It only names the person.
    NotTheirs,
    Gone,
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    recipients: Column<Vec<Json>>,
    from_address: String,
    reply_to: Option<String>,
    notification_id: Option<i64>,
}

/// Who a message is to and from.
struct Parties {
    /// With the placeholder in place of the person.
    recipients: Vec<Json>,
    from_address: String,
    reply_to: Option<String>,
    is_theirs: bool,
    /// Whether nobody else gets it, or it is from the person.
    is_alone: bool,
}

fn parties(row: MessageRow, person: &Person, placeholder: &str) -> Parties {
    let is_person = |one: &Json| one["address"].as_str().is_some_and(|address| person.is(address));
    let mailbox = |mailbox: String| match person.is_mailbox(&mailbox) {
        true => placeholder.to_owned(),
        false => person.replaced(&mailbox, placeholder).unwrap_or(mailbox),
    };
    let count = row.recipients.0.iter().filter(|one| is_person(one)).count();
    let is_from = person.is_mailbox(&row.from_address)
        || row.reply_to.as_deref().is_some_and(|reply_to| person.is_mailbox(reply_to));
    Parties {
        is_theirs: count > 0 || is_from,
        is_alone: count == row.recipients.0.len() || is_from,
        recipients: row
            .recipients
            .0
            .iter()
            .map(|one| match is_person(one) {
                true => json!({ "kind": one["kind"], "address": placeholder }),
                false => one.clone(),
            })
            .collect(),
        from_address: mailbox(row.from_address),
        reply_to: row.reply_to.map(mailbox),
    }
}

/// Takes the person out of a message. The row of the outbox comes before the message's.
pub(super) async fn forget_message(tx: &mut Transaction, work: &Work<'_>, id: i64) -> Result<Outcome, AppError> {
    let lock = tx.engine().for_update();
    let waits: Option<(Option<i64>,)> = tx
        .query(format!("SELECT lease_id FROM outbox WHERE team_id = $1 AND email_id = $2{lock}"))
        .bind(work.team_id)
        .bind(id)
        .fetch_optional()
        .await?;
    let row: Option<MessageRow> = tx
        .query(format!(
            "SELECT recipients, from_address, reply_to, notification_id FROM emails
             WHERE team_id = $1 AND id = $2{lock}"
        ))
        .bind(work.team_id)
        .bind(id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(Outcome::Gone) };
    let notification = row.notification_id;
    let parties = parties(row, work.person, work.placeholder);
    if !parties.is_theirs {
        return Ok(Outcome::NotTheirs);
    }
    if matches!(waits, Some((Some(_),))) {
        return Ok(Outcome::Postponed);
    }
    tx.query("UPDATE emails SET recipients = $3, from_address = $4, reply_to = $5 WHERE team_id = $1 AND id = $2")
        .bind(work.team_id)
        .bind(id)
        .bind(Column(&parties.recipients))
        .bind(&parties.from_address)
        .bind(&parties.reply_to)
        .execute()
        .await?;
    change_texts(tx, work, id, parties.is_alone).await?;
    change_events(tx, work, id, parties.is_alone).await?;
    let gone: &[&str] = if parties.is_alone { &CONTENTS } else { &["email_mimes"] };
    let mut rollups = Rollups::default();
    if parties.is_alone {
        if let Some(notification) = notification {
            tx.query("UPDATE notifications SET external_user_id = NULL WHERE team_id = $1 AND id = $2")
                .bind(work.team_id)
                .bind(notification)
                .execute()
                .await?;
        }
        if waits.is_some() {
            rollups = cancel(tx, work, id).await?;
        }
    }
    for table in gone {
        tx.query(format!("DELETE FROM {table} WHERE team_id = $1 AND email_id = $2"))
            .bind(work.team_id)
            .bind(id)
            .execute()
            .await?;
    }
    Ok(Outcome::Changed(Box::new(rollups)))
}

/// Takes a message that waits back: nobody is left whom it is for.
async fn cancel(tx: &mut Transaction, work: &Work<'_>, id: i64) -> Result<Rollups, AppError> {
    tx.query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2").bind(work.team_id).bind(id).execute().await?;
    let words = "Canceled: the person whom it was for was forgotten".to_owned();
    let event = EmailEvent {
        id: (work.mint)(),
        kind: EventKind::Canceled,
        at: work.now,
        recipient: None,
        detail: EventDetail { message: Some(words.clone()), ..EventDetail::default() },
    };
    let facts = EmailFacts { error_message: Some(words), ..EmailFacts::default() };
    let event = NewEvent { event, provider_event_id: None };
    Ok(fold_events(tx, work.team_id, EmailId(id), &[event], &facts).await?.unwrap_or_default())
}

/// The texts in a message's own row. What is about the person alone goes whole, with what its provider would find it by: later
/// reports about it are of no message of ours.
async fn change_texts(tx: &mut Transaction, work: &Work<'_>, id: i64, is_alone: bool) -> Result<(), AppError> {
    if is_alone {
        tx.query(
            "UPDATE emails SET subject = $3, tags = $4, external_user_id = NULL, provider_message_id = NULL
             WHERE team_id = $1 AND id = $2",
        )
        .bind(work.team_id)
        .bind(id)
        .bind(FORGOTTEN_SUBJECT)
        .bind(Column(Vec::<String>::new()))
        .execute()
        .await?;
    }
    let find = "SELECT subject, error_message, tags, told_by FROM emails WHERE team_id = $1 AND id = $2";
    type Texts = (String, Option<String>, Column<Json>, Option<Column<Json>>);
    let row: Option<Texts> = tx.query(find).bind(work.team_id).bind(id).fetch_optional().await?;
    let Some((subject, error, tags, told_by)) = row else { return Ok(()) };
    let text = |text: String| work.person.replaced(&text, work.placeholder).unwrap_or(text);
    let value =
        |value: Column<Json>| Column(work.person.replaced_in_value(&value.0, work.placeholder).unwrap_or(value.0));
    tx.query(
        "UPDATE emails SET subject = $3, error_message = $4, tags = $5, told_by = $6 WHERE team_id = $1 AND id = $2",
    )
    .bind(work.team_id)
    .bind(id)
    .bind(text(subject))
    .bind(error.map(text))
    .bind(value(tags))
    .bind(told_by.map(value))
    .execute()
    .await?;
    Ok(())
}

/// What events say of the person: who it was, where they were and with what they read.
async fn change_events(tx: &mut Transaction, work: &Work<'_>, id: i64, is_alone: bool) -> Result<(), AppError> {
    let rows: Vec<(i64, Option<String>, Column<Json>)> = tx
        .query("SELECT id, recipient, detail FROM email_events WHERE team_id = $1 AND email_id = $2 ORDER BY id")
        .bind(work.team_id)
        .bind(id)
        .fetch_all()
        .await?;
    for (event, recipient, detail) in rows {
        let is_about = recipient.as_deref().is_some_and(|recipient| work.person.is(recipient));
        if !is_about && !is_alone && !work.person.is_in_value(&detail.0) {
            continue;
        }
        let mut detail = work.person.replaced_in_value(&detail.0, work.placeholder).unwrap_or(detail.0);
        if let (true, Some(fields)) = (is_about || is_alone, detail.as_object_mut()) {
            for field in ["url", "user_agent", "ip", "country"] {
                fields.remove(field);
            }
        }
        let recipient = if is_about { Some(work.placeholder.to_owned()) } else { recipient };
        tx.query(
            "UPDATE email_events SET recipient = $4, detail = $5 WHERE team_id = $1 AND email_id = $2 AND id = $3",
        )
        .bind(work.team_id)
        .bind(id)
        .bind(event)
        .bind(recipient)
        .bind(Column(detail))
        .execute()
        .await?;
    }
    Ok(())
}
