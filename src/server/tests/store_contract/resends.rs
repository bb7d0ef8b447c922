//! Jobs that send many messages again.

use chrono::TimeDelta;

use super::outbox::{new_email, with_key};
use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::resend_change::CopyChange;
use crate::domain::resend_job::{ResendItemState, ResendJobState};
use crate::server::store::emails::Acceptance;
use crate::server::store::resends::ResendTurn;

on_both_databases! {
    async fn a_message_of_a_job_gets_its_end_once_and_from_who_holds_the_lease(app: TestApp) {
        let (store, team, now) = (app.store(), app.team, app.now());
        let ids = app.add_messages(&vec![Message::with_status(EmailStatus::Failed); 3]).await;
        let job = app.add_resend(&ids, ResendJobState::Running).await;
        let due = store.list_running_resends(10).await.unwrap();
        assert_eq!(due.iter().map(|due| (due.team_id, due.id, due.run_at())).collect::<Vec<_>>(), [(team, job, now)]);
        let until = now + TimeDelta::seconds(5);
        assert_eq!(store.lease_resend(app.other_team, job, 1, now, until).await, Ok(false));
        assert_eq!(store.lease_resend(team, job, 1, now, until).await, Ok(true));
        assert_eq!(store.lease_resend(team, job, 2, now, until).await, Ok(false), "somebody else has it");
        let waiting = store.list_waiting_items(team, job, 2).await.unwrap();
        assert_eq!(waiting, [(ids[0], None), (ids[1], None)]);
        assert!(store.list_waiting_items(app.other_team, job, 2).await.unwrap().is_empty());

        let accept = async |email_id: EmailId, lease_id: i64| {
            let copy = new_email(&app, now);
            let turn = ResendTurn { job_id: job, email_id, lease_id, until };
            let with = Acceptance { resend_item: Some(turn), ..Acceptance::default() };
            let accepted = store.insert_emails(team, std::slice::from_ref(&copy), &with).await;
            let is_kept = store.find_email(team, copy.id).await.unwrap().is_some();
            assert_eq!(is_kept, accepted.is_ok());
            accepted.map(|_| copy.id)
        };
        let copy = accept(ids[0], 1).await.unwrap();
        let lost = AppError::Conflict("The resend was paused, stopped or taken over".to_owned());
        assert_eq!(accept(ids[0], 1).await, Err(lost.clone()), "it had its turn");
        assert_eq!(accept(ids[1], 2).await, Err(lost.clone()), "the lease is another's");
        let turn = |email_id, lease_id| ResendTurn { job_id: job, email_id, lease_id, until };
        assert_eq!(store.refuse_resend_item(team, &turn(ids[1], 2), "No").await, Ok(false));
        assert_eq!(store.refuse_resend_item(team, &turn(ids[1], 1), "No").await, Ok(true));
        assert_eq!(store.refuse_resend_item(team, &turn(ids[0], 1), "No").await, Ok(false));
        assert_eq!(store.finish_resend(team, job, 1, now, &app.event()).await, Ok(false), "one waits");

        let paused = (&[ResendJobState::Running][..], ResendJobState::Paused);
        assert_eq!(store.change_resend_job(app.other_team, job, paused, None, now, &app.event()).await, Ok(false));
        assert_eq!(store.change_resend_job(team, job, paused, Some("Lunch"), now, &app.event()).await, Ok(true));
        assert_eq!(store.change_resend_job(team, job, paused, None, now, &app.event()).await, Ok(false));
        assert_eq!(accept(ids[2], 1).await, Err(lost));
        assert!(store.list_running_resends(10).await.unwrap().is_empty());
        let resumed = (&[ResendJobState::Paused][..], ResendJobState::Running);
        assert_eq!(store.change_resend_job(team, job, resumed, None, now, &app.event()).await, Ok(true));

        assert_eq!(store.lease_resend(team, job, 3, now, until).await, Ok(true));
        store.release_resend(team, job, 1, now + TimeDelta::minutes(9)).await.unwrap();
        assert_eq!(store.list_running_resends(10).await.unwrap()[0].run_at(), until, "the lease is another's");
        store.release_resend(team, job, 3, now).await.unwrap();
        // Whoever held it was killed: another one takes it over when the lease ends.
        assert_eq!(store.lease_resend(team, job, 4, now, until).await, Ok(true));
        assert_eq!(store.lease_resend(team, job, 5, until, until + TimeDelta::seconds(5)).await, Ok(true));
        assert!(accept(ids[2], 4).await.is_err());
        let last = accept(ids[2], 5).await.unwrap();
        assert_eq!(store.finish_resend(team, job, 4, now, &app.event()).await, Ok(false));
        assert_eq!(store.finish_resend(team, job, 5, now, &app.event()).await, Ok(true));

        let found = store.find_resend_job(team, job).await.unwrap().unwrap().job;
        assert_eq!((found.state, found.finished_at), (ResendJobState::Done, Some(now)));
        assert_eq!((found.counts.waiting, found.counts.resent, found.counts.refused), (0, 2, 1));
        assert!(store.find_resend_job(app.other_team, job).await.unwrap().is_none());
        let items = store.list_resend_items(team, job, None, 0, 10).await.unwrap();
        let copies: Vec<_> = items.iter().map(|item| (item.email_id, item.copy.map(|(id, _)| id))).collect();
        assert_eq!(copies, [(ids[0], Some(copy)), (ids[1], None), (ids[2], Some(last))]);
        assert_eq!(items[1].words.as_deref(), Some("No"));
        assert_eq!(store.count_resend_copies(team, job).await.unwrap(), [(EmailStatus::Queued, 2)]);
        assert!(store.count_resend_copies(app.other_team, job).await.unwrap().is_empty());
        let refused = store.list_resend_items(team, job, Some(ResendItemState::Refused), 0, 10).await.unwrap();
        assert_eq!(refused, [items[1].clone()]);
        assert!(store.list_resend_items(app.other_team, job, None, 0, 10).await.unwrap().is_empty());
        let listed = store.list_emails_by_id(team, &[ids[0].0, ids[1].0]).await.unwrap();
        assert_eq!(listed.iter().map(|email| email.id).collect::<Vec<_>>(), [ids[1], ids[0]]);
    }

    async fn what_a_copy_has_otherwise_is_kept_with_it_and_goes_with_it(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let adapter = app.add_adapter("Backup").await;
        let change = CopyChange {
            is_to_other: true,
            variables: vec!["name".to_owned()],
            is_current: true,
            adapter_id: Some(adapter.id),
            adapter_name: Some(adapter.name),
        };
        let (copy, plain) = (new_email(&app, app.now()), new_email(&app, app.now()));
        let with = Acceptance { change: Some(change.clone()), ..Acceptance::default() };
        store.insert_emails(team, std::slice::from_ref(&copy), &with).await.unwrap();
        store.insert_email(team, &plain).await.unwrap();
        let asked = [plain.id, copy.id];
        assert_eq!(store.list_resend_changes(team, &asked).await, Ok(vec![(copy.id, change)]));
        assert_eq!(store.list_resend_changes(app.other_team, &asked).await, Ok(Vec::new()));
        assert_eq!(store.list_resend_changes(team, &[]).await, Ok(Vec::new()));
    }

    async fn a_request_that_is_repeated_makes_one_job(app: TestApp) {
        let store = app.store();
        let id = app.add_resend(&[], ResendJobState::Done).await;
        let stored = store.find_resend_job(app.team, id).await.unwrap().unwrap();
        let insert = async |request: &str| {
            let mut again = stored.clone();
            again.job.id = app.id_at(app.now());
            let key = with_key(&app, "key", request).idempotency;
            store.insert_resend_job(app.team, &again, &[], key.as_ref(), app.now(), &app.event()).await
        };
        assert_eq!(insert("one").await, Ok(None));
        assert!(matches!(insert("one").await, Ok(Some(_))));
        assert_eq!(insert("two").await, Err(AppError::IdempotencyMismatch));
        assert_eq!(store.list_resend_jobs(app.team, None, 9).await.unwrap().len(), 2);
    }

    async fn jobs_are_listed_newest_first_and_go_when_their_time_is_over(app: TestApp) {
        let store = app.store();
        let ids = app.add_messages(&vec![Message::with_status(EmailStatus::Failed); 2]).await;
        let first = app.add_resend(&ids, ResendJobState::Running).await;
        let second = app.add_resend(&ids, ResendJobState::Paused).await;
        let list = async |before, limit| {
            let jobs = store.list_resend_jobs(app.team, before, limit).await.unwrap();
            jobs.iter().map(|stored| stored.job.id).collect::<Vec<_>>()
        };
        assert_eq!(list(None, 5).await, [second, first]);
        assert_eq!(list(None, 1).await, [second]);
        assert_eq!(list(Some(second), 5).await, [first]);
        assert!(store.list_resend_jobs(app.other_team, None, 5).await.unwrap().is_empty());
        while store.delete_old_resends(app.team, second.0).await.unwrap() {}
        assert_eq!(list(None, 5).await, [second]);
        assert!(store.list_resend_items(app.team, first, None, 0, 5).await.unwrap().is_empty());
        assert_eq!(store.list_resend_items(app.team, second, None, 0, 5).await.unwrap().len(), 2);
    }

    async fn a_key_is_found_as_a_viewer_while_it_counts(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        app.program(&[Permission::LogsResend]).await;
        let id = store.list_api_keys(app.team).await.unwrap()[0].id;
        let viewer = store.find_key_viewer(app.team, id, now).await.unwrap().unwrap();
        assert!(viewer.may(Permission::LogsResend) && !viewer.may(Permission::LogsView));
        assert_eq!(store.find_key_viewer(app.other_team, id, now).await.unwrap(), None);
        store.revoke_api_key(app.team, id, now, &app.event()).await.unwrap();
        assert_eq!(store.find_key_viewer(app.team, id, now).await.unwrap(), None);
    }
}
