//! Requests that are accepted at the same time share transactions, and each hears of its own end.

use tokio::task::JoinSet;

use super::outbox::{new_email, with_key};
use super::*;
use crate::domain::error::AppError;
use crate::domain::filter::{RollupScope, TimeRange};
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::emails::{KeptAnswer, NewEmail};
use crate::server::tests::on_both_databases_in_parallel;

async fn count(app: &TestApp, team: TeamId) -> i64 {
    assert_eq!(app.store().list_wrong_rollups(team).await, Ok(Vec::new()));
    let counts = app.store().count_by_status(team, RollupScope::All, TimeRange::default()).await.unwrap();
    counts.0.iter().sum()
}

on_both_databases_in_parallel! {
    async fn each_request_of_many_at_once_is_accepted_whole(app: TestApp) {
        let mut callers = JoinSet::new();
        for caller in 0..120 {
            let (store, team) = (app.store().clone(), if caller % 3 == 0 { app.other_team } else { app.team });
            // Some alone have more than share a transaction.
            let messages = if caller == 60 { 150 } else { 1 + caller % 3 };
            let mut emails: Vec<NewEmail> = (0..messages).map(|_| new_email(&app, app.now())).collect();
            emails.reverse();
            callers.spawn(async move {
                let ids: Vec<EmailId> = emails.iter().map(|new| new.id).collect();
                assert_eq!(store.accept_emails(team, emails, None).await, Ok(None));
                // What is answered is kept.
                let raw: Vec<i64> = ids.iter().map(|id| id.0).collect();
                assert_eq!(store.find_emails(team, &raw).await.unwrap().len(), ids.len());
                for id in ids {
                    assert!(store.find_outgoing(team, id).await.unwrap().is_some_and(|email| email.html.is_some()));
                }
                messages
            });
        }
        let accepted: usize = callers.join_all().await.into_iter().sum();
        assert_eq!(count(&app, app.team).await + count(&app, app.other_team).await, accepted as i64);
    }

    async fn one_that_cannot_be_accepted_takes_no_other_with_it(app: TestApp) {
        let taken = new_email(&app, app.now());
        app.store().insert_email(app.team, &taken).await.unwrap();
        let mut callers = JoinSet::new();
        for caller in 0..40 {
            let (store, team) = (app.store().clone(), app.team);
            let email = if caller % 8 == 0 { taken.clone() } else { new_email(&app, app.now()) };
            callers.spawn(async move { (caller, store.accept_emails(team, vec![email], None).await) });
        }
        for (caller, answer) in callers.join_all().await {
            assert_eq!(answer.is_err(), caller % 8 == 0, "{caller}: {answer:?}");
        }
        assert_eq!(count(&app, app.team).await, 36);
    }

    async fn requests_with_one_key_that_share_a_transaction_are_accepted_once(app: TestApp) {
        let mut callers = JoinSet::new();
        for caller in 0..48 {
            let (store, team, email) = (app.store().clone(), app.team, new_email(&app, app.now()));
            let request = if caller % 12 == 11 { "another" } else { "one" };
            let mut key = with_key(&app, ["a", "b", "c"][caller % 3], request).idempotency.unwrap();
            key.answer = KeptAnswer { status: 200, body: email.id.to_string() };
            callers.spawn(async move { (caller % 3, store.accept_emails(team, vec![email], Some(key)).await) });
        }
        let mut firsts = [const { Vec::new() }; 3];
        let mut accepted = [0; 3];
        for (key, answer) in callers.join_all().await {
            match answer {
                Ok(None) => accepted[key] += 1,
                Ok(Some(first)) => firsts[key].push(first),
                Err(error) => assert_eq!(error, AppError::IdempotencyMismatch),
            }
        }
        assert_eq!(accepted, [1; 3]);
        assert!(firsts.iter().all(|firsts| firsts.iter().all(|first| *first == firsts[0])), "{firsts:?}");
        assert_eq!(count(&app, app.team).await, 3);
    }

    async fn who_leaves_while_waiting_keeps_nobody_else_waiting(app: TestApp) {
        let mut leaving = Vec::new();
        for _ in 0..60 {
            let (store, team, email) = (app.store().clone(), app.team, new_email(&app, app.now()));
            leaving.push(tokio::spawn(async move { store.accept_emails(team, vec![email], None).await }));
        }
        tokio::task::yield_now().await;
        leaving.iter().step_by(2).for_each(tokio::task::JoinHandle::abort);
        let mut heard = 0;
        for caller in leaving {
            heard += i64::from(caller.await.is_ok_and(|answer| answer == Ok(None)));
        }
        assert!(heard >= 30, "{heard}");
        // After all who came before: what those who left had asked for is whole or not there.
        assert_eq!(app.store().accept_emails(app.team, vec![new_email(&app, app.now())], None).await, Ok(None));
        let kept = count(&app, app.team).await;
        assert!((heard + 1..=61).contains(&kept), "{kept} of {heard} that heard");
    }

    async fn what_is_long_does_not_wait_in_the_line(app: TestApp) {
        let mut long = new_email(&app, app.now());
        long.attachments[0].content = vec![7; 300 * 1024];
        let id = long.id;
        assert_eq!(app.store().accept_emails(app.team, vec![long], None).await, Ok(None));
        let outgoing = app.store().find_outgoing(app.team, id).await.unwrap().unwrap();
        assert_eq!(outgoing.attachments[0].content.len(), 300 * 1024);
    }
}
