//! What is said, all at once, and the answers in their order. Each rule names the section that it comes from; RFC 5321
//! where no other is named.

use super::*;

/// A log-in and a sender, and the codes of their answers.
const BEGUN: &str = "EHLO c\r\nAUTH PLAIN AHNlbmRsb2cAc2xfa2V5\r\nMAIL FROM:<ada@finch.example>\r\n";
const BEGUN_CODES: [&str; 3] = ["250", "235 2.7.0", "250 2.1.0"];

async fn check(rule: &str, said: &str, expected: &[&str]) {
    let (answers, _) = answers(settings(), LOOPBACK, said.as_bytes()).await;
    assert_eq!(codes(&answers), expected, "{rule}: {answers}");
}

async fn check_begun(rule: &str, said: &str, expected: &[&str]) {
    check(rule, &format!("{BEGUN}{said}"), &[&BEGUN_CODES[..], expected].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn commands_have_their_order() {
    for (rule, said, expected) in [
        ("3.1: QUIT ends", "QUIT\r\nNOOP\r\n", &["221 2.0.0"][..]),
        ("4.1.4: EHLO comes before MAIL", "MAIL FROM:<a@b.example>\r\n", &["503 5.5.1"]),
        ("RFC 4954, 6: a log-in comes before MAIL", "EHLO c\r\nMAIL FROM:<a@b.example>\r\n", &["250", "530 5.7.0"]),
        ("4.1.1.3: MAIL comes before RCPT", "EHLO c\r\nRCPT TO:<a@b.example>\r\n", &["250", "503 5.5.1"]),
        ("4.1.1.4: MAIL comes before DATA", "EHLO c\r\nDATA\r\n", &["250", "503 5.5.1"]),
        ("4.1.1.9: NOOP does nothing", "NOOP\r\nNOOP x\r\n", &["250 2.0.0", "250 2.0.0"]),
        ("3.5.3: VRFY confirms nothing", "VRFY ada\r\nEXPN team\r\n", &["252 2.0.0", "502 5.5.1"]),
        ("4.1.1.8: HELP helps", "HELP\r\n", &["214 2.0.0"]),
        ("4.2.4: unknown commands", "XCLIENT ADDR=127.0.0.1\r\nFOO\r\n", &["500 5.5.1", "500 5.5.1"]),
        ("RFC 3207, 4: no encryption to begin", "EHLO c\r\nSTARTTLS\r\n", &["250", "502 5.5.1"]),
        ("2.3.8: LF alone ends no command", "NOOP\nNOOP\r\n", &["500 5.5.2", "250 2.0.0"]),
    ] {
        check(rule, said, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_has_its_order() {
    let rcpt = "RCPT TO:<bob@finch.example>\r\n";
    for (rule, said, expected) in [
        ("4.1.4: no MAIL within a message", "MAIL FROM:<a@b.example>\r\n".to_owned(), &["503 5.5.1"][..]),
        ("RFC 4954, 4: no AUTH within a message", AUTH.to_owned(), &["503 5.5.1"]),
        ("3.3: DATA needs a recipient", "DATA\r\nNOOP\r\n".to_owned(), &["554 5.5.1", "250 2.0.0"]),
        ("4.1.1.5: RSET forgets", format!("{rcpt}RSET\r\nDATA\r\n"), &["250 2.1.5", "250 2.0.0", "503 5.5.1"]),
        ("4.1.4: EHLO forgets", format!("{rcpt}EHLO c\r\nDATA\r\n"), &["250 2.1.5", "250", "503 5.5.1"]),
        (
            "4.1.1.4: a message ends the transaction",
            format!("{rcpt}DATA\r\nhi\r\n.\r\nDATA\r\n{rcpt}"),
            &["250 2.1.5", "354", "250 2.0.0", "503 5.5.1", "503 5.5.1"],
        ),
        (
            "4.1.1.4: so does one that is refused",
            format!("{rcpt}DATA\r\nfull\r\n.\r\nDATA\r\n"),
            &["250 2.1.5", "354", "452 4.3.1", "503 5.5.1"],
        ),
        (
            "3.3: each recipient has an answer of its own",
            "RCPT TO:<unknown@b.example>\r\nRCPT TO:<later@b.example>\r\nRCPT TO:<odd@b.example>\r\nRCPT TO:<>\r\n\
             RCPT TO:<bob@b.example>\r\n"
                .to_owned(),
            &["550 5.1.1", "451 4.2.0", "451 4.3.0", "501 5.1.3", "250 2.1.5"],
        ),
        (
            "RFC 2920, 3.1: who says all at once is told when nobody was accepted",
            "RCPT TO:<unknown@b.example>\r\nDATA\r\nRSET\r\n".to_owned(),
            &["550 5.1.1", "554 5.5.1", "250 2.0.0"],
        ),
        (
            "RFC 6531, 3.5: UTF-8 is announced",
            "RCPT TO:<jürgen@b.example>\r\nRCPT TO:<a@bücher.example>\r\n".to_owned(),
            &["553 5.6.7", "553 5.6.7"],
        ),
    ] {
        check_begun(rule, &said, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_offered_is_what_can_be_done() {
    let offered = |settings, peer| async move { answers(settings, peer, b"EHLO c\r\nHELO c\r\n").await.0 };
    let others =
        "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n250 mail.finch.example\r\n";
    let first = "250-mail.finch.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n";
    assert_eq!(offered(settings(), LOOPBACK).await, format!("{first}250-AUTH PLAIN LOGIN\r\n{others}"));
    assert_eq!(offered(settings(), ELSEWHERE).await, format!("{first}{others}"));
    let everybody = plain_log_in(PlainLogIn::Everybody);
    assert_eq!(offered(everybody, ELSEWHERE).await, format!("{first}250-AUTH PLAIN LOGIN\r\n{others}"));
    assert_eq!(offered(plain_log_in(PlainLogIn::Nobody), LOOPBACK).await, format!("{first}{others}"));
}

#[tokio::test(start_paused = true)]
async fn an_envelope_holds_what_was_accepted_and_nothing_of_the_message_before() {
    let said = format!(
        "EHLO client.finch.example\r\n{AUTH}\
         MAIL FROM:<ada@finch.example> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<one@b.example>\r\n\
         RCPT TO:<unknown@b.example>\r\n\
         RCPT TO:<one@b.example>\r\nRCPT TO:<\"two 2\"@b.example>\r\nDATA\r\nfirst\r\n.\r\n\
         MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<jürgen@bücher.example>\r\nDATA\r\nsecond\r\n.\r\nQUIT\r\n"
    );
    let (answers, kept) = answers(settings(), LOOPBACK, said.as_bytes()).await;
    assert!(answers.contains("250 2.0.0 Accepted as eml_1\r\n") && answers.contains("Accepted as eml_2\r\n"));
    let shown = kept.iter().map(|(envelope, message)| {
        let recipients: Vec<String> = envelope.recipients.iter().map(ToString::to_string).collect();
        let sender = envelope.sender.as_ref().map(ToString::to_string);
        (sender, recipients.join(" "), envelope.protocol(), String::from_utf8_lossy(message).into_owned())
    });
    let expected = [
        (Some("ada@finch.example"), r#"one@b.example "two 2"@b.example"#, "ESMTPA", "first\r\n"),
        (None, "jürgen@bücher.example", "UTF8SMTPA", "second\r\n"),
    ];
    let expected = expected.map(|(sender, recipients, protocol, message)| {
        (sender.map(str::to_owned), recipients.to_owned(), protocol, message.to_owned())
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert_eq!(kept[0].0.client_name, "client.finch.example");
}

#[tokio::test(start_paused = true)]
async fn a_message_has_a_bound_of_recipients_and_the_others_can_be_sent_to_again() {
    let said = format!("{BEGUN}{}DATA\r\nhi\r\n.\r\n", recipients(5));
    let settings = Settings { recipient_limit: 3, ..settings() };
    let (answers, kept) = answers(settings, LOOPBACK, said.as_bytes()).await;
    let expected = ["250 2.1.5", "250 2.1.5", "250 2.1.5", "452 4.5.3", "452 4.5.3", "354", "250 2.0.0"];
    assert_eq!(codes(&answers)[3..], expected);
    assert_eq!(kept[0].0.recipients.len(), 3);
}

fn recipients(count: usize) -> String {
    (0..count).map(|index| format!("RCPT TO:<r{index}@b.example>\r\n")).collect()
}

#[tokio::test(start_paused = true)]
async fn strangers_are_taken_where_the_settings_say_so() {
    let said = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<unknown@b.example>\r\nRCPT TO:<b@b.example>\r\n\
                DATA\r\nhi\r\n.\r\n";
    let settings = Settings { takes_strangers: true, ..settings() };
    let (answers, kept) = answers(settings, ELSEWHERE, said.as_bytes()).await;
    assert_eq!(codes(&answers)[1..], ["250 2.1.0", "550 5.1.1", "250 2.1.5", "354", "250 2.0.0"]);
    assert_eq!(kept[0].0.protocol(), "ESMTP");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_takes_a_message_under_way_and_begins_no_other() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    for said in ["", "EHLO c\r\n", AUTH, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n"] {
        talk.say(said).await;
    }
    assert_eq!(codes(&talk.say("DATA\r\n").await), ["354"]);
    talk.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = talk.say("hi\r\n.\r\nMAIL FROM:<a@b.example>\r\n").await;
    assert_eq!(codes(&answer), ["250 2.0.0"]);
    assert_eq!(codes(&talk.rest().await), ["421 4.3.2"]);
    let mut idle = Talk::with(settings(), LOOPBACK);
    idle.reply().await;
    idle.stop.send_replace(true);
    assert_eq!(codes(&idle.rest().await), ["421 4.3.2"]);
}
