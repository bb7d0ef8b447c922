use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, headers, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.eu.mailgun.net/v3/mg.finch.example", "api", "key-hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &str, addresses: &[&str]) -> Attempt {
    answer(status, &HeaderMap::new(), body.as_bytes(), &pending(addresses))
}

/// The parts of a form: their headers and their content.
fn parts_of(request: &OutRequest) -> Vec<(String, Vec<u8>)> {
    let content_type = request.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let (mut rest, mut parts) = (request.body.as_slice(), Vec::new());
    let find = |text: &[u8], part: &[u8]| text.windows(part.len()).position(|window| window == part);
    let next = format!("\r\n--{boundary}");
    rest = rest.strip_prefix(format!("--{boundary}").as_bytes()).unwrap();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let head = find(part, b"\r\n\r\n").unwrap();
        let end = find(part, next.as_bytes()).unwrap();
        parts.push((String::from_utf8(part[..head].to_vec()).unwrap(), part[head + 4..end].to_vec()));
        rest = &part[end + next.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

fn texts_of(request: &OutRequest) -> Vec<(String, String)> {
    let named = |(head, content): (String, Vec<u8>)| {
        let name = head.strip_prefix("Content-Disposition: form-data; name=\"")?.strip_suffix('"')?;
        (!name.contains('"')).then(|| (name.to_owned(), String::from_utf8(content).unwrap()))
    };
    parts_of(request).into_iter().filter_map(named).collect()
}

#[test]
fn a_full_message_has_the_documented_fields() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.eu.mailgun.net/v3/mg.finch.example/messages");
    assert_eq!(request.headers["authorization"], "Basic YXBpOmtleS1odXNo");
    let texts = texts_of(&request);
    let expected = [
        ("from", "Finch <receipts@finch.example>"),
        ("to", "Zoë Ünal <zoe@xn--bcher-kva.example>"),
        ("to", "ada@finch.example"),
        ("cc", "\"King, Bob\" <bob@finch.example>"),
        ("bcc", "hidden@finch.example"),
        ("subject", "Ihre Quittung für März ✓"),
        ("text", "Grüße {{name}}"),
        ("html", "<p>Grüße <img src=\"cid:logo\"></p>"),
        ("h:Reply-To", "Help <help@finch.example>"),
        ("h:List-Unsubscribe", "<https://finch.example/u/1>"),
        ("v:sendlog_id", ID),
        ("v:order", "17"),
        ("v:paid", "true"),
        ("v:who", "Ada & Co"),
        ("o:tag", "receipt"),
        ("o:tag", "march 24"),
    ];
    assert_eq!(texts, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let all = parts_of(&request);
    let files: Vec<_> =
        all.iter().skip(texts.len()).map(|(head, content)| (head.as_str(), content.as_slice())).collect();
    let disposition = "Content-Disposition: form-data; name=";
    let attached =
        format!("{disposition}\"attachment\"; filename=\"Übersicht %221%22.pdf\"\r\nContent-Type: application/pdf");
    let inline = format!("{disposition}\"inline\"; filename=\"logo\"\r\nContent-Type: image/png");
    assert_eq!(files, [(attached.as_str(), &[0, 255, 13, 10][..]), (inline.as_str(), b"png")]);
}

#[test]
fn a_whole_mail_goes_out_as_it_is() {
    let mime = b"Subject: odd\r\n\r\n.\r\nno final newline".to_vec();
    let parts = Parts { mime: Some(mime.clone()), ..Parts::full() };
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.eu.mailgun.net/v3/mg.finch.example/messages.mime");
    let texts = texts_of(&request);
    assert_eq!(texts.iter().filter(|(name, _)| name == "to").count(), 4);
    assert!(!texts.iter().any(|(name, _)| ["from", "cc", "bcc", "subject", "text"].contains(&name.as_str())));
    let all = parts_of(&request);
    let (head, content) = all.last().unwrap();
    assert!(head.contains("name=\"message\"") && *content == mime);
}

#[test]
fn tracking_is_named_only_where_the_team_asked() {
    let account = account_with("trackOpens=true&trackLinks=false");
    let texts = texts_of(&request(&account, &Parts::small().message()).unwrap());
    let tracking: Vec<_> = texts.iter().filter(|(name, _)| name.starts_with("o:")).collect();
    assert_eq!(format!("{tracking:?}"), r#"[("o:tracking-opens", "yes"), ("o:tracking-clicks", "no")]"#);
}

#[test]
fn a_boundary_stands_in_no_field_and_is_the_same_each_time() {
    let mut parts = Parts::small();
    let first = request(&account(), &parts.message()).unwrap();
    assert_eq!(first, request(&account(), &parts.message()).unwrap());
    let content_type = first.headers["content-type"].to_str().unwrap().to_owned();
    parts.text = content_type.split_once('=').map(|(_, boundary)| format!("--{boundary}--"));
    let second = request(&account(), &parts.message()).unwrap();
    assert_ne!(second.headers["content-type"], content_type);
    assert!(texts_of(&second).iter().any(|(name, value)| name == "text" && Some(value) == parts.text.as_ref()));
}

#[test]
fn the_sender_s_domain_is_the_one_where_the_address_names_none() {
    let account = Account::new("https://api.mailgun.net/", "", "key-hush", "");
    let request = request(&account, &Parts::small().message()).unwrap();
    assert_eq!(request.url, "https://api.mailgun.net/v3/finch.example/messages");
    assert_eq!(request.headers["authorization"], "Basic YXBpOmtleS1odXNo");
}

#[test]
fn an_accepted_message_has_an_id_without_brackets() {
    let body = r#"{"id": "<20261121.1.F3@mg.finch.example>", "message": "Queued. Thank you."}"#;
    let sent = answered(200, body, &["ada@finch.example"]);
    assert_eq!(sent.provider_message_id.as_deref(), Some("20261121.1.F3@mg.finch.example"));
    assert_eq!((kinds(&sent), words(&sent)), (vec!["accepted"], "200 OK: Queued. Thank you."));
}

#[test]
fn the_welcome_of_the_api_has_not_taken_the_message() {
    assert_eq!(kinds(&answered(200, "Mailgun Magnificent API", &["ada@finch.example"])), ["unknown"]);
}

#[test]
fn answers_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused, WrongUrl};
    for (status, body, outcome, fault) in [
        (
            400,
            r#"{"message":"'to' parameter is not a valid address. please check documentation"}"#,
            "refused",
            RecipientRefused,
        ),
        (
            400,
            r#"{"message":"to parameter is not a valid address. please check documentation"}"#,
            "refused",
            RecipientRefused,
        ),
        (400, r#"{"message":"'from' parameter is not a valid address."}"#, "failed", SenderRefused),
        (400, r#"{"message":"Need at least one of 'text' or 'html' parameters specified"}"#, "failed", ContentRefused),
        (401, "Forbidden", "unreachable", LogInRefused),
        (403, r#"{"message":"Domain is not allowed to send"}"#, "unreachable", LogInRefused),
        (404, r#"{"message":"Domain not found: mg.finch.example"}"#, "unreachable", WrongUrl),
        (413, r#"{"message":"Request Entity Too Large"}"#, "failed", ContentRefused),
        (429, r#"{"message":"Too many requests"}"#, "deferred", Later),
        (500, "", "deferred", Later),
    ] {
        let sent = answered(status, body, &["ada@finch.example"]);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {body}");
    }
}

#[test]
fn the_pace_is_read_from_mailgun_s_own_header() {
    let headers = headers(&[("X-RateLimit-Reset", "1705752005000"), ("Date", "Sat, 20 Jan 2024 12:00:00 GMT")]);
    let sent = answer(429, &headers, b"", &pending(&["ada@finch.example"]));
    assert_eq!(sent.retry_after.map(|pause| pause.as_secs()), Some(5));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
