"""Resend's dialect, driven by PyPI `resend`. The client is pointed at a server by `resend.api_url`."""

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import resend
from resend.exceptions import (
    InvalidApiKeyError,
    MissingApiKeyError,
    MissingRequiredFieldsError,
    RateLimitError,
    ResendError,
    ValidationError,
)
from urllib3.util import SKIP_HEADER

from conftest import RATE_LIMIT
from support.sendlog import Sendlog
from support.targets import SmtpTarget
from support.team import FROM, Arrivals, Key, Team, unique_address
from support.waiting import wait_for

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CREATED_AT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00")
MANY = 23
NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=["prefix", "own address"])
def address(request: pytest.FixtureRequest, sendlog: Sendlog) -> str:
    """Both places where the dialect is."""
    return sendlog.prefixed_url("resend") if request.param == "prefix" else sendlog.own_url("resend")


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch, sendlog: Sendlog, team: Team) -> Iterator[None]:
    """The module's settings, which are global."""
    monkeypatch.setattr(resend, "api_url", sendlog.prefixed_url("resend"))
    monkeypatch.setattr(resend, "api_key", team.key.secret)
    yield


@pytest.fixture
def own_team(monkeypatch: pytest.MonkeyPatch, make_team: Callable[[], Team]) -> Team:
    """A team whose log is empty; the client has its key."""
    team = make_team()
    monkeypatch.setattr(resend, "api_key", team.key.secret)
    return team


def mail(to: str | list[str], **fields: Any) -> Any:
    """A message as `resend.Emails.send` takes it."""
    return {"from": FROM, "to": to, "subject": "Hello", "html": "<p>Hello</p>", **fields}


def in_one_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Sending.


def test_a_message_is_sent_and_read_back(address: str, monkeypatch: pytest.MonkeyPatch, smtp: SmtpTarget) -> None:
    monkeypatch.setattr(resend, "api_url", address)
    to = unique_address()
    sent = resend.Emails.send(mail(to, subject="Hello Ada", html="<p>Good <b>day</b></p>", text="Good day"))
    assert UUID.fullmatch(sent["id"])
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html"), received.body("plain")) == (
        "Hello Ada",
        "<p>Good <b>day</b></p>",
        "Good day",
    )
    found = resend.Emails.get(sent["id"])
    assert found["object"] == "email"
    assert found["id"] == sent["id"]
    assert found["to"] == [to]
    assert found["from"] == FROM
    assert found["subject"] == "Hello Ada"
    assert found["html"] == "<p>Good <b>day</b></p>"
    assert found["text"] == "Good day"
    assert found["created_at"]
    assert found["last_event"] in ("queued", "sent")


@pytest.mark.parametrize("body", ["html", "text"])
def test_one_body_is_enough(smtp: SmtpTarget, body: str) -> None:
    to = unique_address()
    resend.Emails.send({"from": FROM, "to": to, "subject": "One body", body: "Good day"})
    [received] = smtp.wait_for(to)
    assert received.body("html" if body == "html" else "plain") == "Good day"


@pytest.mark.parametrize("shape", [lambda one: one, lambda one: [one]], ids=["text", "list"])
def test_cc_bcc_and_reply_to_are_honoured(smtp: SmtpTarget, shape: Callable[[str], Any]) -> None:
    to, cc, bcc, reply_to = (unique_address(name) for name in ("to", "cc", "bcc", "reply"))
    sent = resend.Emails.send(mail(to, cc=shape(cc), bcc=shape(bcc), reply_to=shape(reply_to)))
    [received] = smtp.wait_for(bcc)
    assert received.addresses("To") == [to]
    assert received.addresses("Cc") == [cc]
    assert received.addresses("Bcc") == []
    assert received.addresses("Reply-To") == [reply_to]
    assert smtp.wait_for(cc)
    found = resend.Emails.get(sent["id"])
    assert (found["cc"], found["bcc"], found["reply_to"]) == ([cc], [bcc], [reply_to])


