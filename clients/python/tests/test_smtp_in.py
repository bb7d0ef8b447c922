"""SMTP, driven by Python's smtplib and by swaks: unencrypted, by STARTTLS and with TLS from the first byte. Odd mail goes through
Sendlog to the team's mail server and arrives byte for byte, behind what Sendlog puts in front."""

import re
import smtplib
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from support.certificates import Certificate, make_certificate
from support.ports import free_ports
from support.sendlog import Sendlog
from support.targets import HttpTarget, SmtpTarget
from support.team import Team

MAIL = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "mail").glob("*.eml"))
MODES = ("plain", "starttls", "tls")
SENDER = "ada@finch.example"

FRONT = re.compile(
    rb"X-Sendlog-Id: (eml_\w+)\r\n"
    rb"Received: from [^\r\n]+\r\n\tby localhost with (ESMTPS?A)\r\n\tid \1;\r\n\t[^\r\n]+\r\n"
    rb"Date: [^\r\n]+\r\nMessage-ID: <\1@finch\.example>\r\n"
)


class Server:
    """A server that takes messages by SMTP, with a certificate, and a team on it."""

    def __init__(self, smtp: SmtpTarget, http: HttpTarget, certificate: Certificate) -> None:
        self.plain, self.encrypted = free_ports(2)
        self.certificate = certificate
        self.sendlog = Sendlog(
            *("--smtp-addr", f"127.0.0.1:{self.plain}", "--smtps-addr", f"127.0.0.1:{self.encrypted}"),
            *("--smtp-tls-cert", str(certificate.path), "--smtp-tls-key", str(certificate.key_path)),
        )
        self.team = Team(self.sendlog, smtp.url, http.url)

    def port(self, mode: str) -> int:
        return self.encrypted if mode == "tls" else self.plain

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate.path))

    def connect(self, mode: str, key: str | None = None) -> smtplib.SMTP:
        """A client that has logged in."""
        if mode == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", self.port(mode), context=self.context())
        else:
            client = smtplib.SMTP("localhost", self.port(mode))
        if mode == "starttls":
            client.starttls(context=self.context())
        client.login("sendlog", key or self.team.key.secret)
        return client


@pytest.fixture(scope="module")
def server(smtp: SmtpTarget, http: HttpTarget, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(smtp, http, make_certificate(tmp_path_factory.mktemp("certificate")))
    with server.sendlog:
        yield server


def by_smtplib(server: Server, mode: str, recipients: list[str], mail: Path) -> None:
    with server.connect(mode) as client:
        assert client.sendmail(SENDER, recipients, mail.read_bytes(), ["BODY=8BITMIME"]) == {}


def by_swaks(server: Server, mode: str, recipients: list[str], mail: Path) -> None:
    tls = {"plain": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[mode]
    if tls:
        tls += ["--tls-verify", "--tls-ca-path", str(server.certificate.path), "--tls-sni", "localhost"]
    mechanism = "LOGIN" if mode == "plain" else "PLAIN"
    command = ["swaks", "--server", "localhost", "--port", str(server.port(mode)), *tls, "--auth", mechanism]
    command += ["--auth-user", "sendlog", "--auth-password", server.team.key.secret, "--from", SENDER]
    command += ["--to", ",".join(recipients), "--data", f"@{mail}", "--suppress-data", "--pipeline"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def as_sent(send: object, mail: bytes) -> bytes:
    """What a client sends: SMTP ends every message with a line end, and swaks adds one more."""
    return mail + b"\r\n" if send is by_swaks or not mail.endswith(b"\r\n") else mail


@pytest.mark.parametrize("mail", MAIL, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("send", [by_smtplib, by_swaks], ids=["smtplib", "swaks"])
def test_mail_arrives_as_it_was_sent(server: Server, smtp: SmtpTarget, send, mode: str, mail: Path) -> None:  # noqa: ANN001
    blind, bob = f"eve-{uuid.uuid4().hex}@example.com", "bob@example.com"
    send(server, mode, [bob, blind], mail)
    [came] = smtp.wait_for(blind)
    assert sorted(came.recipients) == sorted([bob, blind])
    front = FRONT.match(came.raw)
    assert front, came.raw[:600]
    assert came.raw[front.end() :] == as_sent(send, mail.read_bytes())
    assert front[2] == (b"ESMTPA" if mode == "plain" else b"ESMTPSA")
    logged = server.team.wait_for_status(front[1].decode(), "sent")
    assert logged["fromAddress"].endswith("<ada@finch.example>")
    assert logged["toAddresses"] == [bob]


def test_what_a_program_writes_is_read(server: Server, smtp: SmtpTarget) -> None:
    recipient = f"zoë-{uuid.uuid4().hex}@example.com"
    message = EmailMessage()
    message["From"] = "Finch Läden <shop@finch.example>"
    message["To"] = f"Zoë <{recipient}>"
    message["Subject"] = "Ihre Bestellung € 12"
    message["X-Sendlog-Tag"] = "receipts"
    message["X-Sendlog-Metadata-Order"] = "1001"
    message.set_content("Grüße\n")
    message.add_alternative("<p>Grüße</p>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    with server.connect("starttls") as client:
        assert client.send_message(message) == {}
    [came] = smtp.wait_for(recipient)
    assert (came.subject, came.attachments()) == ("Ihre Bestellung € 12", {"Übersicht.pdf": b"%PDF-"})
    assert came.message["X-Sendlog-Tag"] is None
    [listed] = server.team.list_to(recipient)
    logged = server.team.find(listed["id"])
    assert logged["subject"] == "Ihre Bestellung € 12"


def test_a_program_hears_why_it_is_refused(server: Server, smtp: SmtpTarget) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        server.connect("tls", "sl_nobody")
    assert refused.value.smtp_code == 535
    plain = (MAIL[0].parent / "plain.eml").read_bytes()
    recipient = f"bob-{uuid.uuid4().hex}@example.com"
    with server.connect("starttls") as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(SENDER, [recipient], plain.replace(b"\r\n", b"\n"))
        assert refused.value.smtp_code == 550
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(SENDER, [recipient], plain + b"x" * 26_214_400)
        assert refused.value.smtp_code == 552
        client.rset()
        # One of them is refused, the other gets it.
        assert list(client.sendmail(SENDER, ["bob@example..com", recipient], plain)) == ["bob@example..com"]
    assert len(smtp.wait_for(recipient)) == 1


def test_a_key_is_not_said_without_encryption(server: Server) -> None:
    with smtplib.SMTP("localhost", server.plain) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=server.context())
        client.ehlo()
        assert not client.has_extn("starttls") and client.has_extn("auth")
    other = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL("localhost", server.encrypted, context=other)
