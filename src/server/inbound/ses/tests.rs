use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::server::inbound::sns;
use crate::server::inbound::testing::{damaged, headers, only, posted, with_at};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:finch-mail";

/// The envelope of a message, not signed: whether it is genuine is a matter of [sns].
fn envelope(kind: &str, message: &str) -> Envelope {
    let envelope = json!({
        "Type": kind, "MessageId": "5f1c", "TopicArn": TOPIC, "Message": message,
        "Timestamp": "2026-03-20T09:46:40.000Z",
        "Token": "t", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/",
        "SignatureVersion": "2", "Signature": "AAAA",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem"
    });
    sns::envelope(&posted(&headers(&[]), envelope.to_string().as_bytes()), TOPIC).unwrap()
}

fn read_json(event: &Value) -> Result<Reports, Refusal> {
    read(&envelope("Notification", &event.to_string()))
}

fn all(event: &Value) -> Vec<EventReport> {
    read_json(event).unwrap().into_iter().map(Result::unwrap).collect()
}

fn one(event: &Value) -> EventReport {
    only(read_json(event))
}

fn mail(to: &[&str]) -> Value {
    json!({
        "timestamp": "2026-03-20T09:46:00.000Z", "messageId": "010201-finch-000000", "source": "news@finch.example",
        "sendingAccountId": "123456789012", "destination": to, "headersTruncated": false,
        "headers": [{"name": "Subject", "value": "Spring"}],
        "commonHeaders": {"from": ["Finch <news@finch.example>"], "to": to, "subject": "Spring"},
        "tags": {"ses:configuration-set": ["finch"], "sendlog_id": ["eml_0000000000013"]}
    })
}

/// An event of the configuration set's shape about a message to Ada.
fn event(kind: &str, name: &str, object: Value) -> Value {
    let mut event = json!({"eventType": kind, "mail": mail(&["ada@finch.example"])});
    event[name] = object;
    event
}

fn bounce(kind: &str, sub_type: &str) -> Value {
    event(
        "Bounce",
        "bounce",
        json!({
            "bounceType": kind, "bounceSubType": sub_type, "timestamp": "2026-03-20T09:46:38.000Z",
        "feedbackId": "0102-bounce",
            "bouncedRecipients": [{"emailAddress": "ada@finch.example", "action": "failed", "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 nobody here"}],
            "remoteMtaIp": "192.0.2.25", "reportingMTA": "dsn; a1.smtp-out.eu-west-1.amazonses.com"
        }),
    )
}

fn time(text: &str) -> DateTime<chrono::Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[test]
fn each_report_names_message_recipient_sender_and_subject() {
    let report = one(&bounce("Permanent", "General"));
    assert_eq!(report.id, "ses:0102-bounce:ada@finch.example");
    assert_eq!(report.at, time("2026-03-20T09:46:38Z"));
    assert_eq!(report.email_id, Some(EmailId(35)));
    assert_eq!(report.provider_message_id.as_deref(), Some("010201-finch-000000"));
    assert_eq!(report.recipient.as_deref(), Some("ada@finch.example"));
    assert_eq!(report.from.as_deref(), Some("Finch <news@finch.example>"));
    assert_eq!(report.subject.as_deref(), Some("Spring"));
    assert_eq!(report.detail.reply.as_deref(), Some("550 5.1.1 nobody here"));
    assert_eq!(report.detail.server_ip.as_deref(), Some("192.0.2.25"));
}

#[test]
fn both_shapes_say_the_same() {
    let published = bounce("Permanent", "General");
    let mut notified = published.clone();
    let fields = notified.as_object_mut().unwrap();
    let kind = fields.remove("eventType").unwrap();
    fields.insert("notificationType".to_owned(), kind);
    assert_eq!(all(&published), all(&notified));
}

