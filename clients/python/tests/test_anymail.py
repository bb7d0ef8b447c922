"""Providers' webhooks, read by django-anymail and by Sendlog: every sample of `clients/fixtures/webhooks` is posted to
both, and what Sendlog's log then says must be what Anymail makes of it, but for the differences that are explained here
one by one. What somebody else posts in a provider's name is refused by both.

Amazon SES comes through a stand-in for SNS whose authority Sendlog is told to trust (`support/amazon.py`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from types import EllipsisType
from typing import Any

import pytest

from support.amazon import Sns
from support.anymail_events import Told, differences, told_by_anymail, told_by_sendlog
from support.providers import PROVIDERS, Provider
from support.sendlog import Sendlog
from support.targets import HttpTarget, SmtpTarget
from support.team import Team
from support.webhooks import Post, Timeline, Webhook

Event = dict[str, Any]
Value = str | None | Callable[[Event], Any] | EllipsisType
ALL = ("*",)
"""Every sample of which both tell something."""


@dataclass(frozen=True)
class Difference:
    """A field in which the two differ, and why that is right. What they say can be read from the provider's event, or
    be anything (`...`)."""

    provider: str
    samples: tuple[str, ...]
    field: str
    ours: Value
    theirs: Value
    why: str


def said(*path: str | int) -> Callable[[Event], Any]:
    """What the provider's event says at a place."""

    def read(event: Event) -> Any:
        value: Any = event
        for step in path:
            value = value[step]
        return value

    return read


def without(prefix: str, value: Callable[[Event], str], suffix: str = "") -> Callable[[Event], str]:
    """A text without what stands around it."""
    return lambda event: value(event).removeprefix(prefix).removesuffix(suffix)


def mailgun_reply(event: Event) -> str:
    """The code and the words of a mail server that Mailgun names apart, on one line."""
    status = event["delivery-status"]
    return " ".join(f"{status['code']} {status['message']}".split())


def ses_time(event: Event) -> str:
    """When it happened; of the message as a whole, SES says only when it took it."""
    parts = [part for part in event.values() if isinstance(part, dict) and part is not event["mail"]]
    times = [part["timestamp"] for part in parts if "timestamp" in part]
    return (times or [event["mail"]["timestamp"]])[0].replace("Z", "+00:00")


NO_NEWS = "it is no news of a message that was sent"
NOT_ASKED = "the provider did not even try, so nothing bounced"
OWN_WORDS = "they are the provider's own words and no mail server's; Sendlog shows them as such"
UNREAD = "Anymail does not read it"
UNKNOWN = "Anymail does not know the event"
TRIED_AGAIN = "the provider tries again, so nothing is rejected yet"
SES_BOUNCE = said("bounce", "bouncedRecipients", 0, "diagnosticCode")
SES_DELAY = said("deliveryDelay", "delayedRecipients", 0, "diagnosticCode")

