"""Every OpenAPI document against a server on a throw-away database, by schemathesis, with all its checks on: an answer
that the document does not describe, a wrong request that is taken, or a 5xx is a failure.

    python openapi.py [DOCUMENT...]     canary, sendwithus, resend, jetemail, notificationapi; all when none is named

CASES is how many cases there shall be at least, over all documents (a round of requests is repeated with the next seed
until there are as many); SEED is the first seed. The same seeds make the same requests as long as the documents stay."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from support.sendlog import Sendlog
from support.targets import HttpTarget, SmtpTarget
from support.team import FROM, Key, Team, unique_address

FEW_CASES = 1500
REVOKING = "/api/api-keys/{id}"
# How often a parameter that names something takes one that exists. Else nearly every answer would be 404.
KNOWN = 0.5


@dataclass(frozen=True)
class Document:
    """One document: where it is, how its requests are authenticated, and what its parameters may name."""

    name: str
    base: str
    authorization: str
    # Parameters that always have one value.
    fixed: dict[str, str] = field(default_factory=dict)
    # Parameters that name something, and the kind of thing.
    names: dict[str, str] = field(default_factory=dict)
    # Whether there is one kind of credentials. With several, one that schemathesis spoils leaves another that is right.
    spoils_credentials: bool = True
    # The one path that is tested, or that is not.
    only: str | None = None
    without: str | None = None


def documents(team: Team, key: Key) -> list[Document]:
    server = team.sendlog
    bearer = f"Bearer {key.secret}"
    return [
        # Revoking is tested apart: a case that revokes the key of the run turns all that follows into the same 401.
        Document(
            "canary",
            f"{server.url}/api",
            bearer,
            names={"path.id": "messages", "body.templateId": "templates", "query.templateId": "templates"},
            spoils_credentials=False,
            without=REVOKING,
        ),
        Document(
            "canary-revoke",
            f"{server.url}/api",
            bearer,
            names={"path.id": "keys"},
            spoils_credentials=False,
            only=REVOKING,
        ),
        Document(
            "sendwithus",
            server.prefixed_url("sendwithus"),
            basic(key.secret, ""),
            names={
                **{"path.log_id": "messages", "path.id": "messages", "path.email": "addresses"},
                **{"body.log_id": "messages", "body.email_id": "templates", "body.template": "templates"},
            },
        ),
        Document(
            "resend",
            server.prefixed_url("resend"),
            bearer,
            names={
                **{"path.id": "messages", "path.email_id": "messages", "path.log_id": "requests"},
                **{"body.template.id": "templates"},
            },
        ),
        Document("jetemail", server.prefixed_url("jetemail"), bearer, names={"query.uid": "messages"}),
        Document(
            "notificationapi",
            server.prefixed_url("notificationapi"),
            basic(key.id, key.secret),
            fixed={"path.clientId": key.id, "path.client_id": key.id},
            names={"body.templateId": "templates"},
        ),
    ]


def main() -> int:
    chosen = sys.argv[1:]
    wanted = int(os.environ.get("CASES") or 0)
    seed = int(os.environ.get("SEED") or 1)
    with SmtpTarget() as smtp, HttpTarget() as http, Sendlog() as server:
        team = Team(server, smtp.url, http.url)
        things = fill(team)
        names = [document.name for document in documents(team, team.key)]
        unknown = set(chosen) - set(names)
        if unknown:
            sys.exit(f"error: no document {', '.join(sorted(unknown))}")
        names = [name for name in names if not chosen or name in chosen]
        tested = [document for document in documents(team, team.key) if document.name in names]
        operations = sum(count_operations(document) for document in tested)
        examples = max(1, (wanted or FEW_CASES) // operations)
        total, failed = 0, False
        while True:
            for name in names:
                key = team.create_key("*")
                document = next(document for document in documents(team, key) if document.name == name)
                cases, passed = run(document, things, examples, seed)
                total += cases
                failed = failed or not passed
                if document.only != REVOKING and not is_valid(team, key):
                    print(f"{name}: a case has revoked the key of the run; what came after it shows nothing")
                    failed = True
            seed += 1
            if failed or total >= wanted:
                break
        print(f"{total} cases over {len(tested)} documents")
        if failed:
            print(f"What the server printed:\n{server.output[-20_000:]}")
        return 1 if failed else 0


def run(document: Document, things: dict[str, list[str]], examples: int, seed: int) -> tuple[int, bool]:
    """Runs schemathesis over a document; gives how many cases there were and whether all passed."""
    with tempfile.TemporaryDirectory(prefix="sendlog-openapi-") as folder:
        settings = Path(folder, "schemathesis.toml")
        settings.write_text(configuration(document, things))
        report = Path(folder, "report.json")
        command = [
            *(str(Path(sys.executable).with_name("st")), "--config-file", str(settings)),
            *("run", f"{document.base}/openapi.json", "--url", document.base.removesuffix("/api"), "--checks", "all"),
            *("--max-examples", str(examples), "--seed", str(seed), "--workers", "1"),
            *("--generation-database", "none", "--continue-on-failure", "--no-color"),
            *("--report", "json", "--report-json-path", str(report)),
            *("--header", f"Authorization: {document.authorization}"),
            *([] if document.spoils_credentials else ["--exclude-checks", "ignored_auth"]),
            *(["--include-path", document.only] if document.only else []),
            *(["--exclude-path", document.without] if document.without else []),
        ]
        # It keeps a memory in the folder it runs in; each run begins without one.
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        result: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
        counted = result.get("test_cases", {})
        passed = done.returncode == 0 and bool(result.get("complete")) and counted.get("generated", 0) > 0
        if not passed:
            print(done.stdout + done.stderr)
        cases = counted.get("generated", 0)
        words = "all as documented" if passed else f"{counted.get('unique_failures', 'no report; unknown')} failures"
        print(f"{document.name:<16} {cases:>6} cases, seed {seed}: {words}", flush=True)
        return cases, passed


def configuration(document: Document, things: dict[str, list[str]]) -> str:
    """The settings that are no flags: what the parameters may name."""
    # What a document cannot say refuses some requests that it describes: a template that is not there, two parameters that
    # exclude each other, one attempt at a log-in too many. Such an answer is described, and its body is checked.
    refused = "[checks.positive_data_acceptance]\nexpected-statuses = ['2xx', 400, 401, 403, 404, 409, 413, 422, 429]"
    lines = ["[cache]", "enabled = false", refused]
    for kind, values in things.items():
        lines += [f"[dictionaries.{kind}]", f"values = {json.dumps(values)}"]
    lines += ["[parameters]"]
    lines += [f'"{name}" = {json.dumps(value)}' for name, value in document.fixed.items()]
    lines += [
        f'"{name}" = {{ dictionary = "{kind}", probability = {KNOWN} }}' for name, kind in document.names.items()
    ]
    return "\n".join(lines) + "\n"


def count_operations(document: Document) -> int:
    answer = requests.get(f"{document.base}/openapi.json", timeout=30)
    answer.raise_for_status()
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    paths = answer.json()["paths"]
    if document.only or document.without:
        paths = {path: item for path, item in paths.items() if path != document.without and document.only in (None, path)}
    return sum(len(methods & set(item)) for item in paths.values())


def is_valid(team: Team, key: Key) -> bool:
    """Whether the server still takes a key."""
    headers = {"Authorization": f"Bearer {key.secret}"}
    return requests.get(f"{team.sendlog.url}/api/logs", headers=headers, timeout=30).ok


def fill(team: Team) -> dict[str, list[str]]:
    """Puts messages of every kind into the log, and gives what there is, by its kind."""
    template = team.create_template("Hello {{ name }}", html="<p>Hello</p>")
    to = unique_address()
    messages: list[str] = []
    for kind in (None, "delivered", "opened", "clicked", "bounced", "reported_as_spam", "deferred", "failed"):
        body = {"templateId": template, "to": to, "variables": {"name": "Ada"}}
        message = team.call("POST", "/api/v1/send", json=body)["id"]
        messages.append(message)
        if kind:
            team.report(kind, emailId=message, userAgent="Mozilla/5.0", url="https://acme.example/")
    headers = {"Authorization": f"Bearer {team.key.secret}"}
    base = team.sendlog.prefixed_url("resend")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    scheduled = {"from": FROM, "to": to, "subject": "Later", "text": "Later", "scheduled_at": tomorrow}
    for _ in range(3):
        answer = requests.post(f"{base}/emails", json=scheduled, headers=headers, timeout=30)
        answer.raise_for_status()
        messages.append(answer.json()["id"])
    logged = requests.get(f"{base}/logs", headers=headers, timeout=30).json()["data"]
    return {
        "keys": [team.create_key("logs:view").id for _ in range(50)],
        "messages": messages,
        "templates": [template],
        "addresses": [to],
        "requests": [one["id"] for one in logged],
    }


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


if __name__ == "__main__":
    sys.exit(main())
