//! Sends text messages and calls by Twilio's API, each to one number. Called by the worker. Twilio knows no idempotency
//! key: a repeated request sends again. Its webhooks bring the message's id back as the callback address has it.
//! Sources: Twilio, "Messages resource", "Calls resource", "TwiML: Say", "Error and Warning Dictionary"; npm `twilio`
//! 6.

use http::HeaderMap;

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, basic, form_request, id_of, segment,
    url, without_addresses,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::channel::Channel;

/// How Twilio is spoken to, and what it takes at most. It queues what is more than the sender's pace.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 1, bytes: 64 * 1024, requests_per_second: None },
};

const MAX_TEXT_LETTERS: usize = 1600;
const MAX_TWIML_LETTERS: usize = 4000;

/// The request that sends a text message, or makes a call, to the only pending recipient.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    let to = number(message.only_recipient()?);
    let text = message.text.unwrap_or_default().trim();
    if text.is_empty() {
        return Err("The message has no text".to_owned());
    }
    let from = message.from.address.trim();
    let callback = account.option("statusCallback").map(|url| callback(url, message.id)).transpose()?;
    let mut fields = vec![("To", to.as_str())];
    let twiml;
    let resource = match message.channel {
        Channel::Sms => {
            check_length(text, MAX_TEXT_LETTERS)?;
            fields.push((if from.starts_with("MG") { "MessagingServiceSid" } else { "From" }, from));
            fields.push(("Body", text));
            "Messages"
        }
        Channel::Call => {
            twiml = say(account, text);
            check_length(&twiml, MAX_TWIML_LETTERS)?;
            fields.push(("From", from));
            fields.push(("Twiml", &twiml));
            "Calls"
        }
        Channel::Email | Channel::Push | Channel::InApp => {
            return Err("Twilio sends text messages and calls".to_owned());
        }
    };
    if let Some(callback) = &callback {
        fields.push(("StatusCallback", callback));
    }
    // An API key logs in for the account that is named beside it.
    let account_sid = account.option("accountSid").unwrap_or(account.user);
    let path = format!("/2010-04-01/Accounts/{}/{resource}.json", segment(account_sid)?);
    Ok(form_request(url(account.base, &path)?, basic(account.user, account.key)?, &fields))
}

/// What became of a message, from Twilio's answer. An error's code says more than the status.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    if (200..=299).contains(&status) {
        let told = answer.text("/status");
        return answer.accepted(answer.text("/sid").as_deref().and_then(id_of), told.as_deref());
    }
    let code = answer.text("/code");
    let message = answer.text("/message").map(|message| without_addresses(&message));
    let words = match (&message, &code) {
        (Some(message), Some(code)) => Some(format!("{message} ({code})")),
        (Some(message), None) => Some(message.clone()),
        (None, _) => None,
    };
    let told = words.as_deref();
    match code.as_deref().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default() {
        // Not authenticated; the account is suspended or not active.
        20003 | 20005 | 20006 | 20008 | 10001 | 20107 => answer.unusable(told, AdapterFault::LogInRefused),
        // No such account.
        20404 => answer.unusable(told, AdapterFault::WrongUrl),
        // Too many requests, calls, messages a day; the queue of the sender is full.
        20429 | 10004 | 14107 | 21611 | 63038 => answer.later(told),
        // A number that is none, cannot get it, or does not want it.
        13223 | 13224 | 21201 | 21211 | 21214 | 21217 | 21421 | 21610 | 21614 | 21635 => {
            answer.recipient_refused(told.unwrap_or_default())
        }
        // A sender that the account does not have, or that cannot send this.
        21202 | 21203 | 21210 | 21212 | 21213 | 21603 | 21606 | 21607 | 21659..=21661 | 21701..=21705 => {
            answer.failed(told, AdapterFault::SenderRefused)
        }
        // A country that the account may not send to, a number that a trial may not: the recipient is not to blame.
        21215 | 21219 | 21408 | 21608 | 21612 => answer.failed(told, AdapterFault::RecipientRefused),
        _ => answer.by_status(told),
    }
}

/// A telephone number without what people write between its digits.
fn number(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '(' | ')' | '.' | '/')).collect()
}

/// The callback address with the message's id.
fn callback(address: &str, id: &str) -> Result<String, String> {
    let mut url = url::Url::parse(address).map_err(|_| "The callback address is not a web address")?;
    url.query_pairs_mut().append_pair(ID_NAME, id);
    Ok(url.into())
}

/// The call: a voice reads the text out.
fn say(account: &Account<'_>, text: &str) -> String {
    let attribute =
        |name: &str| account.option(name).map(|value| format!(" {name}=\"{}\"", escaped(value))).unwrap_or_default();
    let (voice, language) = (attribute("voice"), attribute("language"));
    format!("<Response><Say{voice}{language}>{}</Say></Response>", escaped(text))
}

/// A text within XML. What XML cannot hold is a space.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\r' | '\t' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn check_length(text: &str, letters: usize) -> Result<(), String> {
    if text.chars().count() > letters {
        return Err(format!("The text is longer than the {letters} letters that Twilio takes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