# fmt: off
DIFFERENCES = [
    Difference(
        "sendgrid", ALL, "message_id",
        lambda event: event["sg_message_id"].split(".")[0], without("<", said("smtp-id"), ">"),
        "Anymail takes the Message-ID, Sendlog SendGrid's own id; of the Message-ID it asks only whether it is "
        "Sendlog's",
    ),
    Difference(
        "sendgrid", ("dropped-spam-reporting-address",), "reject_reason", "dropped expected", "other",
        "Anymail does not know this one of SendGrid's lists",
    ),
    Difference("sendgrid", ("group-resubscribe",), "event_type", None, "subscribed", NO_NEWS),
    Difference("sendgrid", ("account-status-change",), "event_type", None, "unknown", NO_NEWS),
    Difference(
        "postmark",
        (
            "blocked", "delivery", "dmarc-policy", "dns-error", "hard-bounce", "soft-bounce", "spam-notification",
            "transient",
        ),
        "mta_response", without("smtp;", said("Details")), said("Details"),
        "Postmark begins a mail server's words with the protocol, which is not part of them",
    ),
    Difference("postmark", ("address-change", "auto-responder"), "event_type", None, "autoresponded", NO_NEWS),
    Difference("postmark", ("open-relay-test",), "event_type", None, "deferred", NO_NEWS),
    Difference("postmark", ("subscribe", "reactivated"), "event_type", None, "subscribed", NO_NEWS),
    Difference("postmark", ("inbound-error",), "event_type", None, "inbound_failed", NO_NEWS),
    Difference("postmark", ("inbound",), "event_type", None, "AnymailConfigurationError", NO_NEWS),
    Difference(
        "postmark", ("suppressed-by-admin", "suppressed-by-customer"), "event_type", None, "unsubscribed",
        "the team did it itself, and Postmark names no message",
    ),
    Difference(
        "postmark", ("blocked", "dmarc-policy"), "event_type", "bounced", "rejected",
        "the recipient's mail server refused it, so it bounced",
    ),
    Difference(
        "postmark", ("spam-notification",), "event_type", "bounced", "complained",
        "a filter took it for spam; no reader complained",
    ),
    Difference(
        "postmark", ("challenge-verification",), "event_type", "bounced", "autoresponded",
        "the message waits for an answer that no program gives, so it does not arrive",
    ),
    Difference("postmark", ("unknown",), "event_type", "bounced", "unknown", "Postmark counts it among the bounces"),
    Difference(
        "postmark", ("virus-notification",), "event_type", "rejected", "bounced",
        "the contents are at fault and not the address",
    ),
    Difference(
        "mailgun",
        (
            "delivered", "delivered-enhanced", "failed-permanent-espblock", "failed-permanent-generic",
            "failed-permanent-hard", "failed-permanent-soft", "failed-permanent-untyped",
            "failed-temporary-generic", "failed-temporary-greylisted",
        ),
        "mta_response", mailgun_reply, said("delivery-status", "message"),
        "Mailgun takes the code off the mail server's words",
    ),
    Difference(
        "mailgun", ("failed-permanent-old", "failed-temporary-no-mx"), "mta_response",
        None, said("delivery-status", "message"),
        OWN_WORDS,
    ),
    Difference(
        "mailgun",
        ("failed-suppressed-bounce", "failed-suppressed-complaint", "failed-suppressed-unsubscribe"),
        "event_type", "rejected", "bounced",
        NOT_ASKED,
    ),
    Difference(
        "mailgun", ("failed-suppressed-complaint", "failed-suppressed-unsubscribe"), "reject_reason",
        "dropped expected", "other",
        "Anymail does not know these two of Mailgun's lists",
    ),
    Difference(
        "mailgun", ("failed-temporary-generic", "failed-temporary-greylisted", "failed-temporary-no-mx"),
        "reject_reason", "deferred", "other",
        TRIED_AGAIN,
    ),
    Difference("mailgun", ("stored",), "event_type", None, "unknown", NO_NEWS),
    Difference(
        "ses", ALL, "timestamp", ses_time, ...,
        "Anymail takes the time at which SNS posts, Sendlog that at which it happened",
    ),
    Difference(
        "ses",
        (
            "bounce-notification", "bounce-of-two", "bounce-permanent-general", "bounce-permanent-no-email",
            "bounce-transient-attachment-rejected", "bounce-transient-content-rejected",
            "bounce-transient-custom-timeout-exceeded", "bounce-transient-general", "bounce-transient-mailbox-full",
            "bounce-transient-message-too-large",
        ),
        "mta_response", without("smtp; ", SES_BOUNCE), SES_BOUNCE,
        "SES begins a mail server's words with the protocol, which is not part of them",
    ),
    Difference(
        "ses",
        (
            "bounce-permanent-on-account-suppression-list", "bounce-permanent-suppressed",
            "bounce-permanent-unsubscribed-recipient",
        ),
        "event_type", "rejected", "bounced",
        NOT_ASKED,
    ),
    Difference("ses", ("complaint-on-suppression-list",), "event_type", "rejected", "complained", NOT_ASKED),
    Difference("ses", ("complaint-not-spam",), "event_type", None, "complained", "the reader says that it is no spam"),
    Difference(
        "ses", ("complaint", "complaint-notification"), "user_agent", None, said("complaint", "userAgent"),
        "it is the program of the feedback loop and not the reader's",
    ),
    Difference(
        "ses",
        ("delivery-delay-ip-failure", "delivery-delay-mailbox-full", "delivery-delay-undetermined"),
        "event_type", "deferred", "unknown",
        UNKNOWN,
    ),
    Difference(
        "ses",
        ("delivery-delay-ip-failure", "delivery-delay-mailbox-full", "delivery-delay-undetermined"),
        "mta_response", without("smtp; ", SES_DELAY), None,
        UNKNOWN,
    ),
    Difference(
        "ses", ("reject",), "reject_reason", "dropped virus", "blocked",
        "SES rejects for one reason: the message carries a virus",
    ),
    Difference(
        "ses", ("send-to-two-then-open",), "recipient", None, "ada@finch.example",
        "SES does not say who opened it; Anymail reports it of every recipient, Sendlog of nobody alone",
    ),
    Difference("ses", ("send-to-two-then-open",), "event_type", None, "opened", "as before, of the second recipient"),
    Difference(
        "ses", ("subscription-left-all", "subscription-left-one"), "event_type", "unsubscribed", "unknown",
        UNKNOWN,
    ),
    Difference("ses", ("subscription-back",), "event_type", None, "unknown", NO_NEWS),
    Difference(
        "resend", ("bounced", "bounced-mailbox-full", "bounced-undetermined", "sent-to-two-then-bounced"),
        "mta_response", without("smtp; ", said("data", "bounce", "diagnosticCode", 0)), None,
        UNREAD,
    ),
    Difference(
        "resend", ("bounced-suppressed", "bounced-on-suppression-list", "bounced-untyped-suppressed"), "event_type",
        "rejected", "bounced", NOT_ASKED,
    ),
    Difference(
        "resend", ("clicked",), "timestamp", "2026-03-01T11:59:49.257+00:00", "2026-03-01T11:59:50.126+00:00",
        "Resend says when the link was followed, and apart from it when it made the event",
    ),
    Difference("resend", ("opened",), "user_agent", said("data", "open", "userAgent"), None, UNREAD),
    Difference("resend", ("scheduled",), "event_type", "queued", "unknown", UNKNOWN),
    Difference("resend", ("failed",), "event_type", "failed", "unknown", UNKNOWN),
    Difference("resend", ("suppressed",), "event_type", "rejected", "unknown", UNKNOWN),
    Difference("resend", ("received", "contact-created"), "event_type", None, "unknown", NO_NEWS),
    Difference(
        "resend", ("sent-to-two",), "event_type", "sent", None,
        "Anymail reports it of the first recipient, Sendlog of both: Resend says it of the whole message",
    ),
    Difference(
        "resend", ("sent-to-two-then-bounced", "sent-to-two-then-delivered"), "recipient", None, "ada@finch.example",
        "Resend does not say to whom of the two it happened; Anymail takes the first, Sendlog blames nobody",
    ),
    Difference(
        "brevo", ("request-epoch-in-seconds",), "timestamp",
        "2026-03-01T11:59:50.000+00:00", "1970-01-21T12:19:26.390+00:00",
        "Brevo's documents have an example in which ts_epoch counts seconds",
    ),
    Difference(
        "brevo", ("complaint", "proxy-open-s-epoch"), "timestamp",
        lambda event: "2026-03-01T11:59:50.286+00:00" if "s_epoch" in event else "2026-03-01T11:59:50.000+00:00", None,
        "without ts_epoch Anymail knows no time; Brevo says it in other members too",
    ),
    Difference(
        "brevo", ("blocked", "blocked-unsubscribed", "error", "invalid-email"), "mta_response", None, said("reason"),
        OWN_WORDS,
    ),
    Difference(
        "brevo",
        (
            "click", "opened", "proxy-open", "proxy-open-s-epoch", "unique-opened", "unique-proxy-open",
            "unsubscribed",
        ),
        "user_agent", said("user_agent"), None,
        UNREAD,
    ),
    Difference("brevo", ("invalid-email",), "event_type", "rejected", "bounced", NOT_ASKED),
    Difference("brevo", ("sent",), "event_type", "queued", "unknown", UNKNOWN),
    Difference(
        "brevo", ("unsubscribed",), "event_type", "unsubscribed", "unknown",
        "Brevo's documents have both words, and Anymail knows unsubscribe alone",
    ),
    Difference("brevo", ("list-addition",), "event_type", None, "subscribed", NO_NEWS),
    Difference(
        "brevo", ("sent-with-pairs",), "event_type", "queued", "JSONDecodeError",
        "Anymail fails where X-Mailin-custom is no JSON; Brevo's documents have names and values, of which Sendlog "
        "makes use",
    ),
    Difference(
        "brevo", ("batch",), "event_type", "delivered, clicked", "AttributeError",
        "Anymail knows no batches of Brevo's",
    ),
    Difference(
        "mailjet", ("sent", "sent-alone", "batch"), "mta_response",
        without("sent (", said("smtp_reply"), ")"), said("smtp_reply"),
        "Mailjet puts a word and brackets around the mail server's words",
    ),
    Difference(
        "mailjet",
        (
            "bounce-content-blocked", "bounce-greylisted", "bounce-mailbox-inactive", "bounce-policy-issue",
            "bounce-protocol-issue", "bounce-quota-exceeded", "bounce-relay-access-denied", "bounce-sender-blocked",
            "bounce-system-issue", "bounce-user-unknown",
        ),
        "mta_response", said("comment"), None,
        UNREAD,
    ),
    Difference("mailjet", ("bounce-greylisted",), "reject_reason", "deferred", "other", TRIED_AGAIN),
    Difference(
        "mailjet", ("blocked-duplicate-in-campaign",), "reject_reason", "dropped expected", "other",
        "the recipient has had a message of this campaign, as was meant",
    ),
    Difference(
        "mailjet", ("blocked-user-unknown",), "reject_reason", "dropped", "bounced",
        "Mailjet did not try; that the address is unknown says the message",
    ),
    Difference(
        "sparkpost", ("initial-open", "amp-initial-open"), "event_type", "opened", "unknown",
        "Anymail leaves them out unless its settings say otherwise",
    ),
    Difference(
        "sparkpost", ("bounce-25-admin-failure", "bounce-26-smart-send-suppression"), "event_type",
        "rejected", "bounced",
        NOT_ASKED,
    ),
    Difference(
        "sparkpost", ("bounce-26-smart-send-suppression",), "reject_reason", "dropped expected", "other",
        "Anymail does not know the class",
    ),
    Difference(
        "sparkpost",
        (
            "bounce-25-admin-failure", "bounce-26-smart-send-suppression", "generation-failure",
            "generation-failure-dated", "generation-rejection", "policy-rejection", "policy-rejection-without-class",
        ),
        "mta_response", None, said("raw_reason"),
        OWN_WORDS,
    ),
    Difference(
        "sparkpost", ("out-of-band-90-unsubscribe",), "mta_response", None, said("raw_reason"),
        "they are the reader's words",
    ),
    Difference("sparkpost", ("delay",), "reject_reason", "deferred", "bounced", TRIED_AGAIN),
    Difference(
        "sparkpost", ("generation-failure-dated",), "timestamp", "2026-03-01T11:59:50.000+00:00", None,
        "SparkPost sends such times in events of this kind, and Anymail reads Unix seconds alone",
    ),
    Difference(
        "sparkpost", ("out-of-band-100-challenge-response",), "event_type", "bounced", "autoresponded",
        "the message waits for an answer that no program gives, so it does not arrive",
    ),
    Difference("sparkpost", ("out-of-band-60-auto-reply",), "event_type", None, "autoresponded", NO_NEWS),
    Difference("sparkpost", ("out-of-band-80-subscribe",), "event_type", None, "subscribed", NO_NEWS),
    Difference("sparkpost", ("relay-event",), "event_type", None, "unknown", NO_NEWS),
]
# fmt: on

