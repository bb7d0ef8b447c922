//! Why messages failed, as it is kept beside them.

use std::sync::Arc;

use chrono::TimeDelta;

use super::ingest::reported_of;
use super::outbox::{event, new_email};
use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::failure::FailureClass;
use crate::domain::filter::{Condition, Criteria, EmailFilter, StatusSet, TimeRange, Wanted};
use crate::domain::ids::{EmailId, TemplateId, lowest_id_at};
use crate::domain::page::{OffsetRequest, PageRequest, Total};
use crate::server::store::Store;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::Settlement;
use crate::server::store::reasons::CountedReasons;

const REPLIES: [&str; 5] = [
    "550 5.1.1 <ada@finch.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <bob@wren.example>: Recipient address rejected: User unknown",
    "552 5.2.2 The mailbox is over its quota",
    "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using our list",
    "",
];

/// A message of every status in turn, every failure with one of the replies.
fn history(app: &TestApp, count: usize, template: Option<TemplateId>) -> Vec<HistoricEmail> {
    let message = |index: usize| {
        let status = EmailStatus::ALL[index % 8];
        let at = app.now() - TimeDelta::minutes(index as i64);
        let mut historic = Message { at, ..Message::with_status(status) }.historic(app);
        historic.email.template =
            template.filter(|_| index.is_multiple_of(3)).map(|id| (id, crate::domain::ids::TemplateVersionId(id.0)));
        historic.email.adapter_id = Some(crate::domain::ids::AdapterId(1 + index as i64 / 8 % 2));
        let reply = REPLIES[index / 8 % REPLIES.len()];
        for new in historic.email.events.iter_mut().filter(|new| new.event.kind.is_failure() && !reply.is_empty()) {
            new.event.detail.reply = Some(reply.to_owned());
            new.event.recipient = Some("ada@gmail.com".to_owned());
        }
        historic
    };
    (0..count).map(message).collect()
}

/// The rows of all failures, as text.
async fn kept(store: &Store) -> Vec<String> {
    store.every_row().await.remove("email_failures").unwrap()
}

/// Diagnoses everything anew from the events that are kept.
async fn diagnose_all(store: &Store) -> usize {
    let forget = "UPDATE email_failures SET version = 0, class = 19, fingerprint = 7, mailbox_provider = 'x'";
    store.try_statement(forget).await.unwrap();
    let mut steps = 0;
    while store.diagnose_some_again().await.unwrap() {
        steps += 1;
    }
    steps
}

async fn reasons(app: &TestApp, filter: &EmailFilter) -> CountedReasons {
    app.store().count_reasons(app.team, filter, true, 50).await.unwrap()
}

fn asking(wanted: &[Wanted]) -> EmailFilter {
    let condition = |wanted: &Wanted| Condition { is_not: false, any_of: vec![wanted.clone()] };
    let criteria = Criteria { conditions: wanted.iter().map(condition).collect(), ..Criteria::default() };
    EmailFilter { criteria, ..EmailFilter::default() }
}

async fn count_listed(app: &TestApp, filter: &EmailFilter) -> i64 {
    let window = OffsetRequest { offset: 0, limit: 1000, oldest_first: false };
    let listed = app.store().list_whole_emails(app.team, filter, window).await.unwrap();
    assert_eq!(listed.total, Total::Exact(listed.items.len() as i64));
    listed.items.len() as i64
}

