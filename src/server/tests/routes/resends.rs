//! `/api/logs/resends`, and the jobs that it makes.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::event::EventKind;
use crate::domain::ids::{EmailId, ResendJobId};
use crate::domain::permission::Permission;
use crate::domain::resend_job::{ResendItemState, ResendJobState};
use crate::domain::team::Role;
use crate::server::services::accounts;
use crate::server::services::resends::runner::work;
use crate::server::store::events::EmailFacts;
use crate::server::tests::on_both_databases_in_parallel;
use crate::server::tests::store_contract::outbox::event;

const RESENDS: &str = "/api/logs/resends";

async fn failed(app: &TestApp, count: usize) -> Vec<EmailId> {
    app.add_adapter("Mail").await;
    app.add_messages(&vec![Message::with_status(EmailStatus::Failed); count]).await
}

/// Says why a message bounced.
async fn bounce(app: &TestApp, id: EmailId, reply: &str) {
    let mut bounced = event(app, EventKind::Bounced, app.now());
    bounced.event.detail.reply = Some(reply.to_owned());
    app.store().record_events(app.team, id, &[bounced], &EmailFacts::default()).await.unwrap();
}

async fn become_of(app: &TestApp, id: EmailId, kind: EventKind) {
    let now = app.now() + TimeDelta::minutes(1);
    for lease in app.store().lease_due(now, now + TimeDelta::minutes(1), 1, 100).await.unwrap() {
        app.store().settle(&lease, &Default::default()).await.unwrap();
    }
    let events = [event(app, kind, app.now())];
    app.store().record_events(app.team, id, &events, &EmailFacts::default()).await.unwrap();
}

/// Lets the jobs go on until nothing of them is due within the next minutes.
async fn work_off(app: &TestApp) {
    for _ in 0..200 {
        if work(&app.app).await.unwrap().is_none() {
            return;
        }
        app.advance(TimeDelta::seconds(1));
    }
    panic!("the jobs do not end");
}

async fn copies_of(app: &TestApp, ids: &[EmailId]) -> Vec<usize> {
    let keys: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let emails = app.store().find_emails(app.team, &keys).await.unwrap();
    emails.iter().map(|email| email.resent_as.len()).collect()
}

async fn counts(admin: &Client, id: &str) -> (String, i64, i64, i64, i64) {
    let job = admin.get(&format!("{RESENDS}/{id}")).await.data();
    let number = |name: &str| job[name].as_i64().unwrap();
    (
        job["state"].as_str().unwrap().to_owned(),
        number("waiting"),
        number("resent"),
        number("refused"),
        number("leftOut"),
    )
}