STRICTER = {
    "sendgrid": {"two days old": "Anymail asks for no age"},
    "mailgun": {
        "two days old": "Anymail asks for no age",
        "a digit of the token in the time": "what is signed is the same; a time that is none of today's is refused",
    },
}
"""What Sendlog refuses and Anymail takes, by provider, and why."""


@dataclass(frozen=True)
class Found:
    """A difference between what the two say of a sample."""

    sample: str
    field: str
    ours: Any
    theirs: Any
    event: Event
    """The provider's event."""


@dataclass
class Comparison:
    """What came of all samples of a provider."""

    found: list[Found]
    in_both: set[str]
    """The samples of which both told something."""


@dataclass(frozen=True)
class Connected:
    """A provider whose webhook a team has set up."""

    provider: Provider
    team: Team
    webhook: Webhook
    timeline: Timeline

    def post(self, sample: Any) -> Post:
        """The sample as the provider posts it now."""
        return self.provider.post(sample, self.webhook.log_in)

    def news(self, sample: Any) -> list[Told]:
        """What the log says of a sample's messages that it did not say before."""
        messages = {self.provider.message(event) for event in self.provider.events(sample)}
        known = [event for message in sorted(messages - {None}) for event in self.timeline.news_of(message)]
        return [told_by_sendlog(*event) for event in known]

    def ask_anymail(self, post: Post) -> list[Told] | str:
        """What Anymail makes of a post."""
        return told_by_anymail(self.provider, post, self.webhook.log_in)


