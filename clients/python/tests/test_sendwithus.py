"""Sendwithus's dialect, driven by PyPI `sendwithus`. The client takes a host, a port and a protocol but no path, so it
is given the dialect's own address. It has calls for sending, one log and its events; for the others (lists, resending)
its own request is made by hand, with its own credentials and error handling."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import sendwithus
from sendwithus.exceptions import APIError, AuthenticationError

from conftest import RATE_LIMIT
from support.sendlog import Sendlog
from support.targets import SmtpTarget
from support.team import Arrivals, Team, unique_address
from support.waiting import wait_for

STATUSES = [
    "requested",
    "triggered",
    "queued",
    "sent",
    "clicked",
    "re_clicked",
    "opened",
    "re_opened",
    "failed_to_queue",
    "failed_to_send",
    "processed",
    "dropped",
    "delivered",
    "deferred",
    "bounced",
    "reported_as_spam",
    "unsubscribed",
]
LOG_FIELDS = [
    "object",
    "id",
    "created",
    "recipient_name",
    "recipient_address",
    "status",
    "message",
    "email_id",
    "email_name",
    "email_version",
]
MANY = 23
NO_ID = "log_0000000000000"


def client_of(team: Team, key: str | None = None, **options: Any) -> sendwithus.api:
    """The client with a team's key, or another one. It raises its exceptions unless told otherwise."""
    return sendwithus.api(
        key or team.key.secret,
        raise_errors=options.pop("raise_errors", True),
        API_PROTO="http",
        API_HOST="127.0.0.1",
        API_PORT=str(team.sendlog.ports["sendwithus"]),
        **options,
    )


@pytest.fixture
def api(team: Team) -> sendwithus.api:
    return client_of(team)


@pytest.fixture
def template(team: Team) -> str:
    return team.create_template("Order {{ order }}", html="<p>Hello {{ name }}</p>", text="Hello {{ name }}")


def get(api: sendwithus.api, path: str, **query: Any) -> Any:
    """A GET of the client's, for which it has no call."""
    url = requests.Request("GET", f"http://x/{path}", params=query).prepare().path_url
    return api._api_request(url.lstrip("/"), api.HTTP_GET).json()


def send(api: sendwithus.api, template: str, to: str, **options: Any) -> Any:
    data = {"order": 7, "name": "Ada"}
    return api.send(template, {"address": to}, email_data=data, **options).json()


# Sending.


def test_a_template_is_sent_and_read_back(api: sendwithus.api, template: str, smtp: SmtpTarget) -> None:
    to = unique_address()
    answer = api.send(
        email_id=template,
        recipient={"address": to, "name": "Ada Lovelace"},
        email_data={"order": 7, "name": "Ada"},
    ).json()
    assert (answer["success"], answer["status"]) == (True, "OK")
    assert answer["receipt_id"].startswith("log_")
    assert set(answer["email"]) == {"name", "version_name", "locale"}
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html"), received.body("plain")) == (
        "Order 7",
        "<p>Hello Ada</p>",
        "Hello Ada",
    )
    log = api.get_log(answer["receipt_id"]).json()
    assert list(log) == LOG_FIELDS
    assert log["object"] == "log"
    assert log["id"] == answer["receipt_id"]
    assert (log["recipient_name"], log["recipient_address"]) == ("Ada Lovelace", to)
    assert log["email_id"] == template.replace("tpl_", "tem_")
    assert (log["email_name"], log["email_version"]) == (answer["email"]["name"], answer["email"]["version_name"])
    assert abs(log["created"] - time.time()) < 60
    assert log["status"] in STATUSES


def test_a_recipient_may_be_a_plain_address(api: sendwithus.api, template: str, smtp: SmtpTarget) -> None:
    to = unique_address()
    with pytest.deprecated_call():
        api.send(template, to, email_data={"order": 8, "name": "Bob"})
    assert smtp.wait_for(to)[0].subject == "Order 8"