on_both_databases! {
    async fn a_preflight_says_what_would_be_done_and_keeps_nothing(app: TestApp) {
        let ids = failed(&app, 4).await;
        bounce(&app, ids[0], "550 5.1.1 The email account that you tried to reach does not exist.").await;
        let fine = app.add_message(Message::default()).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy = admin.send("POST", &format!("/api/logs/{}/resend", ids[1]), None).await.text_of("id");
        become_of(&app, copy.parse().unwrap(), EventKind::Delivered).await;
        let kept = async || {
            let mut rows = app.store().every_row().await;
            // The request itself is written down.
            rows.retain(|table, _| !table.starts_with("api_"));
            rows
        };
        let before = kept().await;
        let asked = json!({"status": "failed,bounced,delivered", "dryRun": true});
        let said = admin.post(RESENDS, asked).await.data();
        assert_eq!((&said["total"], &said["resend"], &said["leftOut"], &said["refused"]), (&json!(4), &json!(2), &json!(2), &json!(0)));
        assert_eq!((&said["resentAlready"], &said["arrived"], &said["likelyToFail"]), (&json!(1), &json!(1), &json!(1)));
        // The copy and the message that arrived by itself.
        assert_eq!(said["others"], 2);
        let reasons: Vec<&str> = said["groups"].as_array().unwrap().iter().map(|group| group["reason"].as_str().unwrap()).collect();
        assert!(reasons.contains(&"It was resent already, and arrived"), "{reasons:?}");
        assert!(reasons.contains(&"It will likely fail again: the address does not exist"), "{reasons:?}");
        let all = json!({"status": "failed,bounced", "dryRun": true, "includeResent": true, "includeLikelyToFail": true});
        assert_eq!(admin.post(RESENDS, all).await.data()["resend"], 4);
        let chosen = json!({"ids": [ids[2], fine], "dryRun": true});
        let said = admin.post(RESENDS, chosen).await.data();
        assert_eq!((&said["resend"], &said["leftOut"]), (&json!(1), &json!(1)));
        assert!(kept().await == before, "a preflight keeps nothing");
    }

    async fn what_did_not_fail_is_resent_where_it_is_asked_for_by_who_may(app: TestApp) {
        app.add_adapter("Mail").await;
        let id = app.add_message(Message::default()).await;
        let spam = app.add_message(Message::with_status(EmailStatus::Spam)).await;
        let without = app.program(&[Permission::LogsView, Permission::LogsResend]).await;
        let body = json!({"ids": [id, spam], "includeResent": true, "dryRun": true});
        assert_eq!(without.post(RESENDS, body.clone()).await.data()["refused"], 2);
        let admin = app.sign_in(Role::Admin).await;
        let said = admin.post(RESENDS, body).await.data();
        assert_eq!((&said["resend"], &said["refused"]), (&json!(1), &json!(1)));
        let job = admin.post(RESENDS, json!({"ids": [id], "includeResent": true})).await.text_of("id");
        work_off(&app).await;
        assert_eq!(counts(&admin, &job).await, ("done".to_owned(), 0, 1, 0, 0));
        assert_eq!(copies_of(&app, &[id]).await, [1]);
    }

    async fn each_message_of_a_job_is_resent_once_at_its_pace(app: TestApp) {
        let ids = failed(&app, 25).await;
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"status": "failed", "name": "After the outage", "reason": "Ticket 4711", "perMinute": 600});
        let answer = admin.post(RESENDS, body).await;
        assert_eq!(answer.status, 201);
        let id = answer.text_of("id");
        // What fails from now on is not of this job.
        let later = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        work(&app.app).await.unwrap();
        assert_eq!(counts(&admin, &id).await.2, 1);
        app.advance(TimeDelta::seconds(1));
        work(&app.app).await.unwrap();
        assert_eq!(counts(&admin, &id).await.2, 11);
        // What was missed is not made up for.
        app.advance(TimeDelta::minutes(10));
        work(&app.app).await.unwrap();
        assert_eq!(counts(&admin, &id).await.2, 22);
        work_off(&app).await;
        assert_eq!(counts(&admin, &id).await, ("done".to_owned(), 0, 25, 0, 0));
        assert_eq!(copies_of(&app, &ids).await, vec![1; 25]);
        assert_eq!(copies_of(&app, &[later]).await, [0]);
        let items = admin.get(&format!("{RESENDS}/{id}/items?pageSize=100")).await.data();
        let copies: BTreeSet<&str> = items.as_array().unwrap().iter().map(|item| item["resentAs"].as_str().unwrap()).collect();
        assert_eq!(copies.len(), 25);
        let owner = app.sign_in(Role::Owner).await;
        let lines = owner.get("/api/audit?limit=100").await.data();
        let lines = lines["items"].as_array().unwrap().clone();
        let of = |action: &str| lines.iter().filter(|line| line["action"] == action).cloned().collect::<Vec<Value>>();
        assert_eq!((of("email.resent").len(), of("resend.finished").len()), (25, 1));
        let started = of("resend.started");
        assert_eq!((&started[0]["reason"], &started[0]["after"]["toResend"]), (&json!("Ticket 4711"), &json!(25)));
        // The whole team sees it.
        let viewer = app.sign_in(Role::Viewer).await;
        assert_eq!(viewer.get(RESENDS).await.data()["items"][0]["name"], "After the outage");
    }

    async fn a_report_says_what_became_of_the_copies_and_asks_anew_while_that_may_change(app: TestApp) {
        failed(&app, 3).await;
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.post(RESENDS, json!({"status": "failed"})).await.text_of("id");
        work_off(&app).await;
        let page = async || {
            let page = admin.with("accept", "text/html").get(&format!("/resends/{id}")).await.text;
            let part = page.split("id=\"resend-copies\"").nth(1).unwrap().split("</ul>").next().unwrap();
            let words: String = part.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text)).collect();
            (words, page.contains("data-refresh"), page)
        };
        let (words, asks, html) = page().await;
        assert_eq!((words.as_str(), asks), ("The copies: Queued 3", true));
        assert!(html.contains("Done: 3 of 3 sent again.") && html.contains("3 have no report yet."), "{html}");
        let items = admin.get(&format!("{RESENDS}/{id}/items")).await.data();
        let copy = |at: usize| items[at]["resentAs"].as_str().unwrap().parse().unwrap();
        become_of(&app, copy(0), EventKind::Delivered).await;
        become_of(&app, copy(1), EventKind::Sent).await;
        become_of(&app, copy(2), EventKind::Bounced).await;
        let (words, asks, html) = page().await;
        assert_eq!((words.as_str(), asks), ("The copies: Sent 1Delivered 1Bounced 1", true));
        assert!(html.contains("1 arrived, 1 did not arrive, 1 has no report yet."), "{html}");
        app.advance(TimeDelta::minutes(16));
        assert!(!page().await.1, "no report is to be expected any more");
    }

    async fn a_job_that_is_paused_or_stopped_sends_nothing(app: TestApp) {
        let ids = failed(&app, 3).await;
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.post(RESENDS, json!({"ids": ids, "perMinute": 60})).await.text_of("id");
        let steer = async |step: &str| admin.send("POST", &format!("{RESENDS}/{id}/{step}"), None).await;
        work(&app.app).await.unwrap();
        assert_eq!(steer("pause").await.data()["state"], "paused");
        app.advance(TimeDelta::minutes(5));
        assert_eq!(work(&app.app).await, Ok(None));
        assert_eq!(counts(&admin, &id).await, ("paused".to_owned(), 2, 1, 0, 0));
        steer("pause").await.assert_error(409, "CONFLICT", "This resend is paused: it cannot be paused");
        assert_eq!(steer("resume").await.data()["state"], "running");
        work(&app.app).await.unwrap();
        assert_eq!(steer("stop").await.data()["state"], "stopped");
        app.advance(TimeDelta::minutes(5));
        work_off(&app).await;
        assert_eq!(counts(&admin, &id).await, ("stopped".to_owned(), 1, 2, 0, 0));
        steer("resume").await.assert_error(409, "CONFLICT", "This resend is stopped: it cannot be resumed");
        assert_eq!(copies_of(&app, &ids).await.iter().sum::<usize>(), 2);
    }

    async fn a_job_goes_on_only_while_its_maker_may_resend(app: TestApp) {
        let ids = failed(&app, 3).await;
        let leaving = app.add_user("leaving@finch.example").await;
        accounts::add_member(&app.app, app.team, leaving, Role::Admin).await.unwrap();
        let theirs = app.browser_of(leaving, Some(app.team)).await;
        let by_person = theirs.post(RESENDS, json!({"ids": [ids[0]]})).await.text_of("id");
        let program = app.program(&[Permission::LogsView, Permission::LogsResend]).await;
        let by_key = program.post(RESENDS, json!({"ids": [ids[1]]})).await.text_of("id");
        let demoted = app.add_user("demoted@finch.example").await;
        accounts::add_member(&app.app, app.team, demoted, Role::Admin).await.unwrap();
        let browser = app.browser_of(demoted, Some(app.team)).await;
        let by_demoted = browser.post(RESENDS, json!({"ids": [ids[2]]})).await.text_of("id");

        app.store().delete_membership(app.team, leaving, None, app.now(), &app.event()).await.unwrap();
        let keys = app.store().list_api_keys(app.team).await.unwrap();
        app.store().revoke_api_key(app.team, keys[0].id, app.now(), &app.event()).await.unwrap();
        let made = format!("UPDATE memberships SET role = 'viewer' WHERE team_id = {} AND user_id = {}", app.team.0, demoted.0);
        app.store().try_statement(&made).await.unwrap();
        work_off(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        for (id, why) in [
            (by_person, "leaving, who started it, is not a member of the team any more"),
            (by_key, "The API key Test, which started it, does not count any more"),
            (by_demoted, "demoted, who started it, may not resend any more"),
        ] {
            let job = admin.get(&format!("{RESENDS}/{id}")).await.data();
            assert_eq!((&job["state"], &job["note"]), (&json!("stopped"), &json!(why)));
        }
        assert_eq!(copies_of(&app, &ids).await, [0, 0, 0]);
    }

    async fn a_repeated_request_starts_one_job(app: TestApp) {
        let ids = failed(&app, 2).await;
        let admin = app.sign_in(Role::Admin).await.with("idempotency-key", "once");
        let first = admin.post(RESENDS, json!({"ids": ids})).await;
        let second = admin.post(RESENDS, json!({"ids": ids})).await;
        assert_eq!((first.status, &first.text), (second.status, &second.text));
        let other = admin.post(RESENDS, json!({"ids": [ids[0]]})).await;
        assert_eq!(other.status, 409, "{}", other.text);
        assert_eq!(admin.get(RESENDS).await.data()["items"].as_array().unwrap().len(), 1);
    }

    async fn of_messages_that_say_the_same_one_is_resent(app: TestApp) {
        let ids = failed(&app, 1).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy: EmailId = admin.send("POST", &format!("/api/logs/{}/resend", ids[0]), None).await.text_of("id").parse().unwrap();
        let waits = admin.post(RESENDS, json!({"ids": ids, "dryRun": true})).await.data();
        assert_eq!(waits["groups"][0]["reason"], "It is being resent already");
        become_of(&app, copy, EventKind::Failed).await;
        let id = admin.post(RESENDS, json!({"status": "failed"})).await.text_of("id");
        work_off(&app).await;
        assert_eq!(counts(&admin, &id).await, ("done".to_owned(), 0, 1, 0, 1));
        assert_eq!(copies_of(&app, &[ids[0], copy]).await, [1, 1]);
    }

    async fn what_somebody_resends_meanwhile_is_not_resent_again(app: TestApp) {
        let ids = failed(&app, 2).await;
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.post(RESENDS, json!({"ids": ids, "perMinute": 60})).await.text_of("id");
        for email in &ids {
            admin.send("POST", &format!("/api/logs/{email}/resend"), None).await.data();
        }
        work_off(&app).await;
        assert_eq!(counts(&admin, &id).await, ("done".to_owned(), 0, 0, 2, 0));
        assert_eq!(copies_of(&app, &ids).await, [1, 1]);
        let items = admin.get(&format!("{RESENDS}/{id}/items?state=refused")).await.data();
        assert!(items[0]["reason"].as_str().unwrap().starts_with("It is being resent already, as eml_"), "{items}");
    }

    async fn who_knows_of_a_copy_that_arrived_may_have_another(app: TestApp) {
        let ids = failed(&app, 1).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy: EmailId = admin.send("POST", &format!("/api/logs/{}/resend", ids[0]), None).await.text_of("id").parse().unwrap();
        become_of(&app, copy, EventKind::Delivered).await;
        let none = admin.post(RESENDS, json!({"ids": ids})).await;
        none.assert_error(400, "VALIDATION_ERROR", "None of these messages can be resent");
        let id = admin.post(RESENDS, json!({"ids": ids, "includeResent": true})).await.text_of("id");
        work_off(&app).await;
        assert_eq!(counts(&admin, &id).await, ("done".to_owned(), 0, 1, 0, 0));
        assert_eq!(copies_of(&app, &ids).await, [2]);
    }

    async fn a_job_has_bounds(app: TestApp) {
        let ids = failed(&app, 1).await;
        let admin = app.sign_in(Role::Admin).await;
        let many: Vec<EmailId> = (0..10_001).map(EmailId).collect();
        let refused = admin.post(RESENDS, json!({"ids": many})).await;
        refused.assert_error(400, "VALIDATION_ERROR", "A resend takes at most 10000 messages: narrow the list, by its period for one");
        for (field, body) in [
            ("perMinute", json!({"ids": ids, "perMinute": 0})),
            ("perMinute", json!({"ids": ids, "perMinute": 6001})),
            ("reason", json!({"ids": ids, "reason": "x".repeat(501)})),
            ("name", json!({"ids": ids, "name": "x".repeat(101)})),
            ("ids", json!({"ids": ids, "q": "ada"})),
            ("ids", json!({"ids": []})),
            ("ids", json!({})),
            ("q", json!({"q": "nonsense:5"})),
        ] {
            admin.post(RESENDS, body).await.assert_invalid(field);
        }
        let stranger = app.sign_in_elsewhere().await;
        assert_eq!(stranger.post(RESENDS, json!({"ids": ids})).await.status, 404);
    }

    async fn what_was_searched_for_is_hidden_from_who_sees_no_addresses(app: TestApp) {
        failed(&app, 1).await;
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.post(RESENDS, json!({"q": "to:user@example.com"})).await.text_of("id");
        let seen = admin.get(&format!("{RESENDS}/{id}")).await.data();
        assert_eq!(seen["filter"], "to:user@example.com · All time");
        let viewer = app.sign_in(Role::Viewer).await;
        assert_eq!(viewer.get(&format!("{RESENDS}/{id}")).await.data()["filter"], Value::Null);
    }
}

