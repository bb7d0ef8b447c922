//! Why messages failed, beside them: a row of `email_failures` a message that bounced or failed. Triggers give and take the row
//! with the message's status, whoever writes it; what it says is kept by [keep_diagnoses] in the transaction that records the
//! events. Rows of an earlier version of the rules, or of before, are written anew in steps, while the program serves.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sqlx::types::Json;

use super::engine::{Engine, Sql, Transaction};
use super::event_rows::{EventOfRow, by_message, events_query};
use super::{Store, stored};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::failure::{Failed, FailureGroup, VERSION};
use crate::domain::ids::{EmailId, TeamId};

/// The most messages whose diagnoses one step writes anew, and one statement reads.
const STEP: usize = 100;

const UPDATE_DIAGNOSIS: &str =
    "UPDATE email_failures SET version = $3, class = $4, fingerprint = $5, mailbox_provider = $6
    WHERE team_id = $1 AND email_id = $2";

/// A team that has rows of a version before `$1`.
pub(super) const FIND_TEAM: &str = "SELECT f.team_id FROM teams t
    JOIN email_failures f ON f.team_id = t.id AND f.version < $1
    WHERE t.deleted_at IS NULL ORDER BY t.id LIMIT 1";

/// The newest `$3` of a team's (`$1`) messages whose rows are of a version before `$2`. What others are changing is left for
/// the next step: they write it themselves.
pub(super) fn find_old_statement(engine: Engine) -> String {
    let (message, lock) = match engine {
        Engine::Sqlite => ("", ""),
        Engine::Postgres => {
            (" JOIN emails e ON e.team_id = f.team_id AND e.id = f.email_id", " FOR UPDATE OF e SKIP LOCKED")
        }
    };
    format!(
        "SELECT f.email_id FROM email_failures f{message}
         WHERE f.team_id = $1 AND f.version < $2 ORDER BY f.version DESC, f.email_id DESC LIMIT $3{lock}"
    )
}

/// What a diagnosis follows from, and the team's salt.
#[derive(sqlx::FromRow)]
struct FailedRow {
    id: EmailId,
    channel: i16,
    status: i16,
    recipients: Json<Vec<Recipient>>,
    error_message: Option<String>,
    salt: Option<String>,
}

/// Keeps why these messages failed, as their events say it now. They are locked, and their events written; those that did not
/// fail are passed over.
pub(super) async fn keep_diagnoses(tx: &mut Transaction, team_id: TeamId, ids: &[EmailId]) -> Result<(), AppError> {
    for ids in ids.chunks(STEP) {
        let mut sql = Sql::new(
            tx.engine(),
            "SELECT e.id, e.channel, e.status, e.recipients, e.error_message,
                 (SELECT t.failure_salt FROM teams t WHERE t.id = e.team_id AND t.deleted_at IS NULL) AS salt
             FROM emails e WHERE e.team_id = ",
        );
        sql.push_bind(team_id).push(" AND e.id IN (").push_list(ids).push(") ORDER BY e.id").keep(ids.len() == 1);
        let messages: Vec<FailedRow> = tx.query(sql).fetch_all().await?;
        let mut events = events_query(tx.engine(), team_id, ids);
        events.keep(ids.len() == 1);
        let events: Vec<EventOfRow> = tx.query(events).fetch_all().await?;
        let events = by_message(events)?;
        for message in messages {
            keep_diagnosis(tx, team_id, &message, &events).await?;
        }
    }
    Ok(())
}

async fn keep_diagnosis(
    tx: &mut Transaction,
    team_id: TeamId,
    message: &FailedRow,
    events: &HashMap<EmailId, Vec<EmailEvent>>,
) -> Result<(), AppError> {
    let failed = Failed {
        channel: stored("emails.channel", Channel::from_code(message.channel).ok_or("unknown code"))?,
        status: stored("emails.status", EmailStatus::from_code(message.status).ok_or("unknown code"))?,
        recipient: message.recipients.first().map(|first| first.address.as_str()),
        error_message: message.error_message.as_deref(),
    };
    let events = events.get(&message.id).map(Vec::as_slice).unwrap_or_default();
    let Some(diagnosis) = failed.diagnosis(events) else { return Ok(()) };
    let group = group_of(message.salt.as_deref().unwrap_or_default(), &diagnosis.group_text());
    tx.query(UPDATE_DIAGNOSIS)
        .bind(team_id)
        .bind(message.id)
        .bind(VERSION)
        .bind(diagnosis.class.code())
        .bind(group.0)
        .bind(diagnosis.mailbox_provider)
        .execute()
        .await?;
    Ok(())
}

fn group_of(salt: &str, text: &str) -> FailureGroup {
    let digest = Sha256::digest(format!("{salt}\n{text}"));
    FailureGroup(digest.iter().take(8).fold(0, |number: i64, byte| number << 8 | i64::from(*byte)))
}

/// Adds that the message failed, and what is kept of why.
pub(super) fn push_diagnosis(sql: &mut Sql, column: &str, value: i64) {
    sql.push("EXISTS (SELECT 1 FROM email_failures f WHERE f.team_id = e.team_id AND f.email_id = e.id");
    sql.push(format!(" AND f.{column} = ")).push_bind(value).push(")");
}

impl Store {
    /// Writes anew what is kept of some failures of before, or of an earlier version of the rules, the newest first; whether
    /// there may be more.
    pub async fn diagnose_some_again(&self) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let team: Option<TeamId> = tx.query(FIND_TEAM).bind(VERSION).fetch_optional_scalar().await?;
        let Some(team) = team else { return Ok(false) };
        let find = find_old_statement(tx.engine());
        let ids: Vec<EmailId> = tx.query(find).bind(team).bind(VERSION).bind(STEP as i64).fetch_scalars().await?;
        keep_diagnoses(&mut tx, team, &ids).await?;
        tx.commit().await?;
        // None where another node is at them.
        Ok(!ids.is_empty())
    }
}