def test_sender_copies_headers_and_tags_are_honoured(
    api: sendwithus.api, team: Team, template: str, smtp: SmtpTarget
) -> None:
    to, cc, bcc = (unique_address(name) for name in ("to", "cc", "bcc"))
    answer = send(
        api,
        template,
        to,
        sender={"address": "shop@acme.example", "name": "The shop", "reply_to": "help@acme.example"},
        cc=[{"address": cc}],
        bcc=[{"address": bcc}],
        tags=["one", "two"],
        headers={"X-Order": "7"},
        locale="en-US",
    )
    [received] = smtp.wait_for(bcc)
    assert str(received.message["From"]) == "The shop <shop@acme.example>"
    assert received.addresses("To") == [to]
    assert received.addresses("Cc") == [cc]
    assert received.addresses("Bcc") == []
    assert received.addresses("Reply-To") == ["help@acme.example"]
    assert received.message["X-Order"] == "7"
    assert smtp.wait_for(cc)
    assert team.find(answer["receipt_id"])["id"]


def test_files_and_an_inline_file_are_attached(api: sendwithus.api, template: str, smtp: SmtpTarget) -> None:
    to = unique_address()
    named = io.BytesIO(b"first")
    named.name = "first.txt"
    second = {"file": io.BytesIO(b"\x00\xff second"), "filename": "second.bin"}
    inline = {"file": io.BytesIO(b"logo"), "filename": "logo.png"}
    send(api, template, to, files=[named, second], inline=inline)
    [received] = smtp.wait_for(to)
    assert received.attachments() == {
        "first.txt": b"first",
        "second.bin": b"\x00\xff second",
        "logo.png": b"logo",
    }


def test_a_batch_answers_each_command_in_its_order(api: sendwithus.api, template: str, smtp: SmtpTarget) -> None:
    first, second = unique_address(), unique_address()
    batch = api.start_batch()
    batch.send(template, {"address": first}, email_data={"order": 1, "name": "A"})
    batch.send("tem_unknown", {"address": unique_address()})
    batch.send(template, {"address": second}, email_data={"order": 2, "name": "B"})
    batch.get_log(NO_ID)
    assert batch.command_length() == 4
    answers = batch.execute().json()
    assert batch.command_length() == 0
    assert [answer["status_code"] for answer in answers] == [200, 400, 200, 404]
    assert [answer["method"] for answer in answers] == ["POST", "POST", "POST", "GET"]
    assert [answer["path"] for answer in answers][:1] == ["/api/v1/send"]
    assert answers[0]["body"]["receipt_id"].startswith("log_")
    assert smtp.wait_for(first)[0].subject == "Order 1"
    assert smtp.wait_for(second)[0].subject == "Order 2"


# Reading.


def test_the_events_tell_the_history_in_its_order(api: sendwithus.api, team: Team, template: str) -> None:
    answer = send(api, template, unique_address())
    team.wait_for_status(answer["receipt_id"], "sent")
    team.report("opened", emailId=answer["receipt_id"])
    events = api.get_log_events(answer["receipt_id"]).json()
    assert all(list(event) == ["object", "created", "type", "message"] for event in events)
    assert {event["object"] for event in events} == {"event"}
    types = [event["type"] for event in events]
    assert types[0] == "requested"
    assert types[-1] == "opened"
    assert set(types) <= set(STATUSES)
    times = [event["created"] for event in events]
    assert times == sorted(times)


@pytest.mark.parametrize("kind", STATUSES)
def test_every_status_can_be_reached(api: sendwithus.api, team: Team, kind: str) -> None:
    # The event of a message that Sendlog never sent starts a log entry of its own.
    to = unique_address()
    team.report(kind, providerMessageId=f"<{to}>", recipient=to)
    [log] = get(api, f"customers/{to}/logs")["logs"]
    assert log["recipient_address"] == to
    assert [event["type"] for event in api.get_log_events(log["id"]).json()][-1] == kind
    # Unsubscribing leaves a message's status as it is, so there it is the only thing known.
    assert log["status"] == kind


