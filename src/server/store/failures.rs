//! Why messages failed, beside them: a row of `email_failures` a message that bounced or failed. Triggers give and take the row
//! with the message's status, whoever writes it; what it says is kept by [keep_diagnoses] in the transaction that records the
//! events. Rows of an earlier version of the rules, or of before, are written anew in steps, while the program serves.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::types::Json;

use super::Store;
use super::emails::log::push_walk;
use super::emails::row::{channel_from, status_from};
use super::engine::{Engine, Sql, Transaction};
use super::events::{EventOfRow, by_message, events_query};
use super::range::IdRange;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::failure::{Failed, FailureClass, FailureGroup, VERSION};
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, StatusSet};
use crate::domain::ids::{AdapterId, EmailId, TeamId};
use crate::domain::page::{COUNT_LIMIT, OffsetRequest};

/// The most messages whose diagnoses one step writes anew, and one statement reads.
const STEP: usize = 100;

/// How many problems of a list are counted by their reasons, at most: the newest. They take some 50 ms of a page.
const LOOKED_AT: i64 = 25_000;

const UPDATE_DIAGNOSIS: &str =
    "UPDATE email_failures SET version = $3, class = $4, fingerprint = $5, mailbox_provider = $6
    WHERE team_id = $1 AND email_id = $2";

/// A team that has rows of a version before `$1`.
pub(super) const FIND_TEAM: &str = "SELECT t.id FROM teams t
    WHERE t.deleted_at IS NULL AND EXISTS (
        SELECT 1 FROM email_failures f WHERE f.team_id = t.id AND f.version < $1)
    ORDER BY t.id LIMIT 1";

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
        channel: channel_from(message.channel)?,
        status: status_from(message.status)?,
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

/// The problems of a list, counted by their reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedReasons {
    pub problems: i64,
    pub groups: i64,
    /// Those with the most messages, the biggest first.
    pub reasons: Vec<CountedReason>,
    /// How many of the problems have no diagnosis yet.
    pub undiagnosed: i64,
    /// Where looking ended, when there are more problems than are looked at.
    pub looked_from: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedReason {
    pub class: FailureClass,
    pub group: FailureGroup,
    pub mailbox_provider: Option<String>,
    pub adapter: Option<AdapterId>,
    pub count: i64,
    pub oldest: EmailId,
    pub newest: EmailId,
}

#[derive(sqlx::FromRow)]
struct ReasonRow {
    class: Option<i16>,
    fingerprint: Option<i64>,
    mailbox_provider: Option<String>,
    adapter_id: Option<AdapterId>,
    messages: i64,
    oldest: EmailId,
    newest: EmailId,
    problems: i64,
    groups: i64,
    first: EmailId,
}

