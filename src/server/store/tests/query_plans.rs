//! With no statistics gathered, SQLite plans by the schema alone: what is asserted here holds for any number of rows.

mod beside_the_log;
mod postgres;
mod privacy;
mod rows;
mod search;

use sqlx::AssertSqlSafe;

use super::TestDatabase;
use crate::domain::api_request::ApiRequestFilter;
use crate::domain::audit::{AuditAction, AuditFilter, AuditGroup};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EventKind, EventSet};
use crate::domain::failure::{FailureClass, FailureGroup};
use crate::domain::filter::{Condition, Criteria, EmailFilter, RollupScope, StatusSet, TimeRange, Wanted};
use crate::domain::ids::{AdapterId, ApiKeyId, ApiRequestId, EmailId, NotificationId, TeamId, TemplateId};
use crate::domain::notification::{NotificationChannel, NotificationFilter, NotificationState};
use crate::domain::page::{Cursor, OffsetRequest};
use crate::server::store::Store;
use crate::server::store::api_keys::find_by_hash_statement;
use crate::server::store::api_requests::{Walk, count_of_keys_statement, count_query, end_query, list_query};
use crate::server::store::audit::{list_actors_statement, list_statement};
use crate::server::store::deletion::step_statements;
use crate::server::store::emails::log::{list_ids_query, list_spans_query, push_walk};
use crate::server::store::emails::messages::{
    FIND_BY_JOB, all_copies_query, by_provider_query, copies_query, find_family_statement, variables_query,
};
use crate::server::store::engine::{Engine, Sql, Writers};
use crate::server::store::events::find_namesakes_statement;
use crate::server::store::failures::{FIND_TEAM, find_old_statement};
use crate::server::store::gauges::{COUNT_DELIVERIES, COUNT_OUTBOX, FIRST_DELIVERY};
use crate::server::store::ingest::{FIND_BY_ALIAS, FIND_BY_PROVIDER, FIND_EVENTS, find_emails_statement, select_in};
use crate::server::store::notifications::{Known, list_waiting_statement, push_end_of_stretch, push_entries};
use crate::server::store::outbox::{FIND_DUE, FIND_WAITING, LIST_QUEUES};
use crate::server::store::range::{IdRange, spans};
use crate::server::store::reasons::{Counted, reasons_query};
use crate::server::store::resends::{list_running_statement, list_waiting_items_statement};
use crate::server::store::retention::find_old_contents_statement;
use crate::server::store::stats::{count_ids_query, list_hours_statement, sum_bars_query, sum_hours_query};
use crate::server::store::values::{ValueKind, recent_values_query};

const TEAM: TeamId = TeamId(1);
const TEMPLATE: TemplateId = TemplateId(2);
const IDS: IdRange = IdRange { low: 10, high: 20 };
const NEWEST: OffsetRequest = OffsetRequest { offset: 0, limit: 20, oldest_first: false };

const BY_ID: &str = "SEARCH e USING PRIMARY KEY (team_id=? AND id>? AND id<?)";
const BY_STATUS: &str = "SEARCH e USING COVERING INDEX emails_by_status (team_id=? AND status=? AND id>? AND id<?)";
const BY_TEMPLATE: &str = "SEARCH e USING COVERING INDEX emails_by_template \
    (team_id=? AND template_id=? AND status=? AND id>? AND id<?)";
const BY_CHANNEL: &str = "SEARCH e USING COVERING INDEX emails_by_channel \
    (team_id=? AND channel=? AND status=? AND id>? AND id<?)";
const BY_HOUR: &str = "SEARCH email_rollups USING PRIMARY KEY (team_id=? AND template_id=? AND hour>? AND hour<?)";

/// What SQLite would do for each of the statements, a line a step.
async fn plans(statements: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
    let database = TestDatabase::sqlite();
    let store = Store::open(&database.url()).await.unwrap();
    let mut reading = store.begin_reading().await.unwrap();
    let mut plans = Vec::new();
    for statement in statements {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let rows: Vec<(i64, i64, i64, String)> = reading.read(explain).fetch_all().await.unwrap();
        plans.push(rows.into_iter().map(|row| row.3).collect());
    }
    drop(reading);
    store.close().await;
    database.remove().await;
    plans
}

async fn plan_of(query: Sql) -> Vec<String> {
    plans([query.text().to_owned()]).await.remove(0)
}

