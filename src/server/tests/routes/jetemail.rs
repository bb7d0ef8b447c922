//! `/jetemail`.

mod sending;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::permission::{Permission, PermissionSet};
use crate::server::api::Api;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::events::NewEvent;

const DOCUMENT: &str = include_str!("../fixtures/jetemail_outbound_logs.json");
const ENTRY: &str = include_str!("../fixtures/jetemail_entry.json");
const LOGS: &str = "/jetemail/outbound/logs";

async fn reader(app: &TestApp) -> Client {
    app.program(&[Permission::LogsView, Permission::LogsReveal]).await
}

async fn sender(app: &TestApp) -> Client {
    app.add_adapter("Mail").await;
    app.program(&[Permission::EmailsSend]).await
}

/// A message of Finch with these events, five seconds apart and about its recipient.
fn told(app: &TestApp, message: &Message, events: &[(EventKind, EventDetail)]) -> HistoricEmail {
    let mut historic = message.historic(app);
    let event = |(index, (kind, detail)): (usize, &(EventKind, EventDetail))| {
        NewEvent::from(EmailEvent {
            id: app.id_at(message.at),
            kind: *kind,
            at: message.at + TimeDelta::seconds(5) * index as i32,
            recipient: Some(message.to[0].clone()),
            detail: detail.clone(),
        })
    };
    historic.email.events = events.iter().enumerate().map(event).collect();
    historic
}

async fn add(app: &TestApp, historic: HistoricEmail) -> String {
    let id = historic.email.id.to_string();
    app.store().insert_history(app.team, &[historic]).await.unwrap();
    id
}

fn plain(kinds: &[EventKind]) -> Vec<(EventKind, EventDetail)> {
    kinds.iter().map(|kind| (*kind, EventDetail::default())).collect()
}

