//! Legal holds. Whoever deletes or blanks what a team has asks here first, in the same transaction: [lock] lets no hold come
//! between, and [covered] is the condition that leaves what is held.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::hold::{Held, Hold, HoldScope, MAX_HOLDS};
use crate::domain::ids::{EmailId, HoldId, TeamId, lowest_id_at, time_of_id};
use crate::domain::mailbox::mailbox_key;

const COLUMNS: &str = "id, name, reason, scope, address, from_id, until_id, email_id, placed_by, lifted_at, lifted_by";

/// How many holds a team sees.
const SHOWN: i64 = 200;

/// Those of a team that are in force.
pub(super) const IN_FORCE: &str = "SELECT scope FROM holds WHERE team_id = $1 AND lifted_at IS NULL";

#[derive(sqlx::FromRow)]
struct HoldRow {
    id: HoldId,
    name: String,
    reason: String,
    scope: String,
    address: Option<String>,
    from_id: Option<i64>,
    until_id: Option<i64>,
    email_id: Option<EmailId>,
    placed_by: String,
    lifted_at: Option<i64>,
    lifted_by: Option<String>,
}

impl TryFrom<HoldRow> for Hold {
    type Error = AppError;

    fn try_from(row: HoldRow) -> Result<Self, AppError> {
        let scope: HoldScope = stored("holds.scope", row.scope.parse())?;
        let held = match scope {
            HoldScope::Team => Held::Team,
            HoldScope::Address => Held::Address(row.address.unwrap_or_default()),
            HoldScope::Range => {
                Held::Range(time_of_id(row.from_id.unwrap_or_default()), time_of_id(row.until_id.unwrap_or_default()))
            }
            HoldScope::Message => Held::Message(row.email_id.unwrap_or(EmailId(0))),
        };
        Ok(Self {
            id: row.id,
            name: row.name,
            reason: row.reason,
            held,
            placed_by: row.placed_by,
            lifted: row.lifted_at.map(|at| (instant(at), row.lifted_by.unwrap_or_default())),
        })
    }
}

/// What of a team is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InForce {
    Nothing,
    /// What [covered] says.
    Some,
    Everything,
}

/// Tells what of a team is held, and lets nobody place a hold before the transaction ends. Other deletions go on beside it.
pub(super) async fn lock(tx: &mut Transaction, team_id: TeamId) -> Result<InForce, AppError> {
    // A hold is placed by who takes the team's turn.
    tx.share_turn(team_id).await?;
    let scopes: Vec<String> = tx.query(IN_FORCE).bind(team_id).fetch_scalars().await?;
    Ok(match () {
        () if scopes.is_empty() => InForce::Nothing,
        () if scopes.iter().any(|scope| scope == HoldScope::Team.as_str()) => InForce::Everything,
        () => InForce::Some,
    })
}

impl InForce {
    /// The condition for rows `x` of a table that may go, to be added to others. Empty where nothing is held.
    pub(super) fn spares(self, table: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Some | Self::Everything => format!("AND NOT {}", covered(table)),
        }
    }
}

/// Holds for rows `x` of a table that a hold of their team (`$1`) covers. Those of messages are covered with their message, API requests
/// and notifications with one of theirs, and everything by its own time.
pub(super) fn covered(table: &str) -> String {
    // Not EXISTS: PostgreSQL would read all keys into memory to look there.
    let message = |id: &str| {
        format!(
            "h.scope = 'message' AND h.email_id = {id}
             OR h.scope = 'address' AND (SELECT k.kind FROM email_keys k
                 WHERE k.team_id = $1 AND k.kind = 0 AND k.key = h.address_key AND k.email_id = {id}
                 LIMIT 1) IS NOT NULL"
        )
    };
    let of_messages = |column: &str, id: &str| {
        format!(
            "h.scope IN ('message', 'address') AND (SELECT e.id FROM emails e
                 WHERE e.team_id = $1 AND e.{column} = {id} AND ({}) LIMIT 1) IS NOT NULL",
            message("e.id")
        )
    };
    let (id, more) = match table {
        "emails" => ("x.id", message("x.id")),
        "api_requests" => ("x.id", of_messages("api_request_id", "x.id")),
        "api_request_bodies" => ("x.api_request_id", of_messages("api_request_id", "x.api_request_id")),
        "notifications" => ("x.id", of_messages("notification_id", "x.id")),
        "webhook_deliveries" => ("x.id", message("x.email_id")),
        "resend_items" => ("x.job_id", message("x.email_id")),
        "history_import_parts" => ("x.import_id", "1 = 0".to_owned()),
        _ if table.starts_with("email_") || matches!(table, "outbox" | "resend_changes") => {
            ("x.email_id", message("x.email_id"))
        }
        "audit_log" | "resend_jobs" | "history_imports" | "suppressions" | "invites" => ("x.id", "1 = 0".to_owned()),
        // What has no time goes by holds of everything alone.
        _ => ("0", "1 = 0".to_owned()),
    };
    format!(
        "EXISTS (SELECT 1 FROM holds h WHERE h.team_id = $1 AND h.lifted_at IS NULL AND (
             h.scope = 'team' OR h.scope = 'range' AND {id} >= h.from_id AND {id} < h.until_id OR {more}))"
    )
}

