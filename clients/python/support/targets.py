"""The servers that Sendlog sends to: a mail server, and the HTTP server of the channels that are no email. Both listen
on a free loopback port and keep what they accept.

A recipient's local part decides: `refused…` is answered 550, anything else is accepted."""

import email
import email.message
import email.policy
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from .ports import free_ports
from .waiting import wait_for


@dataclass
class ReceivedMail:
    """A message that the mail server accepted."""

    sender: str
    recipients: list[str]
    message: email.message.EmailMessage
    # As it came.
    raw: bytes

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str) -> str:
        """The text of the part `text/<kind>`, or nothing; lines end in LF."""
        for part in self.message.walk():
            if part.get_content_type() == f"text/{kind}" and not part.is_attachment():
                return str(part.get_content()).replace("\r\n", "\n").rstrip("\n")
        return ""

    def attachments(self) -> dict[str, bytes]:
        """The attached files by name, inline ones included."""
        return {
            part.get_filename() or "": part.get_payload(decode=True) or b""
            for part in self.message.walk()
            if part.get_filename()
        }

    def addresses(self, header: str) -> list[str]:
        """The bare addresses in a header, or nothing."""
        value = self.message[header]
        return [address.addr_spec for address in value.addresses] if value else []


class LongLineServer(SMTP):
    """Takes lines of any length, as most mail servers do."""

    line_length_limit = 1 << 20


class LongLines(Controller):
    """Runs it."""

    def factory(self) -> SMTP:
        return LongLineServer(self.handler, **self.SMTP_kwargs)


class SmtpTarget:
    """The mail server. A context manager."""

    def __init__(self) -> None:
        self.messages: list[ReceivedMail] = []
        # The controller connects to the port it was given, so that cannot be 0.
        [port] = free_ports(1)
        self._controller = LongLines(self, hostname="127.0.0.1", port=port)
        self._controller.start()

    def __enter__(self) -> "SmtpTarget":
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        """What an adapter is given."""
        return f"smtp://127.0.0.1:{self._controller.port}?tls=none"

    def to(self, recipient: str) -> list[ReceivedMail]:
        """The messages accepted for a recipient, oldest first."""
        return [mail for mail in list(self.messages) if recipient in mail.recipients]

    def wait_for(self, recipient: str, count: int = 1) -> list[ReceivedMail]:
        """Waits until at least `count` messages have been accepted for a recipient, and gives them."""

        def enough() -> list[ReceivedMail] | None:
            found = self.to(recipient)
            return found if len(found) >= count else None

        return wait_for(f"{count} mails for {recipient}", enough)

    # What aiosmtpd calls.

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802, ANN001, ANN201
        if address.startswith("refused"):
            return f"550 5.1.1 <{address}>: no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802, ANN001, ANN201
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        raw = envelope.original_content
        self.messages.append(ReceivedMail(envelope.mail_from, list(envelope.rcpt_tos), message, raw))
        return "250 2.0.0 kept"


class HttpTarget:
    """The HTTP server of the other channels: it takes every POST. A context manager."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                posts.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> "HttpTarget":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What an adapter is given."""
        return f"http://127.0.0.1:{self._server.server_port}/notify"

    def wait_for(self, text: str) -> dict[str, Any]:
        """Waits until a message that holds a text has been posted, and gives it."""
        return wait_for(
            f"post with {text}", lambda: next((post for post in list(self.posts) if text in json.dumps(post)), None)
        )
