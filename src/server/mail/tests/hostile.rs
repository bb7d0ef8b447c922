//! Messages that mean no good: reading them is bounded, and never panics.

use std::time::{Duration, Instant};

use super::*;

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What means something to some reader.
const NOISE: &[u8] = b"\r\n \t:;=?\"<>()@,\\abz\x80\xff\0-*'%";

const HONEST: &str = "From: =?UTF-8?Q?J=C3=BCrgen?= (x) <j@finch.example>\r\n\
    To: Team: a@b.example, \"c\" <c@d.example>;\r\n\
    Subject: =?ISO-2022-JP?B?GyRCNEE7ehsoQg==?=\r\nDate: Mon, 30 Nov 2026 20:00:00 +0100\r\n\
    Message-ID: <a@b.example>\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"one\"\r\n\r\n--one\r\n\
    Content-Type: multipart/alternative; boundary=two\r\n\r\n--two\r\nContent-Type: text/plain; charset=gb18030\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\nhi =C4=E3\r\n--two\r\nContent-Type: text/html\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--two--\r\n--one\r\nContent-Type: application/pdf;\r\n \
    name*0*=utf-8''a%20; name*1=\"b.pdf\"\r\nContent-Disposition: attachment; filename*=utf-8''%e2%82%ac.pdf\r\n\
    Content-ID: <x@y>\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--one--\r\n";

#[test]
fn a_mangled_message_never_panics() {
    let mut numbers = Numbers(0x0dd5_eed5_0b5e_55ed);
    for _ in 0..20_000 {
        let mut raw = HONEST.as_bytes().to_vec();
        for _ in 0..1 + numbers.below(12) {
            let at = numbers.below(raw.len());
            match numbers.below(30) {
                0..=9 => drop(raw.remove(at)),
                10..=19 => raw.insert(at, NOISE[numbers.below(NOISE.len())]),
                20 => raw.truncate(at.max(100)),
                _ => raw[at] = numbers.below(256) as u8,
            }
        }
        if let Ok(message) = read_message(&raw) {
            for attached in &message.attachments {
                assert_eq!(attached.content(&raw).len(), attached.size_bytes);
            }
        }
        assert!(with_headers_removed(&raw, &["Bcc", "X-*"]).len() <= raw.len());
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut numbers = Numbers(0x5eed);
    for _ in 0..5000 {
        let length = numbers.below(400);
        let noise: Vec<u8> = (0..length).map(|_| NOISE[numbers.below(NOISE.len())]).collect();
        for head in [&b"From: "[..], b"From: a@b.example\r\nTo: ", b"From: a@b.example\r\nContent-Type: "] {
            let _ = read_message(&[head, &noise, b"\r\n\r\n", &noise].concat());
        }
    }
}

fn nested(levels: usize) -> String {
    let begins = |level: usize| format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n");
    format!("From: a@b.example\r\n{}\r\nhi\r\n", (0..levels).map(begins).collect::<String>())
}

#[test]
fn parts_within_parts_and_many_parts_have_an_end() {
    assert_eq!(read_message(nested(20).as_bytes()).unwrap().text.as_deref(), Some("hi\r\n"));
    assert_eq!(read_message(nested(21).as_bytes()), Err(Unreadable::Parts));
    assert_eq!(read_message(nested(1_500).as_bytes()), Err(Unreadable::Parts));
    let many = |count: usize| {
        format!(
            "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
            "--b\r\n\r\nx\r\n".repeat(count)
        )
    };
    assert!(read_message(many(999).as_bytes()).is_ok());
    assert_eq!(read_message(many(1000).as_bytes()), Err(Unreadable::Parts));
    assert_eq!(read_message(many(500_000).as_bytes()), Err(Unreadable::Parts));
}

#[test]
fn a_message_within_a_message_is_attached_and_not_gone_into() {
    let level = "Content-Type: message/rfc822\r\n\r\n";
    let raw = format!("From: a@b.example\r\n{}", level.repeat(500_000));
    let message = read_message(raw.as_bytes()).unwrap();
    assert_eq!((message.attachments.len(), message.attachments[0].content_type.as_str()), (1, "message/rfc822"));
}

/// Large, and each of a kind that a careless reader takes quadratic time for.
#[test]
fn reading_takes_time_in_proportion_to_the_size() {
    let of = |headers: &str, body: &str, count: usize| {
        format!("From: a@b.example\r\n{headers}\r\n\r\n{}", body.repeat(count))
    };
    let field = |name: &str, text: &str, bytes: usize| {
        format!("From: a@b.example\r\n{name}: {}\r\n\r\n", text.repeat(bytes / text.len()))
    };
    const FIELD_BYTES: usize = 250_000;
    let boundaries = of("Content-Type: multipart/mixed; boundary=b", "--bx\r\n", 500_000);
    let dashes = of("Content-Type: multipart/mixed; boundary=------", "-------", 500_000);
    let base64 = of("Content-Transfer-Encoding: base64", "AAAA\r\n", 500_000);
    let not_base64 = of("Content-Type: x/y\r\nContent-Transfer-Encoding: base64", "AA!A\r\n", 500_000);
    let quoted = of("Content-Transfer-Encoding: quoted-printable", "=\r\n=0", 500_000);
    for (what, raw) in [
        ("boundaries that are none", boundaries),
        ("dashes", dashes),
        ("base64", base64),
        ("what is no base64", not_base64),
        ("quoted-printable", quoted),
        ("mailboxes", field("To", "a@b.example,", FIELD_BYTES)),
        ("groups", field("To", "g:a@b.example;,", FIELD_BYTES)),
        ("comments", field("To", "(", FIELD_BYTES)),
        ("closed comments", field("To", "()", FIELD_BYTES)),
        ("quotes", field("To", "\"\\", FIELD_BYTES)),
        ("brackets", field("To", "<", FIELD_BYTES)),
        ("encoded words", field("Subject", "=?utf-8?q?a?= ", FIELD_BYTES)),
        ("encoded words that do not end", field("Subject", "=?utf-8?q?", FIELD_BYTES)),
        ("encoded words that do not end, of mailboxes", field("To", "=?utf-8?b?", FIELD_BYTES)),
        ("charsets that do not end", field("Subject", "=?a", FIELD_BYTES)),
        ("attributes", field("Content-Type", "a/b; c=d; ", FIELD_BYTES)),
        ("continuations", field("Content-Type", "a/b; c*1=d; ", FIELD_BYTES)),
        ("languages", field("Content-Disposition", "a; c*='d'", FIELD_BYTES)),
        ("ids", field("Message-ID", "<a>", FIELD_BYTES)),
    ] {
        let began = Instant::now();
        let _ = read_message(raw.as_bytes());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(8), "{what}: {took:?} for {} bytes", raw.len());
        if took > Duration::from_millis(500) {
            println!("{what}: {took:?} for {} bytes", raw.len());
        }
    }
}
