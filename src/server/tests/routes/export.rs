//! `/logs/export` as a sheet: the columns of the list, and why messages did not arrive.

use super::*;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::EventKind;
use crate::domain::ids::EmailId;
use crate::domain::team::Role;

/// A message with a name and a copy that bounced.
async fn add_bounced(app: &TestApp) -> EmailId {
    let mut bounced = Message::with_status(EmailStatus::Bounced).historic(app);
    bounced.email.subject = "Your receipt".to_owned();
    bounced.email.recipients = vec![
        Recipient {
            kind: RecipientKind::To,
            address: "ada@customer.example".to_owned(),
            name: Some("Ada Lovelace".to_owned()),
        },
        Recipient { kind: RecipientKind::Cc, address: "bob@customer.example".to_owned(), name: Some("Bob".to_owned()) },
    ];
    for new in bounced.email.events.iter_mut().filter(|new| new.event.kind == EventKind::Bounced) {
        new.event.detail.reply = Some("550-5.1.1 User unknown".to_owned());
    }
    let id = bounced.email.id;
    app.store().insert_history(app.team, &[bounced]).await.unwrap();
    id
}

/// The lines of the file that has all messages.
async fn lines(client: &Client) -> Vec<String> {
    let answer = client.get("/logs/export?preset=all").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.trim_start_matches('\u{feff}').lines().map(str::to_owned).collect()
}

on_both_databases! {
    async fn a_sheet_names_recipients_and_says_why_messages_failed(app: TestApp) {
        let bounced = add_bounced(&app).await;
        let arrived = app.add_message(Message::default()).await;
        let found = lines(&app.sign_in(Role::Owner).await).await;
        assert_eq!(
            found,
            [
                "id,Status,Recipient,Recipient name,Other recipients,Channel,Subject,Reason,Reply code,Template,Accepted (UTC)"
                    .to_owned(),
                format!("{arrived},Delivered,user@example.com,,,Email,Welcome to Our Service!,,,,2024-01-20T10:30:00+00:00"),
                format!("{bounced},Bounced,ada@customer.example,Ada Lovelace,Bob <bob@customer.example> (Cc),Email,Your receipt,\
                         The address does not exist,550 5.1.1,,2024-01-20T10:30:00+00:00"),
            ]
        );
    }

    async fn a_sheet_has_the_columns_and_the_clock_of_who_exports_it(app: TestApp) {
        let bounced = add_bounced(&app).await;
        let owner = app.user(app.team, Role::Owner).await;
        app.store().guess_time_zone(owner, "Europe/Berlin").await.unwrap();
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let form = client.with("content-type", "application/x-www-form-urlencoded");
        let answer = form.send("POST", "/fn/set_list_view", Some("dense=0&subject=1".to_owned())).await;
        let found = lines(&client.with_cookies_of(&answer)).await;
        assert_eq!(
            found,
            [
                "id,Recipient,Recipient name,Other recipients,Channel,Subject,Reason,Reply code,Accepted (Europe/Berlin)".to_owned(),
                format!("{bounced},ada@customer.example,Ada Lovelace,Bob <bob@customer.example> (Cc),Email,Your receipt,\
                         The address does not exist,550 5.1.1,2024-01-20T11:30:00+01:00"),
            ]
        );
        // Both files are named by that clock.
        for format in ["csv", "ndjson"] {
            let answer = client.get(&format!("/logs/export?preset=all&format={format}")).await;
            let name = app.now().with_timezone(&chrono_tz::Europe::Berlin).format("%Y%m%d-%H%M%S");
            let named = format!("attachment; filename=\"messages-{name}.{format}\"");
            assert_eq!(answer.headers["content-disposition"], named);
        }
        // JSON has everything, whatever is shown.
        let json = client.with_cookies_of(&answer).get("/logs/export?preset=all&format=ndjson").await.json();
        assert_eq!(json["status"], "bounced");
        assert_eq!(json["created_at"], "2024-01-20T10:30:00.000Z");
    }
}