def test_several_recipients_each_get_the_message(smtp: SmtpTarget) -> None:
    first, second = unique_address(), unique_address()
    sent = resend.Emails.send(mail([f"Ada <{first}>", second]))
    assert smtp.wait_for(first)
    assert smtp.wait_for(second)
    assert len(resend.Emails.get(sent["id"])["to"]) == 2


def test_headers_and_tags_are_kept(smtp: SmtpTarget) -> None:
    to = unique_address()
    tags = [{"name": "category", "value": "confirm_email"}]
    sent = resend.Emails.send(mail(to, headers={"X-Entity-Ref-ID": "123"}, tags=tags))
    [received] = smtp.wait_for(to)
    assert received.message["X-Entity-Ref-ID"] == "123"
    assert resend.Emails.get(sent["id"])["tags"] == tags


def test_attachments_arrive_as_base64_and_as_a_list_of_bytes(smtp: SmtpTarget) -> None:
    to = unique_address()
    attachments = [
        {"filename": "base64.txt", "content": base64.b64encode(b"from base64").decode()},
        {"filename": "bytes.bin", "content": list(b"\x00\xff bytes")},
        {"filename": "typed.dat", "content": list(b"{}"), "content_type": "application/json"},
        {"filename": "logo.png", "content": list(b"png"), "content_id": "logo"},
        {"filename": "old.png", "content": list(b"old"), "inline_content_id": "old"},
    ]
    resend.Emails.send(mail(to, html='<img src="cid:logo">', attachments=attachments))
    [received] = smtp.wait_for(to)
    assert received.attachments() == {
        "base64.txt": b"from base64",
        "bytes.bin": b"\x00\xff bytes",
        "typed.dat": b"{}",
        "logo.png": b"png",
        "old.png": b"old",
    }
    parts = {part.get_filename(): part for part in received.message.walk() if part.get_filename()}
    assert parts["typed.dat"].get_content_type() == "application/json"
    assert parts["logo.png"]["Content-ID"] == "<logo>"


def test_an_attachment_on_another_server_is_refused_not_forgotten() -> None:
    with pytest.raises(ResendError) as raised:
        resend.Emails.send(mail(unique_address(), attachments=[{"path": "http://127.0.0.1:9/report.pdf"}]))
    assert raised.value.code == 422


def test_a_template_is_filled_in(team: Team, smtp: SmtpTarget) -> None:
    template = team.create_template("Welcome {{ name }}", html="<p>Hello {{ name }}, {{ age }}</p>")
    to = unique_address()
    sent = resend.Emails.send(
        {"from": FROM, "to": to, "template": {"id": template, "variables": {"name": "Ada", "age": 36}}}
    )
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html")) == ("Welcome Ada", "<p>Hello Ada, 36</p>")
    assert resend.Emails.get(sent["id"])["subject"] == "Welcome Ada"


def test_braces_in_a_message_without_a_template_are_left_alone(smtp: SmtpTarget) -> None:
    to = unique_address()
    resend.Emails.send(mail(to, subject="{{ not }} a template", html="<p>{{ nor }} {% this %}</p>"))
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html")) == ("{{ not }} a template", "<p>{{ nor }} {% this %}</p>")


def test_the_asynchronous_calls_work_alike(smtp: SmtpTarget) -> None:
    async def run() -> None:
        to = unique_address()
        sent = await resend.Emails.send_async(mail(to))
        assert (await resend.Emails.get_async(sent["id"]))["to"] == [to]
        assert sent["id"] in [one["id"] for one in (await resend.Emails.list_async({"limit": 100}))["data"]]
        batch = await resend.Batch.send_async([mail(to), mail(to)])
        assert len(batch["data"]) == 2
        later = await resend.Emails.send_async(mail(to, scheduled_at=in_one_hour()))
        await resend.Emails.update_async({"id": later["id"], "scheduled_at": in_one_hour()})
        await resend.Emails.cancel_async(later["id"])
        logs = await resend.Logs.list_async({"limit": 1})
        assert (await resend.Logs.get_async(logs["data"][0]["id"]))["object"] == "log"
        with pytest.raises(ResendError) as raised:
            await resend.Emails.get_async(NO_ID)
        assert raised.value.error_type == "not_found"

    asyncio.run(run())


