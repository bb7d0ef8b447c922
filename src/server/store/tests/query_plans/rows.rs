//! How a page of the log and its rows are read.

use super::*;
use crate::server::store::emails::summary::{list_rows_query, page_query};

/// The statement that gives a page with its rows.
pub(super) fn page_of(engine: Engine, statuses: &[EmailStatus], template: Option<TemplateId>) -> Sql {
    page_query(engine, TEAM, statuses.iter().copied().collect(), template.into(), IDS, 20, 0)
}

#[tokio::test]
async fn a_page_comes_with_its_rows_by_the_walk_of_its_ids() {
    for (statuses, template) in
        [(&[][..], None), (&[EmailStatus::Bounced], None), (&[EmailStatus::Bounced], Some(TEMPLATE))]
    {
        let walk = plan_of(ids_query(statuses, template)).await;
        let plan = plan_of(page_of(Engine::Sqlite, statuses, template)).await;
        let [rows, list, rest @ ..] = &plan[..] else { panic!("{plan:?}") };
        assert_eq!(rows, "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)");
        assert!(list.starts_with("LIST SUBQUERY"), "{plan:?}");
        assert!(rest.starts_with(&walk) && !rest.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
    }
}

#[tokio::test]
async fn rows_are_fetched_by_their_ids() {
    let plan = plan_of(list_rows_query(Engine::Sqlite, TEAM, &[11, 12])).await;
    assert_eq!(
        plan,
        [
            "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)",
            "SEARCH t USING PRIMARY KEY (team_id=? AND id=?) LEFT-JOIN",
        ]
    );
}