impl Store {
    /// Places a hold. [AppError::Conflict] where the team has as many as it may; `false` where the team is gone.
    pub async fn insert_hold(&self, team_id: TeamId, hold: &Hold, event: &AuditEvent) -> Result<bool, AppError> {
        let (address, range, email) = match &hold.held {
            Held::Team => (None, None, None),
            Held::Address(address) => (Some(address), None, None),
            Held::Range(from, until) => (None, Some((lowest_id_at(*from), lowest_id_at(*until))), None),
            Held::Message(id) => (None, None, Some(*id)),
        };
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let scopes: Vec<String> = tx.query(IN_FORCE).bind(team_id).fetch_scalars().await?;
        if scopes.len() >= MAX_HOLDS {
            return Err(AppError::Conflict(format!("A team has at most {MAX_HOLDS} holds in force: lift one first")));
        }
        let placed = tx
            .query(
                "INSERT INTO holds
                 (team_id, id, name, reason, scope, address, address_key, from_id, until_id, email_id, placed_by)
                 SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM teams WHERE id = $1 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(hold.id)
            .bind(&hold.name)
            .bind(&hold.reason)
            .bind(hold.held.scope().as_str())
            .bind(address)
            .bind(address.map(|address| mailbox_key(address)))
            .bind(range.map(|range| range.0))
            .bind(range.map(|range| range.1))
            .bind(email)
            .bind(&hold.placed_by)
            .execute()
            .await?;
        if placed == 0 {
            return Ok(false);
        }
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a hold; `false` where none with this id is in force.
    pub async fn lift_hold(
        &self,
        team_id: TeamId,
        id: HoldId,
        by: &str,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let lifted = tx
            .query(
                "UPDATE holds SET lifted_at = $3, lifted_by = $4 WHERE team_id = $1 AND id = $2 AND lifted_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .bind(by)
            .execute()
            .await?;
        commit_change(tx, team_id, event, lifted).await
    }

    /// The team's holds, the newest first.
    pub async fn list_holds(&self, team_id: TeamId) -> Result<Vec<Hold>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM holds WHERE team_id = $1 ORDER BY id DESC LIMIT {SHOWN}");
        let rows: Vec<HoldRow> = self.read(statement).bind(team_id).fetch_all().await?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// The holds in force that cover a message.
    pub async fn list_holds_of(&self, team_id: TeamId, email_id: EmailId) -> Result<Vec<Hold>, AppError> {
        let statement = list_of_statement();
        let rows: Vec<HoldRow> = self.read(statement).bind(team_id).bind(email_id).fetch_all().await?;
        rows.into_iter().map(Hold::try_from).collect()
    }
}

/// The holds of a team (`$1`) that cover a message (`$2`).
pub(super) fn list_of_statement() -> String {
    format!(
        "SELECT {COLUMNS} FROM holds h WHERE h.team_id = $1 AND h.lifted_at IS NULL AND (
             h.scope = 'team' OR h.scope = 'range' AND $2 >= h.from_id AND $2 < h.until_id
             OR h.scope = 'message' AND h.email_id = $2
             OR h.scope = 'address' AND EXISTS (SELECT 1 FROM email_keys k
                 WHERE k.team_id = $1 AND k.kind = 0 AND k.key = h.address_key AND k.email_id = $2))
         ORDER BY h.id DESC"
    )
}
