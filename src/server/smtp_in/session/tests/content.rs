//! Messages by DATA and BDAT: what of them arrives, and what does not. Sources: RFC 5321, section 4.5.2; RFC 1870; RFC
//! 3030.

use super::*;

fn begun(rest: &[u8]) -> Vec<u8> {
    let begun = format!("EHLO c\r\n{AUTH}MAIL FROM:<ada@finch.example>\r\nRCPT TO:<bob@finch.example>\r\n");
    [begun.as_bytes(), rest].concat()
}

async fn sent(rest: &[u8]) -> (Vec<String>, Vec<Vec<u8>>) {
    let (answers, kept) = answers(settings(), LOOPBACK, &begun(rest)).await;
    (codes(&answers)[4..].to_vec(), kept.into_iter().map(|(_, message)| message.to_vec()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_message_arrives_byte_for_byte() {
    let long = [b"x".repeat(900), b"\r\n".to_vec()].concat();
    for message in [
        &b""[..],
        b"\r\n",
        b".\r\n",
        b"..\r\n.a\r\n",
        b"Subject: x\r\n\r\n8 bit: \xfc\xff\0 \t\r\n\r\n",
        "ü 漢字 🙂\r\n".as_bytes(),
        &long,
    ] {
        let stuffed: Vec<u8> = message
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| if line.starts_with(b".") { [b".", line].concat() } else { line.to_vec() })
            .collect();
        let (codes, kept) = sent(&[b"DATA\r\n", &stuffed[..], b".\r\nQUIT\r\n"].concat()).await;
        assert_eq!((codes.join(" "), kept), ("354 250 2.0.0 221 2.0.0".to_owned(), vec![message.to_vec()]));
        let chunk = format!("BDAT {} LAST\r\n", message.len());
        let (codes, kept) = sent(&[chunk.as_bytes(), message, b"QUIT\r\n"].concat()).await;
        assert_eq!((codes.join(" "), kept), ("250 2.0.0 221 2.0.0".to_owned(), vec![message.to_vec()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_ends_in_cr_or_lf_alone_is_refused_and_hides_no_command() {
    let hidden = b"MAIL FROM:<eve@finch.example>\r\nRCPT TO:<bob@finch.example>\r\nDATA\r\nsmuggled\r\n.\r\n";
    for trick in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r.\r", "\r\n.\r\r\n", "\n", "\r", "\n\r"] {
        let rest = [b"DATA\r\nhi", trick.as_bytes(), hidden, b"NOOP\r\n"].concat();
        let (codes, kept) = sent(&rest).await;
        assert_eq!((codes.join(" "), kept.len()), ("354 550 5.6.11 250 2.0.0".to_owned(), 0), "{trick:?}");
        let chunk = format!("BDAT {} LAST\r\nhi{trick}\r\nNOOP\r\n", trick.len() + 4);
        assert_eq!(sent(chunk.as_bytes()).await.0.join(" "), "550 5.6.11 250 2.0.0", "{trick:?}");
    }
    let split = "BDAT 3\r\nhi\rBDAT 3 LAST\r\n\nx\rNOOP\r\n";
    assert_eq!(sent(split.as_bytes()).await.0.join(" "), "250 2.0.0 550 5.6.11 250 2.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_is_read_to_its_end_and_refused() {
    let exact = [&b"DATA\r\n"[..], &b"x".repeat(998), b"\r\n.\r\n"].concat();
    assert_eq!(sent(&exact).await.0.join(" "), "354 250 2.0.0");
    let over = [&b"DATA\r\n"[..], &b"x".repeat(999), b"\r\n.\r\nNOOP\r\n"].concat();
    let (codes, kept) = sent(&over).await;
    assert_eq!((codes.join(" "), kept.len()), ("354 552 5.3.4 250 2.0.0".to_owned(), 0));
    let chunks = [&b"BDAT 600\r\n"[..], &b"x".repeat(600), b"BDAT 600\r\n", &b"x".repeat(600), b"NOOP\r\n"].concat();
    assert_eq!(sent(&chunks).await.0.join(" "), "250 2.0.0 552 5.3.4 250 2.0.0");
    let said = format!("EHLO c\r\n{AUTH}MAIL FROM:<a@b.example> SIZE=1001\r\nMAIL FROM:<a@b.example> SIZE=1000\r\n");
    let (answers, _) = answers(settings(), LOOPBACK, said.as_bytes()).await;
    assert_eq!(codes_of(&answers), "552 5.3.4 250 2.1.0");
}

fn codes_of(answers: &str) -> String {
    codes(answers)[2..].join(" ")
}

#[tokio::test(start_paused = true)]
async fn chunks_are_one_message_and_what_follows_them_are_commands() {
    let rest = "BDAT 5\r\nhi\r\n.BDAT 4\r\n\r\nQUBDAT 0 LAST\r\nNOOP\r\n";
    let (codes, kept) = sent(rest.as_bytes()).await;
    assert_eq!(codes.join(" "), "250 2.0.0 250 2.0.0 250 2.0.0 250 2.0.0");
    assert_eq!(kept, [b"hi\r\n.\r\nQU".to_vec()]);
    for (rest, expected) in [
        ("BDAT 2\r\nhiDATA\r\nRSET\r\nDATA\r\n", "250 2.0.0 503 5.5.1 250 2.0.0 503 5.5.1"),
        ("BDAT 2\r\nhiMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n", "250 2.0.0 503 5.5.1 503 5.5.1"),
        ("RSET\r\nBDAT 6 LAST\r\nNOOP\r\nQUIT\r\n", "250 2.0.0 503 5.5.1 221 2.0.0"),
        ("BDAT six\r\nNOOP\r\n", "501 5.5.4"),
        ("BDAT 99999999999 LAST\r\nNOOP\r\n", "552 5.3.4"),
    ] {
        assert_eq!(sent(rest.as_bytes()).await.0.join(" "), expected, "{rest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_off_is_not_kept() {
    for rest in
        ["DATA\r\nhi\r\n", "DATA\r\nhi\r\n.", "DATA\r\nhi\r\n.\r", "BDAT 10 LAST\r\nhi", "BDAT 2\r\nhi", "DATA\r\n"]
    {
        let (codes, kept) = sent(rest.as_bytes()).await;
        assert!(kept.is_empty() && codes.len() <= 1, "{rest:?}: {codes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_before_the_message_is_kept() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    for said in ["", "EHLO c\r\n", AUTH, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n", "DATA\r\n"] {
        talk.say(said).await;
    }
    talk.client.write_all(b"hi\r\n.\r\n").await.unwrap();
    let first = talk.client.read_u8().await.unwrap();
    assert_eq!((first, talk.shared.handler.kept().len()), (b'2', 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_though_its_client_goes_before_the_answer() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    for said in ["", "EHLO c\r\n", AUTH, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n", "DATA\r\n"] {
        talk.say(said).await;
    }
    talk.client.write_all(b"hi\r\n.\r\n").await.unwrap();
    drop(talk.client);
    talk.serving.await.unwrap();
    assert_eq!(talk.shared.handler.kept().len(), 1);
}
