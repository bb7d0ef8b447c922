use super::*;

mod hostile;

fn read(raw: &str) -> Message {
    read_message(raw.replace('\n', "\r\n").as_bytes()).unwrap()
}

fn with_headers(headers: &str) -> Message {
    read(&format!("From: ada@finch.example\n{headers}\n\nbody\n"))
}

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address: address.to_owned() }
}

#[test]
fn mailboxes_are_read_with_their_decoded_names() {
    for (field, expected) in [
        ("ada@finch.example", vec![mailbox("", "ada@finch.example")]),
        ("Ada Lovelace <ada@finch.example>", vec![mailbox("Ada Lovelace", "ada@finch.example")]),
        (r#""Lovelace, Ada" <ada@finch.example>"#, vec![mailbox("Lovelace, Ada", "ada@finch.example")]),
        ("=?UTF-8?Q?J=C3=BCrgen?= <j@finch.example>", vec![mailbox("Jürgen", "j@finch.example")]),
        ("=?utf-8?B?SsO8cg==?=\n =?utf-8?B?Z2Vu?= <j@finch.example>", vec![mailbox("Jürgen", "j@finch.example")]),
        ("=?ISO-8859-1?Q?J=FCrgen_M?= <j@finch.example>", vec![mailbox("Jürgen M", "j@finch.example")]),
        ("=?ISO-2022-JP?B?GyRCNEE7ehsoQg==?= <k@finch.example>", vec![mailbox("漢字", "k@finch.example")]),
        ("Jürgen <jürgen@bücher.example>", vec![mailbox("Jürgen", "jürgen@bücher.example")]),
        ("ada@finch.example (Ada)", vec![mailbox("Ada", "ada@finch.example")]),
        (
            "Team: Ada <ada@finch.example>, bob@finch.example;, eve@finch.example",
            vec![
                mailbox("Ada", "ada@finch.example"),
                mailbox("", "bob@finch.example"),
                mailbox("", "eve@finch.example"),
            ],
        ),
        ("undisclosed-recipients:;", vec![]),
        ("nobody", vec![]),
        ("", vec![]),
        (r#"<"a b"@finch.example>"#, vec![mailbox("", r#""a b"@finch.example"#)]),
    ] {
        assert_eq!(with_headers(&format!("To: {field}")).to, expected, "{field}");
    }
    let twice = with_headers("To: a@finch.example\nCc: c@finch.example\nto: b@finch.example\nBcc: d@finch.example");
    assert_eq!((twice.to.len(), twice.cc.len(), twice.bcc.len()), (2, 1, 1));
}

#[test]
fn the_recipients_are_those_of_the_envelope_whatever_the_headers_say() {
    let message = with_headers(
        "To: Ada <ada@finch.example>, \"a b\" <\"a b\"@finch.example>\nCc: Bo <BO@bücher.example>, ada@finch.example\n\
         Bcc: Eve <eve@finch.example>",
    );
    let envelope = [
        "hidden@finch.example",
        "bo@xn--bcher-kva.example",
        "eve@finch.example",
        "ADA@finch.example",
        "\"a b\"@finch.example",
    ];
    let envelope = envelope.map(str::to_owned);
    let shown = message.recipients(&envelope);
    let shown = shown.iter().map(|one| (one.kind, one.address.as_str(), one.name.as_deref().unwrap_or_default()));
    let expected = [
        (RecipientKind::To, "ADA@finch.example", "Ada"),
        (RecipientKind::To, "\"a b\"@finch.example", "a b"),
        (RecipientKind::Cc, "bo@xn--bcher-kva.example", "Bo"),
        (RecipientKind::Bcc, "hidden@finch.example", ""),
        (RecipientKind::Bcc, "eve@finch.example", "Eve"),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn the_other_headers_are_read() {
    let message = with_headers(
        "Sender: Bot <bot@finch.example>\nReply-To: help@finch.example, Ada <ada@finch.example>\n\
         Subject: =?UTF-8?Q?Ihre_Bestellung_=E2=82=AC?=\n =?UTF-8?Q?_12?= ist da\nMessage-ID: <one@finch.example>\n\
         Date: Mon, 30 Nov 2026 20:00:00 +0100\nX-Sendlog-Tag: receipts\nx-sendlog-tag: =?UTF-8?Q?M=C3=A4rz?=\n\
         X-Sendlog-Tag:\nX-Sendlog-Metadata-Order: 1001\nX-SENDLOG-METADATA-shop: Finch\n Shop\n\
         X-Sendlog-Metadata-: no\n\
         Idempotency-Key: order-1001",
    );
    assert_eq!(message.reply_to.len(), 2);
    assert_eq!(message.subject, "Ihre Bestellung € 12 ist da");
    assert_eq!(message.message_id.as_deref(), Some("one@finch.example"));
    assert!(message.has_date);
    assert_eq!(message.tags, ["receipts", "März"]);
    let metadata = [("Order", "1001"), ("shop", "Finch Shop")];
    assert_eq!(message.metadata, metadata.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(message.idempotency_key.as_deref(), Some("order-1001"));
    let sender = ("Sender".to_owned(), "Bot <bot@finch.example>".to_owned());
    assert_eq!(message.headers, [sender, ("X-Sendlog-Metadata-".to_owned(), "no".to_owned())]);
    let none = with_headers("Subject: 8 bit: Grüße\nSubject: another\nMessage-ID: \nIdempotency-Key: ");
    assert_eq!(none.subject, "8 bit: Grüße");
    assert_eq!((none.has_date, none.message_id, none.idempotency_key, none.headers), (false, None, None, vec![]));
}

#[test]
fn a_message_has_one_author_field_and_has_not_passed_a_hundred_servers() {
    let refused = |raw: String| read_message(raw.as_bytes()).unwrap_err();
    assert_eq!(refused("Subject: x\r\n\r\n".to_owned()), Unreadable::From);
    assert_eq!(refused("From: a@b.example\r\nfrom : c@d.example\r\n\r\n".to_owned()), Unreadable::From);
    assert_eq!(refused(String::new()), Unreadable::From);
    let passed = |count: usize| format!("{}From: a@b.example\r\n\r\n", "Received: by x\r\n".repeat(count));
    assert!(read_message(passed(100).as_bytes()).is_ok());
    assert_eq!(refused(passed(101)), Unreadable::Loops);
    let several = read("From: a@b.example, Bob <c@d.example>\n\n");
    assert_eq!(several.from.len(), 2);
}

#[test]
fn no_text_holds_a_nul() {
    let message = read("From: a\0 <a\0@b.example>\nSubject: x\0y\nX-Sendlog-Tag: \0\n\nbody \0\n");
    let shown = format!("{message:?}");
    assert!(!shown.contains('\0') && !shown.contains("\\0"), "{shown}");
    assert_eq!(message.text.as_deref(), Some("body \u{fffd}\r\n"));
}

#[test]
fn a_mail_says_what_it_needs_on_its_way() {
    let raw = b"From: a@b.example\r\nmessage-id: <one@b.example>\r\n\r\nDate: x\r\n";
    assert_eq!(message_id_of(raw).as_deref(), Some("<one@b.example>"));
    assert_eq!(message_id_of(b"From: a@b.example\r\n\r\nMessage-ID: <one@b.example>\r\n"), None);
    assert!(has_header(raw, "Message-ID") && !has_header(raw, "Date"));
    assert_eq!(is_ascii(raw), (true, true));
    assert_eq!(is_ascii("Subject: é\r\n\r\nhi\r\n".as_bytes()), (false, true));
    assert_eq!(is_ascii("Subject: e\r\n\r\nhé\r\n".as_bytes()), (true, false));
    assert_eq!((is_ascii(b""), is_ascii("é".as_bytes())), ((true, true), (false, true)));
}
