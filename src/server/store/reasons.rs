//! The problems of a list, counted by why they failed, as [super::failures] keeps it.

use chrono::{DateTime, Utc};

use super::Store;
use super::emails::log::push_walk;
use super::engine::{Engine, Sql};
use super::range::IdRange;
use crate::domain::error::AppError;
use crate::domain::failure::{FailureClass, FailureGroup};
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, StatusSet};
use crate::domain::ids::{AdapterId, EmailId, TeamId};
use crate::domain::page::{COUNT_LIMIT, OffsetRequest};

/// How many problems of a list are counted by their reasons, at most: the newest. They take some 15 ms of a page.
const LOOKED_AT: i64 = COUNT_LIMIT;

/// The problems of a list, counted by their reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedReasons {
    pub problems: i64,
    /// How many of the problems have a copy.
    pub resent: i64,
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
    /// How many of them have a copy.
    pub resent: i64,
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
    resent: i64,
    oldest: EmailId,
    newest: EmailId,
    problems: i64,
    all_resent: i64,
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
            "SELECT class, fingerprint, mailbox_provider, adapter_id, messages, resent, oldest, newest,
                 CAST(SUM(messages) OVER () AS BIGINT) AS problems,
                 CAST(SUM(resent) OVER () AS BIGINT) AS all_resent, COUNT(*) OVER () AS groups,
                 MIN(oldest) OVER () AS first
             FROM (
                 SELECT f.class, f.fingerprint, f.mailbox_provider, {adapter} AS adapter_id,
                     COUNT(*) AS messages, COUNT(CASE WHEN "
        ),
    );
    match counted {
        // Which of a range have a copy is found once; asked for row by row, it takes two thirds of the time.
        Counted::All(ids) | Counted::Walked(_, ids) => {
            sql.push("f.email_id IN (SELECT y.resend_of FROM emails y WHERE y.team_id = ").push_bind(team_id);
            sql.push(" AND y.resend_of >= ").push_bind(ids.low).push(" AND y.resend_of < ").push_bind(ids.high);
            sql.push(")");
        }
        Counted::Listed(_) => {
            sql.push("EXISTS (SELECT 1 FROM emails y WHERE y.team_id = f.team_id AND y.resend_of = f.email_id)");
        }
    }
    sql.push(" THEN 1 END) AS resent, MIN(f.email_id) AS oldest, MAX(f.email_id) AS newest FROM ");
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
    /// messages; by their adapters too, where asked. Looks at the newest
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
        let found;
        let counted = match &filter.search {
            Some(text) => {
                found = self.search_ids_in(team_id, &filter, text, ids, false, LOOKED_AT).await?;
                Counted::Listed(&found)
            }
            None => {
                if is_plain {
                    Counted::All(ids)
                } else {
                    Counted::Walked(&filter, ids)
                }
            }
        };
        if matches!(counted, Counted::Listed([])) {
            return Ok(CountedReasons::default());
        }
        let query = reasons_query(self.engine(), team_id, &counted, by_adapter, most.saturating_add(1));
        let rows: Vec<ReasonRow> = self.read(query).fetch_all().await?;
        let Some(first) = rows.first() else { return Ok(CountedReasons::default()) };
        let is_all = first.problems < LOOKED_AT;
        let mut counted = CountedReasons {
            problems: first.problems,
            resent: first.all_resent,
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
                    resent: row.resent,
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
}
