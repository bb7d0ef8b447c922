use std::time::Duration;

use http::HeaderMap;
use serde_json::json;

use super::fixtures::{ID, Parts, headers, kinds, mailbox, pending, recipient, survives_hostile_answers, words};
use super::*;
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::RecipientKind::{Bcc, Cc, To};

fn by_status(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    Answer::new(status, headers, body, pending).by_status(None)
}

fn outcome_of(status: u16) -> (&'static str, Option<AdapterFault>) {
    let sent = by_status(status, &HeaderMap::new(), b"{}", &pending(&["ada@finch.example"]));
    (kinds(&sent)[0], sent.fault)
}

#[test]
fn statuses_mean_what_http_says() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, WrongUrl};
    for (statuses, outcome, fault) in [
        (&[200, 201, 202, 204][..], "accepted", None),
        (&[401, 403, 407], "unreachable", Some(LogInRefused)),
        (&[402], "unreachable", Some(Later)),
        (&[408, 425, 429, 500, 502, 503, 599], "deferred", Some(Later)),
        (&[301, 302, 404, 405, 410], "failed", Some(WrongUrl)),
        (&[400, 406, 409, 413, 415, 422], "failed", Some(ContentRefused)),
    ] {
        for status in statuses {
            assert_eq!(outcome_of(*status), (outcome, fault), "{status}");
        }
    }
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(by_status);
}

#[test]
fn a_web_page_has_not_taken_a_message() {
    let page = b"\n<!doctype html><title>Welcome</title>";
    let sent = by_status(200, &HeaderMap::new(), page, &pending(&["ada@finch.example"]));
    assert_eq!((kinds(&sent), sent.fault), (vec!["unknown"], Some(AdapterFault::OutcomeUnknown)));
    for body in [&b""[..], b"{\"id\": 1", b" {}"] {
        let sent = by_status(200, &HeaderMap::new(), body, &pending(&["ada@finch.example"]));
        assert_eq!((kinds(&sent), sent.fault), (vec!["accepted"], None));
    }
}

#[test]
fn a_pause_is_read_in_seconds_and_as_a_date() {
    let date = ("date", "Sat, 20 Jan 2024 12:00:00 GMT");
    let pause = |entries: &[(&str, &str)]| {
        by_status(503, &headers(entries), b"", &pending(&["ada@finch.example"])).retry_after.map(|it| it.as_secs())
    };
    assert_eq!(pause(&[("retry-after", "30")]), Some(30));
    assert_eq!(pause(&[("retry-after", " 1.2 ")]), Some(2));
    assert_eq!(pause(&[("retry-after", "Sat, 20 Jan 2024 12:01:30 GMT"), date]), Some(90));
    assert_eq!(pause(&[("retry-after", "999999999")]), Some(24 * 3600));
    for none in ["", "-1", "NaN", "inf", "soon", "Sat, 20 Jan 2024 11:00:00 GMT"] {
        assert_eq!(pause(&[("retry-after", none), date]), None, "{none}");
    }
    // Nobody knows what time the server has.
    assert_eq!(pause(&[("retry-after", "Sat, 20 Jan 2024 12:01:30 GMT")]), None);
}

#[test]
fn a_pause_is_read_from_the_server_s_clock() {
    let at = |value: &str| {
        let headers = headers(&[("x-reset", value), ("date", "Sat, 20 Jan 2024 12:00:00 GMT")]);
        clock_pause(&headers, "x-reset")
    };
    assert_eq!(at("1705752030"), Some(Duration::from_secs(30)));
    assert_eq!(at("1705752030500"), Some(Duration::from_secs(30)));
    assert_eq!(at("1705751999"), None);
    assert_eq!(at("9223372036854775807"), None);
}

#[test]
fn only_a_put_off_message_has_a_pause() {
    let headers = headers(&[("retry-after", "30")]);
    for status in [200, 400, 401] {
        assert_eq!(by_status(status, &headers, b"", &pending(&["ada@finch.example"])).retry_after, None, "{status}");
    }
}

#[test]
fn a_reply_is_one_short_line_with_the_status() {
    let sent = by_status(400, &HeaderMap::new(), b"no\r\n\tsuch \x07 thing", &pending(&["ada@finch.example"]));
    assert_eq!(words(&sent), "400 Bad Request: no such thing");
    let long = "ü".repeat(5000);
    let sent = by_status(500, &HeaderMap::new(), long.as_bytes(), &pending(&["ada@finch.example"]));
    assert_eq!(words(&sent).chars().count(), 300);
    assert_eq!(words(&by_status(799, &HeaderMap::new(), b"", &pending(&["ada@finch.example"]))), "799");
}

