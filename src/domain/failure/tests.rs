//! Replies of real servers, read as they stand, and a few of our own. `held_out` ones were collected after the rules,
//! to see how far these carry: two of three were right at first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::reply::Reply;
use super::rules::{Rule, rules};
use super::{Evidence, FailureClass, diagnose, provider, refusal_words, refused};
use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    server: String,
    reply: String,
    class: FailureClass,
    #[serde(default)]
    channel: Channel,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    source: String,
    #[serde(default)]
    held_out: bool,
}

impl Fixture {
    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            channel: self.channel,
            host: self.host.as_deref(),
            domain: self.domain.as_deref(),
            ..refused(&self.reply)
        }
    }

    fn rule(&self) -> Option<&'static Rule> {
        let reply = Reply::read(&self.reply);
        let provider = provider::find(self.host.as_deref(), self.domain.as_deref(), &reply.text);
        let spoken = rules().spoken(self.channel, provider, &reply);
        spoken.or_else(|| rules().last_resort(self.channel, provider, &reply))
    }
}

#[test]
fn a_change_of_the_rules_raises_their_version() {
    let digest = crate::domain::fingerprint::fingerprint(
        concat!(include_str!("rules.json"), include_str!("providers.json")).as_bytes(),
    );
    assert_eq!(
        (super::VERSION, digest),
        (3, 0x9dac_1b98_490d_6a3e),
        "raise VERSION, so that what is kept is diagnosed anew"
    );
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("replies.json")).unwrap()
}