on_both_databases! {
    async fn the_reasons_of_a_list_come_to_its_problems_whatever_narrows_it(app: TestApp) {
        let template = app.add_template("Receipt").await;
        app.store().insert_history(app.team, &history(&app, 240, Some(template.id))).await.unwrap();
        app.store().insert_history(app.other_team, &history(&app, 16, None)).await.unwrap();
        let range = TimeRange { from: Some(app.now() - TimeDelta::minutes(100)), to: None };
        let any = EmailFilter::default;
        let filters = [
            any(),
            EmailFilter { range, ..any() },
            EmailFilter { statuses: StatusSet::one(EmailStatus::Bounced), ..any() },
            EmailFilter { statuses: StatusSet::PROBLEMS, template_id: Some(template.id), ..any() },
            EmailFilter { channel: Some(crate::domain::channel::Channel::Email), ..any() },
            EmailFilter { search: Some("welcome".to_owned()), range, ..any() },
            EmailFilter { search: Some("nowhere".to_owned()), ..any() },
            asking(&[Wanted::Reply("5.2.2".to_owned())]),
            asking(&[Wanted::Reason(FailureClass::MailboxFull)]),
            EmailFilter { statuses: StatusSet::ARRIVED, ..any() },
        ];
        for (index, filter) in filters.iter().enumerate() {
            let counted = reasons(&app, filter).await;
            let (failed, _) = filter.statuses.or_all().split(StatusSet::FAILED);
            let problems = match failed.is_empty() {
                true => 0,
                false => count_listed(&app, &EmailFilter { statuses: failed, ..filter.clone() }).await,
            };
            assert_eq!(counted.problems, problems, "{filter:?}");
            assert_eq!(problems == 0, matches!(index, 6 | 9), "{filter:?}");
            assert_eq!(counted.reasons.iter().map(|reason| reason.count).sum::<i64>(), problems, "{filter:?}");
            assert_eq!((counted.groups, counted.undiagnosed), (counted.reasons.len() as i64, 0));
            assert!(counted.reasons.is_sorted_by_key(|reason| -reason.count));
            for reason in &counted.reasons {
                // Each is exactly the messages that its qualifiers find in the same list.
                let mut own = EmailFilter { statuses: failed, ..filter.clone() };
                let exact = asking(&[
                    Wanted::Reason(reason.class),
                    Wanted::Group(reason.group),
                    Wanted::Adapter(reason.adapter.unwrap()),
                ]);
                own.criteria.conditions.extend(exact.criteria.conditions);
                assert_eq!(count_listed(&app, &own).await, reason.count, "{filter:?} {reason:?}");
                assert!(reason.oldest <= reason.newest);
            }
            let few = app.store().count_reasons(app.team, filter, true, 1).await.unwrap();
            assert_eq!((few.problems, few.groups, few.reasons.len()), (counted.problems, counted.groups, counted.reasons.len().min(1)));
        }
        // Addresses and numbers make no groups: two of the five replies say the same. With two adapters and both statuses.
        let all = app.store().count_reasons(app.team, &any(), false, 50).await.unwrap();
        let mut classes: Vec<FailureClass> = all.reasons.iter().map(|reason| reason.class).collect();
        classes.dedup();
        let addresses = all.reasons.iter().filter(|reason| reason.class == FailureClass::AddressUnknown);
        assert_eq!(addresses.map(|reason| (reason.count, reason.mailbox_provider.as_deref())).collect::<Vec<_>>(), [(24, Some("Gmail"))]);
        assert!(all.reasons.iter().all(|reason| reason.adapter.is_none()));
        assert!(reasons(&app, &any()).await.groups > all.groups);
        // Another team's groups are other ones.
        let elsewhere = app.store().count_reasons(app.other_team, &any(), false, 50).await.unwrap();
        assert_eq!(elsewhere.problems, 4);
        assert!(elsewhere.reasons.iter().all(|theirs| all.reasons.iter().all(|ours| ours.group != theirs.group)));
        let theirs = elsewhere.reasons[0].group;
        assert_eq!(count_listed(&app, &asking(&[Wanted::Group(theirs)])).await, 0);
    }

    async fn what_is_kept_follows_the_events_and_goes_with_the_failure_and_the_message(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let new = new_email(&app, now);
        store.insert_email(app.team, &new).await.unwrap();
        let record = async |kind: EventKind, reply: &str, minute: i64| {
            let mut new_event: NewEvent = event(&app, kind, now + TimeDelta::minutes(minute));
            new_event.event.detail.reply = Some(reply.to_owned());
            store.record_events(app.team, new.id, &[new_event], &EmailFacts::default()).await.unwrap();
        };
        let classes = async || {
            let counted = store.count_reasons(app.team, &EmailFilter::default(), false, 5).await.unwrap();
            counted.reasons.iter().map(|reason| (reason.class, reason.count)).collect::<Vec<_>>()
        };
        assert_eq!(classes().await, []);
        record(EventKind::Deferred, REPLIES[2], 1).await;
        assert_eq!(classes().await, []);
        record(EventKind::Failed, REPLIES[2], 2).await;
        assert_eq!(classes().await, [(FailureClass::MailboxFull, 1)]);
        // A later event of the same status says more.
        record(EventKind::Bounced, REPLIES[0], 3).await;
        record(EventKind::Bounced, REPLIES[3], 5).await;
        assert_eq!(classes().await, [(FailureClass::SenderBlocked, 1)]);
        record(EventKind::Bounced, REPLIES[0], 4).await;
        assert_eq!(classes().await, [(FailureClass::SenderBlocked, 1)]);
        // What stands above a failure takes its row away.
        record(EventKind::ReportedAsSpam, "", 6).await;
        assert_eq!((classes().await, kept(store).await.len()), (vec![], 0));

        let failed = app.add_messages(&[Message::with_status(EmailStatus::Bounced), Message::with_status(EmailStatus::Failed)]).await;
        assert_eq!(classes().await, [(FailureClass::Unknown, 1), (FailureClass::Unknown, 1)]);
        // Statuses stay when events go, and so does what was known of them.
        let before = kept(store).await;
        while store.delete_old_events(app.team, EmailId(lowest_id_at(now))).await.unwrap() {}
        assert_eq!(kept(store).await, before);
        assert_eq!(diagnose_all(store).await, 1);
        assert_eq!(kept(store).await, before);
        while store.delete_old_emails(app.team, EmailId(failed[1].0)).await.unwrap() {}
        assert_eq!(kept(store).await.len(), 1);
    }

    async fn failures_of_before_are_diagnosed_in_steps(app: TestApp) {
        let store = app.store();
        store.insert_history(app.team, &history(&app, 1000, None)).await.unwrap();
        let right = kept(store).await;
        assert_eq!(right.len(), 250);
        let forget = "UPDATE email_failures SET version = 0, class = NULL, fingerprint = NULL, mailbox_provider = NULL";
        store.try_statement(forget).await.unwrap();
        for done in [0, 100, 200] {
            let counted = reasons(&app, &EmailFilter::default()).await;
            assert_eq!((counted.problems, counted.undiagnosed), (250, 250 - done));
            assert_eq!(counted.reasons.iter().map(|reason| reason.count).sum::<i64>(), done);
            assert!(store.diagnose_some_again().await.unwrap());
        }
        assert!(!store.diagnose_some_again().await.unwrap());
        assert_eq!(kept(store).await, right);
        assert_eq!(diagnose_all(store).await, 3);
        assert_eq!(kept(store).await, right);
    }

    async fn a_list_of_more_problems_than_are_looked_at_says_so(app: TestApp) {
        let (team, newest) = (app.team.0, lowest_id_at(app.now()));
        let many = format!(
            "INSERT INTO emails (team_id, id, recipients, from_address, subject, tags, status, status_rank,
                 has_pdf_attachment, job_id)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10004)
             SELECT {team}, {newest} - CAST(n AS BIGINT) * 1048576, '[]', 'a@b.example', 'Hi', '[]', 5, 70, FALSE, 1
             FROM numbers"
        );
        app.store().try_statement(&many).await.unwrap();
        let named = "UPDATE email_failures SET version = 1, class = 0, fingerprint = 5";
        app.store().try_statement(named).await.unwrap();
        let bounced = EmailFilter { statuses: StatusSet::one(EmailStatus::Bounced), ..EmailFilter::default() };
        for filter in [EmailFilter::default(), bounced] {
            let counted = reasons(&app, &filter).await;
            assert_eq!((counted.problems, counted.groups), (10_000, 1));
            assert_eq!(counted.looked_from, Some(app.now() - TimeDelta::milliseconds(9_999)));
        }
    }
}

