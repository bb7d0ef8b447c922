//! Who gets a message, through every API and every field that names somebody: all who are named, or nobody and a reason.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::domain::api_key::CreatedApiKey;
use crate::domain::email::RecipientKind;
use crate::domain::permission::PermissionSet;
use crate::server::services::api_keys;

/// A text of recipients, and the names and addresses in it; none where it must be refused.
const LISTS: [(&str, &[(&str, &str)]); 18] = [
    ("c1@example.com", &[("", "c1@example.com")]),
    ("c3@example.com, Bob <c4@example.com>", &[("", "c3@example.com"), ("Bob", "c4@example.com")]),
    (
        "\"Doe, Jane\" <c1@example.com>, Bob <c2@example.com>",
        &[("Doe, Jane", "c1@example.com"), ("Bob", "c2@example.com")],
    ),
    ("c7@example.com; Bob <c8@example.com>", &[("", "c7@example.com"), ("Bob", "c8@example.com")]),
    ("Team: c1@example.com, Bob <c2@example.com>;", &[("", "c1@example.com"), ("Bob", "c2@example.com")]),
    ("c1@example.com (Ada), c2@example.com,", &[("Ada", "c1@example.com"), ("", "c2@example.com")]),
    ("c1@example.com,, ;c2@example.com", &[("", "c1@example.com"), ("", "c2@example.com")]),
    ("ken..sato.@docomo.example", &[("", "ken..sato.@docomo.example")]),
    ("Zoë <zoë@bücher.example>, b@x.io", &[("Zoë", "zoë@bücher.example"), ("", "b@x.io")]),
    ("\"a, b\"@x.io, c@x.io", &[("", "\"a, b\"@x.io"), ("", "c@x.io")]),
    ("c1@example.com c2@example.com", &[]),
    ("c1@example.com Bob <c2@example.com>", &[]),
    ("Ada <c1@example.com> Bob <c2@example.com>", &[]),
    ("Ada <c1@example.com, c2@example.com>", &[]),
    ("c1@example.com, Bob", &[]),
    ("\"Doe, Jane <c1@example.com>, c2@example.com", &[]),
    ("", &[]),
    ("undisclosed-recipients:;", &[]),
];

