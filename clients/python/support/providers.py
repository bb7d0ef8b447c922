"""The providers whose webhooks django-anymail reads, each with what it signs by, and what its samples are about.

A sample is the body as it is posted, but for Mailgun, which puts its signature into it, and for Amazon SES, which has
SNS carry it. Sources: the providers' pages that `src/server/inbound/` names, one file a provider."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from anymail.webhooks.base import AnymailBaseWebhookView
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.mailjet import MailjetTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.resend import ResendTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostTrackingWebhookView
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .amazon import TOPIC, Sns
from .webhooks import Post

SAMPLES = Path(__file__).resolve().parents[2] / "fixtures" / "webhooks"
DAY_S = 86_400


class Provider:
    """One that posts JSON and signs nothing, so that the log-in in the address is all there is."""

    name: str
    view: type[AnymailBaseWebhookView]
    secret: str | None = None
    """What is typed into the page, where the provider shows it."""
    settings: dict[str, Any] = {}
    """What Anymail is told beside the log-in."""
    is_proven_to_anymail = True
    """Whether Anymail checks, as it is installed here, who posts."""

    def samples(self) -> dict[str, Any]:
        """The samples by their names, in the order of these."""
        paths = (SAMPLES / self.name).glob("*.json")
        return {path.stem: json.loads(path.read_text()) for path in sorted(paths, key=lambda path: path.stem)}

    def post(self, sample: Any, log_in: str | None) -> Post:
        """The sample as the provider posts it now."""
        headers = {"Content-Type": "application/json"}
        if log_in is not None:
            headers["Authorization"] = _basic(log_in)
        return Post(headers, json.dumps(sample).encode())

    def forgeries(self, post: Post, log_in: str | None) -> Iterator[tuple[str, Post]]:
        """What somebody would post who has seen this one but has no secret, and what is too old; each with its name."""
        user, password = (log_in or ":").split(":")
        yield "without a log-in", post.without("Authorization")
        for name, other in {
            "another user": f"{user}s:{password}",
            "another password": f"{user}:{password[::-1]}",
            "the password cut": f"{user}:{password[:-1]}",
            "the password and more": f"{user}:{password}x",
            "the password in other letters": f"{user}:{password.swapcase()}",
            "no password": f"{user}:",
            "no user": f":{password}",
            "the password alone": password,
            "nothing": "",
        }.items():
            yield name, post.having("Authorization", _basic(other))
        token = _basic(log_in or "").removeprefix("Basic ")
        for name, header in {
            "no scheme": token,
            "another scheme": f"Digest {token}",
            "a blank header": "",
            "no base64": f"Basic {log_in}",
            "half a header": f"Basic {token[: len(token) // 2]}",
            "a header twice": f"Basic {token} {token}",
        }.items():
            yield name, post.having("Authorization", header)

    def known_kinds(self) -> set[str]:
        """The provider's words for the events that Anymail tells apart."""
        return set(self.view.event_types)

    def events(self, sample: Any) -> Iterator[dict[str, Any]]:
        """The events in a sample."""
        yield from sample if isinstance(sample, list) else [sample]

    def message(self, event: dict[str, Any]) -> str | None:
        """The provider's id of the message that an event is about."""
        raise NotImplementedError

    def kind(self, event: dict[str, Any]) -> str | None:
        """The provider's word for the event."""
        return event.get("event")


def _basic(log_in: str) -> str:
    return "Basic " + _base64(log_in.encode())