#[test]
fn the_named_recipient_is_refused_and_the_others_wait() {
    let pending = pending(&["ada@finch.example", "Bob@Finch.example", "zoe@bücher.example"]);
    let refused = |words: &str| Answer::new(400, &HeaderMap::new(), b"", &pending).recipient_refused(words);
    let sent = refused("bob@finch.example is not valid");
    assert_eq!(kinds(&sent), ["deferred", "refused", "deferred"]);
    assert_eq!(sent.fault, Some(AdapterFault::RecipientRefused));
    let sent = refused("Bad: \"zoe@xn--bcher-kva.example\", <ada@finch.example>.");
    assert_eq!(kinds(&sent), ["refused", "deferred", "refused"]);
    // A longer address is another one.
    assert_eq!(kinds(&refused("xada@finch.example ada@finch.example.org")), ["failed", "failed", "failed"]);
}

#[test]
fn the_only_recipient_is_refused_unnamed() {
    let pending = pending(&["ada@finch.example"]);
    let sent = Answer::new(400, &HeaderMap::new(), b"", &pending).recipient_refused("not valid");
    assert_eq!(kinds(&sent), ["refused"]);
}

#[test]
fn an_id_is_taken_without_its_brackets() {
    assert_eq!(id_of(" <a.1@finch.example> ").as_deref(), Some("a.1@finch.example"));
    for none in ["", " ", "<>", "a\nb", &"x".repeat(501)] {
        assert_eq!(id_of(none), None);
    }
}

#[test]
fn a_secret_header_is_shown_to_nobody() {
    let request = json_request(url("https://h.example/", "/a").unwrap(), basic("ada", "hush").unwrap(), &json!({}));
    let request = request.unwrap();
    assert!(request.headers["authorization"].is_sensitive());
    let shown = format!("{request:?}");
    assert!(shown.contains("https://h.example/a") && !shown.contains("YWRhOmh1c2g="), "{shown}");
    assert!(bearer("a\nb").is_err() && secret_value("a\r\nX: y").is_err());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for base in ["", "api.h.example", "ftp://h.example", "https://", "file:///x"] {
        assert!(url(base, "/a").is_err(), "{base}");
    }
    assert_eq!(segment("a/b c?").as_deref(), Ok("a%2Fb%20c%3F"));
    assert!(segment("..").is_err() && segment("").is_err());
}

#[test]
fn pending_recipients_stand_where_the_message_has_them() {
    let parts = Parts::full();
    let grouped = parts.message().grouped().unwrap();
    assert_eq!(grouped.to[0], mailbox(Some("Zoë Ünal"), "zoe@xn--bcher-kva.example"));
    assert_eq!((grouped.to.len(), grouped.cc.len(), grouped.bcc.len()), (2, 1, 1));
}

#[test]
fn copies_move_up_where_nobody_else_is_left() {
    let mut parts = Parts::full();
    parts.pending = pending(&["bob@finch.example", "hidden@finch.example"]);
    let grouped = parts.message().grouped().unwrap();
    assert_eq!(grouped.to, [mailbox(Some("King, Bob"), "bob@finch.example")]);
    assert_eq!((grouped.cc.len(), grouped.bcc), (0, vec![mailbox(None, "hidden@finch.example")]));
    parts.pending = pending(&["hidden@finch.example"]);
    assert_eq!(parts.message().grouped().unwrap().to, [mailbox(None, "hidden@finch.example")]);
}

#[test]
fn hidden_recipients_never_see_each_other() {
    let mut parts = Parts::full();
    parts.recipients.push(recipient(Bcc, None, "other@finch.example"));
    parts.pending = pending(&["hidden@finch.example", "other@finch.example"]);
    assert!(parts.message().grouped().is_err());
    let batches = batches(&parts.recipients, &parts.pending, 50);
    assert_eq!(batches, [pending(&["hidden@finch.example"]), pending(&["other@finch.example"])]);
}

#[test]
fn an_address_goes_out_once() {
    let mut parts = Parts::full();
    parts.recipients.push(recipient(Cc, None, "ADA@finch.example"));
    parts.pending.push("ADA@finch.example".to_owned());
    assert_eq!(parts.message().grouped().unwrap().all().count(), 4);
}

