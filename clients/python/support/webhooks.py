"""Webhooks as the team adds them on the page, and what the log then knows of the messages that they are about."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from .browser import Browser
from .team import Team


@dataclass(frozen=True)
class Post:
    """What a provider posts."""

    headers: dict[str, str]
    body: bytes

    def having(self, header: str, value: str) -> "Post":
        """The same with another value in a header."""
        return Post({**self.headers, header: value}, self.body)

    def without(self, header: str) -> "Post":
        """The same without a header."""
        return Post({name: value for name, value in self.headers.items() if name != header}, self.body)


class Webhook:
    """An address of Sendlog's that a provider posts to."""

    def __init__(self, browser: Browser, provider: str, secret: str | None) -> None:
        self._id = browser.submit("create_provider_webhook", provider=provider).rsplit("/", 1)[1]
        self._browser = browser
        self._session = requests.Session()
        # The log-in in the address is the test's to send, or not to send.
        self._session.trust_env = False
        if secret is not None:
            browser.submit("update_provider_webhook", id=self._id, name=provider, secret=secret)
        address = urlsplit(self._view()["address"])
        self.log_in = f"{address.username}:{address.password}" if address.username else None
        """The user and password in the address, where the provider proves itself by them."""
        self._url = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()

    def post(self, post: Post) -> requests.Response:
        """Posts as the provider does."""
        return self._session.post(self._url, data=post.body, headers=post.headers, timeout=30)

    def recorded(self) -> int:
        """How many events were recorded, as the page shows it."""
        return self._view()["webhook"]["recorded"]

    def _view(self) -> dict[str, Any]:
        return self._browser.call("load_provider_webhook", id=self._id)


class Timeline:
    """What the log knows of messages that others sent."""

    def __init__(self, team: Team, browser: Browser) -> None:
        self._team = team
        self._browser = browser
        self._seen: set[str] = set()

    def news_of(self, provider_message_id: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The events of a message that were not there the last time, each with its message."""
        found = self._team.call("GET", "/api/logs", params={"q": f'id:"{provider_message_id}"'})["items"]
        news = []
        for item in found:
            detail = self._browser.call("load_email", id=item["id"])["detail"]
            news += [(detail["email"], event) for event in detail["events"] if event["id"] not in self._seen]
        self._seen.update(event["id"] for _, event in news)
        return news
