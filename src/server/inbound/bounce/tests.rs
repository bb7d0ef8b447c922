//! Bounces as servers write them, and what is none.

use chrono::TimeZone;

use super::*;
use crate::domain::event::{EventCause, EventKind};
use crate::domain::ids::TeamId;
use crate::server::bounce_address::bounce_address;
use crate::server::secrets::SecretKey;

const ID: EmailId = EmailId(1_705_750_000_000 << 20);

/// Bounces of a message to one recipient, `{TO}` its own address and `{ID}` its id, with what each comes to.
const SAMPLES: [(&str, &str); 12] = [
    ("postfix_failed", include_str!("samples/postfix_failed.eml")),
    ("postfix_delayed", include_str!("samples/postfix_delayed.eml")),
    ("exchange", include_str!("samples/exchange.eml")),
    ("gmail", include_str!("samples/gmail.eml")),
    ("amazon", include_str!("samples/amazon.eml")),
    ("exim", include_str!("samples/exim.eml")),
    ("qmail", include_str!("samples/qmail.eml")),
    ("utf8", include_str!("samples/utf8.eml")),
    ("yahoo_complaint", include_str!("samples/yahoo_complaint.eml")),
    ("opt_out", include_str!("samples/opt_out.eml")),
    ("vacation", include_str!("samples/vacation.eml")),
    ("read_receipt", include_str!("samples/read_receipt.eml")),
];

fn own_address(key: &SecretKey) -> String {
    bounce_address(key, TeamId(1), ID, "bounces.finch.example")
}

fn sample(name: &str, to: &str) -> Vec<u8> {
    let (_, text) = SAMPLES.into_iter().find(|(known, _)| *known == name).unwrap();
    text.replace("{TO}", to).replace("{ID}", &ID.to_string()).replace('\n', "\r\n").into_bytes()
}

/// What a sample says of its one recipient.
fn notice(name: &str) -> (Bounce, Notice) {
    let bounce = read_bounce(&sample(name, &own_address(&SecretKey::generate()))).unwrap().unwrap();
    let [notice] = &bounce.report.notices[..] else { panic!("{name}: {bounce:?}") };
    (bounce.clone(), notice.clone())
}

#[test]
fn the_bounces_of_servers_are_read() {
    let (hard, soft) = (Some(EventCause::Hard), Some(EventCause::Soft));
    for (name, kind, cause, reply) in [
        (
            "postfix_failed",
            EventKind::Bounced,
            hard,
            "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        (
            "postfix_delayed",
            EventKind::Deferred,
            None,
            "4.4.1 connect to mx.example.com[192.0.2.25]:25: Connection timed out",
        ),
        (
            "exchange",
            EventKind::Bounced,
            hard,
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        ),
        (
            "gmail",
            EventKind::Bounced,
            soft,
            "452-4.2.2 The recipient's inbox is out of storage space. 452 4.2.2 Please direct the recipient to their provider.",
        ),
        ("amazon", EventKind::Bounced, hard, "550 5.1.1 user unknown"),
        ("exim", EventKind::Bounced, hard, "550 5.1.1 <ada@example.com>: user unknown"),
        (
            "qmail",
            EventKind::Bounced,
            hard,
            "192.0.2.25 does not like recipient. Remote host said: 550 5.1.1 No such user here Giving up on 192.0.2.25.",
        ),
        ("utf8", EventKind::Bounced, hard, "550 5.1.1 Kein Postfach für zoë"),
        ("yahoo_complaint", EventKind::ReportedAsSpam, None, ""),
        ("opt_out", EventKind::Unsubscribed, None, ""),
    ] {
        let (bounce, notice) = notice(name);
        let said = (notice.kind, notice.detail.cause, notice.detail.reply.as_deref().unwrap_or_default());
        assert_eq!(said, (kind, cause, reply), "{name}");
        let recipient = if name == "utf8" { "zoë@example.com" } else { "ada@example.com" };
        assert!(notice.recipients.iter().any(|one| one == recipient), "{name}: {notice:?}");
        assert_eq!(bounce.own_id, Some(ID), "{name}");
    }
}

#[test]
fn a_report_tells_where_and_when() {
    let (_, gmail) = notice("gmail");
    assert_eq!(gmail.at, Some(Utc.with_ymd_and_hms(2024, 1, 20, 11, 31, 59).unwrap()));
    let (_, postfix) = notice("postfix_failed");
    assert_eq!(postfix.at, Some(Utc.with_ymd_and_hms(2024, 1, 20, 11, 30, 5).unwrap()));
    assert_eq!(postfix.detail.mx.as_deref(), Some("mx.example.com"));
}