# Batches.


def test_a_batch_gives_one_id_for_each_message(smtp: SmtpTarget) -> None:
    recipients = [unique_address() for _ in range(3)]
    answer = resend.Batch.send([mail(to, subject=f"To {to}") for to in recipients])
    assert len({one["id"] for one in answer["data"]}) == 3
    for one, to in zip(answer["data"], recipients, strict=True):
        assert resend.Emails.get(one["id"])["to"] == [to]
        assert smtp.wait_for(to)[0].subject == f"To {to}"


def test_a_strict_batch_is_all_or_nothing(own_team: Team) -> None:
    good, bad = mail(unique_address()), mail("no address")
    for options in (None, {"batch_validation": "strict"}):
        with pytest.raises(ResendError) as raised:
            resend.Batch.send([good, bad], options)
        assert raised.value.code == 422
    assert own_team.count() == 0


def test_a_permissive_batch_sends_what_it_can_and_names_the_rest(smtp: SmtpTarget) -> None:
    to = unique_address()
    answer = resend.Batch.send([mail("no address"), mail(to)], {"batch_validation": "permissive"})
    assert len(answer["data"]) == 1
    assert [error["index"] for error in answer["errors"]] == [0]
    assert answer["errors"][0]["message"]
    assert smtp.wait_for(to)


def test_a_batch_takes_a_hundred_messages_and_no_more(own_team: Team) -> None:
    messages = [mail(unique_address()) for _ in range(101)]
    with pytest.raises(ResendError) as raised:
        resend.Batch.send(messages)
    assert raised.value.code == 422
    assert own_team.count() == 0
    assert len(resend.Batch.send(messages[:100])["data"]) == 100


# Idempotency keys.


def test_an_idempotency_key_sends_once(smtp: SmtpTarget) -> None:
    to, options = unique_address(), {"idempotency_key": str(uuid.uuid4())}
    first = resend.Emails.send(mail(to), options)
    again = resend.Emails.send(mail(to), options)
    assert again["id"] == first["id"]
    other = resend.Emails.send(mail(to, subject="The last"), {"idempotency_key": str(uuid.uuid4())})
    assert other["id"] != first["id"]
    # When the last has come, a second copy of the first would have come before it.
    received = smtp.wait_for(to, 2)
    assert sorted(one.subject for one in received) == ["Hello", "The last"]


def test_a_batch_with_an_idempotency_key_is_sent_once(own_team: Team) -> None:
    messages, options = [mail(unique_address()), mail(unique_address())], {"idempotency_key": str(uuid.uuid4())}
    first = resend.Batch.send(messages, options)
    again = resend.Batch.send(messages, options)
    assert again["data"] == first["data"]
    assert own_team.count() == 2


def test_an_idempotency_key_with_another_body_is_409() -> None:
    to, options = unique_address(), {"idempotency_key": str(uuid.uuid4())}
    resend.Emails.send(mail(to), options)
    with pytest.raises(ResendError) as raised:
        resend.Emails.send(mail(to, subject="Another"), options)
    assert (raised.value.code, raised.value.error_type) == (409, "invalid_idempotent_request")


def test_an_idempotency_key_of_more_than_256_characters_is_400() -> None:
    resend.Emails.send(mail(unique_address()), {"idempotency_key": uuid.uuid4().hex * 8})
    with pytest.raises(ResendError) as raised:
        resend.Emails.send(mail(unique_address()), {"idempotency_key": "k" * 257})
    assert (raised.value.code, raised.value.error_type) == (400, "invalid_idempotency_key")


