//! `/logs/:id/attachments/:place` and the images within `/logs/:id/body`.

use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::store::emails::Attachment;

fn file(filename: &str, content_type: &str, content: &[u8], content_id: Option<&str>) -> Attachment {
    Attachment {
        filename: filename.to_owned(),
        content_type: content_type.to_owned(),
        content: content.to_vec(),
        content_id: content_id.map(str::to_owned),
    }
}

on_both_databases! {
    async fn a_kept_attachment_is_saved_and_the_audit_log_tells_of_it(app: TestApp) {
        let attachments = vec![file("a.txt", "text/plain", b"first", None), file("Ü \"1\".html", "text/html", b"<script>", None)];
        let id = app.add_message(Message { attachments, ..Message::with_status(EmailStatus::Delivered) }).await;
        let owner = app.sign_in(Role::Owner).await;
        let page = owner.with("accept", "text/html").get(&format!("/logs/{id}")).await;
        assert!(page.text.contains(&format!("/logs/{id}/attachments/1")), "{}", page.text);
        let answer = owner.get(&format!("/logs/{id}/attachments/1")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "<script>"));
        assert_eq!(answer.headers["content-type"], "application/octet-stream");
        let disposition = answer.headers["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment; filename=\"_ _1_.html\"; filename*=UTF-8''%C3%9C"), "{disposition}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
        let lines = owner.get("/api/audit?action=email.revealed").await.data();
        let line = &lines["items"][0];
        assert_eq!((&line["target"], &line["after"]), (&json!(id.to_string()), &json!({"attachment": 2})), "{lines}");

        for path in ["attachments/2", "attachments/-1", "attachments/x"] {
            assert_eq!(owner.get(&format!("/logs/{id}/{path}")).await.status, 404, "{path}");
        }
        let prefetch = owner.with("sec-purpose", "prefetch;prerender").get(&format!("/logs/{id}/attachments/1")).await;
        assert_eq!(prefetch.status, 403);
        let lines = owner.get("/api/audit?action=email.revealed").await.data();
        assert_eq!(lines["items"].as_array().map(Vec::len), Some(1), "what is refused is not noted");
    }

    async fn who_may_not_reveal_saves_no_attachment(app: TestApp) {
        let attachments = vec![file("a.txt", "text/plain", b"secret", None)];
        let id = app.add_message(Message { attachments, ..Message::default() }).await;
        let client = app.program(&[Permission::LogsView]).await;
        let answer = client.get(&format!("/logs/{id}/attachments/0")).await;
        assert!(answer.status == 403 && !answer.text.contains("secret"), "{answer:?}");
    }

    async fn an_inline_image_is_sent_and_shown_in_the_preview(app: TestApp) {
        app.add_adapter("Mail").await;
        let client = app.program(&[Permission::EmailsSend]).await.with("user-agent", "test/1.0");
        let body = json!({"from": "a@finch.example", "to": "b@x.io", "subject": "Hi",
            "html": "<img src=\"cid:logo\">", "attachments": [{"filename": "logo.png", "content": "iVBORw==", "content_id": "logo"}]});
        let answer: Value = client.post("/resend/emails", body).await.json();
        let id = answer["id"].as_str().unwrap();
        let owner = app.sign_in(Role::Owner).await;
        let list = owner.get("/api/logs").await.data();
        let shown = owner.get(&format!("/logs/{}/body", list["items"][0]["id"].as_str().unwrap())).await;
        assert_eq!(shown.text, "<img src=\"data:image/png;base64,iVBORw==\">", "{id}");
    }
}
