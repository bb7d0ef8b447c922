"""A team on the server under test, with an API key of every scope, and what the tests ask of Sendlog's own API: the
templates that they send, the events that they report, and the log in which all dialects meet."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from .browser import Browser
from .sendlog import Sendlog
from .waiting import wait_for

FROM = "Acme <hello@acme.example>"


@dataclass(frozen=True)
class Key:
    """An API key: its public id and its secret."""

    id: str
    secret: str


class Team:
    """A team with an owner, an SMTP adapter, an HTTP adapter for the other channels, and a key of every scope."""

    def __init__(self, sendlog: Sendlog, smtp_url: str, http_url: str) -> None:
        self.sendlog = sendlog
        self.slug = f"team-{uuid.uuid4().hex[:12]}"
        self._owner, self._password = f"owner@{self.slug}.example", uuid.uuid4().hex
        sendlog.admin(
            *("create-user", "--email", self._owner, "--name", "The owner"),
            *("--team", self.slug, "--role", "owner"),
            SENDLOG_PASSWORD=self._password,
        )
        self._create_adapter("smtp", smtp_url, "--default")
        self._create_adapter("http", http_url)
        self.key = self.create_key("*")

    def create_key(self, *scopes: str) -> Key:
        """A key with these permissions alone."""
        arguments = [argument for scope in scopes for argument in ("--scope", scope)]
        made = self.sendlog.admin("create-key", "--team", self.slug, "--name", "clients", *arguments)
        return Key(made["id"], made["key"])

    def log_in(self) -> Browser:
        """The owner's browser, logged in."""
        return Browser(self.sendlog.url, self._owner, self._password)

    def create_template(self, subject: str, html: str | None = None, text: str | None = None) -> str:
        """Makes a template and gives its id."""
        name = f"Template {uuid.uuid4().hex[:8]}"
        source = {"name": name, "subject": subject, "html": html, "text": text}
        body = {field: value for field, value in source.items() if value is not None}
        return self.call("POST", "/api/templates", json=body)["id"]

    def find(self, message_id: str) -> dict[str, Any]:
        """A message as Sendlog's own API shows it; the id may be any dialect's."""
        return self.call("GET", f"/api/logs/{message_id}")

    def list_to(self, recipient: str) -> list[dict[str, Any]]:
        """The newest messages of the own API's list that are to this recipient."""
        items = self.call("GET", "/api/logs", params={"pageSize": 100})["items"]
        return [item for item in items if recipient in item["toAddresses"]]

    def count(self) -> int:
        """How many messages the team's log holds."""
        return self.call("GET", "/api/logs", params={"pageSize": 1})["total"]

    def wait_for_status(self, message_id: str, *statuses: str) -> dict[str, Any]:
        """Waits until a message has one of these statuses (those of Sendlog's own API), and gives the message."""

        def attempt() -> dict[str, Any] | None:
            found = self.find(message_id)
            return found if found["status"] in statuses else None

        return wait_for(f"{' or '.join(statuses)} of {message_id}", attempt)

    def report(self, kind: str, **fields: Any) -> None:
        """Reports an event from outside, as a mail provider would: `emailId` or `providerMessageId`, `recipient`, …"""
        event = {"id": f"evt-{uuid.uuid4()}", "kind": kind, "at": now(), **fields}
        answer = requests.post(
            f"{self.sendlog.url}/api/v1/events", json=[event], headers=self._headers, timeout=30
        )
        assert answer.status_code == 200, f"{event}: {answer.status_code} {answer.text}"
        assert [one["status"] for one in answer.json()["data"]] == ["recorded"], f"{event}: {answer.text}"

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Calls Sendlog's own API and gives what is in the envelope."""
        answer = requests.request(method, self.sendlog.url + path, headers=self._headers, timeout=30, **request)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key.secret}"}

    def _create_adapter(self, kind: str, url: str, *arguments: str) -> None:
        self.sendlog.admin(
            *("create-adapter", "--team", self.slug, "--type", kind, "--name", kind),
            *("--url", url, "--from", FROM, *arguments),
        )


class Arrivals:
    """Messages that keep arriving while a test reads the log: a thread that sends one after the other. A context
    manager, which fails when one of them could not be sent."""

    def __init__(self, send: Callable[[str], object]) -> None:
        self._send = send
        self._sent = 0
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Arrivals":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure:
            raise self._failure

    def wait_for_another(self) -> None:
        """Waits until one more has been accepted, so that something surely came between two pages."""
        before = self._sent
        wait_for("another message", lambda: self._failure or self._sent > before)

    def _run(self) -> None:
        try:
            # The pause leaves the server time to answer the test.
            while not self._stopping.wait(0.005):
                self._send(unique_address("arriving"))
                self._sent += 1
        except BaseException as failure:  # noqa: BLE001 - it is raised again where the test sees it
            self._failure = failure


def unique_address(name: str = "reader") -> str:
    """An address that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}@example.com"


def now() -> str:
    """The time as RFC 3339."""
    return datetime.now(UTC).isoformat()