#[test]
fn nobody_and_no_address_are_errors() {
    let mut parts = Parts::small();
    parts.pending = pending(&["eve@finch.example"]);
    assert!(parts.message().grouped().is_err());
    parts.recipients = vec![recipient(To, None, "no address")];
    parts.pending = pending(&["no address"]);
    assert!(parts.message().grouped().is_err());
}

#[test]
fn requests_keep_the_limit_and_have_somebody_visible() {
    let of = |kind, count: usize, name: &'static str| {
        (0..count).map(move |number| recipient(kind, None, &format!("{name}{number}@finch.example")))
    };
    for (visible, hidden, limit) in [(5, 3, 2), (4, 3, 2), (1, 9, 4), (0, 3, 10), (7, 0, 3), (3, 3, 1), (2, 2, 0)] {
        let recipients: Vec<_> = of(To, visible, "to").chain(of(Bcc, hidden, "bcc")).collect();
        let all: Vec<String> = recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let requests = batches(&recipients, &all, limit);
        assert_eq!(requests.concat().len(), visible + hidden);
        for request in requests {
            let is_alone = request.len() == 1;
            assert!(request.len() <= limit.max(1) && (is_alone || request[0].starts_with("to")), "{request:?}");
        }
    }
}

#[test]
fn the_key_of_a_request_tells_who_it_is_for() {
    let mut parts = Parts::full();
    assert_eq!(parts.message().request_key(), ID);
    parts.pending = pending(&["ada@finch.example", "bob@finch.example"]);
    let key = parts.message().request_key();
    assert!(key.starts_with(&format!("{ID}-")) && key.len() == ID.len() + 17, "{key}");
    parts.pending.reverse();
    assert_eq!(parts.message().request_key(), key);
    parts.pending.pop();
    assert_ne!(parts.message().request_key(), key);
}

#[test]
fn a_line_break_in_a_header_is_refused() {
    let is_refused = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::full();
        change(&mut parts);
        parts.message().check().is_err()
    };
    assert!(!is_refused(&|_| {}));
    for evil in ["Hi\r\nBcc: eve@finch.example", "Hi\n", "Hi\0"] {
        assert!(is_refused(&|parts| parts.subject = evil.to_owned()));
        assert!(is_refused(&|parts| parts.from.name = Some(evil.to_owned())));
        assert!(is_refused(&|parts| parts.reply_to[0].address = evil.to_owned()));
        assert!(is_refused(&|parts| parts.recipients[3].name = Some(evil.to_owned())));
        assert!(is_refused(&|parts| parts.headers[0].1 = evil.to_owned()));
        assert!(is_refused(&|parts| parts.headers[0].0 = evil.to_owned()));
        assert!(is_refused(&|parts| parts.attachments[0].filename = evil.to_owned()));
        assert!(is_refused(&|parts| parts.attachments[0].content_type = evil.to_owned()));
        assert!(is_refused(&|parts| parts.attachments[1].content_id = Some(evil.to_owned())));
    }
    assert!(is_refused(&|parts| parts.headers[0].0 = String::new()));
}

#[test]
fn headers_of_others_stay_out() {
    let parts = Parts::full();
    let message = parts.message();
    assert_eq!(message.own_headers().map(|(name, _)| name).collect::<Vec<_>>(), ["List-Unsubscribe"]);
}

#[test]
fn metadata_are_texts_within_bounds() {
    let parts = Parts::full();
    let message = parts.message();
    let texts = message.metadata_texts();
    assert_eq!(texts[0], ("order", "17".to_owned()));
    assert_eq!(texts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["order", "paid", "sendlog_id", "who"]);
    // `"a":"123",` has ten bytes, and `"é":"\"",` too.
    let entries = || vec![("a", "123".to_owned()), ("b", "1234".to_owned()), ("é", "\"".to_owned())];
    assert_eq!(within_bytes(entries(), 20).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "é"]);
    assert_eq!(within_bytes(entries(), 9).len(), 0);
}

#[test]
fn plain_tags_have_plain_letters_and_the_id_first() {
    let parts = Parts::full();
    let tags = plain_tags(&parts.message(), 50, |letter| letter == '.');
    let tags: Vec<(&str, &str)> = tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("sendlog_id", ID),
        ("tag", "receipt"),
        ("tag_2", "march_24"),
        ("order", "17"),
        ("paid", "true"),
        ("who", "Ada___Co"),
    ];
    assert_eq!(tags, expected);
    assert_eq!(plain_tags(&parts.message(), 2, |_| false).len(), 2);
}
