//! Compares what the callers were told with what the database and the mail server have.

use std::collections::{BTreeMap, HashMap, HashSet};

use sendlog::domain::channel::Channel;
use sendlog::domain::email::EmailStatus;
use sendlog::domain::ids::EmailId;

use super::load::{Ledger, SMTP_SUBJECT};
use super::mail::Mail;
use super::target::{Database, Target};

/// A message's state: id, status, template, channel, the message that it sends again.
type Row = (i64, i64, Option<i64>, i64, Option<i64>);

/// The events that end what Sendlog does about a message.
const ENDS: [&str; 5] = ["sent", "bounced", "dropped", "failed", "uncertain"];

/// How many faults are printed.
const SHOWN: usize = 20;

/// Fails on anything lost, doubled or half there; gives a line of what is there.
pub async fn check(target: &Target, ledger: &Ledger, mail: &Mail) -> String {
    let mut database = target.database().await;
    let mut faults = Vec::new();
    let emails: Vec<Row> = database
        .all("SELECT id, CAST(status AS BIGINT), template_id, CAST(channel AS BIGINT), resend_of FROM emails ORDER BY id")
        .await;
    let events: Vec<(i64, String, i64, Option<String>)> =
        database.all("SELECT email_id, kind, at, provider_event_id FROM email_events").await;
    check_integrity(&mut database, &emails, &events, &mut faults).await;
    check_rollups(&mut database, &emails, &mut faults).await;
    check_ledger(ledger, &emails, &events, &mut faults);
    check_mail(mail, &emails, &events, &mut faults);
    check_dropped(&mut database, mail, &events, &mut faults).await;
    check_mails(&mut database, &mut faults).await;
    drop(database);
    // It ends with status 1 when a line is missing or changed, which fails here.
    target.admin(&["verify-audit"]);
    let count = faults.len();
    faults.truncate(SHOWN);
    assert!(faults.is_empty(), "{count} faults; {}:\n{}", ledger.figures(), faults.join("\n"));
    let of_kind = |kind: &str| events.iter().filter(|(_, known, ..)| known == kind).count();
    let (sent, bounced, uncertain) = (of_kind("sent"), of_kind("bounced"), of_kind("uncertain"));
    let dropped = of_kind("dropped");
    let all = emails.len();
    format!("{all} messages in the log, {sent} sent, {bounced} bounced, {dropped} dropped, {uncertain} uncertain")
}

async fn check_integrity(
    database: &mut Database,
    emails: &[Row],
    events: &[(i64, String, i64, Option<String>)],
    faults: &mut Vec<String>,
) {
    if let Database::Sqlite(connection) = database {
        let said: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check").fetch_all(&mut *connection).await.unwrap();
        if said.len() != 1 || said[0].0 != "ok" {
            faults.push(format!("integrity: {said:?}"));
        }
        let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(connection).await.unwrap();
        if !broken.is_empty() {
            faults.push(format!("{} rows refer to nothing", broken.len()));
        }
    }
    let searched = match database {
        Database::Sqlite(_) => {
            "SELECT i.email_id FROM search_ids i JOIN search_grams_docsize d ON d.id = i.number
             JOIN (SELECT number FROM search_numbers UNION ALL SELECT number FROM search_late) n ON n.number = i.number"
        }
        Database::Postgres(_) => "SELECT email_id FROM email_search",
    };
    let searched: HashSet<i64> = database.all::<(i64,)>(searched).await.into_iter().map(|row| row.0).collect();
    let contents: HashSet<i64> =
        database.all::<(i64,)>("SELECT email_id FROM email_contents").await.into_iter().map(|row| row.0).collect();
    let waiting: HashSet<i64> =
        database.all::<(i64,)>("SELECT email_id FROM outbox").await.into_iter().map(|row| row.0).collect();
    let mut kinds: HashMap<i64, HashSet<&str>> = HashMap::new();
    for (email, kind, ..) in events {
        kinds.entry(*email).or_default().insert(kind);
    }
    for (id, status, ..) in emails {
        let of_it = kinds.get(id).cloned().unwrap_or_default();
        let id_shown = EmailId(*id);
        if !searched.contains(id) || !contents.contains(id) || !of_it.contains("requested") {
            faults.push(format!("{id_shown} is half there"));
        }
        let has_ended = ENDS.iter().any(|kind| of_it.contains(kind));
        if waiting.contains(id) {
            faults.push(format!("{id_shown} was not sent in all this time"));
        } else if !has_ended {
            faults.push(format!("{id_shown} left the outbox without an end; status {status}"));
        }
    }
    if searched.len() != emails.len() || contents.len() != emails.len() {
        faults.push(format!("{} messages, {} searched, {} contents", emails.len(), searched.len(), contents.len()));
    }
}

async fn check_rollups(database: &mut Database, emails: &[Row], faults: &mut Vec<String>) {
    let mut expected: BTreeMap<(i64, i64), [i64; 8]> = BTreeMap::new();
    for (id, status, template, channel, _) in emails {
        let hour = EmailId(*id).created_at().timestamp().div_euclid(3600);
        let of_channel = -1 - i64::from(Channel::from_code(*channel as i16).unwrap().code());
        for key in [Some(0), Some(of_channel), *template].into_iter().flatten() {
            // The day's row has an `hour` below 0.
            for hour in [hour, -1 - hour.div_euclid(24)] {
                expected.entry((key, hour)).or_default()[*status as usize] += 1;
            }
        }
    }
    let names = EmailStatus::ALL.map(EmailStatus::as_str).join(", ");
    type Kept = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);
    let kept: Vec<Kept> = database.all(&format!("SELECT template_id, hour, {names} FROM email_rollups")).await;
    let kept: BTreeMap<(i64, i64), [i64; 8]> = kept
        .into_iter()
        .map(|(key, hour, a, b, c, d, e, f, g, h)| ((key, hour), [a, b, c, d, e, f, g, h]))
        .filter(|(_, counts)| counts.iter().any(|count| *count != 0))
        .collect();
    if kept != expected {
        faults.push(format!("the rollups are not the recount: kept {kept:?}, counted {expected:?}"));
    }
}