/// Which failures are counted.
pub(super) enum Counted<'a> {
    /// All of a range.
    All(IdRange),
    /// Those that a filter finds without its text.
    Walked(&'a EmailFilter, IdRange),
    Listed(&'a [i64]),
}

/// The query for the reasons with the most messages, at most `most`, the undiagnosed first.
pub(super) fn reasons_query(
    engine: Engine,
    team_id: TeamId,
    counted: &Counted<'_>,
    by_adapter: bool,
    most: i64,
) -> Sql {
    let (adapter, and_adapter) = match by_adapter {
        true => ("CASE WHEN f.class IS NULL THEN NULL ELSE f.adapter_id END", ", 4"),
        false => ("CAST(NULL AS BIGINT)", ""),
    };
    let mut sql = Sql::new(
        engine,
        format!(
            "SELECT class, fingerprint, mailbox_provider, adapter_id, messages, oldest, newest,
                 CAST(SUM(messages) OVER () AS BIGINT) AS problems, COUNT(*) OVER () AS groups,
                 MIN(oldest) OVER () AS first
             FROM (
                 SELECT f.class, f.fingerprint, f.mailbox_provider, {adapter} AS adapter_id,
                     COUNT(*) AS messages, MIN(f.email_id) AS oldest, MAX(f.email_id) AS newest FROM "
        ),
    );
    match counted {
        Counted::All(ids) => {
            sql.push("(SELECT * FROM email_failures a WHERE a.team_id = ").push_bind(team_id);
            sql.push(" AND a.email_id >= ").push_bind(ids.low).push(" AND a.email_id < ").push_bind(ids.high);
            sql.push(" ORDER BY a.email_id DESC LIMIT ").push_bind(LOOKED_AT).push(") AS f");
        }
        Counted::Walked(filter, ids) => {
            sql.push("(");
            push_walk(
                &mut sql,
                team_id,
                filter,
                *ids,
                OffsetRequest { offset: 0, limit: LOOKED_AT, oldest_first: false },
            );
            sql.push(") AS found CROSS JOIN email_failures f WHERE f.team_id = ").push_bind(team_id);
            sql.push(" AND f.email_id = found.id");
        }
        Counted::Listed(ids) => {
            sql.push("email_failures f WHERE f.team_id = ").push_bind(team_id);
            sql.push(" AND f.email_id IN (").push_list(*ids).push(")").keep(false);
        }
    }
    sql.push(format!(" GROUP BY 1, 2, 3{and_adapter}) AS g"));
    sql.push(" ORDER BY CASE WHEN class IS NULL THEN 0 ELSE 1 END, messages DESC, newest DESC LIMIT ").push_bind(most);
    sql
}

impl Store {
    /// Counts the bounced and failed messages that a filter finds by why they failed, and the `most` reasons with the most
    /// messages; by their adapters too, where asked. Looks at the newest 25,000, and of a search at the newest
    /// [COUNT_LIMIT].
    pub async fn count_reasons(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        by_adapter: bool,
        most: i64,
    ) -> Result<CountedReasons, AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let (filter, bound) = bounded.as_ref().map_or((filter, None), |(filter, from)| (filter, Some(*from)));
        let (statuses, _) = filter.statuses.or_all().split(StatusSet::FAILED);
        let ids = IdRange::from(filter.range);
        if statuses.is_empty() || filter.criteria.nothing || ids.low >= ids.high {
            return Ok(CountedReasons::default());
        }
        let filter = EmailFilter { statuses, ..filter.clone() };
        let is_plain = statuses == StatusSet::FAILED
            && filter.scope() == RollupScope::All
            && filter.criteria == Criteria::default();
        let (found, looked_at);
        let counted = match &filter.search {
            Some(text) => {
                looked_at = COUNT_LIMIT;
                found = self.search_ids_in(team_id, &filter, text, ids, looked_at).await?;
                Counted::Listed(&found)
            }
            None => {
                looked_at = LOOKED_AT;
                if is_plain { Counted::All(ids) } else { Counted::Walked(&filter, ids) }
            }
        };
        if matches!(counted, Counted::Listed([])) {
            return Ok(CountedReasons::default());
        }
        let query = reasons_query(self.engine(), team_id, &counted, by_adapter, most.saturating_add(1));
        let rows: Vec<ReasonRow> = self.read(query).fetch_all().await?;
        let Some(first) = rows.first() else { return Ok(CountedReasons::default()) };
        let is_all = first.problems < looked_at;
        let mut counted = CountedReasons {
            problems: first.problems,
            groups: first.groups,
            looked_from: if is_all { bound } else { Some(first.first.created_at()) },
            ..CountedReasons::default()
        };
        for row in rows {
            match (row.class.and_then(FailureClass::from_code), row.fingerprint) {
                (Some(class), Some(fingerprint)) => counted.reasons.push(CountedReason {
                    class,
                    group: FailureGroup(fingerprint),
                    mailbox_provider: row.mailbox_provider,
                    adapter: row.adapter_id,
                    count: row.messages,
                    oldest: row.oldest,
                    newest: row.newest,
                }),
                (_, _) => {
                    counted.undiagnosed += row.messages;
                    counted.groups -= 1;
                }
            }
        }
        counted.reasons.truncate(usize::try_from(most).unwrap_or_default());
        Ok(counted)
    }

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