#[test]
fn every_reply_has_its_class() {
    let wrong: Vec<String> = fixtures()
        .iter()
        .filter_map(|fixture| {
            let told = diagnose(&fixture.evidence()).class;
            let differs = told != fixture.class;
            let held = if fixture.held_out { " (held out)" } else { "" };
            differs.then(|| {
                format!("{told:?}, not {:?}{held}: {}\n    {:?}", fixture.class, fixture.reply, fixture.rule())
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_is_read_and_decides_over_a_reply() {
    let all = || [&rules().provider, &rules().enhanced, &rules().text, &rules().basic].into_iter().flatten();
    let deciding: BTreeSet<_> =
        fixtures().iter().filter_map(|fixture| fixture.rule().map(std::ptr::from_ref)).collect();
    let idle: Vec<String> =
        all().filter(|rule| !deciding.contains(&std::ptr::from_ref(*rule))).map(|rule| format!("{rule:?}")).collect();
    assert!(all().count() > 100);
    assert!(idle.is_empty(), "{} idle\n{}", idle.len(), idle.join("\n"));
}

#[test]
fn a_rule_names_its_source_and_looks_for_something() {
    for rule in [&rules().provider, &rules().enhanced, &rules().text, &rules().basic].into_iter().flatten() {
        assert!(rule.source == "seen" || rule.source.starts_with("http"), "{rule:?}");
        assert!(rule.code.is_some() || rule.enhanced.is_some() || !rule.words.is_empty(), "{rule:?}");
        assert!(rule.words.iter().all(|words| *words == words.to_lowercase()), "{rule:?}");
        let is_known = |name: &String| provider::all().iter().any(|provider| provider.name == *name);
        assert!(rule.provider.as_ref().is_none_or(is_known), "{rule:?}");
    }
}

#[test]
fn the_replies_are_many_of_many_servers_and_name_where_they_were_seen() {
    let fixtures = fixtures();
    let servers: BTreeSet<&str> = fixtures.iter().map(|fixture| fixture.server.as_str()).collect();
    let mut of_class: BTreeMap<FailureClass, usize> = BTreeMap::new();
    for fixture in &fixtures {
        assert!(!fixture.source.is_empty(), "{}", fixture.reply);
        *of_class.entry(fixture.class).or_default() += 1;
    }
    assert!(fixtures.len() >= 200 && servers.len() >= 40);
    for class in FailureClass::ALL {
        let is_of_an_event = matches!(class, FailureClass::Canceled | FailureClass::OutcomeUnknown);
        assert!(is_of_an_event || of_class.contains_key(&class), "{class:?}");
    }
}

#[test]
fn what_sendlog_did_itself_is_told_from_the_event() {
    let of_kind = |kind| diagnose(&Evidence { kind, ..refused("550 5.1.1 User unknown") }).class;
    assert_eq!(of_kind(EventKind::Canceled), FailureClass::Canceled);
    assert_eq!(of_kind(EventKind::Uncertain), FailureClass::OutcomeUnknown);
}

#[test]
fn a_server_that_answered_and_gave_no_reason_was_reached() {
    for reply in ["554 5.3.0 Transaction failed", "554 Transaction failed", "550 5.3.0 Rejected"] {
        assert_eq!(diagnose(&refused(reply)).class, FailureClass::Unknown, "{reply}");
        let hard = Evidence { cause: Some(EventCause::Hard), ..refused(reply) };
        assert_eq!(diagnose(&hard).class, FailureClass::Unknown, "{reply}");
    }
    let put_off = diagnose(&refused("451 4.3.0 Try again later"));
    assert_eq!(put_off.class, FailureClass::ServerUnavailable);
}

#[test]
fn a_refusal_names_the_recipient_only_where_it_is_about_them() {
    for (reply, words) in [
        ("550 5.1.1 User unknown", "The mail server refused this recipient"),
        ("552 5.2.2 Mailbox full", "The mail server refused this recipient"),
        ("554 5.7.1 Client host [192.0.2.7] blocked using our list", "The mail server refused the message"),
        ("554 5.3.0 Transaction failed", "The mail server refused the message"),
        ("552 5.3.4 Message too large", "The mail server refused the message"),
    ] {
        assert_eq!(refusal_words(reply), words, "{reply}");
        // The words of the timeline say nothing of why.
        let evidence = Evidence { reply: None, message: Some(words), ..refused("") };
        assert_eq!(diagnose(&evidence).class, FailureClass::Unknown);
    }
}

#[test]
fn without_words_the_cause_decides() {
    let of_cause = |cause| diagnose(&Evidence { reply: None, cause: Some(cause), ..refused("") }).class;
    assert_eq!(of_cause(EventCause::Hard), FailureClass::AddressUnknown);
    assert_eq!(of_cause(EventCause::Expected), FailureClass::Suppressed);
    assert_eq!(of_cause(EventCause::CannotReach), FailureClass::PhoneUnreachable);
    assert_eq!(diagnose(&Evidence { reply: None, ..refused("") }).class, FailureClass::Unknown);
}

#[test]
fn the_message_is_read_where_the_reply_is_silent() {
    let message = Some("Recipient is on the account’s suppression list after a complaint");
    let evidence = Evidence { kind: EventKind::Dropped, reply: None, message, ..refused("") };
    assert_eq!(diagnose(&evidence).class, FailureClass::Suppressed);
    let told = Evidence { message: Some("Gave up after 8 tries"), ..refused("451 4.4.1 No answer from host") };
    assert_eq!(diagnose(&told).class, FailureClass::ServerUnavailable);
}

#[test]
fn the_diagnosis_names_provider_and_code() {
    let gmail = Evidence {
        host: Some("aspmx.l.google.com"),
        domain: Some("finch.example"),
        ..refused("550-5.1.1 gone\n550 5.1.1 really")
    };
    let told = diagnose(&gmail);
    assert_eq!(told.mailbox_provider, Some("Gmail"));
    assert_eq!(told.enhanced_code.unwrap().to_string(), "5.1.1");
    assert_eq!(diagnose(&refused("550 User unknown")).mailbox_provider, None);
}

#[test]
fn replies_that_say_the_same_have_one_fingerprint() {
    let print = |reply| diagnose(&refused(reply)).fingerprint;
    for (one, other) in [
        (
            "550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
            "550 5.1.1 <bob@finch.example>: Recipient address rejected: User unknown in virtual mailbox table (in \
             reply to RCPT TO command)",
        ),
        (
            "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 \
             double-checking. Learn more at\n550 5.1.1  https://support.google.com/mail/?p=NoSuchUser \
             y3si675602plr.1 - gsmtp",
            "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 \
             double-checking. Learn more at 550 5.1.1 https://support.google.com/mail/?p=NoSuchUser \
             ad1si1997204pbd.83 - gsmtp",
        ),
        (
            "550 5.7.1 Service unavailable; client host [203.0.113.21] blocked using our list, see \
             https://postmaster.example/blocked (S3150)",
            "550 5.7.1 Service unavailable; client host [203.0.113.28] blocked using our list, see \
             https://postmaster.example/b (S3140)",
        ),
        ("Gave up after 8 tries: 451 4.4.1 No answer from host", "451 4.4.1 No answer from host"),
        ("550 UNKNOWN USER \"ann\"", "550 unknown user \"bob\""),
        (
            "connect to mx.finch.example[192.0.2.79]:25: Connection timed out",
            "connect to mx2.example.com[192.0.2.8]:25: Connection timed out",
        ),
    ] {
        assert_eq!(print(one), print(other));
    }
    assert_ne!(print("550 5.1.1 User unknown"), print("550 5.2.2 Mailbox full"));
    assert_ne!(print("450 4.2.2 Mailbox full"), print("550 5.2.2 Mailbox full"));
}

/// Whoever changes these changes the version too.
#[test]
fn fingerprints_stay_as_they_are() {
    let print = |reply| diagnose(&refused(reply)).fingerprint;
    assert_eq!(
        print("550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in virtual mailbox table"),
        "v1 550 5.1.1 recipient address rejected user unknown in virtual mailbox table"
    );
    assert_eq!(
        print(
            "421 4.7.0 [TSS04] Messages from 192.0.2.192 temporarily deferred due to unexpected volume or user \
             complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes"
        ),
        "v1 421 4.7.0 messages from temporarily deferred due to unexpected volume or user complaints see"
    );
    assert_eq!(
        diagnose(&Evidence { reply: None, cause: Some(EventCause::Soft), ..refused("") }).fingerprint,
        "v1 bounced soft"
    );
}
