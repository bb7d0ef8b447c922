//! Addresses that are not written to any more. What events say of an address is kept in the transaction that records them; the
//! worker asks before each attempt.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::{Engine, Sql, Transaction};
use super::like::{contains, push_like};
use super::{Store, instant, micros, stored};
use crate::domain::channel::Channel;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::ids::{EmailId, SuppressionId, TeamId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::page::{Cursor, CursorPage};
pub use crate::domain::suppression::SuppressionFilter;
use crate::domain::suppression::{Suppression, SuppressionReason};

const COLUMNS: &str = "id, address, reason, email_id, note, created_at";

/// Values in one statement.
const VALUES: usize = 500;

const INSERT: &str = "INSERT INTO suppressions
        (team_id, address_key, id, address, reason, email_id, note, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

#[derive(sqlx::FromRow)]
struct SuppressionRow {
    id: SuppressionId,
    address: String,
    reason: String,
    email_id: Option<EmailId>,
    note: String,
    created_at: i64,
}

impl TryFrom<SuppressionRow> for Suppression {
    type Error = AppError;

    fn try_from(row: SuppressionRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            address: row.address,
            reason: stored("suppressions.reason", row.reason.parse())?,
            email_id: row.email_id,
            note: row.note,
            created_at: instant(row.created_at),
        })
    }
}

/// Keeps the addresses of which these new events of a message say that they are not to be written to. One that is kept already
/// stays as it is.
pub(super) async fn suppress(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    (channel, recipients): (Channel, &[Recipient]),
    events: &[&EmailEvent],
) -> Result<(), AppError> {
    for event in events {
        let only = match recipients {
            [only] => Some(only.address.as_str()),
            [] | [_, _, ..] => None,
        };
        let Some(address) = event.recipient.as_deref().or(only) else { continue };
        let Some(reason) = SuppressionReason::of(channel, address, event) else { continue };
        let suppression = Suppression {
            id: SuppressionId(event.id.0),
            address: address.to_owned(),
            reason,
            email_id: Some(email_id),
            note: String::new(),
            created_at: event.at,
        };
        insert(tx, team_id, &suppression).await?;
    }
    Ok(())
}