def test_opening_and_clicking_again_has_names_of_its_own(api: sendwithus.api, team: Team, template: str) -> None:
    log_id = send(api, template, unique_address())["receipt_id"]
    team.wait_for_status(log_id, "sent")
    history = [("opened", "opened"), ("opened", "re_opened"), ("clicked", "clicked"), ("clicked", "re_clicked")]
    for kind, status in history:
        team.report(kind, emailId=log_id)
        assert api.get_log(log_id).json()["status"] == status


def test_a_late_event_does_not_take_a_status_back(api: sendwithus.api, team: Team, template: str) -> None:
    log_id = send(api, template, unique_address())["receipt_id"]
    team.wait_for_status(log_id, "sent")
    for kind in ("clicked", "delivered", "opened"):
        team.report(kind, emailId=log_id)
    assert api.get_log(log_id).json()["status"] == "clicked"


def test_a_refused_message_is_bounced(api: sendwithus.api, template: str) -> None:
    log_id = send(api, template, unique_address("refused"))["receipt_id"]
    wait_for("bounce", lambda: api.get_log(log_id).json()["status"] == "bounced")
    assert "5.1.1" in api.get_log(log_id).json()["message"]


def test_the_list_is_newest_first_and_counts_and_skips(make_team: Callable[[], Team]) -> None:
    team = make_team()
    api, ids = fill(team, 5)
    logs = get(api, "logs")
    assert [log["id"] for log in logs] == ids
    assert all(list(log) == LOG_FIELDS for log in logs)
    assert [log["id"] for log in get(api, "logs", count=2)] == ids[:2]
    assert [log["id"] for log in get(api, "logs", count=2, offset=3)] == ids[3:]
    assert get(api, "logs", offset=5) == []


def test_the_list_gives_a_hundred_at_most(make_team: Callable[[], Team]) -> None:
    team = make_team()
    api, ids = fill(team, 103)
    assert [log["id"] for log in get(api, "logs")] == ids[:100]
    assert [log["id"] for log in get(api, "logs", count=100, offset=100)] == ids[100:]


def test_the_list_can_be_bounded_by_time(make_team: Callable[[], Team]) -> None:
    team = make_team()
    api, [log_id] = fill(team, 1)
    at = get(api, f"logs/{log_id}")["created"]
    shown = {"created_gt": at - 1, "created_gte": at, "created_lt": at + 1, "created_lte": at}
    hidden = {"created_gt": at, "created_gte": at + 1, "created_lt": at, "created_lte": at - 1}
    for name, value in shown.items():
        assert [log["id"] for log in get(api, "logs", **{name: value})] == [log_id], name
    for name, value in hidden.items():
        assert get(api, "logs", **{name: value}) == [], name


def test_a_walk_has_no_repeat_and_no_gap_while_messages_arrive(make_team: Callable[[], Team]) -> None:
    team = make_team()
    api, before = fill(team, MANY)
    template = team.create_template("Arriving", text="Hello")
    # The pages are counted from the newest, so a walk keeps to what was there when it began.
    until = get(api, "logs", count=1)[0]["created"]
    wait_for("next second", lambda: time.time() >= until + 1)
    seen: list[str] = []
    with Arrivals(lambda to: client_of(team).send(template, {"address": to})) as arrivals:
        while True:
            arrivals.wait_for_another()
            page = get(api, "logs", count=5, offset=len(seen), created_lte=until)
            seen += [log["id"] for log in page]
            if len(page) < 5:
                break
    assert seen == before


def test_a_customers_logs_are_that_customers_alone(api: sendwithus.api, template: str) -> None:
    to = unique_address()
    ids = [send(api, template, to)["receipt_id"] for _ in range(3)][::-1]
    answer = get(api, f"customers/{to}/logs")
    assert (answer["success"], answer["status"]) == (True, "OK")
    assert [log["id"] for log in answer["logs"]] == ids
    assert [log["id"] for log in get(api, f"customers/{to}/logs", count=2)["logs"]] == ids[:2]
    assert get(api, f"customers/{unique_address()}/logs")["logs"] == []