# Scheduled messages.


def test_a_scheduled_message_waits_can_be_moved_and_cancelled(team: Team, smtp: SmtpTarget) -> None:
    to, at = unique_address(), in_one_hour()
    sent = resend.Emails.send(mail(to, scheduled_at=at))
    found = resend.Emails.get(sent["id"])
    assert found["last_event"] == "scheduled"
    assert same_time(found["scheduled_at"], at)

    later = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    updated = resend.Emails.update({"id": sent["id"], "scheduled_at": later})
    assert (updated["object"], updated["id"]) == ("email", sent["id"])
    assert same_time(resend.Emails.get(sent["id"])["scheduled_at"], later)

    cancelled = resend.Emails.cancel(sent["id"])
    assert (cancelled["object"], cancelled["id"]) == ("email", sent["id"])
    assert resend.Emails.get(sent["id"])["last_event"] == "canceled"
    assert smtp.to(to) == []


def test_a_scheduled_message_goes_out_when_its_time_comes(smtp: SmtpTarget) -> None:
    to = unique_address()
    sent = resend.Emails.send(mail(to, scheduled_at=in_one_hour()))
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    resend.Emails.update({"id": sent["id"], "scheduled_at": soon})
    assert smtp.wait_for(to)


def test_a_sent_message_can_be_neither_moved_nor_cancelled(team: Team) -> None:
    sent = resend.Emails.send(mail(unique_address()))
    team.wait_for_status(sent["id"], "sent")
    for change in (
        lambda: resend.Emails.cancel(sent["id"]),
        lambda: resend.Emails.update({"id": sent["id"], "scheduled_at": in_one_hour()}),
    ):
        with pytest.raises(ResendError) as raised:
            change()
        assert raised.value.code == 422


# Reading.


EVENTS = {
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "bounced": "bounced",
    "reported_as_spam": "complained",
    "deferred": "delivery_delayed",
    "failed": "failed",
}


@pytest.mark.parametrize(("kind", "last_event"), EVENTS.items())
def test_last_event_follows_what_is_reported(team: Team, kind: str, last_event: str) -> None:
    sent = resend.Emails.send(mail(unique_address()))
    team.wait_for_status(sent["id"], "sent")
    assert resend.Emails.get(sent["id"])["last_event"] == "sent"
    team.report(kind, emailId=sent["id"])
    assert resend.Emails.get(sent["id"])["last_event"] == last_event


def test_a_refused_message_is_bounced() -> None:
    sent = resend.Emails.send(mail(unique_address("refused")))
    assert_becomes(lambda: resend.Emails.get(sent["id"])["last_event"], "bounced")


def test_the_list_is_newest_first_and_pages_both_ways(own_team: Team) -> None:
    ids = [resend.Emails.send(mail(unique_address()))["id"] for _ in range(5)]
    ids.reverse()
    everything = resend.Emails.list()
    assert (everything["object"], everything["has_more"]) == ("list", False)
    assert [one["id"] for one in everything["data"]] == ids
    first = resend.Emails.list({"limit": 2})
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    second = resend.Emails.list({"limit": 2, "after": ids[1]})
    assert ([one["id"] for one in second["data"]], second["has_more"]) == (ids[2:4], True)
    last = resend.Emails.list({"limit": 2, "after": ids[3]})
    assert ([one["id"] for one in last["data"]], last["has_more"]) == (ids[4:], False)
    back = resend.Emails.list({"limit": 2, "before": ids[2]})
    assert ([one["id"] for one in back["data"]], back["has_more"]) == (ids[:2], False)


def test_the_list_gives_twenty_unless_told_otherwise(own_team: Team) -> None:
    resend.Batch.send([mail(unique_address()) for _ in range(21)])
    page = resend.Emails.list()
    assert (len(page["data"]), page["has_more"]) == (20, True)