#[test]
fn a_bounce_is_hard_soft_or_a_drop_by_its_types() {
    for (kind, sub_type, expected, cause, words) in [
        ("Permanent", "General", EventKind::Bounced, EventCause::Hard, "Permanent bounce: General"),
        ("Permanent", "NoEmail", EventKind::Bounced, EventCause::Hard, "Permanent bounce: NoEmail"),
        (
            "Permanent",
            "Suppressed",
            EventKind::Dropped,
            EventCause::Expected,
            "The address is on Amazon's suppression list",
        ),
        (
            "Permanent",
            "OnAccountSuppressionList",
            EventKind::Dropped,
            EventCause::Expected,
            "The address is on the account's suppression list",
        ),
        (
            "Permanent",
            "UnsubscribedRecipient",
            EventKind::Dropped,
            EventCause::Expected,
            "The recipient unsubscribed from the contact list",
        ),
        ("Transient", "General", EventKind::Bounced, EventCause::Soft, "Transient bounce: General"),
        ("Transient", "MailboxFull", EventKind::Bounced, EventCause::Soft, "The mailbox is full"),
        ("Transient", "MessageTooLarge", EventKind::Bounced, EventCause::Soft, "The message is too large"),
        (
            "Transient",
            "CustomTimeoutExceeded",
            EventKind::Bounced,
            EventCause::Soft,
            "SES gave up after the time that the sender set",
        ),
        ("Transient", "ContentRejected", EventKind::Bounced, EventCause::Soft, "The mail server refused the content"),
        (
            "Transient",
            "AttachmentRejected",
            EventKind::Bounced,
            EventCause::Soft,
            "The mail server refused an attachment",
        ),
        ("Undetermined", "Undetermined", EventKind::Bounced, EventCause::Soft, "Undetermined bounce: Undetermined"),
    ] {
        let report = one(&bounce(kind, sub_type));
        assert_eq!((report.kind, report.detail.cause), (expected, Some(cause)), "{kind} {sub_type}");
        assert_eq!(report.detail.message.as_deref(), Some(words));
    }
}