# Sending again.


def test_resending_sends_the_message_again(api: sendwithus.api, template: str, smtp: SmtpTarget) -> None:
    to = unique_address("refused")
    first = send(api, template, to)["receipt_id"]
    wait_for("bounce", lambda: api.get_log(first).json()["status"] == "bounced")
    answer = api._api_request("resend", api.HTTP_POST, payload={"log_id": first}).json()
    assert (answer["success"], answer["status"]) == (True, "OK")
    assert answer["log_id"].startswith("log_")
    assert answer["receipt_id"].startswith("log_")
    assert set(answer["email"]) == {"name", "version_name", "locale"}
    assert len(get(api, f"customers/{to}/logs")["logs"]) == 2


# Errors.


def test_a_wrong_key_is_the_clients_authentication_error(team: Team, template: str) -> None:
    api = client_of(team, "sl_not_a_key")
    for call in (
        lambda: api.get_log(NO_ID),
        lambda: api.get_log_events(NO_ID),
        lambda: api.send(template, {"address": unique_address()}),
        lambda: get(api, "logs"),
    ):
        with pytest.raises(AuthenticationError):
            call()


def test_without_raise_errors_a_wrong_key_is_a_403(team: Team) -> None:
    assert client_of(team, "sl_not_a_key", raise_errors=False).get_log(NO_ID).status_code == 403


def test_a_missing_key_is_refused(team: Team) -> None:
    # The client refuses to be made without a key, so this is sent by hand.
    answer = requests.get(f"{team.sendlog.own_url('sendwithus')}/api/v1/logs", timeout=30)
    assert answer.status_code in (401, 403)


def test_the_key_may_come_in_the_older_header(team: Team) -> None:
    for url in (f"{team.sendlog.own_url('sendwithus')}/api/v1", team.sendlog.prefixed_url("sendwithus")):
        answer = requests.get(f"{url}/logs", headers={"X-SWU-API-KEY": team.key.secret}, timeout=30)
        assert answer.status_code == 200


def test_a_key_may_only_what_its_scopes_say(team: Team, template: str) -> None:
    reading = client_of(team, team.create_key("logs:view").secret)
    sending = client_of(team, team.create_key("emails:send").secret)
    assert isinstance(get(reading, "logs"), list)
    assert send(sending, template, unique_address())["success"]
    for call in (lambda: send(reading, template, unique_address()), lambda: get(sending, "logs")):
        with pytest.raises(AuthenticationError):
            call()


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"email_id": "", "recipient": {"address": "ada@example.com"}},
        {"email_id": "tem_unknown", "recipient": {"address": "ada@example.com"}},
        {"recipient": {"address": "ada@example.com"}},
        {"email_id": None, "recipient": {"address": "no address"}},
        {"email_id": None},
        {"email_id": None, "recipient": {"address": "ada@example.com"}, "email_data": "no object"},
    ],
    ids=["nothing", "empty template", "unknown template", "no template", "bad address", "no recipient", "bad data"],
)
def test_a_wrong_message_is_400_and_nothing_is_kept(
    make_team: Callable[[], Team], payload: dict[str, Any]
) -> None:
    team = make_team()
    if "email_id" in payload and payload["email_id"] is None:
        payload = {**payload, "email_id": team.create_template("Wrong", text="Hello")}
    # An empty payload is not sent at all by the client, so it is sent as text.
    request = {"payload": payload} if payload else {"data": "{}"}
    api = client_of(team)
    with pytest.raises(APIError) as raised:
        api._api_request(api.SEND_ENDPOINT, api.HTTP_POST, **request)
    assert raised.value.content
    quiet = client_of(team, raise_errors=False)
    assert quiet._api_request(api.SEND_ENDPOINT, api.HTTP_POST, **request).status_code == 400
    assert team.count() == 0


