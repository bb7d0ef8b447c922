//! The rows of the log, as lists show them: by their ids, or with the walk that finds these.

use sqlx::types::Json;

use super::log::{Place, push_ids};
use super::row::{channel_from, status_from};
use crate::domain::email::{EmailSummary, Recipient};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, RollupScope, StatusSet};
use crate::domain::ids::{EmailId, TeamId, TemplateId};
use crate::server::store::engine::{Engine, Sql};
use crate::server::store::range::IdRange;
use crate::server::store::{Store, instant};

/// A row of [push_rows]: its columns, in their order.
#[derive(serde::Deserialize)]
struct SummaryRow {
    id: i64,
    channel: i16,
    template_id: Option<i64>,
    template_name: Option<String>,
    recipients: Vec<Recipient>,
    subject: String,
    status: i16,
    sent_at: Option<i64>,
    resend_of: Option<i64>,
}

impl TryFrom<SummaryRow> for EmailSummary {
    type Error = AppError;

    fn try_from(row: SummaryRow) -> Result<Self, AppError> {
        Ok(Self {
            id: EmailId(row.id),
            channel: channel_from(row.channel)?,
            template_id: row.template_id.map(TemplateId),
            template_name: row.template_name,
            recipients: row.recipients,
            subject: row.subject,
            status: status_from(row.status)?,
            sent_at: row.sent_at.map(instant),
            resend_of: row.resend_of.map(EmailId),
            remark: None,
        })
    }
}

impl Store {
    /// The rows of a page by its filter's statuses and scope, from its place on: ids and rows by one statement.
    pub(super) async fn list_rows_at(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        place: &Place,
        limit: i64,
    ) -> Result<Vec<EmailSummary>, AppError> {
        let (statuses, scope, Place { ids, offset, .. }) = (filter.statuses, filter.scope(), *place);
        if ids.low >= ids.high {
            return Ok(Vec::new());
        }
        self.fetch_rows(page_query(self.engine(), team_id, statuses, scope, ids, limit, offset)).await
    }

    /// Rows of the log by their ids, the newest first, without those that the team does not have.
    pub async fn list_emails_by_id(&self, team_id: TeamId, ids: &[i64]) -> Result<Vec<EmailSummary>, AppError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch_rows(list_rows_query(self.engine(), team_id, ids)).await
    }

    async fn fetch_rows(&self, query: Sql) -> Result<Vec<EmailSummary>, AppError> {
        let rows: Option<Json<Vec<SummaryRow>>> = self.read(query).fetch_scalar().await?;
        let mut rows = rows.map(|rows| rows.0).unwrap_or_default();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        rows.into_iter().map(EmailSummary::try_from).collect()
    }
}

/// The query for the rows of a page.
pub(in crate::server::store) fn list_rows_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let mut sql = Sql::new(engine, "");
    push_rows(&mut sql, team_id);
    sql.push("IN (").push_list(ids).push(")");
    sql
}

/// The query for a page and its rows. The arguments are those of [super::log::list_ids_query].
pub(in crate::server::store) fn page_query(
    engine: Engine,
    team_id: TeamId,
    statuses: StatusSet,
    scope: RollupScope,
    ids: IdRange,
    limit: i64,
    offset: i64,
) -> Sql {
    let mut sql = Sql::new(engine, "");
    push_rows(&mut sql, team_id);
    let (before, after) = engine.id_list();
    sql.push(before);
    push_ids(&mut sql, team_id, statuses, scope, ids, limit, offset);
    sql.push(after);
    sql
}

/// Adds the query for rows of the log, all in one value and in no order, up to which ids.
fn push_rows(sql: &mut Sql, team_id: TeamId) {
    let engine = sql.engine();
    let columns = [
        "e.id",
        "e.channel",
        "t.id",
        "t.name",
        &engine.json_column("e.recipients"),
        "e.subject",
        "e.status",
        "e.sent_at",
        "e.resend_of",
    ];
    sql.push("SELECT ").push(engine.array_of_rows(&columns)).push(
        " FROM emails e
         LEFT JOIN templates t ON t.team_id = e.team_id AND t.id = e.template_id AND t.deleted_at IS NULL
         WHERE e.team_id = ",
    );
    sql.push_bind(team_id).push(" AND e.id ");
}