def test_a_walk_has_no_repeat_and_no_gap_while_messages_arrive(own_team: Team) -> None:
    before = [one["id"] for one in resend.Batch.send([mail(unique_address()) for _ in range(MANY)])["data"]]
    with Arrivals(lambda to: resend.Emails.send(mail(to))) as arrivals:
        seen = walk(resend.Emails.list, 5, arrivals)
    assert len(seen) == len(set(seen)), "a message came twice"
    assert [one for one in seen if one in before] == before[::-1], "a message is missing or out of order"


def test_a_walk_over_the_requests_has_no_repeat_and_no_gap_while_they_arrive(own_team: Team) -> None:
    for _ in range(MANY):
        resend.Emails.send(mail(unique_address()))
    before = [one["id"] for one in resend.Logs.list({"limit": 100})["data"]]
    with Arrivals(lambda to: resend.Emails.send(mail(to))) as arrivals:
        seen = walk(resend.Logs.list, 5, arrivals)
    assert len(seen) == len(set(seen)), "a request came twice"
    assert [one for one in seen if one in before] == before, "a request is missing or out of order"


def test_a_request_is_logged_with_both_bodies_and_no_secret(own_team: Team) -> None:
    to = unique_address()
    sent = resend.Emails.send(mail(to))
    page = resend.Logs.list({"limit": 10})
    entry = next(one for one in page["data"] if (one["method"], one["endpoint"]) == ("POST", "/emails"))
    assert set(entry) == {"id", "created_at", "endpoint", "method", "response_status", "user_agent"}
    assert UUID.fullmatch(entry["id"])
    assert CREATED_AT.fullmatch(entry["created_at"])
    assert entry["response_status"] == 200
    assert entry["user_agent"].startswith("resend-python:")
    found = resend.Logs.get(entry["id"])
    assert found["object"] == "log"
    assert found["request_body"]["to"] == to
    assert found["response_body"] == {"id": sent["id"]}
    assert own_team.key.secret not in json.dumps(found)


def test_the_requests_page_both_ways(own_team: Team) -> None:
    for _ in range(4):
        resend.Emails.list()
    ids = [one["id"] for one in resend.Logs.list({"limit": 4})["data"]]
    assert [one["id"] for one in resend.Logs.list({"limit": 2, "after": ids[1]})["data"]] == ids[2:]
    assert ids[0] in [one["id"] for one in resend.Logs.list({"before": ids[1]})["data"]]


# Errors.


