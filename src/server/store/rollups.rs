//! The rollups: how many messages of each hour, and of each day, have which status, by slices of the log. They change in the transaction that
//! changes the messages.

use std::collections::BTreeMap;

use super::engine::{Sql, Transaction};
use super::range::{day_of, hour_of, hour_of_day};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::filter::RollupScope;
use crate::domain::ids::{EmailId, TeamId, TemplateId};
use crate::domain::stats::StatusCounts;

const ADD_ROWS: &str = "INSERT INTO email_rollups
    (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam) ";

const TO_ROWS: &str = " ON CONFLICT (team_id, template_id, hour) DO UPDATE SET
        queued = email_rollups.queued + excluded.queued,
        sent = email_rollups.sent + excluded.sent,
        delivered = email_rollups.delivered + excluded.delivered,
        opened = email_rollups.opened + excluded.opened,
        clicked = email_rollups.clicked + excluded.clicked,
        bounced = email_rollups.bounced + excluded.bounced,
        failed = email_rollups.failed + excluded.failed,
        spam = email_rollups.spam + excluded.spam";

/// Rows that one statement changes.
const ROWS: usize = 100;
/// As many rows, at most, are changed by a statement that stays prepared: those of one message, or two.
const FEW: usize = 12;

/// The rollup row that counts all templates together.
const ANY_TEMPLATE: TemplateId = TemplateId(0);

/// The `template_id` of the rollup rows that count a scope of the log. Negative ones, which no template has, stand for
/// channels; the lowest for nothing.
pub(super) fn rollup_key(scope: RollupScope) -> TemplateId {
    match scope {
        RollupScope::All => ANY_TEMPLATE,
        RollupScope::Template(id) if id > ANY_TEMPLATE => id,
        RollupScope::Template(_) | RollupScope::Nothing => TemplateId(i64::MIN),
        RollupScope::Channel(channel) => TemplateId(-1 - i64::from(channel.code())),
    }
}

/// One message of this status, or one less.
pub(super) fn counted(status: EmailStatus, count: i64) -> StatusCounts {
    let mut change = StatusCounts::default();
    change.add(status, count);
    change
}

/// The `template_id`s of the rollup rows that count a message.
fn rollup_keys(template_id: Option<TemplateId>, channel: Channel) -> impl Iterator<Item = TemplateId> {
    let of_channel = rollup_key(RollupScope::Channel(channel));
    [Some(of_channel), Some(ANY_TEMPLATE), template_id].into_iter().flatten()
}

/// What a transaction changes in the rollups, by their keys. It is summed while messages are changed and applied once, last,
/// in the order of the keys: two transactions that meet never wait for each other in a ring.
#[derive(Debug, Default)]
pub(super) struct Rollups(BTreeMap<(TemplateId, i64), StatusCounts>);

impl Rollups {
    /// Adds a change of one message's status to the rows of its hour and of its day: of its channel, of its template and of
    /// all.
    pub fn add(&mut self, id: EmailId, template_id: Option<TemplateId>, channel: Channel, change: StatusCounts) {
        let hour = hour_of(id);
        for key in rollup_keys(template_id, channel) {
            for hour in [hour_of_day(day_of(hour)), hour] {
                *self.0.entry((key, hour)).or_default() += change;
            }
        }
    }

    /// The rows that change, in the order in which every transaction takes them.
    pub fn keys(&self) -> Vec<(TemplateId, i64)> {
        self.0.keys().copied().collect()
    }

    /// Adds other changes.
    pub fn join(&mut self, other: Rollups) {
        for (key, change) in other.0 {
            *self.0.entry(key).or_default() += change;
        }
    }

    /// What changes, in the order in which every transaction takes the rows.
    fn changes(self) -> impl Iterator<Item = ((TemplateId, i64), StatusCounts)> {
        self.0.into_iter().filter(|(_, change)| *change != StatusCounts::default())
    }

    /// Applies what the transaction changes. Only those rows are touched after it.
    pub(super) async fn apply(self, tx: &mut Transaction, team_id: TeamId) -> Result<(), AppError> {
        let changes: Vec<_> = self.changes().collect();
        for rows in changes.chunks(ROWS) {
            let mut sql = Sql::new(tx.engine(), ADD_ROWS);
            sql.push_rows(rows, |values, ((template_id, hour), counts)| {
                values.bind(team_id).bind(*template_id).bind(*hour);
                for count in counts.0 {
                    values.bind(count);
                }
            });
            sql.push(TO_ROWS).keep(rows.len() <= FEW);
            tx.query(sql).execute().await?;
        }
        Ok(())
    }
}
