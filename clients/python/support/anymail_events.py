"""What django-anymail makes of a post, and what Sendlog's log says of the same, in Anymail's words."""

import logging
import warnings
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import anymail.webhooks.amazon_ses
from anymail.exceptions import AnymailInsecureWebhookWarning, AnymailNotSupportedWarning
from anymail.signals import AnymailTrackingEvent, tracking
from django.conf import settings
from django.test import RequestFactory, override_settings

from .providers import Provider
from .webhooks import Post

settings.configure(ALLOWED_HOSTS=["*"], USE_TZ=True)
logging.getLogger("django").setLevel(logging.CRITICAL)
# For Amazon SES, Anymail wants boto3, which it uses to confirm subscriptions alone; none comes here.
anymail.webhooks.amazon_ses._get_anymail_boto3_params = lambda kwargs: ({}, {})

EVENT_TYPES = {
    "queued": "queued",
    "processed": "queued",
    "sent": "sent",
    "deferred": "deferred",
    "delivered": "delivered",
    "opened": "opened",
    "re_opened": "opened",
    "clicked": "clicked",
    "re_clicked": "clicked",
    "bounced": "bounced",
    "dropped": "rejected",
    "failed": "failed",
    "reported_as_spam": "complained",
    "unsubscribed": "unsubscribed",
}
"""Anymail's word for each kind of Sendlog's that a provider can report."""

REASONS = {
    "bounced hard": {"bounced", "invalid"},
    "bounced soft": {"bounced", "blocked", "spam", "timed_out", "other"},
    "bounced": {"bounced", "other"},
    "dropped expected": {"bounced", "blocked", "spam", "unsubscribed"},
    "dropped virus": {"other"},
    "dropped": {"invalid", "blocked", "other"},
    "reported_as_spam": {"spam"},
    "unsubscribed": {"unsubscribed"},
}
"""Anymail's reasons that say the same as a kind and a cause of Sendlog's. It names none for many events."""


@dataclass(frozen=True)
class Told:
    """An event, as one of the two tells it. The times are in UTC, to the millisecond."""

    event_type: str
    timestamp: str | None
    recipient: str | None
    message_id: str | None
    reject_reason: str | None
    """Of Sendlog, the kind and the cause."""
    mta_response: str | None
    click_url: str | None
    user_agent: str | None


def told_by_sendlog(email: dict[str, Any], event: dict[str, Any]) -> Told:
    """An event of a message's timeline."""
    detail = event["detail"]
    return Told(
        event_type=EVENT_TYPES[event["kind"]],
        timestamp=_milliseconds(datetime.fromisoformat(event["at"].replace("Z", "+00:00"))),
        recipient=event["recipient"],
        message_id=email["provider_message_id"],
        reject_reason=f"{event['kind']} {detail.get('cause', '')}".strip(),
        mta_response=detail.get("reply"),
        click_url=detail.get("url"),
        user_agent=detail.get("user_agent"),
    )


def told_by_anymail(provider: Provider, post: Post, log_in: str | None) -> list[Told] | str:
    """The events that Anymail's view signals for a post, or the name of the error that it ends with."""
    heard: list[AnymailTrackingEvent] = []

    def hear(event: AnymailTrackingEvent, **_: Any) -> None:
        heard.append(event)

    tracking.connect(hear)
    try:
        _view(provider, post, log_in)
    except Exception as error:  # noqa: BLE001 - whatever Anymail fails with is what the test compares
        return type(error).__name__
    finally:
        tracking.disconnect(hear)
    return [_told(event) for event in heard]


def differences(ours: Told, theirs: Told) -> list[tuple[str, Any, Any]]:
    """The fields in which the two do not agree, each with what Sendlog and what Anymail says."""
    pairs = [(field.name, getattr(ours, field.name), getattr(theirs, field.name)) for field in fields(Told)]
    return [(name, our, their) for name, our, their in pairs if not _agree(name, our, their)]


def _agree(field: str, ours: str | None, theirs: str | None) -> bool:
    if field == "reject_reason":
        return theirs is None or theirs in REASONS.get(ours or "", ())
    return ours == theirs


def _view(provider: Provider, post: Post, log_in: str | None) -> None:
    told = {**provider.settings, **({"WEBHOOK_SECRET": log_in} if log_in else {})}
    headers = dict(post.headers)
    request = RequestFactory().post("/", post.body, headers.pop("Content-Type"), headers=headers)
    with override_settings(ANYMAIL=told), warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailInsecureWebhookWarning)
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        response = provider.view.as_view()(request)
    if response.status_code != 200:
        raise ConnectionRefusedError(f"Anymail answers {response.status_code}")


def _told(event: AnymailTrackingEvent) -> Told:
    return Told(
        event_type=event.event_type,
        timestamp=_milliseconds(event.timestamp) if event.timestamp else None,
        recipient=event.recipient,
        message_id=_text(event.message_id, "<>"),
        reject_reason=event.reject_reason,
        mta_response=_text(event.mta_response),
        click_url=_text(event.click_url),
        user_agent=_text(event.user_agent),
    )


def _text(text: str | None, around: str | None = None) -> str | None:
    return (text or "").strip(around) or None


def _milliseconds(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
