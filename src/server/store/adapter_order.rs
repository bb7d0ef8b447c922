//! The order of a team's adapters, lane by lane, and which of them are down. The first of a lane is its default, where it has
//! one: text messages and calls of a team with a web address may have none of their own. Whether one is down is kept in its
//! row, so that all workers agree; it is written where it changes, never for each message. Called by [super::adapters], the
//! services and [crate::server::delivery::worker].

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event};
use super::engine::Transaction;
use super::{Store, instant, micros, stored};
use crate::domain::adapter::{AdapterDown, AdapterKind, Direction, Lane};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};

/// Says of adapters that they are not down.
pub(super) const MARK_UP: &str =
    "UPDATE adapters SET down_since = NULL, down_reason = NULL, probe_at = NULL, probes = 0";

/// The names of the kinds of a lane, as a list of SQL.
fn kinds_in(lane: Lane) -> String {
    kinds(|kind| kind.lane() == lane)
}

pub(super) fn kinds(is_meant: impl Fn(AdapterKind) -> bool) -> String {
    let names = AdapterKind::ALL.into_iter().filter(|kind| is_meant(*kind)).map(|kind| format!("'{}'", kind.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

/// The adapters of a lane, the first one first, in a transaction that has taken turns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    ids: Vec<AdapterId>,
    has_default: bool,
}

impl Order {
    /// Puts one in: as the default at the top, or at the end.
    pub fn insert(&mut self, id: AdapterId, as_default: bool) {
        self.ids.retain(|other| *other != id);
        let place = if as_default { 0 } else { self.ids.len() };
        self.ids.insert(place, id);
        self.has_default |= as_default;
    }

    pub fn remove(&mut self, id: AdapterId) {
        self.ids.retain(|other| *other != id);
    }

    /// Moves one a place; `false` where it is at the end of the order already.
    fn shift(&mut self, id: AdapterId, direction: Direction) -> Option<(usize, usize)> {
        let from = self.ids.iter().position(|other| *other == id)?;
        let to = match direction {
            Direction::Up => from.checked_sub(1)?,
            Direction::Down => Some(from + 1).filter(|to| *to < self.ids.len())?,
        };
        self.ids.swap(from, to);
        Some((from, to))
    }
}

pub(super) async fn list_lane(tx: &mut Transaction, team_id: TeamId, lane: Lane) -> Result<Order, AppError> {
    let statement = format!(
        "SELECT id, is_default FROM adapters
         WHERE team_id = $1 AND deleted_at IS NULL AND kind IN ({}) ORDER BY position, id",
        kinds_in(lane)
    );
    let rows: Vec<(AdapterId, bool)> = tx.query(statement).bind(team_id).fetch_all().await?;
    let has_default = rows.iter().any(|(_, is_default)| *is_default);
    Ok(Order { ids: rows.into_iter().map(|(id, _)| id).collect(), has_default })
}

/// Keeps an order: every place, and which is the default.
pub(super) async fn write_order(
    tx: &mut Transaction,
    team_id: TeamId,
    lane: Lane,
    order: &Order,
) -> Result<(), AppError> {
    // First none is, so that no two are for a moment.
    let statement = format!(
        "UPDATE adapters SET is_default = FALSE WHERE team_id = $1 AND is_default AND kind IN ({})",
        kinds_in(lane)
    );
    tx.query(statement).bind(team_id).execute().await?;
    for (place, id) in order.ids.iter().enumerate() {
        tx.query("UPDATE adapters SET position = $3, is_default = $4 WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(*id)
            .bind(place as i64)
            .bind(order.has_default && place == 0)
            .execute()
            .await?;
    }
    Ok(())
}

/// An adapter in the order of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedAdapter {
    pub id: AdapterId,
    pub name: String,
    pub kind: AdapterKind,
    pub from_address: String,
    pub down: Option<AdapterDown>,
}

#[derive(sqlx::FromRow)]
struct OrderedRow {
    id: AdapterId,
    name: String,
    kind: String,
    from_address: String,
    #[sqlx(flatten)]
    down: DownRow,
}

/// The columns that say whether an adapter is down.
#[derive(sqlx::FromRow)]
pub(super) struct DownRow {
    down_since: Option<i64>,
    down_reason: Option<String>,
    probe_at: Option<i64>,
    probes: Option<i64>,
}

impl DownRow {
    pub fn read(self) -> Option<AdapterDown> {
        Some(AdapterDown {
            since: instant(self.down_since?),
            reason: self.down_reason.unwrap_or_default(),
            probe_at: instant(self.probe_at?),
            probes: self.probes.unwrap_or_default(),
        })
    }
}

/// The adapters of a team, lane by lane. `$1` team.
pub(super) const LIST_ORDER: &str =
    "SELECT id, name, kind, from_address, down_since, down_reason, probe_at, probes FROM adapters
     WHERE team_id = $1 AND deleted_at IS NULL ORDER BY position, id";

impl Store {
    /// The adapters of a lane, the first one first.
    pub async fn list_adapter_order(&self, team_id: TeamId, lane: Lane) -> Result<Vec<OrderedAdapter>, AppError> {
        let rows: Vec<OrderedRow> = self.read(LIST_ORDER).bind(team_id).fetch_all().await?;
        let mut ordered = Vec::new();
        for OrderedRow { id, name, kind, from_address, down } in rows {
            let kind: AdapterKind = stored("adapters.kind", kind.parse())?;
            if kind.lane() == lane {
                ordered.push(OrderedAdapter { id, name, kind, from_address, down: down.read() });
            }
        }
        Ok(ordered)
    }

    /// Moves an adapter one place within its lane; the places from and to, from 1, which `line` makes the line of the audit log
    /// of. `None`, and nothing done, where there is no such adapter or no such place.
    pub async fn move_adapter(
        &self,
        team_id: TeamId,
        id: AdapterId,
        direction: Direction,
        line: impl FnOnce(usize, usize) -> AuditEvent + Send,
    ) -> Result<Option<(usize, usize)>, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let kind: Option<String> = tx
            .query("SELECT kind FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await?;
        let Some(kind) = kind else { return Ok(None) };
        let lane = stored::<AdapterKind, _>("adapters.kind", kind.parse())?.lane();
        let mut order = list_lane(&mut tx, team_id, lane).await?;
        let Some((from, to)) = order.shift(id, direction) else { return Ok(None) };
        write_order(&mut tx, team_id, lane, &order).await?;
        append_event(&mut tx, team_id, &line(from + 1, to + 1)).await?;
        tx.commit().await?;
        Ok(Some((from + 1, to + 1)))
    }

    /// Notes that an adapter is down, unless that is known; whether it was new.
    pub async fn mark_adapter_down(
        &self,
        team_id: TeamId,
        id: AdapterId,
        down: &AdapterDown,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let marked = tx
            .query(
                "UPDATE adapters SET down_since = $3, down_reason = $4, probe_at = $5, probes = $6
                 WHERE team_id = $1 AND id = $2 AND down_since IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(down.since))
            .bind(&down.reason)
            .bind(micros(down.probe_at))
            .bind(down.probes)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(marked == 1)
    }

    /// Takes the probe of an adapter that is down, which was due at `due`: for one message of all workers. The next one is due
    /// at `next`.
    pub async fn claim_probe(
        &self,
        team_id: TeamId,
        id: AdapterId,
        due: DateTime<Utc>,
        next: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let claimed = tx
            .query(
                "UPDATE adapters SET probe_at = $4, probes = probes + 1
                 WHERE team_id = $1 AND id = $2 AND probe_at = $3",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(due))
            .bind(micros(next))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(claimed == 1)
    }

    /// Notes that an adapter works again; whether that was new.
    pub async fn mark_adapter_up(&self, team_id: TeamId, id: AdapterId) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let statement = format!("{MARK_UP} WHERE team_id = $1 AND id = $2 AND down_since IS NOT NULL");
        let marked = tx.query(statement).bind(team_id).bind(id).execute().await?;
        tx.commit().await?;
        Ok(marked == 1)
    }
}
