"""One log: what is sent through one dialect is listed by all the others and by Sendlog's own API, under an id that every
one of them takes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import requests
import resend
import sendwithus
from jetemail import JetEmail, SendEmailOptions
from notificationapi_python_server_sdk import notificationapi

from support.team import FROM, Team, unique_address


@pytest.fixture(scope="module")
def one_team(make_team: Callable[[], Team]) -> Team:
    return make_team()


@pytest.fixture(autouse=True)
def clients(monkeypatch: pytest.MonkeyPatch, one_team: Team) -> None:
    """The clients whose settings are global."""
    monkeypatch.setattr(resend, "api_url", one_team.sendlog.prefixed_url("resend"))
    monkeypatch.setattr(resend, "api_key", one_team.key.secret)
    notificationapi.init(one_team.key.id, one_team.key.secret, one_team.sendlog.prefixed_url("notificationapi"))


def sendwithus_client(team: Team) -> sendwithus.api:
    port = str(team.sendlog.ports["sendwithus"])
    return sendwithus.api(team.key.secret, raise_errors=True, API_PROTO="http", API_HOST="127.0.0.1", API_PORT=port)


def send_by_canary(team: Team, to: str) -> str:
    template = team.create_template("Hello", text="Hello")
    return team.call("POST", "/api/v1/send", json={"templateId": template, "to": to})["id"]


def send_by_sendwithus(team: Team, to: str) -> str:
    template = team.create_template("Hello", text="Hello")
    return sendwithus_client(team).send(template, {"address": to}).json()["receipt_id"]


def send_by_resend(team: Team, to: str) -> str:
    return resend.Emails.send({"from": FROM, "to": to, "subject": "Hello", "text": "Hello"})["id"]


def send_by_jetemail(team: Team, to: str) -> str:
    client = JetEmail(team.key.secret, team.sendlog.prefixed_url("jetemail"))
    return client.emails.send(SendEmailOptions(from_=FROM, to=to, subject="Hello", text="Hello"))["id"]


def send_by_notificationapi(team: Team, to: str) -> str:
    params = {"type": "hello", "to": {"id": to, "email": to}, "email": {"subject": "Hello", "html": "Hello"}}
    assert asyncio.run(notificationapi.send(params)).json()["trackingId"]
    # That names the notification; the message that it made has an id of its own.
    return team.list_to(to)[0]["id"]


SENDERS = {
    "canary": send_by_canary,
    "sendwithus": send_by_sendwithus,
    "resend": send_by_resend,
    "jetemail": send_by_jetemail,
    "notificationapi": send_by_notificationapi,
}


def get(team: Team, url: str, **query: Any) -> Any:
    headers = {"Authorization": f"Bearer {team.key.secret}"}
    answer = requests.get(url, params=query, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("sender", SENDERS)
def test_every_dialect_lists_what_one_of_them_sent(one_team: Team, sender: str) -> None:
    team, to = one_team, unique_address(sender)
    SENDERS[sender](team, to)
    assert len(team.list_to(to)) == 1

    api = sendwithus_client(team)
    logs = api._api_request("logs", api.HTTP_GET).json()
    assert [log["recipient_address"] for log in logs].count(to) == 1
    assert len(api._api_request(f"customers/{to}/logs", api.HTTP_GET).json()["logs"]) == 1

    assert [one["to"] for one in resend.Emails.list({"limit": 100})["data"]].count([to]) == 1

    listed = get(team, f"{team.sendlog.prefixed_url('jetemail')}/outbound/logs", to_address=to)
    assert [entry["to_address"] for entry in listed["data"]] == [to]

    notifications = asyncio.run(notificationapi.query_logs({})).json()["logs"]
    assert sum(to in str(one) for one in notifications) == 1


@pytest.mark.parametrize("sender", SENDERS)
def test_every_dialect_takes_the_id_that_one_of_them_gave(one_team: Team, sender: str) -> None:
    team, to = one_team, unique_address(sender)
    message_id = SENDERS[sender](team, to)
    own_id = team.list_to(to)[0]["id"]
    assert team.find(message_id)["id"] == own_id
    assert sendwithus_client(team).get_log(message_id).json()["recipient_address"] == to
    assert resend.Emails.get(message_id)["to"] == [to]
    found = get(team, f"{team.sendlog.prefixed_url('jetemail')}/outbound/logs", uid=message_id)
    assert [entry["uid"] for entry in found["data"]] == [own_id]


@pytest.mark.parametrize("sender", SENDERS)
def test_every_dialect_sees_the_event_that_was_reported(one_team: Team, sender: str) -> None:
    team, to = one_team, unique_address(sender)
    message_id = SENDERS[sender](team, to)
    team.wait_for_status(message_id, "sent")
    team.report("clicked", emailId=message_id)
    assert team.find(message_id)["status"] == "clicked"
    assert sendwithus_client(team).get_log(message_id).json()["status"] == "clicked"
    assert resend.Emails.get(message_id)["last_event"] == "clicked"
    found = get(team, f"{team.sendlog.prefixed_url('jetemail')}/outbound/logs", uid=message_id)
    assert found["data"][0]["delivery_status"] == "clicked"


def test_the_request_log_holds_the_requests_of_every_dialect(one_team: Team) -> None:
    for sender, send in SENDERS.items():
        send(one_team, unique_address(sender))
    logged = resend.Logs.list({"limit": 100})["data"]
    posted = [one["endpoint"] for one in logged if one["method"] == "POST"]
    for end in ("/api/v1/send", "/emails", "/email", "/sender"):
        assert any(endpoint.endswith(end) for endpoint in posted), f"no request to {end} in {posted}"