def test_a_missing_key_is_401(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises(MissingApiKeyError) as raised:
        resend.Emails.list()
    assert (raised.value.code, raised.value.error_type) == (401, "missing_api_key")


def test_a_wrong_key_is_403(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_key", "sl_not_a_key")
    for call in (resend.Emails.list, resend.Logs.list, lambda: resend.Emails.send(mail(unique_address()))):
        with pytest.raises(InvalidApiKeyError) as raised:
            call()
        assert (raised.value.code, raised.value.error_type) == (403, "invalid_api_key")


def test_a_key_may_only_what_its_scopes_say(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    reading, sending = team.create_key("logs:view"), team.create_key("emails:send")

    def is_refused(key: Key, call: Callable[[], object]) -> None:
        monkeypatch.setattr(resend, "api_key", key.secret)
        with pytest.raises(ResendError) as raised:
            call()
        assert (raised.value.code, raised.value.error_type) == (401, "restricted_api_key")

    is_refused(reading, lambda: resend.Emails.send(mail(unique_address())))
    is_refused(reading, lambda: resend.Batch.send([mail(unique_address())]))
    is_refused(sending, resend.Emails.list)
    is_refused(sending, resend.Logs.list)
    monkeypatch.setattr(resend, "api_key", sending.secret)
    assert resend.Emails.send(mail(unique_address()))["id"]
    monkeypatch.setattr(resend, "api_key", reading.secret)
    assert resend.Emails.list()["data"]


@pytest.mark.parametrize("field", ["from", "to", "subject"])
def test_a_missing_field_is_422(own_team: Team, field: str) -> None:
    message = mail(unique_address())
    del message[field]
    with pytest.raises(MissingRequiredFieldsError) as raised:
        resend.Emails.send(message)
    assert (raised.value.code, raised.value.error_type) == (422, "missing_required_field")
    assert field in raised.value.message
    assert own_team.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"to": "no address"},
        {"from": "no address"},
        {"to": []},
        {"to": [f"reader-{index}@example.com" for index in range(51)]},
        {"reply_to": "no address"},
        {"cc": ["no address"]},
        {"headers": {"Bad Name": "x"}},
        {"attachments": [{"filename": "a.txt", "content": "!no base64!"}]},
        {"scheduled_at": "no time"},
        {"tags": [{"name": "no spaces allowed", "value": "x"}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_invalid_field_is_a_validation_error(own_team: Team, fields: dict[str, Any]) -> None:
    with pytest.raises(ResendError) as raised:
        resend.Emails.send({**mail(unique_address()), **fields})
    assert raised.value.code in (400, 422)
    assert raised.value.error_type in (
        "validation_error",
        "invalid_parameter",
        "invalid_attachment",
        "missing_required_field",
    )
    assert raised.value.message
    assert own_team.count() == 0


def test_an_invalid_address_raises_the_clients_validation_error() -> None:
    with pytest.raises(ValidationError) as raised:
        resend.Emails.send(mail("no address"))
    assert raised.value.error_type == "validation_error"


@pytest.mark.parametrize("limit", [0, 101, -1, "ten"])
def test_a_limit_out_of_bounds_is_422(limit: Any) -> None:
    for call in (resend.Emails.list, resend.Logs.list):
        with pytest.raises(ResendError) as raised:
            call({"limit": limit})
        assert raised.value.code == 422
        assert raised.value.error_type in ("validation_error", "invalid_parameter")


def test_after_and_before_together_are_422() -> None:
    for call in (resend.Emails.list, resend.Logs.list):
        with pytest.raises(ResendError) as raised:
            call({"limit": 1, "after": NO_ID, "before": NO_ID})
        assert raised.value.code == 422


@pytest.mark.parametrize(
    "call",
    [
        lambda: resend.Emails.get(NO_ID),
        lambda: resend.Logs.get(NO_ID),
        lambda: resend.Emails.cancel(NO_ID),
        lambda: resend.Emails.update({"id": NO_ID, "scheduled_at": in_one_hour()}),
        lambda: resend.Emails.metrics(),
        lambda: resend.Domains.list(),
    ],
    ids=["message", "request", "cancelled message", "updated message", "unknown path below", "unknown path"],
)
def test_what_is_not_there_is_404(call: Callable[[], object]) -> None:
    with pytest.raises(ResendError) as raised:
        call()
    assert (raised.value.code, raised.value.error_type) == (404, "not_found")


def test_a_message_of_another_team_is_not_found(make_team: Callable[[], Team], monkeypatch: pytest.MonkeyPatch) -> None:
    sent = resend.Emails.send(mail(unique_address()))
    monkeypatch.setattr(resend, "api_key", make_team().key.secret)
    with pytest.raises(ResendError) as raised:
        resend.Emails.get(sent["id"])
    assert raised.value.error_type == "not_found"


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/logs", f"/logs/{NO_ID}"])
def test_the_request_log_is_read_only(verb: Any, path: str) -> None:
    # The client has no call for this, so its own request is made by hand.
    with pytest.raises(ResendError) as raised:
        resend.Request(path=path, params={}, verb=verb).perform()
    assert (raised.value.code, raised.value.error_type) == (405, "method_not_allowed")


def test_a_body_too_large_is_refused_with_an_error_the_client_can_read(own_team: Team) -> None:
    with pytest.raises(ResendError) as raised:
        resend.Emails.send(mail(unique_address(), text="x" * (26 * 1024 * 1024)))
    assert raised.value.code == 413
    assert raised.value.message
    assert own_team.count() == 0


def test_a_request_without_a_user_agent_is_403(sendlog: Sendlog, team: Team) -> None:
    # The client always has one, so this is sent by hand, and without the one that requests would add.
    headers = {"Authorization": f"Bearer {team.key.secret}", "User-Agent": SKIP_HEADER}
    answer = requests.get(f"{sendlog.prefixed_url('resend')}/logs", headers=headers, timeout=30)
    assert answer.status_code == 403
    assert set(answer.json()) == {"statusCode", "message", "name"}


def test_a_key_that_asks_too_often_is_429(limited_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", limited_team.sendlog.prefixed_url("resend"))
    monkeypatch.setattr(resend, "api_key", limited_team.key.secret)
    with pytest.raises(RateLimitError) as raised:
        for _ in range(RATE_LIMIT * 20):
            resend.Emails.list()
    assert (raised.value.code, raised.value.error_type) == (429, "rate_limit_exceeded")
    headers = {name.lower(): value for name, value in raised.value.headers.items()}
    assert int(headers["ratelimit-limit"]) == RATE_LIMIT
    assert int(headers["ratelimit-remaining"]) == 0
    assert int(headers["ratelimit-reset"]) >= 0
    assert int(headers["retry-after"]) >= 1


def test_every_answer_says_how_much_may_still_be_asked() -> None:
    answers = [resend.Emails.list()["http_headers"], resend.Emails.send(mail(unique_address()))["http_headers"]]
    with pytest.raises(ResendError) as raised:
        resend.Emails.get(NO_ID)
    for headers in [*answers, raised.value.headers]:
        names = {name.lower() for name in headers}
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= names


# Help.


def walk(list_page: Callable[[Any], Any], limit: int, arrivals: Arrivals) -> list[str]:
    """Every id, page after page, with something new before each page."""
    seen: list[str] = []
    while True:
        arrivals.wait_for_another()
        page = list_page({"limit": limit, "after": seen[-1]} if seen else {"limit": limit})
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            return seen


def same_time(one: str, other: str) -> bool:
    """Whether two texts name the same millisecond."""
    parse = lambda text: datetime.fromisoformat(re.sub(r"\+00$", "+00:00", text))  # noqa: E731
    return abs(parse(one) - parse(other)) < timedelta(milliseconds=1)


def assert_becomes(look: Callable[[], str], expected: str) -> None:
    wait_for(expected, lambda: look() == expected)


# Suppressions.


def test_an_address_is_suppressed_found_and_lifted(own_team: Team) -> None:
    one, two = unique_address(), unique_address()
    made = resend.Suppressions.add({"email": one})
    assert UUID.fullmatch(made["id"])
    assert resend.Suppressions.add({"email": one})["id"] == made["id"]
    both = resend.Suppressions.Batch.add({"emails": [one, two]})["data"]
    assert [each["object"] for each in both] == ["suppression", "suppression"]
    assert both[0]["id"] == made["id"]
    found = resend.Suppressions.get(one)
    assert (found["email"], found["origin"], found["source_id"]) == (one, "manual", None)
    assert CREATED_AT.fullmatch(found["created_at"])
    listed = resend.Suppressions.list({"origin": "manual", "limit": 1})
    assert [each["email"] for each in listed["data"]] == [two]
    assert listed["has_more"]
    assert resend.Suppressions.list({"origin": "complaint"})["data"] == []
    assert resend.Suppressions.remove(one)["deleted"]
    with pytest.raises(ResendError) as refused:
        resend.Suppressions.get(made["id"])
    assert refused.value.error_type == "not_found"
    removed = resend.Suppressions.Batch.remove({"ids": [both[1]["id"]]})["data"]
    assert [(each["id"], each["deleted"]) for each in removed] == [(both[1]["id"], True)]