class SendGrid(Provider):
    name = "sendgrid"
    view = SendGridTrackingWebhookView
    signature = "X-Twilio-Email-Event-Webhook-Signature"
    timestamp = "X-Twilio-Email-Event-Webhook-Timestamp"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        self.secret = _base64(self._key.public_key().public_bytes(*der))
        self.settings = {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": self.secret}

    def post(self, sample: Any, log_in: str | None) -> Post:
        return self._signed(super().post(sample, log_in), int(time.time()))

    def _signed(self, post: Post, at_s: int) -> Post:
        signature = self._key.sign(str(at_s).encode() + post.body, ec.ECDSA(hashes.SHA256()))
        return post.having(self.signature, _base64(signature)).having(self.timestamp, str(at_s))

    def forgeries(self, post: Post, log_in: str | None) -> Iterator[tuple[str, Post]]:
        signature, now = base64.b64decode(post.headers[self.signature]), post.headers[self.timestamp]
        for header in (self.signature, self.timestamp):
            yield f"without {header}", post.without(header)
            yield f"a blank {header}", post.having(header, "")
        for at in range(0, len(signature), 5):
            yield f"byte {at} of the signature", post.having(self.signature, _base64(_flipped(signature, at)))
        yield "the signature cut", post.having(self.signature, _base64(signature[:-1]))
        yield "another key", SendGrid()._signed(post, int(now))
        yield "two days old", self._signed(post, int(now) - 2 * DAY_S)
        yield "a later time", post.having(self.timestamp, str(int(now) + 1))
        yield "an earlier time", post.having(self.timestamp, str(int(now) - 1))
        for at in range(0, len(post.body), len(post.body) // 20):
            yield f"byte {at} of the body", Post(post.headers, _flipped(post.body, at))
        yield "the body cut", Post(post.headers, post.body[:-1])
        yield "the body and more", Post(post.headers, post.body + b" ")

    def message(self, event: dict[str, Any]) -> str | None:
        return event["sg_message_id"].split(".")[0] if "sg_message_id" in event else None


class Postmark(Provider):
    name = "postmark"
    view = PostmarkTrackingWebhookView

    def message(self, event: dict[str, Any]) -> str | None:
        return event["MessageID"]

    def kind(self, event: dict[str, Any]) -> str | None:
        return event.get("Type") or event.get("SuppressionReason")


class Mailgun(Provider):
    name = "mailgun"
    view = MailgunTrackingWebhookView
    secret = "the-signing-key-of-the-finches"
    settings = {"MAILGUN_WEBHOOK_SIGNING_KEY": secret}

    def post(self, sample: Any, log_in: str | None) -> Post:
        now, token = str(int(time.time())), uuid.uuid4().hex
        return super().post({"signature": self._signed(now, token, self.secret), **sample}, log_in)

    def forgeries(self, post: Post, log_in: str | None) -> Iterator[tuple[str, Post]]:
        genuine = json.loads(post.body)
        signed = genuine["signature"]
        now, token, signature = signed["timestamp"], signed["token"], signed["signature"]
        others: dict[str, Any] = {f"without {name}": {**signed, name: None} for name in signed}
        others |= {f"a blank {name}": {**signed, name: ""} for name in signed}
        digits = {f"digit {at} of the signature": _other_digit(signature, at) for at in range(0, len(signature), 3)}
        others |= {name: {**signed, "signature": other} for name, other in digits.items()}
        others |= {
            "another key": self._signed(now, token, "the-signing-key-of-the-crows"),
            "two days old": self._signed(str(int(now) - 2 * DAY_S), token, self.secret),
            "a later time": {**signed, "timestamp": str(int(now) + 1)},
            "another token": {**signed, "token": token[::-1]},
            "a digit of the token in the time": {**signed, "timestamp": now[:-1], "token": now[-1] + token},
            "the signature cut": {**signed, "signature": signature[:-2]},
            "the signature and more": {**signed, "signature": signature + "00"},
            "no signature": None,
        }
        for name, other in others.items():
            yield name, Post(post.headers, json.dumps({**genuine, "signature": other}).encode())

    def _signed(self, now: str, token: str, key: str) -> dict[str, str]:
        signature = hmac.new(key.encode(), (now + token).encode(), hashlib.sha256).hexdigest()
        return {"timestamp": now, "token": token, "signature": signature}

    def events(self, sample: Any) -> Iterator[dict[str, Any]]:
        yield sample["event-data"]

    def message(self, event: dict[str, Any]) -> str | None:
        return event["message"]["headers"]["message-id"]


class Resend(Provider):
    name = "resend"
    view = ResendTrackingWebhookView
    is_proven_to_anymail = False

    def __init__(self) -> None:
        self._key = uuid.uuid4().bytes
        self.secret = "whsec_" + _base64(self._key)

    def post(self, sample: Any, log_in: str | None) -> Post:
        post, now = super().post(sample, log_in), str(int(time.time()))
        # Svix keeps the id of an event when it posts it again.
        event = "msg_" + hashlib.sha256(post.body).hexdigest()[:27]
        tag = hmac.new(self._key, f"{event}.{now}.".encode() + post.body, hashlib.sha256).digest()
        signed = {"svix-id": event, "svix-timestamp": now, "svix-signature": "v1," + _base64(tag)}
        return Post({**post.headers, **signed}, post.body)

    def message(self, event: dict[str, Any]) -> str | None:
        return event["data"].get("email_id")

    def kind(self, event: dict[str, Any]) -> str | None:
        return event["type"]


class Brevo(Provider):
    name = "brevo"
    view = BrevoTrackingWebhookView

    def message(self, event: dict[str, Any]) -> str | None:
        return event["message-id"].strip("<>") if "message-id" in event else None


class Mailjet(Provider):
    name = "mailjet"
    view = MailjetTrackingWebhookView

    def message(self, event: dict[str, Any]) -> str | None:
        return str(event["MessageID"])


class SparkPost(Provider):
    name = "sparkpost"
    view = SparkPostTrackingWebhookView

    def events(self, sample: Any) -> Iterator[dict[str, Any]]:
        for envelope in sample:
            yield from envelope["msys"].values()

    def message(self, event: dict[str, Any]) -> str | None:
        return event.get("transmission_id")

    def kind(self, event: dict[str, Any]) -> str | None:
        return event["type"]


class AmazonSes(Provider):
    name = "ses"
    view = AmazonSESTrackingWebhookView
    secret = TOPIC
    is_proven_to_anymail = False

    def __init__(self, sns: Sns) -> None:
        self._sns = sns

    def post(self, sample: Any, log_in: str | None) -> Post:
        envelope = self._sns.notification(json.dumps(sample))
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
        }
        return Post(headers, json.dumps(envelope).encode())

    def known_kinds(self) -> set[str]:
        return {"Bounce", "Complaint", "Delivery", "Send", "Reject", "Open", "Click", "Rendering Failure"}

    def message(self, event: dict[str, Any]) -> str | None:
        return event["mail"]["messageId"]

    def kind(self, event: dict[str, Any]) -> str | None:
        return event.get("eventType") or event.get("notificationType")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _flipped(data: bytes, at: int) -> bytes:
    """The data with one bit of a byte turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _other_digit(digits: str, at: int) -> str:
    """Hexadecimal digits with another one at a place."""
    return digits[:at] + ("0" if digits[at] != "0" else "1") + digits[at + 1 :]


PROVIDERS: dict[str, Callable[[Sns], Provider]] = {
    "sendgrid": lambda _: SendGrid(),
    "postmark": lambda _: Postmark(),
    "mailgun": lambda _: Mailgun(),
    "ses": AmazonSes,
    "resend": lambda _: Resend(),
    "brevo": lambda _: Brevo(),
    "mailjet": lambda _: Mailjet(),
    "sparkpost": lambda _: SparkPost(),
}
