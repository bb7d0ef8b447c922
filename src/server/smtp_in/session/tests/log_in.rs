//! AUTH. Sources: RFC 4954; RFC 4616.

use super::*;

async fn check(said: &str, expected: &[&str]) {
    let (answers, _) = answers(settings(), LOOPBACK, format!("EHLO c\r\n{said}").as_bytes()).await;
    assert_eq!(codes(&answers)[1..], *expected, "{said:?}: {answers}");
}

#[tokio::test(start_paused = true)]
async fn a_client_logs_in_by_plain_or_login_with_or_without_an_initial_response() {
    let mail = "MAIL FROM:<ada@finch.example>\r\n";
    for said in [
        AUTH.to_owned(),
        "auth plain\r\nAHNlbmRsb2cAc2xfa2V5\r\n".to_owned(),
        // On behalf of somebody, which says nothing here: `ada\0\0sl_key`.
        "AUTH PLAIN YWRhAABzbF9rZXk=\r\n".to_owned(),
        "AUTH LOGIN\r\nc2VuZGxvZw==\r\nc2xfa2V5\r\n".to_owned(),
        "AUTH LOGIN c2VuZGxvZw==\r\nc2xfa2V5\r\n".to_owned(),
        "AUTH LOGIN =\r\nc2xfa2V5\r\n".to_owned(),
    ] {
        let (answers, _) = answers(settings(), LOOPBACK, format!("EHLO c\r\n{said}{mail}").as_bytes()).await;
        assert!(answers.contains("235 2.7.0 "), "{said}: {answers}");
        assert!(answers.ends_with("250 2.1.0 The sender is right\r\n"), "{said}: {answers}");
    }
    let mut talk = Talk::with(settings(), LOOPBACK);
    talk.reply().await;
    talk.say("EHLO c\r\n").await;
    assert_eq!(talk.say("AUTH PLAIN\r\n").await, "334 \r\n");
    assert_eq!(codes(&talk.say("*\r\n").await), ["501 5.7.0"]);
    assert_eq!(talk.say("AUTH LOGIN\r\n").await, "334 VXNlcm5hbWU6\r\n");
    assert_eq!(talk.say("c2VuZGxvZw==\r\n").await, "334 UGFzc3dvcmQ6\r\n");
    assert_eq!(codes(&talk.say("c2xfa2V5\r\n").await), ["235 2.7.0"]);
    assert_eq!(codes(&talk.say(AUTH).await), ["503 5.5.1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_log_in_is_refused_without_asking_who_it_is() {
    for (said, expected) in [
        ("AUTH CRAM-MD5\r\n", &["504 5.5.4"][..]),
        ("AUTH PLAIN !!!\r\n", &["501 5.5.2"]),
        ("AUTH PLAIN =\r\n", &["501 5.5.2"]),
        // One NUL, three NULs, and a name that is not UTF-8.
        ("AUTH PLAIN YQBi\r\n", &["501 5.5.2"]),
        ("AUTH PLAIN AGEAYgBj\r\n", &["501 5.5.2"]),
        ("AUTH PLAIN AP8AYg==\r\n", &["501 5.5.2"]),
        ("AUTH LOGIN\r\n*\r\n", &["334", "501 5.7.0"]),
        ("AUTH LOGIN\r\nYQ==\r\n*\r\n", &["334", "334", "501 5.7.0"]),
        ("AUTH PLAIN\r\nAHNl\nNOOP\r\n", &["334", "501 5.5.2", "250 2.0.0"]),
    ] {
        check(said, expected).await;
    }
    let long = format!("AUTH PLAIN\r\n{}\r\n", "A".repeat(20_000));
    check(&long, &["334", "500 5.5.6"]).await;
    check(&format!("AUTH PLAIN {}\r\n", "A".repeat(20_000)), &["500 5.5.2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_not_asked_for_over_a_line_that_others_can_read() {
    let said = format!("EHLO c\r\n{AUTH}MAIL FROM:<ada@finch.example>\r\n");
    for (plain, peer, expected) in [
        (PlainLogIn::Nobody, LOOPBACK, ["538 5.7.11", "530 5.7.0"]),
        (PlainLogIn::Loopback, ELSEWHERE, ["538 5.7.11", "530 5.7.0"]),
        (PlainLogIn::Loopback, "[::1]:4000".parse().unwrap(), ["235 2.7.0", "250 2.1.0"]),
        (PlainLogIn::Loopback, "[::ffff:127.0.0.1]:4000".parse().unwrap(), ["235 2.7.0", "250 2.1.0"]),
        (PlainLogIn::Everybody, ELSEWHERE, ["235 2.7.0", "250 2.1.0"]),
    ] {
        let (answers, _) = answers(plain_log_in(plain), peer, said.as_bytes()).await;
        assert_eq!(codes(&answers)[1..], expected, "{plain:?} from {peer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_log_in_waits_and_the_third_ends_the_connection() {
    // `\0sendlog\0sl_no`
    let wrong = "AUTH PLAIN AHNlbmRsb2cAc2xfbm8=\r\n";
    let began = tokio::time::Instant::now();
    check(&format!("{wrong}{AUTH}"), &["535 5.7.8", "235 2.7.0"]).await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    check(&wrong.repeat(5), &["535 5.7.8", "535 5.7.8", "535 5.7.8", "421 4.7.0"]).await;
    assert!(began.elapsed() >= Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_behind_a_wrong_log_in_is_answered_in_its_order() {
    let wrong = "AUTH PLAIN AHNlbmRsb2cAc2xfbm8=\r\n";
    let said = format!("{wrong}MAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nQUIT\r\n");
    check(&said, &["535 5.7.8", "530 5.7.0", "503 5.5.1", "503 5.5.1", "221 2.0.0"]).await;
    // `\0sendlog\0sl_busy`
    check("AUTH PLAIN AHNlbmRsb2cAc2xfYnVzeQ==\r\n", &["454 4.7.0"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_in_time_is_sent_away() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    talk.reply().await;
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(codes(&talk.say("NOOP\r\n").await), ["250 2.0.0"]);
    }
    assert_eq!(codes(&talk.reply().await), ["421 4.4.2"]);
    assert_eq!(began.elapsed().as_secs(), 120);
}
