//! How a search is planned: by the index of pieces, the newest first where the engine can, each match looked up.

use sqlx::{Connection, PgConnection};

use super::postgres::FILL;
use super::*;
use crate::server::store::search::Word;
use crate::server::store::search::look::sqlite::{Index, Numbers};
use crate::server::store::search::look::{Look, Place};

const NUMBERS: Numbers = Numbers { ends: Some((1, 9)), has_late: false, few: false, former: &[] };

fn look<'a>(filter: &'a EmailFilter, words: &'a [Word], place: Place, marked_late: bool) -> Look<'a> {
    Look { team_id: TEAM, filter, words, ids: IDS, marked_late, place }
}

#[tokio::test]
async fn a_search_walks_the_index_and_looks_each_match_up_sqlite() {
    let by_number = "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)";
    let by_id = "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)";
    let by_status = "SEARCH e USING COVERING INDEX emails_by_status (team_id=? AND status=? AND id=?)";
    let by_both = "SEARCH e USING COVERING INDEX emails_by_template \
        (team_id=? AND template_id=? AND status=? AND id=?)";
    for (statuses, template_id, look_up) in [
        (StatusSet::default(), None, None),
        (StatusSet::default(), Some(TEMPLATE), Some(by_id)),
        (StatusSet::one(EmailStatus::Bounced), None, Some(by_status)),
        (StatusSet::READ, None, Some(by_status)),
        (StatusSet::READ, Some(TEMPLATE), Some(by_both)),
    ] {
        let filter = EmailFilter { statuses, template_id, ..EmailFilter::default() };
        for text in ["finch", "fi", "f", "finch \"ada lovelace\" 4711"] {
            let words = Word::all_of(text);
            let look = look(&filter, &words, Place::Sqlite(NUMBERS), false);
            let page = plan_of(look.page_query(Index::Now, NUMBERS, IDS, false, 20)).await;
            assert!(page[0].starts_with("SCAN s VIRTUAL TABLE INDEX"), "{page:?}");
            assert_eq!(page[1..], [&[by_number][..], look_up.as_slice()].concat());
            let count = plan_of(look.count_query(NUMBERS, IDS, 20)).await;
            assert!(count.iter().any(|step| step.starts_with("SCAN s VIRTUAL TABLE INDEX")), "{count:?}");
            // Nothing is looked up for each match where the index tells all.
            let steps = count.iter().filter(|step| step.starts_with("SEARCH m") || step.starts_with("SEARCH e"));
            assert_eq!(steps.count(), look_up.map_or(0, |_| 2), "{count:?}");
            assert!(!page.iter().chain(&count).any(|step| step.contains("TEMP B-TREE")), "{page:?} {count:?}");
            for index in [Index::Trigrams, Index::Before] {
                let plan = plan_of(look.page_query(index, NUMBERS, IDS, false, 20)).await;
                assert!(plan[0].starts_with("SCAN s VIRTUAL TABLE INDEX"), "{plan:?}");
                assert_eq!(plan[1..], [look_up.unwrap_or(by_id)]);
            }
        }
    }
}

#[tokio::test]
async fn a_search_beside_late_marks_looks_each_match_up_sqlite() {
    let (filter, words) = (EmailFilter::default(), Word::all_of("finch"));
    let plan =
        plan_of(look(&filter, &words, Place::Sqlite(NUMBERS), true).page_query(Index::Now, NUMBERS, IDS, false, 20))
            .await;
    assert!(plan[0].starts_with("SCAN s VIRTUAL TABLE INDEX"), "{plan:?}");
    for step in [
        "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)",
        "SEARCH y USING PRIMARY KEY (team_id=? AND id=?)",
        "SEARCH z USING PRIMARY KEY (team_id=? AND id=?)",
    ] {
        assert!(plan.iter().any(|line| line == step), "{plan:#?}");
    }
    // By the row id: one look, not a list of all that it finds.
    assert!(plan.iter().any(|step| step.starts_with("SCAN n VIRTUAL TABLE INDEX") && step.contains('=')), "{plan:#?}");
}

/// How PostgreSQL plans a statement that it has been asked a few times, whatever for.
async fn generic_plan(database: &TestDatabase, query: &Sql) -> String {
    let text = query.text();
    let values = (1..).take_while(|number| text.contains(&format!("${number}"))).count();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for statement in ["SET plan_cache_mode = force_generic_plan".to_owned(), format!("PREPARE asked AS {text}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    let explain = format!("EXPLAIN EXECUTE asked ({})", vec!["NULL"; values].join(", "));
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    plan.join("\n")
}

#[tokio::test]
async fn every_word_of_a_search_is_found_by_the_index_of_pieces_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    let fill = "INSERT INTO email_search (team_id, email_id, recipients, subject, metadata, variables, version)
        SELECT 1, id, 'customer ' || id || ' at b.example', 'Receipt ' || id, E'\n' || id || E'\n', E'\nvalue ' || id || E'\n', 2
        FROM emails";
    // VACUUM: new rows wait in a list of their own until they are put into the indexes.
    for statement in FILL[..FILL.len() - 1].iter().copied().chain([fill, "VACUUM ANALYZE"]) {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let everything = IdRange { low: 0, high: i64::MAX };
    for (text, count) in [("\"customer 12944670720\" 12944670720", 1), ("zz", 0), ("z", 0), ("12944670720 st", 1)] {
        let words = Word::all_of(text);
        for sees_contents in [true, false] {
            for marked_late in [true, false] {
                let criteria = Criteria { sees_contents, ..Criteria::default() };
                let filter = EmailFilter { criteria, ..EmailFilter::default() };
                let look = look(&filter, &words, Place::Postgres { by_trigrams: false, count: 20_000 }, marked_late);
                let found: Vec<i64> =
                    store.read(look.grams_query(everything, false, 20)).fetch_scalars().await.unwrap();
                assert_eq!(found, [12_944_670_720][..count]);
                for query in [look.grams_query(everything, false, 20), look.count_postgres(everything, 20)] {
                    let plan = generic_plan(&database, &query).await;
                    assert!(plan.contains("Bitmap Index Scan on email_search_grams"), "{plan}");
                    assert!(!plan.contains("BitmapAnd") && !plan.contains("scan on email_search_pkey"), "{plan}");
                    assert!(!plan.contains("Seq Scan on email"), "{plan}");
                }
                let read = look.read_query(everything, false, 500).explained();
                let plan = store.read(read).fetch_scalars::<String>().await.unwrap().join("\n");
                assert!(plan.contains("using email_search_pkey on email_search"), "{plan}");
                assert!(!plan.contains("search_grams") && !plan.contains("Seq Scan on email_search"), "{plan}");
            }
        }
    }
    store.close().await;
    database.remove().await;
}