async fn list(client: &Client, query: &str) -> Value {
    let answer = client.get(&format!("{LOGS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.json()
}

async fn ids(client: &Client, query: &str) -> Vec<String> {
    let page = list(client, query).await;
    page["data"].as_array().unwrap().iter().map(|entry| entry["uid"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, message: &str) {
    let json = answer.json();
    let is_right = answer.status == status
        && json["success"] == false
        && json["error"] == json["message"]
        && json["message"].as_str().is_some_and(|text| text.contains(message));
    assert!(is_right, "expected {status} “{message}”, found {} {}", answer.status, answer.text);
}

/// A schema with what it refers to in its place, of both versions of OpenAPI alike, without words for people.
fn plain_schema(document: &Value, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(path) = schema["$ref"].as_str() {
        return plain_schema(document, document.pointer(path.trim_start_matches('#')).unwrap());
    }
    if let Some([only]) = schema["oneOf"].as_array().map(Vec::as_slice) {
        return plain_schema(document, only);
    }
    let Some(fields) = schema.as_object_mut() else { return schema };
    for name in ["description", "example", "required"] {
        fields.remove(name);
    }
    let types: Vec<&str> =
        fields.get("type").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if let [one, "null"] = types[..] {
        let one = json!(one);
        fields.insert("type".to_owned(), one);
        fields.insert("nullable".to_owned(), json!(true));
    }
    if let Some(items) = fields.get("items") {
        let items = plain_schema(document, items);
        fields.insert("items".to_owned(), items);
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let properties = properties.iter().map(|(name, of)| (name.clone(), plain_schema(document, of))).collect();
        fields.insert("properties".to_owned(), Value::Object(properties));
    }
    schema
}

/// Passes only a schema that has all that the other one has.
fn assert_has(found: &Value, wanted: &Value, path: &str) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for (name, value) in wanted {
                let own = found.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing: {found:?}"));
                assert_has(own, value, &format!("{path}.{name}"));
            }
        }
        _ if path.ends_with(".format") && wanted == "int64" => {}
        _ => assert_eq!(found, wanted, "{path}"),
    }
}

#[test]
fn the_document_describes_the_operation_as_the_specification_does() {
    let specification: Value = serde_json::from_str(DOCUMENT).unwrap();
    let document = serde_json::to_value(Api::Jetemail.routes().into_openapi()).unwrap();
    let operation = |document: &Value| document["paths"]["/outbound/logs"]["get"].clone();
    let parameters = |document: &Value| -> Vec<Value> {
        let shown = |parameter: &Value| json!([parameter["name"], parameter["in"], parameter["schema"]]);
        operation(document)["parameters"].as_array().unwrap().iter().map(shown).collect()
    };
    assert_eq!(parameters(&document), parameters(&specification));
    for status in ["200", "400", "401", "500"] {
        let schema = |document: &Value| {
            let response = &operation(document)["responses"][status];
            plain_schema(document, &response["content"]["application/json"]["schema"])
        };
        assert_has(&schema(&document), &schema(&specification), status);
    }
}

on_both_databases! {
    async fn every_parameter_is_validated(app: TestApp) {
        let reader = reader(&app).await;
        let long = |length: usize| "a".repeat(length);
        for (name, accepted, refused) in [
            ("limit", vec!["1", "100"], vec!["0", "101", "-1", "1.5", "a", ""]),
            ("page", vec!["1", "9007199254740991"], vec!["0", "-1", "x", ""]),
            ("offset", vec!["0", "9007199254740991"], vec!["-1", "x", "1e3", ""]),
            ("sort_by", vec!["date", "timestamp", "first_seen", "id", "uid"], vec!["last_updated", "subject", &long(51)]),
            ("sort_order", vec!["ASC", "DESC"], vec!["asc", "up", ""]),
            ("id", vec!["eml_0000000000001", "x", &long(100)], vec![&long(101)]),
            ("uid", vec!["eml_0000000000001", "abc-1", &long(100)], vec!["", "a.b", "a%20b", &long(101), "%C3%BC"]),
            (
                "action",
                vec!["ACCEPTED", "REJECTED", "BOUNCED_HARD", "BOUNCED_SOFT", "DEFERRED", "SPAM", "VIRUS", "QUEUED"],
                vec!["accepted", "DELIVERED", ""],
            ),
            ("zone", vec!["default", &long(50)], vec![&long(51)]),
            ("message_id", vec!["%3Ca@b.example%3E", &long(100)], vec![&long(101)]),
            ("from_address", vec!["a@b.example", "a.b%2Bc@b-c.example"], vec!["a", "a@", "@b.example", "a@b@c", "A%20%3Ca@b.example%3E", ""]),
            ("to_address", vec!["a@b.example"], vec!["a%20b@c.example", "a@b..example", ""]),
            ("mx", vec!["mx1", &long(100)], vec![&long(101)]),
            ("host", vec!["mail", &long(100)], vec![&long(101)]),
            ("ip", vec!["192.0.2.1", "0.0.0.0", "255.255.255.255", "01.002.3.4"], vec!["256.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.4.x", "1.2.3.", "::1", ""]),
            ("response", vec!["250", &long(500)], vec![&long(501)]),
            ("user", vec!["a@b.example"], vec!["ada", ""]),
            ("protocol", vec!["smtp", "http", "https"], vec!["SMTP", "ftp", ""]),
            ("src", vec!["api", &long(50)], vec![&long(51)]),
            ("subject", vec!["s", "%25_%5C", "%00", &long(500)], vec![&long(501)]),
            ("md5", vec!["0123456789abcdefABCDEF0123456789"], vec!["0123", "g123456789abcdefABCDEF0123456789", ""]),
            ("interface", vec!["eth0", &long(50)], vec![&long(51)]),
            ("originhost", vec!["a", &long(100)], vec![&long(101)]),
            ("transtype", vec!["smtp", "http", "api"], vec!["API", "x", ""]),
            ("headerFrom", vec!["a@b.example"], vec!["a", ""]),
            ("date_from", vec!["0", "1705744800", "9007199254740991"], vec!["-1", "2024-01-20", ""]),
            ("date_to", vec!["0", "1705744800", "9007199254740991"], vec!["-1", "1.5", ""]),
            ("from", vec!["2024-01-20", "2024-01-20T10:00:00Z", "2024-01-20T10:00:00.5%2B02:00", "2024-01-20T10:00:00"], vec!["today", "2024-13-01", "1705744800", ""]),
            ("to", vec!["2024-01-20", "2024-01-20T10:00:00Z"], vec!["2024-02-30", "20.1.2024", ""]),
            ("rule_id", vec!["1", &long(100)], vec![&long(101)]),
            ("search", vec!["a", "ab", "abc", "%22", "%00", &long(200)], vec![&long(201)]),
        ] {
            for value in accepted {
                let answer = reader.get(&format!("{LOGS}?{name}={value}")).await;
                assert_eq!(answer.status, 200, "{name}={value}: {}", answer.text);
            }
            for value in refused {
                let answer = reader.get(&format!("{LOGS}?{name}={value}")).await;
                assert_refused(&answer, 400, name.trim_start_matches("sort_by"));
            }
            let twice = reader.get(&format!("{LOGS}?{name}=1&{name}=1")).await;
            assert_eq!(twice.status, 400, "{name}");
        }
        assert_refused(&reader.get(&format!("{LOGS}?status=sent")).await, 400, "Unknown parameter status");
    }

    async fn an_entry_gathers_what_befell_a_message(app: TestApp) {
        let detail = |reply: &str, ip: &str| EventDetail {
            reply: Some(reply.to_owned()),
            server: Some("mail.finch.example".to_owned()),
            server_ip: Some(ip.to_owned()),
            mx: Some("mx1.example".to_owned()),
            protocol: Some("smtp".to_owned()),
            ..EventDetail::default()
        };
        let reading = |url: Option<&str>| EventDetail {
            url: url.map(str::to_owned),
            user_agent: Some("Mozilla/5.0 (via ggpht.com GoogleImageProxy)".to_owned()),
            country: Some("Brisbane, QLD, AU".to_owned()),
            ..EventDetail::default()
        };
        let events = [
            (EventKind::Queued, EventDetail::default()),
            (EventKind::Deferred, detail("451 4.7.1 Greylisted", "192.0.2.1")),
            (EventKind::Sent, detail("250 2.0.0 Ok: queued as 4bXyz", "192.0.2.2")),
            (EventKind::Delivered, EventDetail::default()),
            (EventKind::Opened, reading(None)),
            (EventKind::Clicked, reading(Some("https://finch.example/"))),
            (EventKind::ReOpened, EventDetail::default()),
        ];
        let mut historic = told(&app, &Message::default(), &events);
        historic.email.from_address = "Finch <noreply@finch.example>".to_owned();
        historic.email.recipients.push(Recipient {
            kind: RecipientKind::Cc,
            address: "bob@finch.example".to_owned(),
            name: Some("Bob".to_owned()),
        });
        let id = add(&app, historic).await;
        let answer = reader(&app).await.get(LOGS).await;
        let expected = ENTRY.replace("{id}", &id);
        assert_eq!(answer.json(), serde_json::from_str::<Value>(&expected).unwrap());
        assert_eq!(field_order(&answer.text), field_order(&expected));
        let specification: Value = serde_json::from_str(DOCUMENT).unwrap();
        let known = &specification["paths"]["/outbound/logs"]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"]["properties"]["data"]["items"]["properties"];
        let in_order = |json: &str| {
            let mut names = Vec::new();
            for name in field_order(json).into_iter().filter(|name| known.get(name).is_some()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        assert_eq!(in_order(&answer.text), in_order(DOCUMENT));
        assert_eq!(in_order(DOCUMENT).len(), known.as_object().unwrap().len());
    }

    async fn every_delivery_status_is_reached(app: TestApp) {
        use EventKind::*;
        let virus = EventDetail { cause: Some(EventCause::Virus), ..EventDetail::default() };
        let cases = [
            ("queued_pending", plain(&[Requested, Queued])),
            ("queued_pending", plain(&[Queued, Deferred, Sent])),
            ("deferred", plain(&[Queued, FailedToSend])),
            ("deferred", plain(&[Queued, Sent, Deferred])),
            ("delivered", plain(&[Queued, Deferred, Sent, Delivered])),
            ("opened", plain(&[Sent, Opened, Delivered])),
            ("clicked", plain(&[Sent, Clicked, Opened])),
            ("bounced", plain(&[Sent, Bounced, Delivered])),
            ("rejected", plain(&[Queued, Failed])),
            ("dropped", plain(&[Queued, Dropped])),
            ("dropped", plain(&[Queued, Canceled])),
            ("spam", plain(&[Sent, Delivered, ReportedAsSpam])),
            ("virus_detected", vec![(Queued, EventDetail::default()), (Dropped, virus)]),
            ("unknown", plain(&[Queued, Uncertain])),
        ];
        let reader = reader(&app).await;
        let mut reached = std::collections::BTreeSet::new();
        for (status, events) in cases {
            let id = add(&app, told(&app, &Message::default(), &events)).await;
            let entry = list(&reader, &format!("uid={id}")).await["data"][0].clone();
            assert_eq!(entry["delivery_status"], status, "{events:?}");
            reached.insert(status);
        }
        assert_eq!(reached.len(), 11);
    }

    async fn bounces_tell_their_kind_and_reason(app: TestApp) {
        let reader = reader(&app).await;
        for (cause, action, filter) in [
            (Some(EventCause::Hard), "BOUNCED_HARD", "BOUNCED_HARD"),
            (Some(EventCause::Soft), "BOUNCED_SOFT", "BOUNCED_SOFT"),
            (None, "BOUNCED_UNKNOWN", "BOUNCED_HARD"),
        ] {
            let detail = EventDetail {
                cause,
                reply: Some("550 5.1.1 no such user".to_owned()),
                server: Some("mail.example".to_owned()),
                mx: Some("mx.example".to_owned()),
                ..EventDetail::default()
            };
            let id = add(&app, told(&app, &Message::default(), &[(EventKind::Bounced, detail)])).await;
            let page = list(&reader, &format!("action={filter}&uid={id}")).await;
            let entry = &page["data"][0];
            assert_eq!(entry["delivery_attempts"][0]["action"], action);
            assert_eq!(entry["bounce_reason"], "550 5.1.1 no such user");
            assert_eq!((&entry["bounce_mx"], &entry["bounce_host"]), (&json!("mx.example"), &json!("mail.example")));
            assert_eq!(entry["delivery_summary"]["failed_deliveries"], 1);
        }
    }

    async fn every_filter_finds_its_messages_alone(app: TestApp) {
        use EventKind::*;
        let reader = reader(&app).await;
        let sent = EventDetail {
            reply: Some("250 2.0.0 Ok: queued as 4bXyz".to_owned()),
            server: Some("mail.finch.example".to_owned()),
            server_ip: Some("192.0.2.7".to_owned()),
            mx: Some("mx1.example".to_owned()),
            protocol: Some("https".to_owned()),
            ..EventDetail::default()
        };
        let virus = EventDetail { cause: Some(EventCause::Virus), ..EventDetail::default() };
        let to = |address: &str, minute: i64| Message {
            to: vec![address.to_owned()],
            at: at("2024-01-18T10:00:00Z") + TimeDelta::minutes(minute),
            ..Message::default()
        };
        let mut special = told(&app, &Message { subject: "Größe 100 %".to_owned(), ..to("ada@finch.example", 0) }, &[(Sent, sent)]);
        special.email.from_address = "Finch <receipts@finch.example>".to_owned();
        special.facts.provider_message_id = Some("<4bXyz@mail.finch.example>".to_owned());
        let special = add(&app, special).await;
        let message = to("bob@wren.example", 5);
        let failed = add(&app, told(&app, &message, &plain(&[Queued, Failed]))).await;
        let soft = EventDetail { cause: Some(EventCause::Soft), ..EventDetail::default() };
        let bounced = add(&app, told(&app, &message, &[(Sent, EventDetail::default()), (Bounced, soft)])).await;
        let infected = add(&app, told(&app, &message, &[(Dropped, virus)])).await;
        let spam = add(&app, told(&app, &message, &plain(&[Sent, ReportedAsSpam]))).await;
        let waiting = add(&app, told(&app, &message, &plain(&[Queued, Deferred]))).await;
        let mut text = told(&app, &message, &plain(&[Queued]));
        text.email.channel = Channel::Sms;
        let text = add(&app, text).await;
        app.add_messages_of(app.other_team, &[Message::default()]).await;

        let uuid = special.parse::<EmailId>().unwrap().to_uuid();
        for query in [
            format!("id={special}"),
            format!("uid={special}"),
            format!("uid={uuid}"),
            "message_id=4bXyz@mail.finch.example".to_owned(),
            "message_id=%3C4bXyz@mail.finch.example%3E".to_owned(),
            format!("message_id=%3C{special}@finch.example%3E"),
            "from_address=Receipts@finch.example".to_owned(),
            "user=receipts@finch.example".to_owned(),
            "headerFrom=receipts@finch.example&from_address=receipts@finch.example".to_owned(),
            "to_address=ADA@finch.example".to_owned(),
            "mx=MX1.example".to_owned(),
            "host=mail.finch.example".to_owned(),
            "ip=192.0.2.7".to_owned(),
            "response=OK%3A+queued".to_owned(),
            "protocol=https".to_owned(),
            "subject=GR%C3%96%C3%9FE".to_owned(),
            "subject=0+%25".to_owned(),
            "search=ada@".to_owned(),
            "search=gr%C3%B6%C3%9Fe&action=ACCEPTED&src=api&transtype=api&zone=default".to_owned(),
            "date_to=1705572000".to_owned(),
            "date_from=1705572000&to=2024-01-18T10:04:59Z".to_owned(),
        ] {
            assert_eq!(ids(&reader, &query).await, std::slice::from_ref(&special), "{query}");
        }
        for (query, wanted) in [
            ("action=REJECTED", vec![&failed]),
            ("action=BOUNCED_SOFT", vec![&bounced]),
            ("action=BOUNCED_HARD", vec![]),
            ("action=VIRUS", vec![&infected]),
            ("action=SPAM", vec![&spam]),
            ("action=DEFERRED", vec![&waiting]),
            ("action=QUEUED", vec![&waiting, &failed]),
            ("action=ACCEPTED", vec![&spam, &bounced, &special]),
            ("from=2024-01-18&to=2024-01-18", vec![&waiting, &spam, &infected, &bounced, &failed, &special]),
            ("from=2024-01-19", vec![]),
            ("sort_order=ASC&limit=2", vec![&special, &failed]),
            ("sort_order=ASC&search=user&limit=2", vec![]),
            ("sort_order=ASC&search=example&limit=2", vec![&special, &failed]),
            ("mx=mx_.example", vec![]),
            ("to_address=finch@finch.example", vec![]),
            ("transtype=smtp", vec![]),
            ("zone=eu", vec![]),
        ] {
            let wanted: Vec<String> = wanted.into_iter().cloned().collect();
            assert_eq!(ids(&reader, query).await, wanted, "{query}");
        }
        // A message of another channel is not email.
        assert!(ids(&reader, &format!("uid={text}")).await.is_empty());
        assert_refused(&reader.get(&format!("{LOGS}/uid?uid={text}")).await, 404, "Email log not found");
    }

    async fn pages_tell_where_they_are(app: TestApp) {
        let reader = reader(&app).await;
        let empty = list(&reader, "limit=10").await;
        assert_eq!((&empty["data"], &empty["pagination"]["total_pages"]), (&json!([]), &json!(0)));
        app.add_messages(&vec![Message::default(); 25]).await;
        let place = async |query: &str| {
            let page = list(&reader, query).await["pagination"].clone();
            ["current_page", "showing_from", "showing_to", "next_offset", "previous_offset", "has_next_page", "has_previous_page"]
                .map(|name| page[name].clone())
        };
        assert_eq!(place("limit=10").await, [json!(1), json!(1), json!(10), json!(10), json!(null), json!(true), json!(false)]);
        assert_eq!(place("limit=10&page=2").await, [json!(2), json!(11), json!(20), json!(20), json!(0), json!(true), json!(true)]);
        assert_eq!(place("limit=10&offset=20").await, [json!(3), json!(21), json!(25), json!(null), json!(10), json!(false), json!(true)]);
        assert_eq!(place("limit=10&page=9").await, [json!(9), json!(0), json!(0), json!(null), json!(70), json!(false), json!(true)]);
        let far = list(&reader, "offset=9007199254740991").await;
        assert_eq!((&far["data"], &far["pagination"]["total_count"]), (&json!([]), &json!(25)));
    }

    async fn counting_stops_at_the_limit_and_says_so(app: TestApp) {
        app.add_messages(&vec![Message::default(); 10_001]).await;
        let reader = reader(&app).await;
        for (query, limited, count) in [("action=ACCEPTED", true, 10_000), ("search=welcome", true, 10_000), ("limit=1", false, 10_001)] {
            let page = list(&reader, &format!("{query}&offset=10000")).await;
            let pagination = &page["pagination"];
            assert_eq!(pagination["total_count"], count, "{query}");
            assert_eq!((&pagination["count_limited"], &pagination["max_count_limit"]), (&json!(limited), &json!(10_000)));
            assert_eq!((page["data"].as_array().unwrap().len(), &pagination["has_next_page"]), (1, &json!(false)), "{query}");
        }
    }

    async fn a_walk_up_to_a_fixed_time_has_no_repeat_and_no_gap(app: TestApp) {
        let mut messages = vec![Message { at: app.now() - TimeDelta::minutes(1), ..Message::default() }; 30];
        messages.extend(vec![Message { at: app.now(), ..Message::default() }; 7]);
        let mut expected: Vec<String> = app.add_messages(&messages).await.iter().map(EmailId::to_string).collect();
        expected.reverse();
        let reader = reader(&app).await;
        let until = app.now().timestamp();
        let (mut found, mut offset) = (Vec::new(), json!(0));
        while !offset.is_null() {
            let page = list(&reader, &format!("date_to={until}&limit=10&offset={offset}")).await;
            found.extend(page["data"].as_array().unwrap().iter().map(|entry| entry["uid"].as_str().unwrap().to_owned()));
            offset = page["pagination"]["next_offset"].clone();
            app.add_messages(&vec![Message { at: app.now() + TimeDelta::milliseconds(1), ..Message::default() }; 3]).await;
        }
        assert_eq!(found, expected);
    }

    async fn one_message_is_found_by_its_uid(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Delivered)).await;
        let reader = reader(&app).await;
        let found = reader.get(&format!("{LOGS}/uid?uid={id}")).await;
        assert_eq!(found.status, 200);
        let data = &found.json()["data"];
        assert_eq!(data.as_array().map(Vec::len), Some(1));
        assert_eq!((&data[0]["uid"], &data[0]["action"]), (&json!(id), &json!("DELIVERED")));
        assert_eq!((&data[0]["delivery_status"], &data[0]["date"]), (&json!("delivered"), &json!("2024-01-20T10:30:10.000Z")));
        let path = |query: &str| format!("{LOGS}/uid?{query}");
        assert_refused(&reader.get(&path("uid=eml_0000000000001")).await, 404, "Email log not found");
        assert_refused(&reader.get(&path("uid=nobody")).await, 404, "Email log not found");
        assert_refused(&reader.get(&path("uid=a.b")).await, 400, "uid must be");
        assert_refused(&reader.get(&path("")).await, 400, "uid is required");
        assert_refused(&reader.get(&path("id=1")).await, 400, "Unknown parameter id");
        let stranger = app.program_of(app.other_team, PermissionSet::all()).await;
        assert_refused(&stranger.get(&path(&format!("uid={id}"))).await, 404, "Email log not found");
        assert!(ids(&stranger, "").await.is_empty());
    }

    async fn errors_are_in_jetemails_envelope(app: TestApp) {
        assert_refused(&app.client().get(LOGS).await, 401, "No API key found");
        let wrong = app.client().with("authorization", "Bearer sl_guess");
        assert_refused(&wrong.get(LOGS).await, 401, "Invalid or revoked API key");
        let program = app.program(&[Permission::EmailsSend]).await;
        assert_refused(&program.get(LOGS).await, 403, "Missing permission: logs:view");
        assert_refused(&program.get("/jetemail/nowhere").await, 404, "The endpoint not found");
        let refused = program.delete(LOGS).await;
        assert_refused(&refused, 405, "DELETE is not allowed here");
        assert!(refused.headers["allow"].to_str().unwrap().contains("GET"), "{:?}", refused.headers);
        assert_refused(&program.send("POST", "/jetemail/email", Some("x".repeat(26 << 20))).await, 413, "larger than");
    }
}