/// A way to send: to whom a request is posted, and the fields of its body that name people.
struct Api {
    client: Client,
    path: String,
    body: Value,
    /// Each with the kind of recipients it holds, and whether it takes a list.
    fields: Vec<(&'static str, RecipientKind, bool)>,
}

async fn apis(app: &TestApp) -> Vec<Api> {
    use RecipientKind::{Bcc, Cc, To};
    app.add_adapter("Mail").await;
    let template = app.add_template("Receipt").await.id.to_string();
    let key: CreatedApiKey =
        api_keys::create_key_of(&app.app, app.team, None, "Key", PermissionSet::all()).await.unwrap();
    let bearer = app.client().with("authorization", &format!("Bearer {}", key.secret)).with("user-agent", "test/1.0");
    let basic = |user: &str, password: &str| {
        app.client().with("authorization", &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    };
    let id = key.key.id.to_string();
    vec![
        Api {
            client: bearer.clone(),
            path: "/api/v1/send".to_owned(),
            body: json!({"templateId": template, "to": "first@x.io", "variables": {"name": "A"}}),
            fields: vec![("/to", To, true), ("/cc", Cc, true), ("/bcc", Bcc, true)],
        },
        Api {
            client: bearer.clone(),
            path: "/resend/emails".to_owned(),
            body: json!({"from": "a@finch.example", "to": "first@x.io", "subject": "Hi", "text": "Hi"}),
            fields: vec![("/to", To, true), ("/cc", Cc, true), ("/bcc", Bcc, true)],
        },
        Api {
            client: bearer,
            path: "/jetemail/email".to_owned(),
            body: json!({"from": "a@finch.example", "to": "first@x.io", "subject": "Hi", "text": "Hi"}),
            fields: vec![("/to", To, true), ("/cc", Cc, true), ("/bcc", Bcc, true)],
        },
        Api {
            client: basic(&key.secret, ""),
            path: "/sendwithus/api/v1/send".to_owned(),
            body: json!({"email_id": template, "recipient": {"address": "first@x.io"}, "email_data": {"name": "A"},
                "cc": [{"address": "second@x.io"}], "bcc": [{"address": "third@x.io"}]}),
            fields: vec![
                ("/recipient/address", To, false),
                ("/cc/0/address", Cc, false),
                ("/bcc/0/address", Bcc, false),
            ],
        },
        Api {
            client: basic(&id, &key.secret),
            path: format!("/notificationapi/{id}/sender"),
            body: json!({"type": "news", "to": {"id": "u1", "email": "first@x.io"},
                "email": {"subject": "Hi", "html": "<p>Hi</p>"},
                "options": {"email": {"ccAddresses": ["second@x.io"], "bccAddresses": ["third@x.io"]}}}),
            fields: vec![
                ("/to/email", To, false),
                ("/options/email/ccAddresses/0", Cc, true),
                ("/options/email/bccAddresses/0", Bcc, true),
            ],
        },
    ]
}

impl Api {
    /// Posts the message with a text in a field.
    async fn post(&self, field: &str, text: &str) -> Answer {
        let mut body = self.body.clone();
        match body.pointer_mut(field) {
            Some(place) => *place = json!(text),
            None => {
                body.as_object_mut().unwrap().insert(field.trim_start_matches('/').to_owned(), json!(text));
            }
        }
        self.client.post(&self.path, body).await
    }
}

/// The recipients of the newest message, of one kind.
async fn newest(app: &TestApp, kind: RecipientKind) -> (usize, Vec<(String, String)>) {
    let viewer = app.sign_in(crate::domain::team::Role::Owner).await;
    let list = viewer.get("/api/logs?pageSize=1").await.data();
    let Some(id) = list["items"][0]["id"].as_str() else { return (0, Vec::new()) };
    let id = id.parse().unwrap();
    let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
    let of_kind = email.recipients.into_iter().filter(|recipient| recipient.kind == kind);
    let found = of_kind.map(|recipient| (recipient.name.unwrap_or_default(), recipient.address)).collect();
    (list["total"].as_u64().unwrap_or_default() as usize, found)
}

on_both_databases! {
    async fn no_recipient_is_lost_in_any_api_and_field(app: TestApp) {
        for api in apis(&app).await {
            for (field, kind, takes_list) in &api.fields {
                for (text, expected) in LISTS {
                    // Here an empty address means that there is none.
                    if text.is_empty() && api.path.contains("notificationapi") {
                        continue;
                    }
                    let answer = api.post(field, text).await;
                    let what = format!("{} {field} {text}: {} {}", api.path, answer.status, answer.text);
                    if expected.is_empty() || (!takes_list && expected.len() > 1) {
                        assert!((400..500).contains(&answer.status), "{what}");
                        continue;
                    }
                    assert!((200..300).contains(&answer.status), "{what}");
                    let (_, found) = newest(&app, *kind).await;
                    let expected: Vec<(String, String)> =
                        expected.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }

    async fn a_list_is_never_read_as_an_object(app: TestApp) {
        for api in apis(&app).await {
            let before = newest(&app, RecipientKind::To).await.0;
            let as_list = |value: &Value| Value::Array(value.as_object().unwrap().values().cloned().collect());
            let mut wrong = vec![as_list(&api.body)];
            for (field, ..) in &api.fields {
                let (parent, _) = field.rsplit_once('/').unwrap();
                if api.body.pointer(parent).is_some_and(Value::is_object) && !parent.is_empty() {
                    let mut body = api.body.clone();
                    *body.pointer_mut(parent).unwrap() = json!(["first@x.io", "second@x.io"]);
                    wrong.push(body);
                }
            }
            for body in wrong {
                let answer = api.client.post(&api.path, body.clone()).await;
                assert!((400..500).contains(&answer.status), "{} {body}: {} {}", api.path, answer.status, answer.text);
            }
            assert_eq!(newest(&app, RecipientKind::To).await.0, before, "{}", api.path);
        }
    }

    async fn a_sender_is_one_and_answers_go_to_all_who_are_named(app: TestApp) {
        app.add_adapter("Mail").await;
        let client = app.program_of(app.team, PermissionSet::all()).await.with("user-agent", "test/1.0");
        let send = async |change: Value| {
            let mut body = json!({"from": "a@finch.example", "to": "b@x.io", "subject": "Hi", "text": "Hi"});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            client.post("/resend/emails", body).await
        };
        for from in ["a@x.io, b@x.io", "A <a@x.io>; B <b@x.io>", "Team: a@x.io, b@x.io;"] {
            let answer = send(json!({"from": from})).await;
            assert!(answer.status == 422 && answer.text.contains("takes one address"), "{from}: {answer:?}");
        }
        let answer = send(json!({"reply_to": ["\"Doe, Jane\" <a@x.io>; b@x.io", "c..d@x.io"]})).await;
        let found = client.get(&format!("/resend/emails/{}", answer.json()["id"].as_str().unwrap())).await.json();
        assert_eq!(found["reply_to"], json!(["\"Doe, Jane\" <a@x.io>", "b@x.io", "c..d@x.io"]));
        for reply_to in ["a@x.io b@x.io", "a@x.io, Bob"] {
            assert_eq!(send(json!({"reply_to": reply_to})).await.status, 422, "{reply_to}");
        }
    }
}