#[test]
fn a_bounce_is_told_of_each_recipient_and_a_bad_one_spoils_no_other() {
    let several = json!([
        {"emailAddress": "Ada <ada@finch.example>", "status": "5.1.1"}, null, {"status": "5.0.0"},
        {"emailAddress": "ben@finch.example", "diagnosticCode": "x-postfix; away"}
    ]);
    let reports = read_json(&with_at(bounce("Permanent", "General"), "/bounce/bouncedRecipients", several)).unwrap();
    let told: Vec<_> =
        reports.iter().map(|r| r.as_ref().ok().map(|r| (r.recipient.as_deref(), r.detail.reply.as_deref()))).collect();
    let expected = [
        Some((Some("ada@finch.example"), Some("5.1.1"))),
        None,
        None,
        Some((Some("ben@finch.example"), Some("x-postfix; away"))),
    ];
    assert_eq!(told, expected);
    let ids: std::collections::BTreeSet<_> = reports.iter().flatten().map(|report| &report.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_delivery_has_the_servers_answer() {
    let report = one(&event(
        "Delivery",
        "delivery",
        json!({
            "timestamp": "2026-03-20T09:46:39.500Z", "recipients": ["ada@finch.example"], "processingTimeMillis": 546,
            "smtpResponse": "250 2.6.0 Message received", "reportingMTA": "a1.smtp-out.amazonses.com",
        "remoteMtaIp": "192.0.2.25"
        }),
    ));
    assert_eq!((report.kind, report.at), (EventKind::Delivered, time("2026-03-20T09:46:39.500Z")));
    let expected = EventDetail {
        reply: Some("250 2.6.0 Message received".to_owned()),
        server_ip: Some("192.0.2.25".to_owned()),
        protocol: Some("smtp".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!(report.detail, expected);
}

#[test]
fn what_ses_says_of_the_whole_message_it_says_of_every_recipient() {
    let to = ["ada@finch.example", "ben@finch.example"];
    for (mut event, kind, message, cause) in [
        (event("Send", "send", json!({})), EventKind::Sent, None, None),
        (
            event("Reject", "reject", json!({"reason": "Bad content"})),
            EventKind::Dropped,
            Some("Bad content"),
            Some(EventCause::Virus),
        ),
        (
            event(
                "Rendering Failure",
                "failure",
                json!({"templateName": "t", "errorMessage": "Attribute 'name' is missing"}),
            ),
            EventKind::Failed,
            Some("Attribute 'name' is missing"),
            None,
        ),
    ] {
        event["mail"] = mail(&to);
        let reports = all(&event);
        assert_eq!(reports.iter().map(|report| report.recipient.as_deref().unwrap()).collect::<Vec<_>>(), to);
        for report in &reports {
            assert_eq!((report.kind, report.detail.message.as_deref(), report.detail.cause), (kind, message, cause));
            assert_eq!(report.at, time("2026-03-20T09:46:00Z"));
        }
        assert_ne!(reports[0].id, reports[1].id);
    }
}

fn complaint(extra: Value) -> Value {
    let mut complaint = json!({
        "complainedRecipients": [{"emailAddress": "ada@finch.example"}], "timestamp": "2026-03-20T09:46:39.000Z",
        "feedbackId": "0102-complaint", "userAgent": "Crow Feedback Loop (V0.01)", "complaintFeedbackType": "abuse",
        "complaintSubType": null, "arrivalDate": "2026-03-20T09:40:00.000Z"
    });
    complaint.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    event("Complaint", "complaint", complaint)
}

#[test]
fn a_complaint_is_spam_unless_it_says_otherwise() {
    let report = one(&complaint(json!({})));
    assert_eq!((report.kind, report.id.as_str()), (EventKind::ReportedAsSpam, "ses:0102-complaint:ada@finch.example"));
    assert_eq!(report.detail.message.as_deref(), Some("The recipient complained: abuse"));
    assert_eq!(report.detail.user_agent, None, "the feedback loop's program is not the reader's");
    assert_eq!(read_json(&complaint(json!({"complaintFeedbackType": "not-spam"}))), Ok(Vec::new()));
    let suppressed = one(&complaint(json!({"complaintSubType": "OnAccountSuppressionList"})));
    assert_eq!((suppressed.kind, suppressed.detail.cause), (EventKind::Dropped, Some(EventCause::Expected)));
}

#[test]
fn a_delay_is_deferred_with_its_reason() {
    for (delay, words) in [
        ("MailboxFull", "The mailbox is full"),
        ("IPFailure", "The mail server holds back mail from SES's address"),
        ("Undetermined", "Delivery is delayed: Undetermined"),
    ] {
        let report = one(&event(
            "DeliveryDelay",
            "deliveryDelay",
            json!({
                "timestamp": "2026-03-20T09:46:39.000Z", "delayType": delay,
            "expirationTime": "2026-03-20T23:46:39.000Z",
                "delayedRecipients": [{"emailAddress": "ada@finch.example", "status": "4.2.2",
                "diagnosticCode": "smtp; 452 4.2.2 full"}]
            }),
        ));
        assert_eq!((report.kind, report.detail.cause), (EventKind::Deferred, None));
        assert_eq!(report.detail.message.as_deref(), Some(words));
        assert_eq!(report.detail.reply.as_deref(), Some("452 4.2.2 full"));
    }
}

fn click(link: &str) -> Value {
    event(
        "Click",
        "click",
        json!({
            "timestamp": "2026-03-20T09:46:39.123Z", "ipAddress": "192.0.2.7", "userAgent": "Feather/1.0", "link": link,
            "linkTags": {"place": ["foot"]}
        }),
    )
}

#[test]
fn opens_and_clicks_tell_the_reader() {
    let report = one(&click("https://finch.example/a"));
    assert_eq!((report.kind, report.at), (EventKind::Clicked, time("2026-03-20T09:46:39.123Z")));
    let expected = EventDetail {
        url: Some("https://finch.example/a".to_owned()),
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Feather/1.0".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!(report.detail, expected);
    let open = json!({"timestamp": "2026-03-20T09:46:39.123Z", "ipAddress": "192.0.2.7", "userAgent": "Feather/1.0"});
    assert_eq!(one(&event("Open", "open", open)).kind, EventKind::Opened);
    let mut of_two = click("https://finch.example/a");
    of_two["mail"] = mail(&["ada@finch.example", "ben@finch.example"]);
    assert_eq!(one(&of_two).recipient, None, "SES does not say which of the two it was");
}

#[test]
fn the_same_news_has_the_same_id_and_other_news_another() {
    let id = |link: &str| one(&click(link)).id;
    assert_eq!(id("https://finch.example/a"), id("https://finch.example/a"));
    assert_ne!(id("https://finch.example/a"), id("https://finch.example/b"));
    let later = with_at(click("https://finch.example/a"), "/click/timestamp", json!("2026-03-20T09:46:39.124Z"));
    assert_ne!(id("https://finch.example/a"), one(&later).id);
}

fn preferences(all: bool, news: &str) -> Value {
    json!({"unsubscribeAll": all, "topicSubscriptionStatus": [
        {"topicName": "news", "subscriptionStatus": news}, {"topicName": "offers", "subscriptionStatus": "OptOut"}]})
}

#[test]
fn leaving_a_list_or_topic_is_an_unsubscription_and_coming_back_none() {
    let subscription = |before: Value, after: Value| {
        event(
            "Subscription",
            "subscription",
            json!({
                "contactList": "readers", "timestamp": "2026-03-20T09:46:39.000Z", "source": "UnsubscribeHeader",
                "newTopicPreferences": after, "oldTopicPreferences": before
            }),
        )
    };
    let left_all = one(&subscription(preferences(false, "OptIn"), preferences(true, "OptOut")));
    assert_eq!(left_all.kind, EventKind::Unsubscribed);
    assert_eq!(left_all.detail.message.as_deref(), Some("Unsubscribed from readers"));
    let left_one = one(&subscription(preferences(false, "OptIn"), preferences(false, "OptOut")));
    assert_eq!(left_one.detail.message.as_deref(), Some("Unsubscribed from news of readers"));
    let back = subscription(preferences(true, "OptOut"), preferences(false, "OptIn"));
    assert_eq!(read_json(&back), Ok(Vec::new()));
}

#[test]
fn the_own_id_is_read_from_the_tags_or_the_header() {
    let own = |tags: Value, headers: Value| {
        let event = with_at(bounce("Permanent", "General"), "/mail/tags", tags);
        one(&with_at(event, "/mail/headers", headers)).email_id
    };
    assert_eq!(own(json!({"sendlog_id": "eml_0000000000014"}), json!([])), Some(EmailId(36)));
    let header = json!([null, {"name": "x-ses-message-tags", "value": "a=b, sendlog_id=eml_0000000000014; c=d"}]);
    assert_eq!(own(json!(null), header.clone()), Some(EmailId(36)));
    assert_eq!(own(json!({"sendlog_id": ["eml_0000000000013"]}), header), Some(EmailId(35)));
    for odd in
        [json!(null), json!([]), json!({"sendlog_id": []}), json!({"sendlog_id": [7]}), json!({"sendlog_id": ["x"]})]
    {
        assert_eq!(own(odd, json!(null)), None);
    }
}

#[test]
fn what_is_no_news_is_left_out() {
    let topic_works = "Successfully validated SNS topic for Amazon SES event publishing.";
    assert_eq!(read(&envelope("Notification", topic_works)), Ok(Vec::new()));
    assert_eq!(read(&envelope("SubscriptionConfirmation", "You have chosen to subscribe")), Ok(Vec::new()));
    let set_up = json!({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have subscribed"});
    assert_eq!(read_json(&set_up), Ok(Vec::new()));
    assert_eq!(read_json(&event("Received", "receipt", json!({}))), Ok(Vec::new()));
}

#[test]
fn the_unknown_and_the_incomplete_are_errors() {
    let nameless = json!({"timestamp": "2026-03-20T09:46:00.000Z", "destination": ["ada@finch.example"]});
    for event in [
        event("Hatched", "hatched", json!({})),
        with_at(bounce("Permanent", "General"), "/eventType", json!(null)),
        with_at(bounce("Permanent", "General"), "/bounce", json!(null)),
        with_at(bounce("Permanent", "General"), "/bounce/timestamp", json!("soon")),
        with_at(bounce("Permanent", "General"), "/mail", nameless),
        event("Delivery", "delivery", json!({"timestamp": "2026-03-20T09:46:39Z", "recipients": "x".repeat(0)})),
    ] {
        assert!(matches!(read_json(&event).unwrap().as_slice(), [Err(_)]), "{event}");
    }
    for message in ["", "hello", "[]", "null"] {
        assert!(matches!(read(&envelope("Notification", message)), Err(Refusal::Unreadable(_))), "{message}");
    }
}

#[test]
fn no_damaged_event_breaks_the_reader() {
    for body in damaged(bounce("Permanent", "General").to_string().as_bytes()).step_by(3) {
        let _ = read(&envelope("Notification", &String::from_utf8_lossy(&body)));
    }
}