#[test]
fn a_message_is_proven_by_its_address_wherever_the_report_has_it() {
    let key = SecretKey::generate();
    let own = own_address(&key);
    let proven = |raw: &[u8]| {
        let bounce = read_bounce(raw).unwrap().unwrap();
        bounce.addresses.iter().find_map(|address| read_bounce_address(&key, address))
    };
    let expected = Some(BouncedEmail { team: TeamId(1), email: ID });
    for name in ["postfix_failed", "exchange", "amazon", "exim", "qmail", "yahoo_complaint"] {
        assert_eq!(proven(&sample(name, &own)), expected, "{name}");
        assert_eq!(proven(&sample(name, &own.to_uppercase())), expected, "{name}");
    }
    let other = own_address(&SecretKey::generate());
    assert_eq!(proven(&sample("postfix_failed", &other)), None);
}

#[test]
fn answers_of_people_and_machines_report_nothing() {
    let own = own_address(&SecretKey::generate());
    for name in ["vacation", "read_receipt"] {
        assert_eq!(read_bounce(&sample(name, &own)), Ok(None), "{name}");
    }
    let feedback = |kind: &str| {
        String::from_utf8(sample("yahoo_complaint", &own)).unwrap().replace("Type: abuse", &format!("Type: {kind}"))
    };
    for kind in ["not-spam", "virus", "auth-failure", "other", ""] {
        assert_eq!(read_bounce(feedback(kind).as_bytes()), Ok(None), "{kind}");
    }
    // What somebody forwards is theirs: it reports nothing of the mail that it is in.
    let forwarded = [
        &b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=fwd\r\n\r\n--fwd\r\nContent-Type: message/rfc822\r\n\r\n"[..],
        &sample("postfix_failed", &own),
        b"\r\n--fwd--\r\n",
    ]
    .concat();
    assert_eq!(read_bounce(&forwarded), Ok(None));
}

#[test]
fn a_report_is_the_same_report_by_every_way() {
    let identity = |raw: &[u8]| read_bounce(raw).unwrap().unwrap().report.identity;
    for name in ["postfix_failed", "qmail"] {
        let raw = sample(name, &own_address(&SecretKey::generate()));
        let delivered = [b"Received: by another.example\r\nDelivered-To: bounces@localhost\r\n", &raw[..]].concat();
        assert_eq!(identity(&raw), identity(&delivered), "{name}");
    }
    assert_ne!(identity(&sample("exim", "x@y.example")), identity(&sample("qmail", "x@y.example")));
}

#[test]
fn hostile_mail_is_read_to_its_end_and_no_further() {
    let nested = format!(
        "{}Final-Recipient: rfc822;a@b.example\r\n",
        (0..200)
            .map(|depth| format!("Content-Type: multipart/report; boundary=b{depth}\r\n\r\n--b{depth}\r\n"))
            .collect::<String>()
    );
    let blocks = "Final-Recipient: rfc822;a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n".repeat(20_000);
    let many = format!("Content-Type: message/delivery-status\r\nMessage-ID: <1@x>\r\n\r\n{blocks}");
    let notices = read_bounce(many.as_bytes()).unwrap().unwrap().report.notices;
    assert_eq!(notices.len(), MAX_NOTICES);
    let to = format!("To: {}\r\n", "a@b.example,".repeat(20_000));
    let huge = format!("X-Failed-Recipients: {}\r\n\r\nx", "a".repeat(300_000));
    let qmail = format!("\r\nHi. This is the\n\n{}", "<a@b>:\n\n".repeat(50_000));
    for odd in [nested.as_str(), &to, &huge, &qmail, "", "\0\0\0", "Content-Type: message/delivery-status\r\n\r\n"] {
        let _ = read_bounce(odd.as_bytes());
    }
    // Every sample, cut off anywhere and with any byte in it.
    for (name, _) in SAMPLES {
        let raw = sample(name, "b@bounces.finch.example");
        for end in 0..raw.len() {
            let _ = read_bounce(&raw[..end]);
        }
        for at in (0..raw.len()).step_by(3) {
            for byte in [0, b'\n', b';', 0xff] {
                let mut changed = raw.clone();
                changed[at] = byte;
                let _ = read_bounce(&changed);
            }
        }
    }
}
