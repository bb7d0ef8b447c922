//! The log by notifications: its entries, filters and pages; what is taken back before it goes out.

use super::*;

on_both_databases! {
    async fn a_scheduled_notification_can_be_moved_and_taken_back(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let mut body = by_every_channel();
        body["schedule"] = json!("2024-01-21T12:00:00.000+01:00");
        let id = sdk.sent(body).await;
        let log = sdk.log(&id).await;
        assert_eq!((log["state"].as_str(), log["schedule"].as_str()), (Some("received"), Some("2024-01-21T11:00:00.000Z")));
        assert_eq!(app.store().next_outbox_run().await, Ok(Some(at("2024-01-21T11:00:00Z"))));
        let path = format!("schedule/{id}");
        let moved = sdk.request("PATCH", &path, Some(json!({"schedule": "2024-01-22T12:00:00Z"}))).await;
        assert_eq!((moved.status, moved.json()), (200, json!({"trackingId": id, "messages": []})));
        for email in messages(&app, &id).await {
            assert_eq!(email.scheduled_at, Some(at("2024-01-22T12:00:00Z")));
        }
        for (body, part) in [
            (json!({}), "schedule"),
            (json!({"schedule": "x"}), "schedule"),
            (json!({"schedule": "2024-01-22T12:00:00Z", "parameters": {}}), "parameters"),
        ] {
            assert_refused(&sdk.request("PATCH", &path, Some(body)).await, 400, part);
        }
        let stranger = Sdk::of(&app, app.other_team, &SEND_AND_VIEW).await;
        assert_refused(&stranger.request("DELETE", &path, None).await, 404, "not found");
        assert_eq!(sdk.request("DELETE", &path, None).await.status, 200);
        assert_eq!(app.store().next_outbox_run().await, Ok(None));
        let log = sdk.log(&id).await;
        assert_eq!(log["state"], "failure");
        assert_eq!(log["events"].as_array().unwrap().last().unwrap()["event"], "Ignored");
        assert_refused(&sdk.request("DELETE", &path, None).await, 409, "sent already");
        let late = json!({"schedule": "2024-01-23T12:00:00Z"});
        assert_refused(&sdk.request("PATCH", &path, Some(late)).await, 409, "sent already");
        // A time that has passed means at once.
        let now = sdk.sent(mail(json!({"schedule": "2020-01-01T00:00:00Z"}))).await;
        assert_eq!(messages(&app, &now).await[0].scheduled_at, None);
    }

    async fn what_has_not_gone_out_is_taken_back_by_type_and_person(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let mut tracking_ids = Vec::new();
        for change in [
            json!({}),
            json!({"type": "other"}),
            json!({"to": {"id": "bob", "email": "bob@finch.example"}}),
            json!({"subNotificationId": "express"}),
        ] {
            tracking_ids.push(sdk.sent(mail(change)).await);
        }
        let retract = async |part: Value| {
            let body = json!({"notificationId": "order_shipped", "userId": "ada", "subNotificationId": part});
            sdk.request("POST", "sender/retract", Some(body)).await
        };
        let stranger = Sdk::of(&app, app.other_team, &SEND_AND_VIEW).await;
        let body = json!({"notificationId": "order_shipped", "userId": "ada"});
        assert_eq!(stranger.request("POST", "sender/retract", Some(body)).await.status, 202);
        let answer = retract(json!("express")).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"retracted": 1, "messages": []})));
        assert_eq!(retract(json!("express")).await.status, 202);
        assert_eq!(retract(Value::Null).await.json()["retracted"], 1);
        let failed = sdk.found(json!({"statusFilter": ["failure"]})).await;
        assert_eq!(failed, [tracking_ids[3].clone(), tracking_ids[0].clone()]);
        assert_refused(&sdk.request("POST", "sender/retract", Some(json!({"userId": "ada"}))).await, 400, "notificationId");
    }

    async fn every_state_and_every_word_is_reached_by_a_real_history(app: TestApp) {
        use EventCause::*;
        use EventKind::*;
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        type History = &'static [(EventKind, Option<EventCause>)];
        let histories: [(&str, History, &str, &str); 17] = [
            ("EMAIL", &[(Processed, None)], "Sending", "success"),
            ("EMAIL", &[(Sent, None)], "Sent", "success"),
            ("EMAIL", &[(Deferred, None)], "Failed - Delivery Delay", "received"),
            ("EMAIL", &[(Sent, None), (Delivered, None)], "Delivered", "success"),
            ("EMAIL", &[(Sent, None), (Bounced, Some(Hard))], "Failed - Bounce", "failure"),
            ("EMAIL", &[(Dropped, Some(Expected))], "Ignored", "failure"),
            ("EMAIL", &[(Failed, None)], "Failed", "failure"),
            ("SMS", &[(Sent, None), (Delivered, None)], "Delivered", "success"),
            ("SMS", &[(Sent, None), (Bounced, Some(Undelivered))], "Failed - Undelivered", "failure"),
            ("SMS", &[(Failed, Some(Infrastructure))], "Failed - Infrastructure", "failure"),
            ("CALL", &[(Sent, None), (Delivered, Some(Completed))], "Delivered - Completed", "success"),
            ("CALL", &[(Sent, None), (Delivered, Some(Busy))], "Delivered - Busy", "success"),
            ("CALL", &[(Sent, None), (Delivered, Some(NoAnswer))], "Delivered - No Answer", "success"),
            ("CALL", &[(Failed, Some(CannotReach))], "Failed - Cannot Reach", "failure"),
            ("PUSH", &[(Sent, None), (Delivered, None)], "Delivered", "success"),
            ("WEB_PUSH", &[(Failed, None)], "Failed", "failure"),
            ("INAPP_WEB", &[(Sent, None), (Opened, None)], "Delivered", "success"),
        ];
        for (channel, history, word, state) in histories {
            let mut body = by_every_channel();
            body["forceChannels"] = json!([channel]);
            let tracking_id = sdk.sent(body).await;
            let log = sdk.log(&tracking_id).await;
            assert_eq!((log["state"].as_str(), log["events"][0]["event"].as_str()), (Some("received"), Some("Received")));
            let id = messages(&app, &tracking_id).await[0].id;
            for (kind, cause) in history {
                record(&app, id, *kind, *cause).await;
            }
            let log = sdk.log(&tracking_id).await;
            let last = log["channels"][0]["events"].as_array().unwrap().last().unwrap().clone();
            assert_eq!((last["event"].as_str(), last["channel"].as_str()), (Some(word), Some(channel)));
            assert_eq!((log["state"].as_str(), last["reason"].as_str()), (Some(state), Some("as reported")), "{word}");
            assert_eq!(log["events"].as_array().unwrap().last(), Some(&last));
        }
    }

    async fn an_entry_of_the_log_has_this_shape(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let id = sdk.sent(mail(json!({}))).await;
        let message = messages(&app, &id).await[0].id;
        record(&app, message, EventKind::Sent, None).await;
        let answer = sdk.query(json!({"trackingIds": [id]})).await;
        let by = "by API key “SDK”";
        let received = |reason: Value| {
            let mut event = json!({"event": "Received", "channel": "EMAIL", "date": "2024-01-20T12:00:00.000Z"});
            if !reason.is_null() {
                event["reason"] = reason;
            }
            event
        };
        let sent = json!({
            "event": "Sent", "channel": "EMAIL", "date": "2024-01-20T12:00:01.000Z", "reason": "as reported",
        });
        let events = json!([received(json!(by)), received(Value::Null), sent]);
        let expected = json!({"logs": [{
            "trackingId": id,
            "notificationId": "order_shipped",
            "userId": "ada",
            "state": "success",
            "date": "2024-01-20T12:00:00.000Z",
            "schedule": null,
            "messages": [],
            "channels": [{
                "channel": "EMAIL",
                "messageId": message.to_string(),
                "to": ["ada@finch.example"],
                "subject": "Order 7",
                "state": "success",
                "events": events,
            }],
            "events": events,
        }], "cursor": null});
        assert_eq!(answer.json(), expected);
        let names = ["logs", "trackingId", "notificationId", "userId", "state", "date", "schedule", "messages", "channels"];
        assert_eq!(field_order(&answer.text)[..9], names);
    }

    async fn filters_find_what_they_name_and_nothing_else(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let start = app.now().timestamp_millis();
        let first = sdk.sent(mail(json!({}))).await;
        app.advance(TimeDelta::seconds(1));
        let sms = json!({"type": "code", "to": {"id": "bob", "number": "+15005550006"}, "sms": {"message": "1"}});
        let second = sdk.sent(sms).await;
        app.advance(TimeDelta::seconds(1));
        let third = sdk.send(mail(json!({"type": "empty", "to": {"id": "carol"}}))).await;
        let third = third.json()["trackingId"].as_str().unwrap().to_owned();
        record(&app, messages(&app, &first).await[0].id, EventKind::Sent, None).await;
        let message = messages(&app, &first).await[0].id;
        for (filter, expected) in [
            (json!({}), vec![&third, &second, &first]),
            (json!({"trackingIds": [], "userFilter": null}), vec![&third, &second, &first]),
            (json!({"dateRangeFilter": {"startTime": start + 1}}), vec![&third, &second]),
            (json!({"dateRangeFilter": {"startTime": start, "endTime": start + 1000}}), vec![&second, &first]),
            (json!({"dateRangeFilter": {"endTime": start - 1}}), vec![]),
            (json!({"notificationFilter": ["code", "empty"]}), vec![&third, &second]),
            // A channel that was left out is that notification's too.
            (json!({"channelFilter": ["EMAIL"]}), vec![&third, &first]),
            (json!({"channelFilter": ["SMS", "PUSH"]}), vec![&second]),
            (json!({"channelFilter": ["WEB_PUSH"]}), vec![]),
            (json!({"userFilter": ["carol"]}), vec![&third]),
            (json!({"userFilter": ["ada@finch.example", "+15005550006"]}), vec![&second, &first]),
            (json!({"statusFilter": ["received"]}), vec![&second]),
            (json!({"statusFilter": ["SUCCESS"]}), vec![&first]),
            (json!({"statusFilter": ["failure", "success"]}), vec![&third, &first]),
            (json!({"trackingIds": [third, first, "nothing"]}), vec![&third, &first]),
            (json!({"trackingIds": ["nothing"]}), vec![]),
            (json!({"trackingIds": [message.to_string()]}), vec![&first]),
            (json!({"notificationFilter": ["code"], "statusFilter": ["success"]}), vec![]),
            (json!({"requestFilter": [], "envIdFilter": null, "customFilter": ""}), vec![&third, &second, &first]),
        ] {
            let found = sdk.found(filter.clone()).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
        }
        for filter in [
            json!({"channelFilter": ["PIGEON"]}),
            json!({"channelFilter": "EMAIL"}),
            json!({"statusFilter": ["sent"]}),
            json!({"dateRangeFilter": {"startTime": "yesterday"}}),
            json!({"dateRangeFilter": {"startTime": -1}}),
            json!({"dateRangeFilter": 7}),
            json!({"trackingIds": "no list"}),
            json!({"trackingIds": vec!["x"; 101]}),
            json!({"requestFilter": ["request.mergeTags.item=\"a\""]}),
            json!({"envIdFilter": ["a"]}),
            json!({"customFilter": "a"}),
            json!({"usersFilter": ["a"]}),
            json!({"limit": 0}),
            json!({"limit": 101}),
            json!({"cursor": "x"}),
            json!({"cursor": 7}),
        ] {
            assert_refused(&sdk.query(filter).await, 400, "");
        }
    }

    async fn pages_have_no_repeat_and_no_gap_while_notifications_arrive(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let mut expected = Vec::new();
        for index in 0..7 {
            expected.insert(0, sdk.sent(mail(json!({}))).await);
            if index % 3 == 0 {
                let id = app.add_message(Message { at: app.now(), ..Message::default() }).await;
                // Ids of the same millisecond are in no order that the test knows.
                expected.insert(0, id.to_uuid());
                app.advance(TimeDelta::milliseconds(1));
            }
            app.advance(TimeDelta::milliseconds(1));
        }
        let (mut found, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = sdk.query(json!({"limit": 2, "cursor": cursor})).await.json();
            let logs = page["logs"].as_array().unwrap().clone();
            found.extend(logs.iter().map(|log| log["trackingId"].as_str().unwrap().to_owned()));
            cursor = page["cursor"].clone();
            app.advance(TimeDelta::milliseconds(1));
            sdk.sent(mail(json!({}))).await;
            if cursor.is_null() {
                break;
            }
            assert_eq!(logs.len(), 2);
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    async fn what_another_dialect_sent_is_an_entry_and_another_teams_never(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await.id.to_string();
        let program = app.program(&[Permission::EmailsSend]).await;
        let body = json!({"templateId": template, "to": "bob@finch.example", "variables": {"name": "Bob"}});
        let id: EmailId = program.post("/api/v1/send", body).await.text_of("id").parse().unwrap();
        let theirs = app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Sent)]).await[0];
        let sdk = Sdk::new(&app).await;
        let logs = sdk.logs(json!({})).await;
        assert_eq!(logs.len(), 1);
        assert_eq!(logs[0]["trackingId"], id.to_uuid());
        assert_eq!((logs[0]["notificationId"].as_str(), &logs[0]["userId"]), (Some("Receipt"), &Value::Null));
        assert_eq!(logs[0]["channels"][0]["to"], json!(["bob@finch.example"]));
        for text in [id.to_uuid(), id.to_string(), id.with_prefix("log_")] {
            assert_eq!(sdk.found(json!({"trackingIds": [text]})).await, [id.to_uuid()]);
        }
        assert_eq!(sdk.found(json!({"notificationFilter": ["Receipt"]})).await, [id.to_uuid()]);
        assert!(sdk.found(json!({"trackingIds": [theirs.to_uuid()]})).await.is_empty());
        let stranger = Sdk::of(&app, app.other_team, &SEND_AND_VIEW).await;
        assert_eq!(stranger.found(json!({})).await, [theirs.to_uuid()]);
        // It can be taken back here too.
        assert_eq!(sdk.request("DELETE", &format!("schedule/{}", id.to_uuid()), None).await.status, 200);
        assert_eq!(sdk.log(&id.to_uuid()).await["state"], "failure");
    }
}