on_both_databases_in_parallel! {
    async fn programs_beside_each_other_make_one_copy_of_each(app: TestApp) {
        let ids = failed(&app, 80).await;
        let admin = app.sign_in(Role::Admin).await;
        let id: ResendJobId = admin.post(RESENDS, json!({"ids": ids, "perMinute": 6000})).await.text_of("id").parse().unwrap();
        let mut running = Vec::new();
        for _ in 0..4 {
            let beside = app.beside().await;
            running.push(tokio::spawn(async move {
                for _ in 0..400 {
                    // The lease of another one is over for who is ahead of it.
                    beside.clock.advance(TimeDelta::milliseconds(700));
                    let _ = work(&beside).await;
                    tokio::task::yield_now().await;
                }
                beside.store.close().await;
            }));
        }
        for program in running {
            program.await.unwrap();
        }
        let job = app.store().find_resend_job(app.team, id).await.unwrap().unwrap().job;
        assert_eq!((job.state, job.counts.resent, job.counts.total()), (ResendJobState::Done, 80, 80), "{job:?}");
        assert_eq!(copies_of(&app, &ids).await, vec![1; 80]);
        let items = app.store().list_resend_items(app.team, id, Some(ResendItemState::Resent), 0, 100).await.unwrap();
        assert_eq!(items.len(), 80);
    }
}
