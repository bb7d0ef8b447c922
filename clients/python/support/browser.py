"""A person's browser without its window: it logs in and posts what the pages post."""

from typing import Any

import requests


class Browser:
    """The session of one person."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Origin"] = url
        answer = self._session.post(f"{url}/api/auth/login", json={"email": email, "password": password}, timeout=30)
        assert answer.ok, f"log-in of {email}: {answer.status_code} {answer.text}"

    def call(self, function: str, **fields: str) -> Any:
        """Calls a server function as a page's form does, and gives what it returns."""
        return self._post(function, fields).json()

    def submit(self, function: str, **fields: str) -> str | None:
        """Calls a server function that returns nothing, and gives the path of the page that it leads to, if to any."""
        return self._post(function, fields).headers.get("Location")

    def _post(self, function: str, fields: dict[str, str]) -> requests.Response:
        headers = {"Accept": "application/json"}
        answer = self._session.post(
            f"{self._url}/fn/{function}", data=fields, headers=headers, allow_redirects=False, timeout=30
        )
        assert answer.ok, f"{function}: {answer.status_code} {answer.text}"
        return answer
