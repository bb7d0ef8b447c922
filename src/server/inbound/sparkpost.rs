//! SparkPost's event webhooks: a JSON array of `{"msys": {"<class>": event}}`.
//! Sources: SparkPost, "Event Webhooks API", "SparkPost Events", "Bounce Classification Codes", "Event Webhook
//! Authentication and Security", "How can I account for all messages attempted".
//!
//! SparkPost signs nothing. Its events have ids of their own, which are the same when it posts a batch again. It tells
//! an opening twice: when the top of the message is shown and when its end is.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::verify_basic_or_bearer;
use crate::server::inbound::reading::{self, CLICKED_BY_MACHINE, Flag, Metadata, News, OPENED_BY_MACHINE, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that SparkPost made this webhook. `secret` is what the team keeps for it: `user:password`, or a bearer token;
/// several of them, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    verify_basic_or_bearer(posted, secret)
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let envelopes = reading::array(posted.body)?;
    Ok(reading::reports(envelopes, Envelope::report))
}

#[derive(Deserialize)]
struct Envelope {
    msys: Map<String, Value>,
}

impl Envelope {
    /// An empty envelope is SparkPost's test of the address. Incoming mail, events that the team hands in itself and
    /// comparisons of two texts are no news of a message.
    fn report(self) -> Result<Option<EventReport>, String> {
        let mut classes = self.msys.into_iter();
        let Some((class, event)) = classes.next() else { return Ok(None) };
        if classes.next().is_some() {
            return Err("The event is of several classes".to_owned());
        }
        match class.as_str() {
            "message_event" | "track_event" | "gen_event" | "unsubscribe_event" => {}
            "relay_event" | "relay_message" | "ingest_event" | "ab_test_event" => return Ok(None),
            _ => return Err("The event is of a class that Sendlog does not know".to_owned()),
        }
        if !event.is_object() {
            return Err("The event is not a JSON object as documented".to_owned());
        }
        let event = Event::deserialize(event).map_err(|_| "The event is not as documented".to_owned())?;
        event.report()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    event_type: Text,
    event_id: Text,
    timestamp: Text,
    transmission_id: Text,
    #[serde(deserialize_with = "reading::lenient")]
    rcpt_meta: Metadata,
    /// With the letters' case as it was sent.
    raw_rcpt_to: Text,
    rcpt_to: Text,
    friendly_from: Text,
    msg_from: Text,
    subject: Text,
    bounce_class: Text,
    error_code: Text,
    raw_reason: Text,
    reason: Text,
    num_retries: Text,
    delv_method: Text,
    /// The host that got the message; for openings and clicks the reader's.
    ip_address: Text,
    user_agent: Text,
    target_link_url: Text,
    report_by: Text,
    is_prefetched: Flag,
    #[serde(deserialize_with = "reading::lenient")]
    user_agent_parsed: Reader,
    #[serde(deserialize_with = "reading::lenient")]
    geo_ip: Geo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reader {
    is_prefetched: Flag,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Geo {
    city: Text,
    region: Text,
    country: Text,
}

impl Event {
    fn report(&self) -> Result<Option<EventReport>, String> {
        let Some(news) = self.news()? else { return Ok(None) };
        let at = reading::event_time(&self.timestamp)?;
        let report = EventReport {
            email_id: self.rcpt_meta.email_id(),
            provider_message_id: reading::provider_message_id(self.transmission_id.get()),
            recipient: self.recipient().owned(),
            from: self.friendly_from.or(&self.msg_from).owned(),
            subject: self.subject.owned(),
            ..reading::report(self.id(), news, at)
        };
        reading::named(report).map(Some)
    }

    fn recipient(&self) -> &Text {
        self.raw_rcpt_to.or(&self.rcpt_to)
    }

    fn id(&self) -> String {
        if let Some(id) = self.event_id.get() {
            return reading::event_id("sparkpost", &[id]);
        }
        let message = self.transmission_id.or(&self.rcpt_meta.sendlog_id);
        let parts = [&self.event_type, message, self.recipient(), &self.timestamp, &self.target_link_url];
        reading::derived_id("sparkpost", &parts.map(Text::or_empty))
    }

    fn news(&self) -> Result<Option<News>, String> {
        Ok(Some(match self.event_type.or_empty() {
            "injection" => News::new(EventKind::Processed),
            "delivery" => self.by_server(EventKind::Delivered),
            "delay" => self.by_server(EventKind::Deferred).message(self.retries()),
            "bounce" | "out_of_band" => return Ok(self.bounced()),
            "policy_rejection" | "generation_rejection" => self.dropped(),
            "generation_failure" => News::new(EventKind::Failed).message(self.words()),
            "spam_complaint" => News::new(EventKind::ReportedAsSpam).message(self.complained_to()),
            "list_unsubscribe" | "link_unsubscribe" => self.by_reader(EventKind::Unsubscribed),
            "open" | "amp_open" => self.opened(None),
            "initial_open" | "amp_initial_open" => self.opened(Some("The top of the message was shown")),
            "click" | "amp_click" => self.clicked(),
            _ => return Err(reading::unknown_type(&self.event_type)),
        }))
    }

    /// SparkPost's words, or the mail server's that it passes on.
    fn words(&self) -> Option<String> {
        self.raw_reason.or(&self.reason).or(&self.error_code).owned()
    }

    fn retries(&self) -> Option<String> {
        self.num_retries.get().map(|retries| format!("Retries so far: {retries}"))
    }

    fn complained_to(&self) -> Option<String> {
        self.report_by.get().map(|provider| format!("Reported by {provider}"))
    }

    /// What each of SparkPost's classes of bounce comes to; a block and an undetermined one are temporary in its words.
    /// An automatic reply (60) and a subscription (80) are no bounce.
    fn bounced(&self) -> Option<News> {
        let bounced = |cause| Some(self.by_server(EventKind::Bounced).cause(cause));
        match self.bounce_class.or_empty() {
            "10" | "30" => bounced(Some(EventCause::Hard)),
            "1" | "20" | "21" | "22" | "23" | "24" | "40" | "50" | "51" | "52" | "53" | "54" | "70" | "100" => {
                bounced(Some(EventCause::Soft))
            }
            "25" | "26" => Some(self.dropped()),
            "60" | "80" => None,
            "90" => Some(News::new(EventKind::Unsubscribed)),
            _ => bounced(None),
        }
    }

    fn dropped(&self) -> News {
        let words = self.words();
        let lower = words.as_deref().unwrap_or_default().to_ascii_lowercase();
        let cause = if lower.contains("virus") {
            Some(EventCause::Virus)
        } else if lower.contains("suppress") || self.bounce_class.or_empty() == "26" {
            Some(EventCause::Expected)
        } else {
            None
        };
        News::new(EventKind::Dropped).cause(cause).message(words)
    }

    fn by_server(&self, kind: EventKind) -> News {
        let is_smtp = self.delv_method.or_empty().to_ascii_lowercase().contains("smtp");
        let detail = EventDetail {
            reply: self.words(),
            server_ip: self.ip_address.owned(),
            protocol: is_smtp.then(|| "smtp".to_owned()),
            ..EventDetail::default()
        };
        News { kind, detail }
    }

    fn opened(&self, message: Option<&str>) -> News {
        let message = if self.is_by_machine() { Some(OPENED_BY_MACHINE) } else { message };
        self.by_reader(EventKind::Opened).cause(self.machine()).message(message.map(str::to_owned))
    }

    fn clicked(&self) -> News {
        let message = self.is_by_machine().then(|| CLICKED_BY_MACHINE.to_owned());
        self.by_reader(EventKind::Clicked).cause(self.machine()).message(message)
    }

    fn machine(&self) -> Option<EventCause> {
        self.is_by_machine().then_some(EventCause::Machine)
    }

    fn is_by_machine(&self) -> bool {
        self.is_prefetched.is_set() || self.user_agent_parsed.is_prefetched.is_set()
    }

    fn by_reader(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.target_link_url.owned(),
            user_agent: self.user_agent.owned(),
            ip: self.ip_address.owned(),
            country: reading::place([&self.geo_ip.city, &self.geo_ip.region, &self.geo_ip.country]),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

#[cfg(test)]
mod tests;
