//! What was said in the attempts to send a message, compressed by zstd against usual words: most of an exchange is the same in
//! all of them. Kept by [super::settling] with what became of the attempt; read for the message's page. Source: RFC 8878.

use std::io::{self, Read, Write};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::{Store, stored};
use crate::domain::error::AppError;
use crate::domain::exchange::{AttemptRecord, Exchange, Step};
use crate::domain::ids::{AdapterId, EmailId, EventId, TeamId};

/// What is compressed against [USUAL] begins with it. Other words take another number.
const AGAINST_USUAL: u8 = 1;

/// zstd's own choice.
const LEVEL: i32 = 3;

/// The most that an exchange is read back to, in bytes.
const MOST: u64 = 1024 * 1024;

/// What stands in many exchanges; the most usual words at the end. It never changes: what is kept was compressed against it.
const USUAL: &[u8] = b"cache-control: no-store\ncontent-length: 0\nserver: nginx\nstrict-transport-security: max-age=31536000\n\
x-request-id: \nretry-after: 60\nx-ratelimit-remaining: 0\nHTTP 429 Too Many Requests\nHTTP 503 Service Unavailable\n\
HTTP 401 Unauthorized\nHTTP 400 Bad Request\nHTTP 202 Accepted\nHTTP 200 OK\ncontent-type: application/json; charset=utf-8\n\
date: Mon, 02 Jan 2026 10:00:00 GMT\n{\"message\": \"error\", \"id\": \"\n<HTTP 200 OK\ncontent-type: application/json\n\
>POST https://api./v3/mail/send\nauthorization: (secret)\naccept: application/json\nidempotency-key: eml_\n\
>(connects to smtp.:587)\n<220 mail. ESMTP Postfix\n>EHLO \n<250-PIPELINING\n250-SIZE 10240000\n250-STARTTLS\n\
250-AUTH PLAIN LOGIN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-SMTPUTF8\n250 DSN\n>STARTTLS\n<220 2.0.0 Ready to start TLS\n\
>(TLS 1.3, TLS13_AES_256_GCM_SHA384)\n>AUTH PLAIN (secret)\n<235 2.7.0 Authentication successful\n<550 5.1.1 No such user here\n\
<451 4.7.1 Greylisted, try again later\n<421 4.3.2 Service not available, closing transmission channel\n\
>MAIL FROM:<noreply@example.com> BODY=8BITMIME\n<250 2.1.0 Ok\n>RCPT TO:<ada@example.com>\n<250 2.1.5 Ok\n>DATA\n\
<354 End data with <CR><LF>.<CR><LF>\n>(1,423 bytes: the message)\n<250 2.0.0 Ok: queued as ";

/// An attempt to be kept.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// That of its first event.
    pub id: EventId,
    pub adapter_id: AdapterId,
    pub tls: Option<String>,
    pub code: Option<u16>,
    pub enhanced_code: Option<String>,
    pub duration_ms: i64,
    /// As [pack_exchange] makes it.
    pub exchange: Vec<u8>,
}

/// Adds an attempt: `$1` team, `$2` message.
pub(super) const INSERT_ATTEMPT: &str = "INSERT INTO email_attempts
    (team_id, email_id, id, adapter_id, tls, code, enhanced_code, duration_ms, exchange)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// The attempts of a message, the first one first. `$1` team, `$2` message.
pub(super) const LIST_ATTEMPTS: &str = "SELECT id, tls, code, enhanced_code, duration_ms, exchange FROM email_attempts
     WHERE team_id = $1 AND email_id = $2 ORDER BY id";

