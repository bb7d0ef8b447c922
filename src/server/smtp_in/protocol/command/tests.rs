use super::*;

fn code(line: &[u8]) -> u16 {
    read_command(line).unwrap_err().reply.code()
}

#[test]
fn verbs_are_read_in_any_case_of_letters_and_blanks_at_the_end_do_not_count() {
    for (line, command) in [
        ("EHLO client.finch.example", Command::Extended("client.finch.example".to_owned())),
        ("ehlo [127.0.0.1]  ", Command::Extended("[127.0.0.1]".to_owned())),
        ("helo my host", Command::Hello("my".to_owned())),
        ("starttls", Command::StartTls),
        ("DATA \t", Command::Data),
        ("rset", Command::Reset),
        ("quit", Command::Quit),
        ("NOOP what ever", Command::Nothing),
        ("VRFY ada", Command::Verify),
        ("EXPN team", Command::Expand),
        ("help MAIL", Command::Help),
        ("BDAT 0 last", Command::Chunk { size_bytes: 0, is_last: true }),
        ("bdat 1000", Command::Chunk { size_bytes: 1000, is_last: false }),
        ("AUTH plain =", Command::Auth { mechanism: "PLAIN".to_owned(), initial: Some("=".to_owned()) }),
        ("auth LOGIN", Command::Auth { mechanism: "LOGIN".to_owned(), initial: None }),
    ] {
        assert_eq!(read_command(line.as_bytes()).as_ref(), Ok(&command), "{line}");
    }
}

#[test]
fn senders_and_recipients_are_read_with_their_parameters() {
    let Ok(Command::Mail { sender, parameters }) = read_command(b"mail from: <ada@finch.example> SIZE=7") else {
        panic!("not read")
    };
    assert_eq!((sender.unwrap().to_string().as_str(), parameters.size_bytes), ("ada@finch.example", Some(7)));
    let Ok(Command::Mail { sender: None, .. }) = read_command(b"MAIL FROM:<>") else { panic!("not read") };
    let Ok(Command::Recipient(recipient)) = read_command(b"Rcpt To:<bob@finch.example> NOTIFY=NEVER") else {
        panic!("not read")
    };
    assert_eq!(recipient.domain(), "finch.example");
}

#[test]
fn what_is_wrong_has_the_code_that_says_how() {
    for (line, wrong) in [
        (&b""[..], 500),
        (b" EHLO client", 500),
        (b"XCLIENT NAME=finch.example", 500),
        (b"ETRN finch.example", 500),
        (b"NO\0OP", 500),
        (b"NOOP \xff", 500),
        (b"MAIL FROM:<ada@finch.example>\rRCPT", 500),
        (b"EHLO", 501),
        (b"STARTTLS now", 501),
        (b"DATA now", 501),
        (b"AUTH", 501),
        (b"AUTH PLAIN a b", 501),
        (b"MAIL", 501),
        (b"MAIL <ada@finch.example>", 501),
        (b"MAIL FROM:ada@finch.example", 501),
        (b"RCPT TO:<>", 501),
        (b"RCPT TO:<postmaster>", 501),
        (b"MAIL FROM:<ada@finch.example> TRACE", 555),
        ("MAIL FROM:<jürgen@finch.example>".as_bytes(), 553),
    ] {
        assert_eq!(code(line), wrong, "{}", String::from_utf8_lossy(line));
    }
    assert!(read_command("MAIL FROM:<jürgen@finch.example> SMTPUTF8".as_bytes()).is_ok());
}

#[test]
fn a_chunk_of_unknown_size_and_a_browser_end_the_conversation() {
    for line in [
        "BDAT",
        "BDAT x",
        "BDAT -1",
        "BDAT 99999999999999999999",
        "BDAT 10 FIRST",
        "BDAT 10 LAST LAST",
        "GET / HTTP/1.1",
        "post /mail HTTP/1.1",
    ] {
        assert_eq!(read_command(line.as_bytes()).unwrap_err().flaw, Flaw::Unclear, "{line}");
    }
    assert_eq!(read_command(b"XCLIENT").unwrap_err().flaw, Flaw::Command);
}