/// Whether the address was not there yet.
async fn insert(tx: &mut Transaction, team_id: TeamId, new: &Suppression) -> Result<bool, AppError> {
    let inserted = tx
        .query(INSERT)
        .bind(team_id)
        .bind(mailbox_key(&new.address))
        .bind(new.id)
        .bind(&new.address)
        .bind(new.reason.as_str())
        .bind(new.email_id)
        .bind(&new.note)
        .bind(micros(new.created_at))
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// The query for those of these forms of addresses that are not written to.
pub(super) fn suppressed_query(engine: Engine, team_id: TeamId, keys: &[String]) -> Sql {
    let mut sql = Sql::new(engine, "SELECT address_key, reason, created_at FROM suppressions WHERE team_id = ");
    sql.push_bind(team_id).push(" AND address_key IN (").push_list(keys).push(")").keep(keys.len() == 1);
    sql
}

/// The query for a page of the list.
pub(super) fn list_query(
    engine: Engine,
    team_id: TeamId,
    filter: &SuppressionFilter,
    cursor: Cursor<SuppressionId>,
    limit: i64,
) -> Sql {
    let mut sql = Sql::new(engine, format!("SELECT {COLUMNS} FROM suppressions WHERE team_id = "));
    sql.push_bind(team_id);
    let order = match cursor {
        Cursor::Newest => "DESC",
        Cursor::After(id) => {
            sql.push(" AND id < ").push_bind(id);
            "DESC"
        }
        Cursor::Before(id) => {
            sql.push(" AND id > ").push_bind(id);
            "ASC"
        }
    };
    push_filter(&mut sql, filter);
    sql.push(format!(" ORDER BY id {order} LIMIT ")).push_bind(limit);
    sql
}

fn push_filter(sql: &mut Sql, filter: &SuppressionFilter) {
    if !filter.reasons.is_empty() {
        let names: Vec<String> = filter.reasons.iter().map(|reason| reason.as_str().to_owned()).collect();
        sql.push(" AND reason IN (").push_list(&names).push(")");
    }
    if let Some(search) = &filter.search {
        sql.push(" AND ");
        push_like(sql, "address_key", [contains(search)]);
    }
}

impl Store {
    /// The team's addresses that are not written to, the newest first: at most `limit`, at a place of the list.
    pub async fn list_suppressions(
        &self,
        team_id: TeamId,
        filter: &SuppressionFilter,
        cursor: Cursor<SuppressionId>,
        limit: i64,
    ) -> Result<CursorPage<Suppression>, AppError> {
        let query = list_query(self.engine(), team_id, filter, cursor, limit + 1);
        let mut rows: Vec<SuppressionRow> = self.read(query).fetch_all().await?;
        let has_more = rows.len() as i64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        if let Cursor::Before(_) = cursor {
            rows.reverse();
        }
        let items = rows.into_iter().map(Suppression::try_from).collect::<Result<_, _>>()?;
        Ok(CursorPage { items, has_more })
    }

    /// How many there are.
    pub async fn count_suppressions(&self, team_id: TeamId, filter: &SuppressionFilter) -> Result<i64, AppError> {
        let mut sql = Sql::new(self.engine(), "SELECT COUNT(*) FROM suppressions WHERE team_id = ");
        sql.push_bind(team_id);
        push_filter(&mut sql, filter);
        self.read(sql).fetch_scalar().await
    }

    /// One of them.
    pub async fn find_suppression(&self, team_id: TeamId, id: SuppressionId) -> Result<Option<Suppression>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM suppressions WHERE team_id = $1 AND id = $2");
        let row: Option<SuppressionRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        row.map(Suppression::try_from).transpose()
    }

    /// What there is of these addresses; in no order.
    pub async fn find_suppressions_of(
        &self,
        team_id: TeamId,
        addresses: &[String],
    ) -> Result<Vec<Suppression>, AppError> {
        let keys: Vec<String> = addresses.iter().map(|address| mailbox_key(address)).collect();
        let mut found = Vec::new();
        for keys in keys.chunks(VALUES) {
            let mut sql = Sql::new(self.engine(), format!("SELECT {COLUMNS} FROM suppressions WHERE team_id = "));
            sql.push_bind(team_id).push(" AND address_key IN (").push_list(keys).push(")");
            let rows: Vec<SuppressionRow> = self.read(sql).fetch_all().await?;
            for row in rows {
                found.push(Suppression::try_from(row)?);
            }
        }
        Ok(found)
    }

    /// Those of these addresses that are not written to, as they are given, with why and since when.
    pub async fn find_suppressed(
        &self,
        team_id: TeamId,
        addresses: &[String],
    ) -> Result<Vec<(String, SuppressionReason, DateTime<Utc>)>, AppError> {
        let keys: Vec<String> = addresses.iter().map(|address| mailbox_key(address)).collect();
        let mut found = Vec::new();
        for (addresses, keys) in addresses.chunks(VALUES).zip(keys.chunks(VALUES)) {
            let query = suppressed_query(self.engine(), team_id, keys);
            let rows: Vec<(String, String, i64)> = self.read(query).fetch_all().await?;
            for (key, reason, created_at) in rows {
                let reason: SuppressionReason = stored("suppressions.reason", reason.parse())?;
                let same = addresses.iter().zip(keys).filter(|(_, known)| **known == key);
                found.extend(same.map(|(address, _)| (address.clone(), reason, instant(created_at))));
            }
        }
        Ok(found)
    }

    /// Adds addresses, and gives how many were not there yet.
    pub async fn insert_suppressions(
        &self,
        team_id: TeamId,
        new: &[Suppression],
        event: &AuditEvent,
    ) -> Result<usize, AppError> {
        let mut tx = self.begin().await?;
        let mut added = 0;
        for suppression in new {
            added += usize::from(insert(&mut tx, team_id, suppression).await?);
        }
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Takes an address off the list; `false` where it is not there.
    pub async fn delete_suppression(
        &self,
        team_id: TeamId,
        id: SuppressionId,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .query("DELETE FROM suppressions WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }
}