@pytest.fixture(scope="module")
def sns() -> Iterator[Sns]:
    """The stand-in for Amazon SNS."""
    with Sns() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def sendlog_behind_sns(sns: Sns) -> Iterator[Sendlog]:
    """A server that takes the stand-in for Amazon."""
    with Sendlog(environment=sns.environment) as server:
        yield server


@pytest.fixture(scope="module", params=PROVIDERS)
def connected(
    request: pytest.FixtureRequest, sns: Sns, sendlog_behind_sns: Sendlog, smtp: SmtpTarget, http: HttpTarget
) -> Connected:
    """Each provider in turn, with a team of its own."""
    provider = PROVIDERS[request.param](sns)
    team = Team(sendlog_behind_sns, smtp.url, http.url)
    browser = team.log_in()
    return Connected(provider, team, Webhook(browser, provider.name, provider.secret), Timeline(team, browser))


@pytest.fixture(scope="module")
def comparison(connected: Connected) -> Comparison:
    """What came of the provider's samples, once each was posted to both."""
    comparison = Comparison([], set())
    for name, sample in connected.provider.samples().items():
        compare(connected, name, sample, comparison)
    return comparison


def compare(connected: Connected, name: str, sample: Any, comparison: Comparison) -> None:
    """Posts a sample to both, and notes what they do not agree on."""
    post = connected.post(sample)
    answer = connected.webhook.post(post)
    assert (answer.status_code, answer.text) == (200, "recorded\n"), name
    events = list(connected.provider.events(sample))
    ours, theirs = connected.news(sample), connected.ask_anymail(post)
    if isinstance(theirs, str):
        told = ", ".join(one.event_type for one in ours) or None
        comparison.found.append(Found(name, "event_type", told, theirs, events[0]))
        return
    for our, their in zip_longest(by_recipient(ours), by_recipient(theirs)):
        if our is None or their is None:
            found = [("event_type", our and our.event_type, their and their.event_type)]
            event = events[0]
        else:
            found = differences(our, their)
            event = next(event for event in events if connected.provider.message(event) == our.message_id)
            comparison.in_both.add(name)
        comparison.found += [Found(name, *difference, event) for difference in found]


