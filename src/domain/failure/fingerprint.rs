//! What a reply says without what differs from message to message, so that equal reasons stand together.

use super::Evidence;
use super::reply::Reply;

/// Changes with every change of this file that gives a reply another fingerprint: kept ones are then counted anew.
pub(super) const VERSION: &str = "v1";

/// Enough to tell replies apart; a server's essay is cut.
const WORDS: usize = 24;

/// Longer "words" are ids.
const LONGEST_WORD: usize = 22;

/// `v1 550 5.1.1 recipient address rejected user unknown`. Addresses, hosts, URLs, numbers and ids are left out.
pub(super) fn fingerprint(evidence: &Evidence<'_>, reply: &Reply) -> String {
    if let Some(said) = said(reply) {
        return format!("{VERSION} {said}");
    }
    let cause = evidence.cause.map_or("", |cause| cause.as_str());
    format!("{VERSION} {} {cause}", evidence.kind.as_str()).trim_end().to_owned()
}

/// `550 5.1.1 recipient address rejected user unknown`; `None` where nobody said anything.
pub(super) fn words(evidence: &Evidence<'_>) -> Option<String> {
    let reply = Reply::read(evidence.reply.unwrap_or_default());
    said(reply.or(&Reply::read(evidence.message.unwrap_or_default())))
}

fn said(reply: &Reply) -> Option<String> {
    let codes = [reply.code.map(|code| code.to_string()), reply.enhanced.map(|code| code.to_string())];
    // Postfix tells after the reply what it answers.
    let own =
        reply.words.windows(2).position(|pair| pair[0] == "(in" && pair[1] == "reply").unwrap_or(reply.words.len());
    let words = reply.words[..own].iter().filter(|word| says_something(word)).map(|word| bare(word).to_owned());
    let parts: Vec<String> = codes.into_iter().flatten().chain(words.take(WORDS)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

fn says_something(word: &str) -> bool {
    let is_quoted = word.len() > 2
        && word.starts_with(['"', '\''])
        && word.trim_end_matches([',', '.', ')']).ends_with(['"', '\'']);
    let text = bare(word);
    let is_id = text.chars().count() > LONGEST_WORD || text.chars().any(|c| c.is_numeric());
    !text.is_empty() && !is_quoted && !is_id && !word.contains('@') && !word.contains("://") && !is_host(text)
}

/// Also what looks like one, such as `resolver.adr.recipnotfound`.
fn is_host(text: &str) -> bool {
    let (host, _path) = text.split_once('/').unwrap_or((text, ""));
    let mut labels = host.split('.');
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    host.contains('.') && labels.all(is_label)
}