fn ids_query(statuses: &[EmailStatus], template: Option<TemplateId>) -> Sql {
    list_ids_query(Engine::Sqlite, TEAM, statuses.iter().copied().collect(), template.into(), IDS, 20, 0)
}

/// The steps that read messages.
fn reads_of(plan: &[String]) -> Vec<&str> {
    let steps = plan.iter().map(String::as_str);
    steps.filter(|step| step.contains("SEARCH e ") || step.contains("rollups")).collect()
}

#[tokio::test]
async fn a_page_without_filters_is_one_walk_of_the_table() {
    assert_eq!(plan_of(ids_query(&[], None)).await, [BY_ID]);
    let of_email =
        list_ids_query(Engine::Sqlite, TEAM, StatusSet::default(), RollupScope::Channel(Channel::Email), IDS, 20, 0);
    assert_eq!(plan_of(of_email).await, [BY_ID]);
}

#[tokio::test]
async fn a_page_of_another_channel_walks_its_index() {
    let of_sms =
        |statuses| list_ids_query(Engine::Sqlite, TEAM, statuses, RollupScope::Channel(Channel::Sms), IDS, 20, 0);
    assert_eq!(plan_of(of_sms(StatusSet::one(EmailStatus::Failed))).await, [BY_CHANNEL]);
    assert_eq!(reads_of(&plan_of(of_sms(StatusSet::default())).await), [BY_CHANNEL; 8]);
}

fn walk(filter: &EmailFilter) -> Sql {
    let mut sql = Sql::new(Engine::Sqlite, "");
    push_walk(&mut sql, TEAM, filter, IDS, NEWEST);
    sql
}