def by_recipient(events: list[Told]) -> list[Told]:
    """The events in an order that is the same for both."""
    return sorted(events, key=lambda event: event.recipient or "")


def explains(row: Difference, found: Found) -> bool:
    """Whether the table's row is about what was found."""
    is_of_sample = row.samples == ALL or found.sample in row.samples
    if row.field != found.field or not is_of_sample:
        return False
    return is_said(row.ours, found.ours, found.event) and is_said(row.theirs, found.theirs, found.event)


def is_said(value: Value, seen: Any, event: Event) -> bool:
    return value is ... or (value(event) if callable(value) else value) == seen


def rows_of(provider: Provider) -> list[Difference]:
    """The rows of the table that are about a provider."""
    return [row for row in DIFFERENCES if row.provider == provider.name]


def test_anymail_says_the_same_but_for_what_is_explained(connected: Connected, comparison: Comparison) -> None:
    rows = rows_of(connected.provider)
    unexplained = [found for found in comparison.found if sum(explains(row, found) for row in rows) != 1]
    assert [(one.sample, one.field, one.ours, one.theirs) for one in unexplained] == []


def test_no_difference_is_explained_that_is_none(connected: Connected, comparison: Comparison) -> None:
    outdated = []
    for row in rows_of(connected.provider):
        explained = {found.sample for found in comparison.found if explains(row, found)}
        samples = comparison.in_both if row.samples == ALL else set(row.samples)
        outdated += [(row.field, sample) for sample in sorted(samples - explained)]
    assert outdated == []


def test_what_is_posted_again_is_recorded_once(connected: Connected, comparison: Comparison) -> None:
    recorded = connected.webhook.recorded()
    assert recorded >= len(comparison.in_both)
    for sample in connected.provider.samples().values():
        assert connected.webhook.post(connected.post(sample)).status_code == 200
    assert connected.webhook.recorded() == recorded


def test_every_event_that_anymail_knows_is_among_the_samples(connected: Connected) -> None:
    provider = connected.provider
    kinds = {provider.kind(event) for sample in provider.samples().values() for event in provider.events(sample)}
    assert provider.known_kinds() - kinds == set()


def test_what_somebody_else_posts_is_refused_by_both(connected: Connected, comparison: Comparison) -> None:
    provider = connected.provider
    if not provider.is_proven_to_anymail:
        pytest.skip("Anymail, as it is installed here, does not ask who posts")
    post = connected.post(provider.samples()[min(comparison.in_both)])
    count, tried, taken = connected.team.count(), 0, set()
    for name, forgery in provider.forgeries(post, connected.webhook.log_in):
        answer = connected.webhook.post(forgery)
        assert answer.status_code in (400, 401, 403), f"{name}: {answer.status_code} {answer.text}"
        if isinstance(connected.ask_anymail(forgery), list):
            taken.add(name)
        tried += 1
    assert tried >= 15
    assert taken == set(STRICTER.get(provider.name, {}))
    assert connected.team.count() == count
    assert connected.webhook.post(post).status_code == 200
    assert isinstance(connected.ask_anymail(post), list)
