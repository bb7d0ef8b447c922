"""NotificationAPI's dialect, driven by PyPI `notificationapi-python-server-sdk`, which takes the base URL as an argument
of `init`. Its calls are asynchronous and give the HTTP answer as it came; it raises nothing."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from notificationapi_python_server_sdk import notificationapi

from conftest import RATE_LIMIT
from support.sendlog import Sendlog
from support.targets import HttpTarget, SmtpTarget
from support.team import Arrivals, Key, Team, unique_address
from support.waiting import wait_for

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MANY = 23
NO_ID = "00000000-0000-7000-8000-000000000000"


def use(team: Team, key: Key | None = None, base_url: str | None = None) -> None:
    """Sets the module up; its settings are global."""
    key = key or team.key
    notificationapi.init(key.id, key.secret, base_url or team.sendlog.prefixed_url("notificationapi"))


@pytest.fixture(autouse=True)
def client(team: Team) -> None:
    use(team)


@pytest.fixture
def own_team(make_team: Callable[[], Team]) -> Team:
    """A team whose log is empty; the client has its key."""
    team = make_team()
    use(team)
    return team


def send(params: dict[str, Any]) -> httpx.Response:
    return asyncio.run(notificationapi.send(params))


def query(**filters: Any) -> httpx.Response:
    return asyncio.run(notificationapi.query_logs(filters))


def sent(params: dict[str, Any]) -> str:
    """Sends and gives the tracking id."""
    answer = send(params)
    assert answer.status_code == 200, answer.text
    return answer.json()["trackingId"]


def listed(**filters: Any) -> list[dict[str, Any]]:
    answer = query(**filters)
    assert answer.status_code == 200, answer.text
    return answer.json()["logs"]


def mail(to: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "order_shipped",
        "to": {"id": f"user-{to}", "email": to},
        "email": {"subject": "Order {{ order }}", "html": "<p>Hello {{ name }}</p>"},
        "parameters": {"order": 7, "name": "Ada"},
        **fields,
    }


def unique_number() -> str:
    return f"+1555{uuid.uuid4().int % 10_000_000:07}"


def in_hours(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Sending.


@pytest.mark.parametrize("where", ["prefix", "own address"])
def test_an_email_is_sent_and_found(sendlog: Sendlog, team: Team, smtp: SmtpTarget, where: str) -> None:
    base = sendlog.prefixed_url("notificationapi") if where == "prefix" else sendlog.own_url("notificationapi")
    use(team, base_url=base)
    to = unique_address()
    answer = send(mail(to))
    assert answer.status_code == 200
    assert UUID.fullmatch(answer.json()["trackingId"])
    assert isinstance(answer.json()["messages"], list)
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html")) == ("Order 7", "<p>Hello Ada</p>")
    [log] = listed(trackingIds=[answer.json()["trackingId"]])
    assert log["trackingId"] == answer.json()["trackingId"]
    assert log["notificationId"] == "order_shipped"


def test_the_older_body_sends_alike(smtp: SmtpTarget) -> None:
    to = unique_address()
    tracking_id = sent(
        {
            "notificationId": "order_shipped",
            "user": {"id": f"user-{to}", "email": to},
            "mergeTags": {"order": 8, "name": "Bob"},
            "email": {"subject": "Order {{ order }}", "html": "<p>Hello {{ name }}</p>"},
        }
    )
    assert smtp.wait_for(to)[0].subject == "Order 8"
    assert len(listed(trackingIds=[tracking_id])) == 1


def test_a_template_is_filled_in(team: Team, smtp: SmtpTarget) -> None:
    template = team.create_template("Welcome {{ name }}", html="<p>Order {{ order }}</p>")
    to = unique_address()
    message = mail(to, templateId=template)
    del message["email"]
    sent(message)
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html")) == ("Welcome Ada", "<p>Order 7</p>")


def test_the_options_of_an_email_are_honoured(smtp: SmtpTarget) -> None:
    to, cc, bcc = (unique_address(name) for name in ("to", "cc", "bcc"))
    email_options = {
        "replyToAddresses": ["help@acme.example"],
        "ccAddresses": [cc],
        "bccAddresses": [bcc],
        "fromName": "The shop",
        "fromAddress": "shop@acme.example",
        "attachments": [{"filename": "a.txt", "content": "dGV4dA==", "contentType": "text/plain"}],
    }
    sent(mail(to, options={"email": email_options}))
    [received] = smtp.wait_for(bcc)
    assert str(received.message["From"]) == "The shop <shop@acme.example>"
    assert received.addresses("To") == [to]
    assert received.addresses("Cc") == [cc]
    assert received.addresses("Bcc") == []
    assert received.addresses("Reply-To") == ["help@acme.example"]
    assert received.attachments() == {"a.txt": b"text"}


CHANNELS = {
    "SMS": {"sms": {"message": "Text {{ word }}"}},
    "CALL": {"call": {"message": "Call {{ word }}"}},
    "INAPP_WEB": {"inapp": {"title": "In-app {{ word }}", "url": "https://acme.example"}},
    "PUSH": {"mobile_push": {"title": "Push", "message": "Push {{ word }}"}},
    "WEB_PUSH": {"web_push": {"title": "Web push", "message": "Web {{ word }}"}},
}


@pytest.mark.parametrize(("channel", "content"), CHANNELS.items())
def test_the_other_channels_go_to_the_http_adapter(
    http: HttpTarget, channel: str, content: dict[str, Any]
) -> None:
    word = uuid.uuid4().hex
    tracking_id = sent(
        {"type": "alert", "to": everything(), "parameters": {"word": word}, "forceChannels": [channel], **content}
    )
    assert http.wait_for(word)
    [log] = listed(trackingIds=[tracking_id])
    assert channel in channels_of(log)
    assert [other for other in channels_of(log) if other != channel] == []


def test_one_notification_goes_out_by_several_channels(smtp: SmtpTarget, http: HttpTarget) -> None:
    to, word = unique_address(), uuid.uuid4().hex
    message = mail(to, parameters={"order": 7, "name": "Ada", "word": word})
    message["to"]["number"] = unique_number()
    tracking_id = sent({**message, "sms": {"message": "Text {{ word }}"}})
    assert smtp.wait_for(to)
    assert http.wait_for(word)
    [log] = listed(trackingIds=[tracking_id])
    assert sorted(channels_of(log)) == ["EMAIL", "SMS"]


def test_a_channel_without_an_address_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    to = {"id": "user-without-address"}
    with caplog.at_level(logging.WARNING):
        answer = send({**mail(unique_address()), "to": to})
    assert answer.status_code == 202
    assert answer.json()["messages"]
    assert "NotificationAPI request ignored" in caplog.text


def test_a_scheduled_notification_waits_can_be_moved_and_taken_back(smtp: SmtpTarget) -> None:
    to = unique_address()
    tracking_id = sent(mail(to, schedule=in_hours(1)))
    [log] = listed(trackingIds=[tracking_id])
    assert (state_of(log), log["schedule"] is not None) == ("received", True)

    moved = {"tracking_id": tracking_id, "send_request": {"schedule": in_hours(5)}}
    assert asyncio.run(notificationapi.update_schedule(moved)).status_code == 200
    [later] = listed(trackingIds=[tracking_id])
    assert later["schedule"] > log["schedule"]

    assert asyncio.run(notificationapi.delete_schedule({"tracking_id": tracking_id})).status_code == 200
    assert smtp.to(to) == []
    again = asyncio.run(notificationapi.delete_schedule({"tracking_id": tracking_id}))
    assert again.status_code == 409
    for call in (
        lambda: notificationapi.update_schedule({**moved, "tracking_id": NO_ID}),
        lambda: notificationapi.delete_schedule({"tracking_id": NO_ID}),
    ):
        assert asyncio.run(call()).status_code == 404


def test_a_scheduled_notification_goes_out_when_its_time_comes(smtp: SmtpTarget) -> None:
    to = unique_address()
    tracking_id = sent(mail(to, schedule=in_hours(1)))
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    moved = {"tracking_id": tracking_id, "send_request": {"schedule": soon}}
    assert asyncio.run(notificationapi.update_schedule(moved)).status_code == 200
    assert smtp.wait_for(to)


def test_what_has_not_gone_out_can_be_retracted(smtp: SmtpTarget) -> None:
    to = unique_address()
    sent(mail(to, schedule=in_hours(1)))
    retraction = {"notificationId": "order_shipped", "userId": f"user-{to}"}
    assert asyncio.run(notificationapi.retract(retraction)).status_code == 200
    assert asyncio.run(notificationapi.retract(retraction)).status_code == 202
    assert smtp.to(to) == []


# Reading.


def test_a_notification_is_received_then_success(team: Team) -> None:
    to = unique_address()
    tracking_id = sent(mail(to))
    [message] = team.list_to(to)
    team.wait_for_status(message["id"], "sent")
    team.report("delivered", emailId=message["id"])
    [log] = listed(trackingIds=[tracking_id])
    assert state_of(log) == "success"
    assert events_of(log)[0] == "Received"
    assert events_of(log)[-1] == "Delivered"


def test_a_refused_notification_is_a_failure() -> None:
    tracking_id = sent(mail(unique_address("refused")))
    wait_for("failure", lambda: state_of(listed(trackingIds=[tracking_id])[0]) == "failure")
    [log] = listed(trackingIds=[tracking_id])
    assert any(event.startswith("Failed") and event.endswith("Bounce") for event in events_of(log))


SUB_EVENTS = [
    ("SMS", "failed", "undelivered", "Failed - Undelivered", "failure"),
    ("SMS", "failed", "infrastructure", "Failed - Infrastructure", "failure"),
    ("CALL", "delivered", "completed", "Delivered - Completed", "success"),
    ("CALL", "delivered", "busy", "Delivered - Busy", "success"),
    ("CALL", "delivered", "no_answer", "Delivered - No Answer", "success"),
    ("CALL", "failed", "cannot_reach", "Failed - Cannot Reach", "failure"),
    ("EMAIL", "bounced", "hard", "Failed - Bounce", "failure"),
    ("EMAIL", "deferred", None, "Failed - Delivery Delay", None),
    ("EMAIL", "dropped", "expected", "Ignored", None),
]


@pytest.mark.parametrize(("channel", "kind", "cause", "event", "state"), SUB_EVENTS)
def test_every_sub_event_of_a_channel_can_be_reached(
    team: Team, channel: str, kind: str, cause: str | None, event: str, state: str | None
) -> None:
    tracking_id = sent(
        {
            **{"type": "alert", "to": everything(), "forceChannels": [channel]},
            **{"sms": {"message": "Hello"}, "call": {"message": "Hello"}},
            "email": {"subject": "Hello", "html": "Hello"},
        }
    )
    [log] = listed(trackingIds=[tracking_id])
    message_id = log["channels"][0]["messageId"]
    team.wait_for_status(message_id, "sent")
    team.report(kind, emailId=message_id, **({"cause": cause} if cause else {}))
    [log] = listed(trackingIds=[tracking_id])
    assert events_of(log)[-1] == event
    if state:
        assert state_of(log) == state


def test_filters_find_the_notification_and_nothing_else(own_team: Team) -> None:
    to, started = unique_address(), int(time.time() * 1000) - 1000
    others = [sent(mail(unique_address(), type="other")) for _ in range(2)]
    tracking_id = sent(mail(to))
    ended = int(time.time() * 1000) + 1000
    for filters in (
        {"trackingIds": [tracking_id]},
        {"notificationFilter": ["order_shipped"]},
        {"userFilter": [f"user-{to}"]},
        {"notificationFilter": ["order_shipped"], "channelFilter": ["EMAIL"]},
        {"userFilter": [to], "statusFilter": ["received", "success"]},
        {"userFilter": [f"user-{to}"], "dateRangeFilter": {"startTime": started, "endTime": ended}},
    ):
        assert [log["trackingId"] for log in listed(**filters)] == [tracking_id], filters
    for filters in (
        {"channelFilter": ["SMS"]},
        {"userFilter": ["nobody"]},
        {"statusFilter": ["failure"]},
        {"dateRangeFilter": {"startTime": ended}},
        {"dateRangeFilter": {"endTime": started}},
    ):
        assert listed(**filters) == [], filters
    assert [log["trackingId"] for log in listed()] == [tracking_id, *others[::-1]]


def test_a_walk_has_no_repeat_and_no_gap_while_notifications_arrive(own_team: Team) -> None:
    before = [sent(mail(unique_address())) for _ in range(MANY)][::-1]
    seen: list[str] = []
    with Arrivals(lambda to: sent(mail(to))) as arrivals:
        page: dict[str, Any] = {"cursor": None}
        while not seen or page["cursor"]:
            arrivals.wait_for_another()
            page = query(limit=5, **({"cursor": page["cursor"]} if page["cursor"] else {})).json()
            seen += [log["trackingId"] for log in page["logs"]]
    assert len(seen) == len(set(seen)), "a notification came twice"
    assert [one for one in seen if one in before] == before, "a notification is missing or out of order"


# Errors.


def test_the_client_refuses_to_be_made_without_credentials(team: Team) -> None:
    for credentials in (("", "secret"), ("id", "")):
        with pytest.raises(Exception, match="Bad client_"):
            notificationapi.init(*credentials)


def test_wrong_credentials_are_refused(team: Team, make_team: Callable[[], Team]) -> None:
    right, other = team.key, make_team().key
    for key in (Key(right.id, "sl_not_a_key"), Key("key_0000000000000", right.secret), Key(other.id, right.secret)):
        use(team, key)
        for answer in (send(mail(unique_address())), query()):
            assert answer.status_code in (401, 403), answer.text
            assert answer.headers["content-type"].startswith("application/json")
            assert answer.json()


def test_a_missing_authorization_is_refused(team: Team) -> None:
    answer = httpx.post(f"{team.sendlog.prefixed_url('notificationapi')}/{team.key.id}/sender", json={})
    assert answer.status_code in (401, 403)


def test_a_key_may_only_what_its_scopes_say(team: Team) -> None:
    use(team, team.create_key("logs:view"))
    assert send(mail(unique_address())).status_code == 403
    assert query().status_code == 200
    use(team, team.create_key("emails:send"))
    assert query().status_code == 403
    assert send(mail(unique_address())).status_code == 200


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"type": "order_shipped"},
        {"to": {"id": "user", "email": "ada@example.com"}},
        {"type": "order_shipped", "to": {"id": "user", "email": "no address"}, "email": {"subject": "x", "html": "x"}},
        {"type": "order_shipped", "to": "user"},
        {"type": 7, "to": {"id": "user"}},
        {"type": "order_shipped", "to": {"id": "user"}, "forceChannels": ["PIGEON"]},
        {"type": "order_shipped", "to": {"id": "user", "email": "ada@example.com"}, "schedule": "no time"},
    ],
    ids=["nothing", "no recipient", "no type", "bad address", "to is text", "type is a number", "channel", "schedule"],
)
def test_a_wrong_request_is_400_and_nothing_is_kept(own_team: Team, params: dict[str, Any]) -> None:
    answer = send(params)
    assert answer.status_code == 400, answer.text
    assert answer.json()["messages"]
    assert own_team.count() == 0


@pytest.mark.parametrize(
    "filters",
    [
        {"channelFilter": ["PIGEON"]},
        {"channelFilter": "EMAIL"},
        {"dateRangeFilter": {"startTime": "yesterday"}},
        {"dateRangeFilter": 7},
        {"trackingIds": "no list"},
    ],
    ids=["channel", "channel is text", "time", "range", "ids"],
)
def test_a_wrong_filter_is_400(filters: dict[str, Any]) -> None:
    assert query(**filters).status_code == 400


def test_what_is_not_there_is_404_and_a_wrong_method_405() -> None:
    absent = {"notification_id": "n", "sub_notification_id": "s"}
    assert asyncio.run(notificationapi.delete_sub_notification(absent)).status_code == 404
    assert asyncio.run(notificationapi.request("GET", "sender")).status_code == 405


def test_a_notification_of_another_team_is_not_found(make_team: Callable[[], Team]) -> None:
    tracking_id = sent(mail(unique_address()))
    use(make_team())
    assert listed(trackingIds=[tracking_id]) == []


def test_a_body_too_large_is_refused(own_team: Team) -> None:
    answer = send(mail(unique_address(), parameters={"x": "x" * (26 * 1024 * 1024)}))
    assert answer.status_code == 413
    assert answer.json()
    assert own_team.count() == 0


def test_a_key_that_asks_too_often_is_429(limited_team: Team) -> None:
    use(limited_team)
    answers = [query() for _ in range(RATE_LIMIT * 10)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()
    assert int(refused.headers["retry-after"]) >= 1


# Help.


def everything() -> dict[str, Any]:
    """A user whom every channel reaches."""
    token = uuid.uuid4().hex
    subscription = {"endpoint": f"https://push.example/{token}", "keys": {"p256dh": "p", "auth": "a"}}
    return {
        "id": f"user-{token}",
        "email": unique_address(),
        "number": unique_number(),
        "pushTokens": [{"type": "FCM", "token": token, "device": {"device_id": "device"}}],
        "webPushTokens": [{"sub": subscription}],
    }


def state_of(log: dict[str, Any]) -> str:
    """One of the document's states: received, success, failure."""
    return log["state"]


def channels_of(log: dict[str, Any]) -> list[str]:
    return [channel["channel"] for channel in log["channels"]]


def events_of(log: dict[str, Any]) -> list[str]:
    """The document's events and sub-events, over all channels, oldest first."""
    return [event["event"] for channel in log["channels"] for event in channel["events"]]