mod what_is_kept_agrees_with_the_events_whoever_writes_at_once {
    use super::*;
    use crate::server::store::tests::TestDatabase;

    const MESSAGES: usize = 24;

    /// The worker settles each message while a provider reports of it, in batches that overlap, and others diagnose anew.
    async fn rule(app: TestApp) {
        let app = Arc::new(app);
        let (store, team, now) = (app.store().clone(), app.team, app.now());
        let emails: Vec<_> = (0..MESSAGES).map(|_| new_email(&app, now)).collect();
        for email in &emails {
            store.insert_email(team, email).await.unwrap();
        }
        let ids: Arc<Vec<EmailId>> = Arc::new(emails.iter().map(|email| email.id).collect());
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..4 {
            let (app, store, ids) = (Arc::clone(&app), store.clone(), Arc::clone(&ids));
            callers.spawn(async move {
                for round in 0..8_usize {
                    let kinds =
                        [EventKind::Bounced, EventKind::Delivered, EventKind::ReportedAsSpam, EventKind::Bounced];
                    let some = ids.iter().enumerate().skip((caller * 5 + round * 3) % MESSAGES).take(6);
                    let batch: Vec<_> = some
                        .map(|(index, id)| {
                            // Spam, which stands above all, comes to a third of the messages.
                            let kind = if index % 3 == 0 { kinds[(caller + round) % 4] } else { EventKind::Bounced };
                            let at = now + TimeDelta::seconds((caller * 31 + round * 7 + index) as i64 % 60);
                            let mut line = reported_of(&app, &format!("{id}-{caller}-{round}"), kind, at, *id);
                            line.event.event.detail.reply = Some(REPLIES[(caller + round + index) % 4].to_owned());
                            line
                        })
                        .collect();
                    store.ingest_events(team, &batch).await.unwrap();
                }
            });
        }
        for worker in 0..3_i64 {
            let (app, store) = (Arc::clone(&app), store.clone());
            callers.spawn(async move {
                loop {
                    let leases = store.lease_due(now, now + TimeDelta::minutes(1), worker, 2).await.unwrap();
                    if leases.is_empty() {
                        return;
                    }
                    for lease in leases {
                        let mut failed = event(&app, EventKind::Failed, now + TimeDelta::seconds(30 + worker));
                        failed.event.detail.reply = Some(REPLIES[worker as usize].to_owned());
                        let settlement = Settlement { events: vec![failed], ..Settlement::default() };
                        store.settle(&lease, &settlement).await.unwrap();
                    }
                }
            });
        }
        let again = store.clone();
        callers.spawn(async move {
            for _ in 0..30 {
                again.forget_some_diagnoses().await;
                while again.diagnose_some_again().await.unwrap() {}
                tokio::task::yield_now().await;
            }
        });
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        while store.diagnose_some_again().await.unwrap() {}
        let failed = EmailFilter { statuses: StatusSet::FAILED, ..EmailFilter::default() };
        let listed = store.list_emails(team, &failed, PageRequest { page: 1, page_size: 100 }).await.unwrap();
        let before = kept(&store).await;
        assert_eq!(before.len(), listed.items.len());
        assert!(!before.is_empty() && before.len() < MESSAGES);
        diagnose_all(&store).await;
        assert_eq!(kept(&store).await, before);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite() {
        crate::server::tests::run(TestDatabase::sqlite(), rule).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn postgres() {
        crate::server::tests::run(TestDatabase::postgres().await, rule).await;
    }
}
