//! Clients that mean no good, or are broken: what they cost is bounded, and nothing is kept that nobody sent.

use super::super::super::settings::Limits;
use super::*;

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn begun() -> String {
    format!("EHLO c\r\n{AUTH}MAIL FROM:<ada@finch.example>\r\nRCPT TO:<bob@finch.example>\r\n")
}

#[tokio::test(start_paused = true)]
async fn wrong_commands_and_idle_ones_have_an_end() {
    let (answers_, _) = answers(settings(), LOOPBACK, &b"FOO\r\n".repeat(100_000)).await;
    assert_eq!(codes(&answers_), [vec!["500 5.5.1"; 10], vec!["421 4.7.0"]].concat());
    let (answers_, _) = answers(settings(), LOOPBACK, &b"NOOP\r\n".repeat(100_000)).await;
    assert_eq!(codes(&answers_), [vec!["250 2.0.0"; 100], vec!["421 4.7.0"]].concat());
    let binary = b"\x80\x01\r\n".repeat(1000);
    assert_eq!(codes(&answers(settings(), LOOPBACK, &binary).await.0).len(), 11);
    let (answers_, _) = answers(settings(), LOOPBACK, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n").await;
    assert_eq!(codes(&answers_), ["421 4.7.0"]);
}

#[tokio::test(start_paused = true)]
async fn wrong_addresses_of_a_program_that_has_logged_in_do_not_end_its_connection() {
    let wrong = "RCPT TO:<no address>\r\nRCPT TO:<unknown@b.example>\r\n".repeat(20);
    let (answers_, _) = answers(settings(), LOOPBACK, format!("{}{wrong}QUIT\r\n", begun()).as_bytes()).await;
    assert_eq!(codes(&answers_).last().map(String::as_str), Some("221 2.0.0"));
    let settings = Settings { takes_strangers: true, ..settings() };
    let said = format!("EHLO c\r\nMAIL FROM:<>\r\n{wrong}");
    let (answers_, _) = answers(settings, LOOPBACK, said.as_bytes()).await;
    assert_eq!(codes(&answers_).len(), 2 + 10 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_commands_at_once_are_answered_in_their_order() {
    let limits = Limits { idle_commands: u32::MAX, ..Limits::default() };
    let settings = Settings { limits, ..settings() };
    let said: String = (0..50_000).map(|_| "NOOP\r\nVRFY a\r\n").collect();
    let (answers_, _) = answers(settings, LOOPBACK, said.as_bytes()).await;
    let codes = codes(&answers_);
    assert_eq!(codes.len(), 100_000);
    assert!(codes.iter().enumerate().all(|(at, code)| code == if at % 2 == 0 { "250 2.0.0" } else { "252 2.0.0" }));
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_and_an_endless_message_are_cut() {
    let (answers_, _) = answers(settings(), LOOPBACK, &b"x".repeat(10_000_000)).await;
    assert_eq!(codes(&answers_), ["421 4.5.2"]);
    let limits = Limits { beyond_size_bytes: 100_000, ..Limits::default() };
    let said = [format!("{}DATA\r\n", begun()).into_bytes(), b"x\r\n".repeat(1_000_000)].concat();
    let (answers_, kept) = answers(Settings { limits, ..settings() }, LOOPBACK, &said).await;
    assert_eq!((codes(&answers_)[4..].join(" "), kept.len()), ("354 552 5.3.4".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_ends_with_the_time_of_its_transaction() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    for said in ["", "EHLO c\r\n", AUTH, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n", "DATA\r\n"] {
        talk.say(said).await;
    }
    let began = tokio::time::Instant::now();
    let (mut reading, mut writing) = tokio::io::split(talk.client);
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    let mut heard = [0; 9];
    reading.read_exact(&mut heard).await.unwrap();
    assert_eq!((&heard, began.elapsed().as_secs()), (b"421 4.4.2", 15 * 60));
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_sent_away() {
    let mut talk = Talk::with(settings(), LOOPBACK);
    for said in ["", "EHLO c\r\n", AUTH] {
        talk.say(said).await;
    }
    let began = tokio::time::Instant::now();
    assert_eq!(codes(&talk.rest().await), ["421 4.4.2"]);
    assert!((300..310).contains(&began.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answers_is_left() {
    let limits = Limits { idle_commands: u32::MAX, ..Limits::default() };
    let mut talk = Talk::with(Settings { limits, ..settings() }, LOOPBACK);
    // It has come to an end: whoever reads nothing is not waited for longer than for one who says nothing.
    let noop = b"NOOP\r\n".repeat(1000);
    while talk.client.write_all(&noop).await.is_ok() {}
    talk.serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_under_way_share_a_bounded_memory() {
    let limits = Limits { room_bytes: 256 * 1024, ..Limits::default() };
    let settings = Settings { limits, size_limit_bytes: 1024 * 1024, ..settings() };
    let shared = Arc::new(Shared::new(settings, Keeper::default()));
    let mut talks = Vec::new();
    for _ in 0..3 {
        let mut talk = Talk::sharing(&shared, LOOPBACK);
        for said in ["", "EHLO c\r\n", AUTH, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n", "DATA\r\n"] {
            talk.say(said).await;
        }
        talk.client.write_all(&b"0123456\r\n".repeat(11_000)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        talks.push(talk);
    }
    let mut heard = Vec::new();
    for talk in &mut talks {
        heard.extend(codes(&talk.say(".\r\n").await));
    }
    assert_eq!(heard, ["250 2.0.0", "250 2.0.0", "452 4.3.1"]);
    assert_eq!(codes(&talks[2].say("MAIL FROM:<a@b.example>\r\n").await), ["250 2.1.0"]);
}

#[tokio::test(start_paused = true)]
async fn random_bytes_and_mangled_conversations_end_the_connection_and_keep_nothing_by_chance() {
    let mut numbers = Numbers(0x5eed_1e55_0dd5_eed5);
    let honest =
        format!("{}DATA\r\nhi\r\n.\r\nBDAT 3 LAST\r\nhi\nRSET\r\nAUTH LOGIN\r\nYQ==\r\nYQ==\r\nQUIT\r\n", begun());
    for round in 0..2000 {
        let mut said = if round % 4 == 0 { vec![0; numbers.below(3000)] } else { honest.clone().into_bytes() };
        let changes = if round % 4 == 0 { said.len() } else { 1 + numbers.below(8) };
        for at in 0..changes {
            let at = if round % 4 == 0 { at } else { numbers.below(said.len()) };
            match numbers.below(3) {
                0 if round % 4 != 0 => drop(said.remove(at)),
                1 if round % 4 != 0 => said.insert(at, b"\r\n. \0<>\""[numbers.below(8)]),
                _ => said[at] = (numbers.next() >> 24) as u8,
            }
        }
        let (answers_, kept) = answers(settings(), LOOPBACK, &said).await;
        assert!(answers_.lines().all(|line| line.len() >= 4 && line.is_ascii()), "{answers_}");
        assert!(kept.iter().all(|(envelope, _)| envelope.is_logged_in && !envelope.recipients.is_empty()));
    }
}