fn check_ledger(
    ledger: &Ledger,
    emails: &[Row],
    events: &[(i64, String, i64, Option<String>)],
    faults: &mut Vec<String>,
) {
    let known: HashSet<i64> = emails.iter().map(|row| row.0).collect();
    for (id, _) in ledger.accepted() {
        if !known.contains(&id.0) {
            faults.push(format!("{id} was acknowledged and is lost"));
        }
    }
    for (key, ids) in ledger.by_key() {
        if ids.len() != 1 {
            faults.push(format!("{key} made {} messages: {ids:?}", ids.len()));
        }
    }
    let recorded: HashSet<(&str, i64)> =
        events.iter().filter_map(|(email, .., id)| Some((id.as_deref()?, *email))).collect();
    for (id, email) in ledger.events() {
        if !recorded.contains(&(id.as_str(), email.0)) {
            faults.push(format!("event {id} of {email} was acknowledged and is lost"));
        }
    }
    let mut ended_at: HashMap<i64, i64> = HashMap::new();
    for (email, kind, at, _) in events {
        if ENDS.contains(&kind.as_str()) {
            let end = ended_at.entry(*email).or_insert(i64::MAX);
            *end = (*end).min(*at);
        }
    }
    let mut copies: HashMap<i64, Vec<i64>> = HashMap::new();
    for (id, .., of) in emails {
        if let Some(of) = of {
            copies.entry(*of).or_default().push(*id);
        }
    }
    for copy in ledger.copies() {
        if !known.contains(&copy.id.0) {
            faults.push(format!("{}, a copy, was acknowledged and is lost", copy.id));
        }
        // Copies that were begun before this one had ended before its answer.
        for other in copies.get(&copy.of.0).into_iter().flatten().filter(|other| **other < copy.id.0) {
            let end = ended_at.get(other).copied().unwrap_or(i64::MAX);
            if end > copy.answered_at.timestamp_micros() {
                faults.push(format!("{} was resent as {} while {} was under way", copy.of, copy.id, EmailId(*other)));
            }
        }
    }
}

fn check_mail(mail: &Mail, emails: &[Row], events: &[(i64, String, i64, Option<String>)], faults: &mut Vec<String>) {
    let received = mail.received();
    let known: HashSet<i64> = emails.iter().map(|row| row.0).collect();
    let sent: HashSet<i64> = events.iter().filter(|(_, kind, ..)| kind == "sent").map(|row| row.0).collect();
    let uncertain = events.iter().filter(|(_, kind, ..)| kind == "uncertain").map(|row| row.0);
    for id in uncertain.filter(|_| mail.knows_repetitions) {
        faults.push(format!("{} is uncertain, and whoever takes it knows a repetition", EmailId(id)));
    }
    for (id, times) in &received {
        if *times > 1 {
            faults.push(format!("{id} was sent {times} times"));
        }
        if !known.contains(&id.0) {
            faults.push(format!("{id} was sent and is not in the log"));
        }
    }
    for id in sent {
        if !received.contains_key(&EmailId(id)) {
            faults.push(format!("{} is said to be sent and never came", EmailId(id)));
        }
    }
}

/// What was dropped went to an address that had bounced, and never went out.
async fn check_dropped(
    database: &mut Database,
    mail: &Mail,
    events: &[(i64, String, i64, Option<String>)],
    faults: &mut Vec<String>,
) {
    let received = mail.received();
    let causes: Vec<(String, i64)> = database.all("SELECT address_key, email_id FROM suppressions").await;
    let bounced: HashSet<i64> = events.iter().filter(|(_, kind, ..)| kind == "bounced").map(|row| row.0).collect();
    for (address, cause) in &causes {
        if !bounced.contains(cause) {
            faults.push(format!("{address} is suppressed for {}, which did not bounce", EmailId(*cause)));
        }
    }
    let suppressed: HashSet<String> = causes.into_iter().map(|(address, _)| address).collect();
    // Every message of these tests has one recipient.
    let recipients: HashMap<i64, String> = database
        .all::<(i64, String)>("SELECT email_id, key FROM email_keys WHERE kind = 0")
        .await
        .into_iter()
        .collect();
    for (email, ..) in events.iter().filter(|(_, kind, ..)| kind == "dropped") {
        let id = EmailId(*email);
        if !recipients.get(email).is_some_and(|address| suppressed.contains(address)) {
            faults.push(format!("{id} was dropped, and nobody said not to write to its recipient"));
        }
        if received.contains_key(&id) {
            faults.push(format!("{id} was dropped and sent"));
        }
    }
}

/// A mail that was sent by SMTP until it was taken is one message, and there whole.
async fn check_mails(database: &mut Database, faults: &mut Vec<String>) {
    let of_mails = format!("FROM emails WHERE subject LIKE '{SMTP_SUBJECT}%' AND resend_of IS NULL");
    let twice = format!("SELECT subject, COUNT(*) {of_mails} GROUP BY subject HAVING COUNT(*) > 1");
    for (subject, count) in database.all::<(String, i64)>(&twice).await {
        faults.push(format!("{subject} came by SMTP once and is {count} messages"));
    }
    let without = format!("SELECT id {of_mails} AND id NOT IN (SELECT email_id FROM email_mimes)");
    for (id,) in database.all::<(i64,)>(&without).await {
        faults.push(format!("{} came by SMTP and its mail is not there", EmailId(id)));
    }
}
