//! Values that the newest messages have, for the suggestions of the search.

use super::Store;
use super::criteria::push_marks_nothing;
use super::engine::{Engine, Sql};
use super::like::{escaped, push_like};
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

/// How many messages are looked at, at most: the newest.
const LOOKED_AT: i64 = 1_000;

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Tag,
    /// Hosts, their network addresses and mail exchangers.
    Server,
    /// Domains of recipients' addresses, in lower case.
    Domain,
}

/// The query for the values that begin so, in any case of letters, those of most messages first. Of messages whose template
/// marks variables none is told: it can hold what they do.
pub(super) fn recent_values_query(engine: Engine, team_id: TeamId, kind: ValueKind, begun: &str, limit: i64) -> Sql {
    let tags = engine.text_elements("e.tags", "g");
    let (value, from) = match kind {
        ValueKind::Tag => ("g.value".to_owned(), format!(" CROSS JOIN {tags} WHERE ")),
        ValueKind::Server => (
            "(v.detail ->> k.field)".to_owned(),
            // SQLite keeps the order of a CROSS JOIN.
            " CROSS JOIN email_events v
              CROSS JOIN (SELECT 'server' AS field UNION ALL SELECT 'mx' UNION ALL SELECT 'server_ip') AS k WHERE "
                .to_owned(),
        ),
        ValueKind::Domain => (
            engine.domain_of("(r.value ->> 'address')"),
            format!(" CROSS JOIN {} WHERE ", engine.elements("e.recipients", "r")),
        ),
    };
    let mut sql = Sql::new(
        engine,
        format!(
            "SELECT {value} AS value FROM (
                 SELECT e.team_id, e.id, e.template_version_id, e.tags, e.recipients FROM emails e WHERE e.team_id = "
        ),
    );
    sql.push_bind(team_id).push(" ORDER BY e.id DESC LIMIT ").push_bind(LOOKED_AT).push(") AS e").push(from);
    if kind == ValueKind::Server {
        sql.push("v.team_id = ").push_bind(team_id).push(" AND v.email_id = e.id AND ");
    }
    push_like(&mut sql, &value, [format!("{}%", escaped(begun))]);
    push_marks_nothing(&mut sql, team_id);
    sql.push(" GROUP BY 1 ORDER BY COUNT(DISTINCT e.id) DESC, 1 LIMIT ").push_bind(limit);
    sql
}

impl Store {
    /// Values of the team's newest thousand messages that begin so, those of most messages first.
    pub async fn list_recent_values(
        &self,
        team_id: TeamId,
        kind: ValueKind,
        begun: &str,
        limit: i64,
    ) -> Result<Vec<String>, AppError> {
        self.read(recent_values_query(self.engine(), team_id, kind, begun, limit)).fetch_scalars().await
    }
}