@pytest.mark.parametrize(
    "query",
    [{"count": 101}, {"count": 0}, {"count": -1}, {"count": "x"}, {"offset": -1}, {"offset": "x"}, {"created_gt": "x"}],
    ids=lambda query: "=".join(map(str, *query.items())),
)
def test_a_number_out_of_bounds_is_400(team: Team, query: dict[str, Any]) -> None:
    with pytest.raises(APIError) as raised:
        get(client_of(team), "logs", **query)
    assert raised.value.content
    url = requests.Request("GET", "http://x/logs", params=query).prepare().path_url.lstrip("/")
    quiet = client_of(team, raise_errors=False)
    assert quiet._api_request(url, quiet.HTTP_GET).status_code == 400


def test_an_unknown_log_is_404_and_says_so(api: sendwithus.api, team: Team) -> None:
    for call in (
        lambda: api.get_log(NO_ID),
        lambda: api.get_log_events(NO_ID),
        lambda: api.get_log("nonsense"),
        lambda: api._api_request("resend", api.HTTP_POST, payload={"log_id": NO_ID}),
    ):
        with pytest.raises(APIError) as raised:
            call()
        assert b"No SendLog" in raised.value.content
    assert client_of(team, raise_errors=False).get_log(NO_ID).status_code == 404


def test_an_unknown_path_is_404(team: Team) -> None:
    with pytest.raises(APIError):
        client_of(team).list_drip_campaigns()
    assert client_of(team, raise_errors=False).list_drip_campaigns().status_code == 404


def test_a_method_that_a_path_does_not_have_is_405(team: Team) -> None:
    api = client_of(team, raise_errors=False)
    assert api._api_request("logs", api.HTTP_DELETE).status_code == 405
    assert api._api_request("send", api.HTTP_GET).status_code == 405


def test_a_log_of_another_team_is_not_found(make_team: Callable[[], Team], api: sendwithus.api, template: str) -> None:
    log_id = send(api, template, unique_address())["receipt_id"]
    with pytest.raises(APIError) as raised:
        client_of(make_team()).get_log(log_id)
    assert b"No SendLog" in raised.value.content


def test_a_body_too_large_is_refused(make_team: Callable[[], Team]) -> None:
    team = make_team()
    template = team.create_template("Large", text="Hello")
    with pytest.raises(APIError):
        client_of(team).send(template, {"address": unique_address()}, email_data={"x": "x" * (26 * 1024 * 1024)})
    assert team.count() == 0


def test_a_key_that_asks_too_often_is_429(limited_team: Team) -> None:
    with pytest.raises(APIError):
        for _ in range(RATE_LIMIT * 20):
            get(client_of(limited_team), "logs")
    quiet = client_of(limited_team, raise_errors=False)
    answers = [quiet._api_request("logs", quiet.HTTP_GET) for _ in range(RATE_LIMIT * 3)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1


def test_the_request_is_logged_without_the_key(sendlog: Sendlog, team: Team, api: sendwithus.api) -> None:
    to = unique_address()
    template = team.create_template("Logged", text="Hello")
    api.send(template, {"address": to})
    headers = {"Authorization": f"Bearer {team.key.secret}"}
    base = sendlog.prefixed_url("resend")
    listed = requests.get(f"{base}/logs", params={"limit": 10}, headers=headers, timeout=30).json()["data"]
    entry = next(one for one in listed if one["endpoint"].endswith("/send"))
    found = requests.get(f"{base}/logs/{entry['id']}", headers=headers, timeout=30).json()
    assert found["request_body"]["recipient"] == {"address": to}
    assert team.key.secret not in json.dumps(found)


# Help.


def fill(team: Team, count: int) -> tuple[sendwithus.api, list[str]]:
    """A client of the team and the ids of new messages, newest first."""
    api = client_of(team)
    template = team.create_template("Filled", text="Hello")
    ids = [api.send(template, {"address": unique_address()}).json()["receipt_id"] for _ in range(count)]
    return api, ids[::-1]
