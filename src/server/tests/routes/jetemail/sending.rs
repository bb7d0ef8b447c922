//! Sending by this API.

use super::*;

on_both_databases! {
    async fn a_message_is_sent(app: TestApp) {
        let sender = sender(&app).await;
        let answer = sender
            .post(
                "/jetemail/email",
                json!({
                    "from": "Finch <receipts@finch.example>", "to": ["ada@b.example", "Bob <bob@b.example>"],
                    "subject": "Hello", "html": "<p>Hi</p>", "text": "Hi", "cc": "carol@b.example, dora@b.example",
                    "bcc": ["eve@b.example"], "reply_to": ["help@finch.example", "Team <team@finch.example>"],
                    "headers": {"X-Order": "7"}, "eu": true,
                    "attachments": [{"filename": "a.pdf", "data": "aGVsbG8="}, {"filename": "b.txt", "content": "aGk"}],
                }),
            )
            .await;
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, answer.json()), (201, json!({"id": id, "response": format!("Message queued as {id}")})));
        let id: EmailId = id.parse().unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!((email.recipients.len(), email.has_pdf_attachment, email.api_request_id.is_some()), (5, true, true));
        assert_eq!(email.reply_to.as_deref(), Some("help@finch.example, Team <team@finch.example>"));
        assert_eq!(app.store().list_attachments(app.team, id).await.unwrap()[1].content, b"hi");
        let content = app.store().find_email_content(app.team, id).await.unwrap().unwrap();
        assert_eq!(content.headers, [("X-Order".to_owned(), "7".to_owned())]);
        assert_eq!(ids(&reader(&app).await, "").await, [id.to_string()]);
    }

    async fn a_wrong_message_is_refused(app: TestApp) {
        let sender = sender(&app).await;
        let refuse = async |change: Value, message: &str| {
            let mut body = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"});
            for (name, value) in change.as_object().unwrap() {
                match value.is_null() {
                    true => body.as_object_mut().unwrap().remove(name),
                    false => body.as_object_mut().unwrap().insert(name.clone(), value.clone()),
                };
            }
            assert_refused(&sender.post("/jetemail/email", body).await, 400, message);
        };
        refuse(json!({"from": null}), "missing field `from`").await;
        refuse(json!({"from": "nobody"}), "not an email address").await;
        refuse(json!({"to": null}), "missing field `to`").await;
        refuse(json!({"to": []}), "to must hold").await;
        refuse(json!({"to": 5}), "expected an address").await;
        refuse(json!({"subject": ""}), "subject must not be empty").await;
        refuse(json!({"text": null}), "html or text is required").await;
        refuse(json!({"reply_to": "nobody"}), "not an email address").await;
        refuse(json!({"reply_to": "a@b.example\u{7}"}), "reply_to must be one line").await;
        refuse(json!({"headers": {"Subject": "x"}}), "The header Subject cannot be set").await;
        refuse(json!({"attachments": [{"filename": "a", "data": "?"}]}), "attachments[0].data must be base64").await;
        refuse(json!({"scheduledAt": 1}), "scheduled_at must be in the future").await;
        refuse(json!({"scheduled_at": "2024-03-20T12:00:00Z"}), "30 days").await;
        refuse(json!({"template": 1}), "unknown field `template`").await;
        assert_refused(&sender.send("POST", "/jetemail/email", Some("{".to_owned())).await, 400, "EOF while parsing");
        assert!(ids(&reader(&app).await, "").await.is_empty());
    }

    async fn a_message_can_wait_for_its_time(app: TestApp) {
        let sender = sender(&app).await;
        let at = app.now() + TimeDelta::hours(1);
        let mut body = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"});
        body["scheduledAt"] = json!(at.timestamp());
        let answer = sender.post("/jetemail/email", body).await;
        let json = answer.json();
        let id = json["id"].as_str().unwrap();
        assert_eq!((answer.status, &json["scheduled_at"]), (202, &json!(at.timestamp())));
        assert_eq!(json["response"], format!("Scheduled as {id} for {}", at.timestamp()));
        let email = app.store().find_email(app.team, id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(email.next_attempt_at, Some(at));
    }

    async fn a_repetition_sends_nothing_again(app: TestApp) {
        let sender = sender(&app).await.with("idempotency-key", "order-7");
        let body = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"});
        let first = sender.post("/jetemail/email", body.clone()).await;
        let again = sender.post("/jetemail/email", body.clone()).await;
        assert_eq!((again.status, &again.text), (201, &first.text));
        let other = sender.post("/jetemail/email", json!({"from": "a@b.example", "to": "x@d.example", "subject": "s", "text": "t"})).await;
        assert_refused(&other, 409, "used before");
        assert_eq!(other.json()["code"], "IDEMPOTENCY_BODY_MISMATCH");
        let batch = json!({"emails": [body.clone(), {"from": "nobody"}, body]});
        let first = sender.post("/jetemail/email-batch", batch.clone()).await;
        assert_eq!((first.status, first.json()["summary"].clone()), (207, json!({"total": 3, "successful": 2, "failed": 1})));
        assert_eq!(sender.post("/jetemail/email-batch", batch).await.text, first.text);
        assert_eq!(ids(&reader(&app).await, "").await.len(), 3);
        let long = sender.with("idempotency-key", &"a".repeat(257));
        assert_refused(&long.post("/jetemail/email", json!({})).await, 400, "1 to 256 characters");
    }

    async fn a_batch_accepts_those_that_are_right(app: TestApp) {
        let sender = sender(&app).await;
        let right = |to: &str| json!({"from": "a@b.example", "to": to, "subject": "s", "html": "h"});
        let at = app.now().timestamp() + 60;
        let mut later = right("d@e.example");
        later["scheduled_at"] = json!(at);
        let shapeless = json!({"to": "a@b.example"});
        let answer = sender
            .post("/jetemail/email-batch", json!({"emails": [right("c@d.example"), right("nobody"), shapeless, later]}))
            .await;
        let json = answer.json();
        assert_eq!((answer.status, &json["summary"]), (207, &json!({"total": 4, "successful": 2, "failed": 2})));
        let results = json["results"].as_array().unwrap();
        let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, ["success", "error", "error", "success"]);
        assert_eq!((&results[2]["email"], &results[3]["scheduled_at"]), (&shapeless, &json!(at)));
        assert!(results[1]["error"].as_str().unwrap().contains("not an email address"), "{}", answer.text);
        assert_eq!((&json["data"][0]["id"], &json["data"][1]["id"]), (&results[0]["id"], &results[3]["id"]));
        assert_eq!(ids(&reader(&app).await, "to_address=c@d.example").await, [results[0]["id"].as_str().unwrap()]);

        for (wrong, message) in [
            (json!({"emails": []}), "1 to 100"),
            (json!({"emails": vec![right("a@b.example"); 101]}), "1 to 100"),
            (json!({"emails": [5]}), "emails[0] must be an object"),
            (json!([]), "The request body is wrong"),
        ] {
            assert_refused(&sender.post("/jetemail/email-batch", wrong).await, 400, message);
        }
        let reader = reader(&app).await;
        assert_refused(&reader.post("/jetemail/email-batch", json!({"emails": [right("a@b.example")]})).await, 403, "emails:send");
    }
}