#[tokio::test]
async fn rarer_conditions_are_looked_at_on_one_walk_in_order() {
    let table = "SEARCH e USING PRIMARY KEY (team_id=? AND id>? AND id<?)";
    let index = "SEARCH e USING INDEX emails_by_status (team_id=? AND status=? AND id>? AND id<?)";
    let criteria = Criteria { events: EventSet::one(EventKind::Deferred), ..Criteria::default() };
    let filter = EmailFilter { criteria, channel: Some(Channel::Email), ..EmailFilter::default() };
    assert_eq!(plan_of(walk(&filter)).await, [table]);
    let ended = StatusSet::from_iter([EmailStatus::Failed, EmailStatus::Bounced, EmailStatus::Spam]);
    assert_eq!(reads_of(&plan_of(walk(&EmailFilter { statuses: ended, ..filter })).await), [index; 3]);
    let criteria = Criteria { reply: Some("a".to_owned()), ..Criteria::default() };
    let plan = plan_of(walk(&EmailFilter { criteria, ..EmailFilter::default() })).await;
    assert!(plan[0] == table && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
    assert!(plan[2].starts_with("SEARCH v USING PRIMARY KEY (team_id=? AND email_id=?)"), "{plan:?}");
}

fn asking(is_not: bool, any_of: Vec<Wanted>) -> EmailFilter {
    let criteria = Criteria { conditions: vec![Condition { is_not, any_of }], ..Criteria::default() };
    EmailFilter { criteria, ..EmailFilter::default() }
}

/// What no index knows of.
fn looked_at() -> Vec<Wanted> {
    let text = || "nobody".to_owned();
    vec![
        Wanted::Sender(text()),
        Wanted::RecipientPart(text()),
        Wanted::Tag(text()),
        Wanted::Reply(text()),
        Wanted::Reason(FailureClass::MailboxFull),
        Wanted::Group(FailureGroup(7)),
        Wanted::Provider { domains: vec![text()], hosts: vec![text()] },
        Wanted::Metadata { name: text(), value: text() },
        Wanted::Template(TEMPLATE),
        Wanted::Channel(Channel::Sms),
        Wanted::Key(ApiKeyId(3)),
        Wanted::Adapter(AdapterId(4)),
        Wanted::Resent,
        Wanted::Scheduled,
        Wanted::Attachment,
    ]
}

#[tokio::test]
async fn conditions_of_a_search_are_looked_at_on_one_walk_in_order_sqlite() {
    for wanted in looked_at() {
        let copies = || vec![wanted.clone(), Wanted::Recipient("ada@b.example".to_owned())];
        for filter in [asking(false, vec![wanted.clone()]), asking(true, vec![wanted.clone()]), asking(true, copies())]
        {
            let plan = plan_of(walk(&filter)).await;
            assert!(plan[0] == BY_ID && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{wanted:?} {plan:?}");
            let walks = |step: &&String| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE");
            assert_eq!(plan.iter().find(walks), None, "{wanted:?}");
            // What belongs to a message is found by the message.
            let beside = plan[1..].iter().filter(|step| step.starts_with("SEARCH"));
            for step in beside.filter(|step| !step.contains("email_search")) {
                let is_found = ["email_id=?", "key=?", "resend_of=?", "AND id=?"].iter().any(|key| step.contains(key));
                assert!(is_found, "{wanted:?} {step}");
            }
        }
    }
}

#[tokio::test]
async fn suggested_values_are_read_of_the_newest_messages_by_their_key() {
    for kind in [ValueKind::Tag, ValueKind::Server, ValueKind::Domain] {
        let plan = plan_of(recent_values_query(Engine::Sqlite, TEAM, kind, "a", 8)).await;
        assert!(plan.iter().any(|step| step == "SEARCH e USING PRIMARY KEY (team_id=?)"), "{plan:?}");
        let events: Vec<_> = plan.iter().filter(|step| step.contains(" v ")).collect();
        assert!(events.iter().all(|step| step.contains("(team_id=? AND email_id=?")), "{plan:?}");
        assert_eq!(events.len(), usize::from(kind == ValueKind::Server), "{plan:?}");
    }
}

/// What a search names whole, and what a message's page asks of a customer.
fn named() -> [Vec<Wanted>; 5] {
    let texts = || ["a@b.example".to_owned(), "c@d.example".to_owned()];
    [
        vec![Wanted::Email(EmailId(12)), Wanted::Email(EmailId(13))],
        texts().map(Wanted::Recipient).to_vec(),
        texts().map(Wanted::Server).to_vec(),
        texts().map(Wanted::Person).to_vec(),
        customer(),
    ]
}

fn customer() -> Vec<Wanted> {
    vec![Wanted::Person("user-7".to_owned()), Wanted::Recipient("a@b.example".to_owned())]
}

#[tokio::test]
async fn several_names_of_a_search_are_found_by_an_index_sqlite() {
    for any_of in named() {
        for statuses in [StatusSet::default(), StatusSet::PROBLEMS] {
            let plan = plan_of(walk(&EmailFilter { statuses, ..asking(false, any_of.clone()) })).await;
            let first = plan.iter().find(|step| step.starts_with("SEARCH e ")).unwrap();
            let by_person = first.contains("emails_by_external_user (team_id=? AND external_user_id=?");
            assert!(first.contains("(team_id=? AND id=?)") || by_person, "{any_of:?} {plan:?}");
        }
    }
    let by_job = plans([FIND_BY_JOB.to_owned()]).await.remove(0);
    assert_eq!(by_job, ["SEARCH emails USING PRIMARY KEY (team_id=? AND id>? AND id<?)"]);
}

/// What is asked for whole: an address, a host, a person.
fn whole_values() -> [Criteria; 6] {
    let some = || Some("nobody.example".to_owned());
    let none = Criteria::default;
    [
        Criteria { recipient: some(), ..none() },
        Criteria { server: some(), ..none() },
        Criteria { server_ip: some(), ..none() },
        Criteria { mx: some(), ..none() },
        Criteria { protocol: some(), ..none() },
        Criteria { external_user_id: some(), ..none() },
    ]
}

#[tokio::test]
async fn what_is_asked_for_whole_is_found_by_an_index_sqlite() {
    for criteria in whole_values() {
        let by_key = criteria.external_user_id.is_none();
        for statuses in [StatusSet::default(), StatusSet::READ] {
            let filter = EmailFilter { statuses, criteria: criteria.clone(), ..EmailFilter::default() };
            let plan = plan_of(walk(&filter)).await;
            let reads = |step: &&String| step.starts_with("SEARCH e ");
            let first = plan.iter().find(reads).unwrap();
            if by_key {
                assert!(first.contains("id=?)"), "{plan:?}");
                let keys = "SEARCH x USING PRIMARY KEY (team_id=? AND kind=? AND key=? AND email_id>? AND email_id<?)";
                assert!(plan.iter().any(|step| step == keys), "{plan:?}");
            } else {
                assert!(first.contains("emails_by_external_user (team_id=? AND external_user_id=?"), "{plan:?}");
            }
        }
    }
}

/// The lists whose problems are counted by their reasons: all, those of a walk, those that a search found.
fn counted(engine: Engine) -> [Sql; 3] {
    let filter = EmailFilter { statuses: StatusSet::FAILED, ..asking(false, vec![Wanted::Tag("a".to_owned())]) };
    [Counted::All(IDS), Counted::Walked(&filter, IDS), Counted::Listed(&[12, 13])]
        .map(|counted| reasons_query(engine, TEAM, &counted, true, 21))
}

#[tokio::test]
async fn reasons_are_counted_along_the_rows_of_the_list_sqlite() {
    let statements = counted(Engine::Sqlite).map(|query| query.text().to_owned());
    let found = plans(statements.into_iter().chain([FIND_TEAM.to_owned(), find_old_statement(Engine::Sqlite)])).await;
    let has =
        |plan: usize, step: &str| assert!(found[plan].iter().any(|line| line.contains(step)), "{:#?}", found[plan]);
    has(0, "SEARCH a USING PRIMARY KEY (team_id=? AND email_id>? AND email_id<?)");
    for plan in [0, 1] {
        has(plan, "SEARCH y USING COVERING INDEX emails_by_resend_of (team_id=? AND resend_of>? AND resend_of<?)");
    }
    has(1, "SEARCH e USING INDEX emails_by_status (team_id=? AND status=? AND id>? AND id<?)");
    has(1, "SEARCH f USING PRIMARY KEY (team_id=? AND email_id=?)");
    has(2, "SEARCH f USING PRIMARY KEY (team_id=? AND email_id=?)");
    has(3, "SEARCH f USING COVERING INDEX email_failures_by_version (team_id=? AND version<?)");
    assert_eq!(found[4], ["SEARCH f USING COVERING INDEX email_failures_by_version (team_id=? AND version<?)"]);
    let walks = |line: &&String| line.starts_with("SCAN email") || line.starts_with("SCAN e ") || *line == "SCAN f";
    for plan in &found[1..3] {
        assert_eq!(plan.iter().find(walks), None, "{plan:#?}");
    }
}

fn entries(engine: Engine) -> Sql {
    let filter = NotificationFilter { users: vec!["nobody-x".to_owned()], ..NotificationFilter::default() };
    let mut sql = Sql::new(engine, "");
    push_entries(&mut sql, TEAM, &filter, &Known::default(), 0, (i64::MAX, i64::MAX), 51);
    sql
}

/// What the log by notifications is asked for without naming anybody, with what is known of it beforehand.
fn looked_for() -> Vec<(NotificationFilter, Known)> {
    let any = NotificationFilter::default;
    let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let templates = || Known { templates: Some(vec![7, 8]), ..Known::default() };
    vec![
        (any(), Known::default()),
        (NotificationFilter { channels: NotificationChannel::ALL.to_vec(), ..any() }, Known::default()),
        (NotificationFilter { channels: vec![NotificationChannel::WebPush], ..any() }, Known::default()),
        (NotificationFilter { states: vec![NotificationState::Failure], ..any() }, Known::default()),
        (NotificationFilter { states: NotificationState::ALL.to_vec(), ..any() }, Known::default()),
        (NotificationFilter { kinds: kinds(&["order"]), ..any() }, templates()),
        (
            NotificationFilter { kinds: kinds(&["order", "paid"]), channels: vec![NotificationChannel::Sms], ..any() },
            templates(),
        ),
    ]
}

#[tokio::test]
async fn what_is_looked_for_among_notifications_stays_within_a_stretch_sqlite() {
    for (filter, known) in looked_for() {
        let mut query = Sql::new(Engine::Sqlite, "");
        push_entries(&mut query, TEAM, &filter, &known, 10, (20, 20), 51);
        let mut end = Sql::new(Engine::Sqlite, "");
        push_end_of_stretch(&mut end, TEAM, &filter, &known, 10, (20, 20), 500);
        let found = plans([query.text().to_owned(), end.text().to_owned()]).await;
        let read = |table: &str| {
            let named = format!("{table} ");
            let steps = found.iter().flatten().filter(move |step| {
                step.split_once(' ').is_some_and(|(_, rest)| format!("{rest} ").starts_with(&named))
            });
            steps.map(String::as_str).collect::<Vec<_>>()
        };
        for step in ["n", "e", "notifications", "emails"].into_iter().flat_map(read) {
            let is_bounded = step.contains("id>? AND id<?)") || step.contains("(team_id=? AND notification_id=?");
            assert!(is_bounded, "{step}\n{filter:?}\n{found:#?}");
        }
        assert!(!read("n").is_empty() && !read("notifications").is_empty(), "{found:#?}");
        let is_by_kind = |step: &&str| step.contains("notifications_by_kind (team_id=? AND kind=? AND id>? AND id<?)");
        assert!(filter.kinds.is_empty() || read("n").iter().any(is_by_kind), "{found:#?}");
    }
}

#[tokio::test]
async fn the_log_of_a_person_is_found_by_indexes_sqlite() {
    let plan = plan_of(entries(Engine::Sqlite)).await;
    for step in [
        "SEARCH n USING PRIMARY KEY (team_id=? AND id=?)",
        "SEARCH u USING COVERING INDEX notifications_by_external_user (team_id=? AND external_user_id=?)",
        "SEARCH x USING PRIMARY KEY (team_id=? AND kind=? AND key=?)",
        "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)",
        "SEARCH u USING COVERING INDEX emails_by_external_user (team_id=? AND external_user_id=?)",
    ] {
        assert!(plan.iter().any(|line| line == step), "{step}\n{plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.ends_with("SCAN e") || line.ends_with("SCAN n")), "{plan:#?}");
}

#[tokio::test]
async fn a_message_is_looked_up_by_its_ids() {
    let own = Criteria { email_id: Some(EmailId(12)), ..Criteria::default() };
    let providers = Criteria { provider_message_id: Some("a".to_owned()), ..Criteria::default() };
    for criteria in [own, providers.clone()] {
        let plan = plan_of(walk(&EmailFilter { criteria, ..EmailFilter::default() })).await;
        assert!(plan[0].starts_with("SEARCH e USING PRIMARY KEY (team_id=? AND id=?)"), "{plan:?}");
    }
    let in_walk = plan_of(walk(&EmailFilter { criteria: providers, ..EmailFilter::default() })).await;
    let alone = plan_of(by_provider_query(Engine::Sqlite, TEAM, &["a", "b"])).await;
    for (plan, emails, aliases) in [(in_walk, "p", "a"), (alone, "emails", "email_aliases")] {
        for step in [
            format!(
                "SEARCH {emails} USING COVERING INDEX emails_by_provider_message_id (team_id=? AND provider_message_id=?)"
            ),
            format!("SEARCH {aliases} USING PRIMARY KEY (team_id=? AND alias=?)"),
        ] {
            assert!(plan.contains(&step), "{step}\n{plan:#?}");
        }
    }
    let notification = Criteria { notification_id: Some(NotificationId(9)), ..Criteria::default() };
    let filter = EmailFilter { criteria: notification, statuses: StatusSet::READ, ..EmailFilter::default() };
    let parts = plan_of(walk(&filter)).await;
    assert!(parts[0].contains("emails_by_notification (team_id=? AND notification_id=?"), "{parts:?}");
    let variables = plan_of(variables_query(Engine::Sqlite, TEAM, &[EmailId(11), EmailId(12)])).await;
    assert!(
        variables[0].starts_with("SEARCH email_contents ") && variables[0].ends_with("(team_id=? AND email_id=?)"),
        "{variables:?}"
    );
}

#[tokio::test]
async fn a_page_of_one_status_is_one_walk_of_its_index() {
    for status in EmailStatus::ALL {
        assert_eq!(plan_of(ids_query(&[status], None)).await, [BY_STATUS]);
    }
}

#[tokio::test]
async fn a_page_of_one_template_and_status_is_one_walk_of_its_index() {
    assert_eq!(plan_of(ids_query(&[EmailStatus::Bounced], Some(TEMPLATE))).await, [BY_TEMPLATE]);
}

#[tokio::test]
async fn a_page_of_several_statuses_walks_each_of_their_indexes() {
    let arrived: Vec<EmailStatus> = StatusSet::ARRIVED.iter().collect();
    assert_eq!(reads_of(&plan_of(ids_query(&arrived, None)).await), [BY_STATUS; 3]);
    assert_eq!(reads_of(&plan_of(ids_query(&[], Some(TEMPLATE))).await), [BY_TEMPLATE; 8]);
}

#[tokio::test]
async fn a_family_is_looked_up_in_indexes() {
    let plan = plans([find_family_statement()]).await.remove(0);
    let is_scan = |step: &String| step.starts_with("SCAN e") || step.starts_with("SCAN o");
    assert!(!plan.iter().any(is_scan), "{plan:?}");
    assert!(plan.iter().any(|step| step.contains("emails_by_resend_of (team_id=? AND resend_of=?)")), "{plan:?}");
    let is_walk = |step: &String| step.starts_with("SEARCH e ") && step.ends_with("(team_id=?)");
    assert!(!plan.iter().any(is_walk), "{plan:?}");
}

#[tokio::test]
async fn what_reported_events_are_about_is_looked_up_in_indexes() {
    let texts = ["a", "b"];
    let select =
        |select: &'static str, column: &str, end: &str| select_in(Engine::Sqlite, select, TEAM, column, texts, end);
    let by_provider = select(FIND_BY_PROVIDER, "provider_message_id", " GROUP BY provider_message_id");
    let found =
        "SEARCH emails USING COVERING INDEX emails_by_provider_message_id (team_id=? AND provider_message_id=?)";
    assert_eq!(plan_of(by_provider).await, [found]);
    let events = select(FIND_EVENTS, "provider_event_id", "");
    let found = "SEARCH email_events USING COVERING INDEX email_events_provider_event_id \
        (team_id=? AND provider_event_id=?)";
    assert_eq!(plan_of(events).await, [found]);
    let by_alias = select(FIND_BY_ALIAS, "alias", " GROUP BY alias");
    assert_eq!(plan_of(by_alias).await, ["SEARCH email_aliases USING PRIMARY KEY (team_id=? AND alias=?)"]);
    let namesakes = plans([find_namesakes_statement(Engine::Sqlite)]).await.remove(0);
    assert!(!namesakes.iter().any(|step| step.starts_with("SCAN emails") || step.contains("SCAN n")), "{namesakes:?}");
    let ids = [EmailId(11), EmailId(12)];
    let emails = select_in(Engine::Sqlite, find_emails_statement(), TEAM, "id", ids, " ORDER BY id");
    assert_eq!(plan_of(emails).await, ["SEARCH emails USING PRIMARY KEY (team_id=? AND id=?)"]);
}

#[tokio::test]
async fn pieces_of_an_hour_are_counted_in_indexes() {
    assert_eq!(reads_of(&plan_of(count_ids_query(Engine::Sqlite, TEAM, RollupScope::All, IDS)).await), [BY_STATUS; 8]);
    assert_eq!(
        reads_of(&plan_of(count_ids_query(Engine::Sqlite, TEAM, RollupScope::Template(TEMPLATE), IDS)).await),
        [BY_TEMPLATE; 8]
    );
}

#[tokio::test]
async fn whole_hours_come_from_the_rollups() {
    let (scope, wide) = (RollupScope::All, spans(5, 5_000));
    let far_page = list_spans_query(Engine::Sqlite, TEAM, StatusSet::READ, scope, wide).text().to_owned();
    let sum = sum_hours_query(Engine::Sqlite, TEAM, scope, 5, 5_000).text().to_owned();
    for (statement, reads) in [(sum, 3), (list_hours_statement(), 1), (far_page, 3)] {
        let plan = plans([statement]).await.remove(0);
        assert_eq!(reads_of(&plan), vec![BY_HOUR; reads]);
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
    }
    let bars = plan_of(sum_bars_query(Engine::Sqlite, TEAM, scope, &[(5, 80), (80, 90)])).await;
    assert_eq!(reads_of(&bars), vec![BY_HOUR; 4]);
    assert!(!bars.iter().any(|step| step.contains("TEMP B-TREE")), "{bars:?}");
}

#[tokio::test]
async fn a_part_of_a_subject_is_found_by_the_index_first_sqlite() {
    let criteria = Criteria { subject: Some("finch".to_owned()), ..Criteria::default() };
    let plan = plan_of(walk(&EmailFilter { criteria, ..EmailFilter::default() })).await;
    assert_eq!(plan[0], "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)", "{plan:#?}");
}
