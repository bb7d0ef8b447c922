"""Amazon SNS as far as webhooks see it: it signs what it posts, and its host answers with the certificate.

Sendlog asks `sns.<region>.amazonaws.com` and nobody else. It reaches the stand-in by what an operator can set: a proxy
(`HTTPS_PROXY`), which leads every connection to this machine, and the authorities that are trusted (`SSL_CERT_FILE`).
Sources: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"; RFC 9110, section 9.3.6."""

import base64
import socketserver
import ssl
import tempfile
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "sns.eu-west-1.amazonaws.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:finch"
CERTIFICATE_URL = f"https://{HOST}/SimpleNotificationService-0123456789abcdef.pem"
SIGNED_FIELDS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")


class Sns:
    """The stand-in. A context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sendlog-sns-")
        self._authority = _Authority()
        self._key, self._certificate = self._authority.issue("sns.amazonaws.com")
        self._server = _Proxy(self._tls(), _pem(self._certificate))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Sns":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str | None]:
        """What Sendlog is started with; `None` for what must not be set."""
        roots = Path(self._folder.name) / "roots.pem"
        roots.write_bytes(_pem(self._authority.certificate))
        unset = ("SSL_CERT_DIR", "NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy")
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {**dict.fromkeys(unset), "SSL_CERT_FILE": str(roots), "HTTPS_PROXY": proxy}

    def notification(self, message: str) -> dict[str, str]:
        """The envelope of a message of the topic, signed by version 2."""
        envelope = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": message,
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE_URL,
        }
        text = "".join(f"{name}\n{envelope[name]}\n" for name in SIGNED_FIELDS if name in envelope)
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {**envelope, "Signature": base64.b64encode(signature).decode()}

    def _tls(self) -> ssl.SSLContext:
        key, certificate = self._authority.issue(HOST)
        path = Path(self._folder.name) / "host.pem"
        path.write_bytes(_private_pem(key) + _pem(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class _Authority:
    """A certificate authority that only the test trusts."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The authority of the tests")])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(self._name, self._name, self._key).add_extension(usage, critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256())

    def issue(self, host: str) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        builder = _builder(name, self._name, key)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return key, builder.sign(self._key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


class _Proxy(socketserver.ThreadingTCPServer):
    """A proxy behind which every host is SNS, and answers everybody with its certificate."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext, certificate: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.tls = tls
        self.certificate = certificate


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        _read_head(self.request)
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.server.tls.wrap_socket(self.request, server_side=True) as stream:
            _read_head(stream)
            body = self.server.certificate
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            stream.sendall(head.encode() + body)


def _read_head(stream) -> None:  # noqa: ANN001
    """Reads up to the blank line behind the head of a request."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = stream.recv(1)
        if not received:
            return
        head += received