/// Compresses an exchange. Takes time in proportion to its length.
pub fn pack_exchange(exchange: &Exchange) -> io::Result<Vec<u8>> {
    let text = written(exchange);
    let mut encoder = Encoder::with_dictionary(vec![AGAINST_USUAL], LEVEL, USUAL)?;
    encoder.set_pledged_src_size(Some(text.len() as u64))?;
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

pub(super) fn unpack_exchange(bytes: &[u8]) -> io::Result<Exchange> {
    let (kind, frame) = bytes.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
    if *kind != AGAINST_USUAL {
        return Err(io::Error::other("an unknown kind"));
    }
    let mut text = String::new();
    Decoder::with_dictionary(frame, USUAL)?.take(MOST).read_to_string(&mut text)?;
    Ok(read(&text))
}

/// Every line of a step but its first begins with a space.
fn written(exchange: &Exchange) -> String {
    let mut text = String::new();
    for Step { is_ours, text: step } in &exchange.0 {
        text.push(if *is_ours { '>' } else { '<' });
        text.push_str(&step.replace('\n', "\n "));
        text.push('\n');
    }
    text
}

fn read(text: &str) -> Exchange {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match (line.split_at_checked(1), steps.last_mut()) {
            (Some((">", text)), _) => steps.push(Step { is_ours: true, text: text.to_owned() }),
            (Some(("<", text)), _) => steps.push(Step { is_ours: false, text: text.to_owned() }),
            (Some((_, text)), Some(step)) => {
                step.text.push('\n');
                step.text.push_str(text);
            }
            (None, _) | (Some(_), None) => {}
        }
    }
    Exchange(steps)
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    id: EventId,
    tls: Option<String>,
    code: Option<i16>,
    enhanced_code: Option<String>,
    duration_ms: i64,
    exchange: Vec<u8>,
}

impl Store {
    /// The attempts to send a message, the first one first, with what was said in them.
    pub async fn list_attempts(&self, team_id: TeamId, email_id: EmailId) -> Result<Vec<AttemptRecord>, AppError> {
        let rows: Vec<AttemptRow> = self.read(LIST_ATTEMPTS).bind(team_id).bind(email_id).fetch_all().await?;
        let record = |row: AttemptRow| {
            Ok(AttemptRecord {
                id: row.id,
                tls: row.tls,
                code: row.code.and_then(|code| u16::try_from(code).ok()),
                enhanced_code: row.enhanced_code,
                duration_ms: row.duration_ms,
                exchange: Some(stored("email_attempts.exchange", unpack_exchange(&row.exchange))?),
            })
        };
        rows.into_iter().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(steps: &[(bool, &str)]) -> Exchange {
        Exchange(steps.iter().map(|(is_ours, text)| Step { is_ours: *is_ours, text: (*text).to_owned() }).collect())
    }

    #[test]
    fn an_exchange_is_read_as_it_was_kept_and_a_damaged_one_is_not() {
        for steps in [
            &[(true, "POST https://a.example/\nx: y\n\n{\n  \"a\": 1\n}"), (false, "HTTP 200 OK\n\n> no\n< yes")][..],
            &[(false, "250-one\n250 two"), (true, ""), (true, "DATA")],
            &[],
        ] {
            let kept = exchange(steps);
            let packed = pack_exchange(&kept).unwrap();
            assert_eq!(unpack_exchange(&packed).unwrap(), kept);
        }
        assert!(unpack_exchange(b"").is_err() && unpack_exchange(b"\x07abc").is_err());
        assert!(unpack_exchange(&pack_exchange(&exchange(&[(true, "DATA")])).unwrap()[..6]).is_err());
    }

    #[test]
    fn a_message_that_simply_went_out_takes_little() {
        let mail = exchange(&[
            (true, "MAIL FROM:<receipts@finch.example> BODY=8BITMIME"),
            (false, "250 2.1.0 Ok"),
            (true, "RCPT TO:<maya.lindqvist@orchard.example>"),
            (false, "250 2.1.5 Ok"),
            (true, "DATA"),
            (false, "354 End data with <CR><LF>.<CR><LF>"),
            (true, "(18,233 bytes: the message)"),
            (false, "250 2.0.0 Ok: queued as 4bXyz12Wd9zJ"),
        ]);
        let packed = pack_exchange(&mail).unwrap();
        assert!(packed.len() < 150, "{}", packed.len());
    }
}
