"""JetEmail's dialect, driven by PyPI `jetemail`, which takes the base URL as an argument. It only sends; the log is read
by plain requests in the shape of the document."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from jetemail import Attachment, JetEmail, JetEmailError, SendEmailOptions

from conftest import RATE_LIMIT
from support.sendlog import Sendlog
from support.targets import SmtpTarget
from support.team import FROM, Arrivals, Team, unique_address
from support.waiting import wait_for

PAGINATION = {
    "total_count": int,
    "total_pages": int,
    "current_page": int,
    "per_page": int,
    "offset": int,
    "has_next_page": bool,
    "has_previous_page": bool,
    "next_offset": (int, type(None)),
    "previous_offset": (int, type(None)),
    "showing_from": int,
    "showing_to": int,
    "count_limited": bool,
    "max_count_limit": int,
}
FLAGS = [
    "was_queued",
    "was_delivered",
    "was_deferred",
    "was_rejected",
    "was_bounced",
    "was_dropped",
    "was_spam",
    "was_virus",
    "was_opened",
    "was_clicked",
]
UID = re.compile(r"eml_[0-9a-z]{13}")
MANY = 23


def client_of(team: Team, key: str | None = None) -> JetEmail:
    return JetEmail(key or team.key.secret, team.sendlog.prefixed_url("jetemail"))


def options(to: str | list[str], **fields: Any) -> SendEmailOptions:
    return SendEmailOptions(**{"from_": FROM, "to": to, "subject": "Hello", "html": "<p>Hello</p>", **fields})


def get(team: Team, path: str = "/outbound/logs", key: str | None = None, **query: Any) -> requests.Response:
    return requests.get(
        team.sendlog.prefixed_url("jetemail") + path,
        params=query,
        headers={"Authorization": f"Bearer {key or team.key.secret}"},
        timeout=30,
    )


def listed(team: Team, **query: Any) -> list[dict[str, Any]]:
    answer = get(team, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def find(team: Team, uid: str) -> dict[str, Any]:
    [entry] = listed(team, uid=uid)
    return entry


# Sending.


@pytest.mark.parametrize("where", ["prefix", "own address"])
def test_a_message_is_sent_and_found_in_the_log(sendlog: Sendlog, team: Team, smtp: SmtpTarget, where: str) -> None:
    to = unique_address()
    base = sendlog.prefixed_url("jetemail") if where == "prefix" else sendlog.own_url("jetemail")
    answer = JetEmail(team.key.secret, base).emails.send(options(to, text="Hello in text"))
    assert UID.fullmatch(answer["id"])
    assert answer["response"]
    [received] = smtp.wait_for(to)
    assert (received.subject, received.body("html"), received.body("plain")) == (
        "Hello",
        "<p>Hello</p>",
        "Hello in text",
    )
    entry = find(team, answer["id"])
    assert entry["uid"] == answer["id"]
    assert (entry["to_address"], entry["from_address"]) == (to, "hello@acme.example")
    assert entry["subject"] == "Hello"
    assert entry["was_queued"] == 1


@pytest.mark.parametrize("body", ["html", "text"])
def test_one_body_is_enough(team: Team, smtp: SmtpTarget, body: str) -> None:
    to = unique_address()
    client_of(team).emails.send(options(to, html=None, **{body: "Good day"}) if body == "text" else options(to))
    assert smtp.wait_for(to)


@pytest.mark.parametrize("shape", [lambda one: one, lambda one: [one]], ids=["text", "list"])
def test_copies_and_reply_to_are_honoured(team: Team, smtp: SmtpTarget, shape: Callable[[str], Any]) -> None:
    to, cc, bcc, reply_to = (unique_address(name) for name in ("to", "cc", "bcc", "reply"))
    client_of(team).emails.send(options(shape(to), cc=shape(cc), bcc=shape(bcc), reply_to=shape(reply_to)))
    [received] = smtp.wait_for(bcc)
    assert received.addresses("To") == [to]
    assert received.addresses("Cc") == [cc]
    assert received.addresses("Bcc") == []
    assert received.addresses("Reply-To") == [reply_to]
    assert smtp.wait_for(cc)


def test_headers_and_attachments_are_sent(team: Team, smtp: SmtpTarget) -> None:
    to = unique_address()
    attachments = [
        Attachment.from_content("text", "a.txt"),
        Attachment.from_content(b"\x00\xff bytes", "b.bin"),
        Attachment.from_path(__file__, "c.py"),
    ]
    client_of(team).emails.send(options(to, headers={"X-Order": "7"}, attachments=attachments))
    [received] = smtp.wait_for(to)
    assert received.message["X-Order"] == "7"
    attached = received.attachments()
    assert set(attached) == {"a.txt", "b.bin", "c.py"}
    assert (attached["a.txt"], attached["b.bin"]) == (b"text", b"\x00\xff bytes")
    with open(__file__, "rb") as file:
        assert attached["c.py"] == file.read()


def test_a_batch_is_answered_message_by_message(team: Team, smtp: SmtpTarget) -> None:
    first, second = unique_address(), unique_address()
    answer = client_of(team).batch.send([options(first), options("no address"), options(second)])
    assert answer["summary"] == {"total": 3, "successful": 2, "failed": 1}
    sent = [result for result in answer["results"] if result["status"] == "success"]
    assert [find(team, result["id"])["to_address"] for result in sent] == [first, second]
    assert all(result["response"] for result in sent)
    assert smtp.wait_for(first)
    assert smtp.wait_for(second)


def test_a_batch_takes_a_hundred(make_team: Callable[[], Team]) -> None:
    team = make_team()
    answer = client_of(team).batch.send([options(unique_address()) for _ in range(100)])
    assert answer["summary"] == {"total": 100, "successful": 100, "failed": 0}
    # The client refuses more itself, so its own request is made by hand.
    with pytest.raises(JetEmailError) as raised:
        client_of(team)._request("/email-batch", {"emails": [options(unique_address()).to_dict()] * 101})
    assert raised.value.status_code == 400
    with pytest.raises(JetEmailError):
        client_of(team)._request("/email-batch", {"emails": []})
    assert team.count() == 100


# Reading.


def test_a_message_can_be_asked_for_by_its_uid(team: Team) -> None:
    uid = client_of(team).emails.send(options(unique_address()))["id"]
    answer = get(team, "/outbound/logs/uid", uid=uid)
    assert answer.status_code == 200
    assert uid in answer.text


REPORTED = {
    "delivered": ("delivered", ["was_delivered"]),
    "opened": ("opened", ["was_delivered", "was_opened"]),
    "clicked": ("clicked", ["was_clicked"]),
    "bounced": ("bounced", ["was_bounced"]),
    "reported_as_spam": ("spam", ["was_spam"]),
    "deferred": ("deferred", ["was_deferred"]),
    "failed": ("rejected", ["was_rejected"]),
}


@pytest.mark.parametrize(("kind", "expected"), REPORTED.items())
def test_status_and_flags_follow_what_is_reported(team: Team, kind: str, expected: tuple[str, list[str]]) -> None:
    status, flags = expected
    uid = client_of(team).emails.send(options(unique_address()))["id"]
    team.wait_for_status(uid, "sent")
    if kind == "opened":
        team.report("delivered", emailId=uid)
    team.report(kind, emailId=uid)
    entry = find(team, uid)
    assert entry["delivery_status"] == status
    assert {entry[flag] for flag in FLAGS} <= {0, 1}
    assert [entry[flag] for flag in flags] == [1] * len(flags)
    assert entry["action_count"] >= 3
    assert entry["first_seen"] <= entry["last_updated"]
    assert abs(entry["first_seen"] / 1000 - time.time()) < 60


def test_opens_and_clicks_are_listed_and_absent_before(team: Team) -> None:
    uid = client_of(team).emails.send(options(unique_address()))["id"]
    team.wait_for_status(uid, "sent")
    assert "opens" not in find(team, uid)
    assert "clicks" not in find(team, uid)
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
    team.report("opened", emailId=uid, userAgent=agent, ip="203.0.113.9")
    team.report("clicked", emailId=uid, userAgent=agent, url="https://acme.example/offer")
    entry = find(team, uid)
    assert len(entry["opens"]) == 1
    assert isinstance(entry["opens"][0]["date"], int)
    assert [click["original_url"] for click in entry["clicks"]] == ["https://acme.example/offer"]


def test_delivery_attempts_are_told_oldest_first(team: Team) -> None:
    uid = client_of(team).emails.send(options(unique_address("refused")))["id"]
    team.wait_for_status(uid, "bounced", "failed")
    entry = find(team, uid)
    assert entry["delivery_status"] == "bounced"
    assert "5.1.1" in entry["bounce_reason"]
    dates = [attempt["date"] for attempt in entry["delivery_attempts"]]
    assert dates == sorted(dates)
    assert entry["delivery_attempts"][-1]["action"].startswith("BOUNCED_")
    assert set(entry["delivery_summary"]) == {
        "total_attempts",
        "successful_deliveries",
        "failed_deliveries",
        "unique_recipients",
    }


def test_the_pagination_object_is_whole(make_team: Callable[[], Team]) -> None:
    team = make_team()
    uids = fill(team, 7)
    answer = get(team, limit=3, page=2).json()
    assert answer["success"] is True
    pagination = answer["pagination"]
    assert set(pagination) == set(PAGINATION)
    for name, kind in PAGINATION.items():
        assert isinstance(pagination[name], kind), name
    assert pagination == {
        **{"total_count": 7, "total_pages": 3, "current_page": 2, "per_page": 3, "offset": 3},
        **{"has_next_page": True, "has_previous_page": True, "next_offset": 6, "previous_offset": 0},
        **{"showing_from": 4, "showing_to": 6, "count_limited": False},
        "max_count_limit": pagination["max_count_limit"],
    }
    assert [entry["uid"] for entry in answer["data"]] == uids[3:6]
    assert [entry["uid"] for entry in listed(team, limit=3, offset=4)] == uids[4:]
    last = get(team, limit=3, page=3).json()["pagination"]
    assert (last["has_next_page"], last["next_offset"]) == (False, None)


def test_the_order_can_be_turned(make_team: Callable[[], Team]) -> None:
    team = make_team()
    uids = fill(team, 4)
    assert [entry["uid"] for entry in listed(team)] == uids
    assert [entry["uid"] for entry in listed(team, sort_order="ASC", sort_by="date")] == uids[::-1]


def test_a_walk_has_no_repeat_and_no_gap_while_messages_arrive(make_team: Callable[[], Team]) -> None:
    team = make_team()
    before = fill(team, MANY)
    # The pages are counted from the newest, so a walk keeps to what was there when it began. The document's times
    # are whole seconds, and the last one belongs to the log.
    until = find(team, before[0])["first_seen"] // 1000 + 1
    wait_for("next second", lambda: time.time() > until + 0.01)
    seen: list[str] = []
    with Arrivals(lambda to: client_of(team).emails.send(options(to))) as arrivals:
        while True:
            arrivals.wait_for_another()
            answer = get(team, limit=5, page=len(seen) // 5 + 1, date_to=until).json()
            seen += [entry["uid"] for entry in answer["data"]]
            if not answer["pagination"]["has_next_page"]:
                break
    assert seen == before


def test_a_walk_from_the_oldest_needs_no_bound(make_team: Callable[[], Team]) -> None:
    team = make_team()
    before = fill(team, MANY)[::-1]
    seen: list[str] = []
    with Arrivals(lambda to: client_of(team).emails.send(options(to))) as arrivals:
        while len(seen) < MANY:
            arrivals.wait_for_another()
            seen += [entry["uid"] for entry in listed(team, limit=5, offset=len(seen), sort_order="ASC")]
    assert seen[:MANY] == before
    assert len(seen) == len(set(seen))


def test_filters_find_the_message_and_nothing_else(make_team: Callable[[], Team]) -> None:
    team = make_team()
    fill(team, 2)
    to, word = unique_address(), f"subject{time.time_ns()}"
    uid = client_of(team).emails.send(options(to, from_="Shop <shop@acme.example>", subject=word))["id"]
    team.wait_for_status(uid, "sent")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for query in (
        {"uid": uid},
        {"to_address": to},
        {"from_address": "shop@acme.example"},
        {"subject": word},
        {"search": word},
        {"uid": uid, "date_from": int(time.time()) - 600},
        {"uid": uid, "from": today},
        {"uid": uid, "limit": 1, "page": 1},
    ):
        assert [entry["uid"] for entry in listed(team, **query)] == [uid], query
    for query in ({"to_address": unique_address()}, {"uid": uid, "date_from": int(time.time()) + 600}):
        assert listed(team, **query) == [], query


# Errors.


def test_the_client_checks_what_it_can_itself(team: Team) -> None:
    for wrong in (options("", subject="x"), options(unique_address(), subject=""), options("x@y.example", html=None)):
        with pytest.raises(ValueError, match="required"):
            client_of(team).emails.send(wrong)


def assert_error(error: JetEmailError, *statuses: int) -> None:
    """An error has its words under both names that clients look at."""
    assert error.status_code in statuses, error.message
    assert error.response
    assert error.message == error.response["message"] == error.response["error"]


def test_a_wrong_key_is_401(team: Team) -> None:
    with pytest.raises(JetEmailError) as raised:
        client_of(team, "sl_not_a_key").emails.send(options(unique_address()))
    assert_error(raised.value, 401)
    answer = get(team, key="sl_not_a_key")
    assert answer.status_code == 401
    assert answer.json()["success"] is False


def test_a_missing_key_is_401(sendlog: Sendlog) -> None:
    # The client refuses to be made without a key, so this is sent by hand.
    base = sendlog.prefixed_url("jetemail")
    for answer in (
        requests.get(f"{base}/outbound/logs", timeout=30),
        requests.post(f"{base}/email", json={}, timeout=30),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"]


def test_a_key_may_only_what_its_scopes_say(team: Team) -> None:
    reading, sending = team.create_key("logs:view").secret, team.create_key("emails:send").secret
    with pytest.raises(JetEmailError) as raised:
        client_of(team, reading).emails.send(options(unique_address()))
    assert_error(raised.value, 401, 403)
    with pytest.raises(JetEmailError) as raised:
        client_of(team, reading).batch.send([options(unique_address())])
    assert_error(raised.value, 401, 403)
    assert get(team, key=sending).status_code in (401, 403)
    assert get(team, key=reading).status_code == 200
    assert client_of(team, sending).emails.send(options(unique_address()))["id"]


@pytest.mark.parametrize(
    "fields",
    [
        {"to": "no address"},
        {"from_": "no address"},
        {"to": [f"reader-{index}@example.com" for index in range(51)]},
        {"reply_to": "no address"},
        {"subject": "x" * 999},
        {"attachments": [Attachment("a.txt", "!no base64!")]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_wrong_message_is_400_and_nothing_is_kept(make_team: Callable[[], Team], fields: dict[str, Any]) -> None:
    team = make_team()
    with pytest.raises(JetEmailError) as raised:
        client_of(team).emails.send(options(**{"to": unique_address(), **fields}))
    assert_error(raised.value, 400)
    assert team.count() == 0


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"page": 0},
        {"offset": -1},
        {"sort_order": "SIDEWAYS"},
        {"action": "EATEN"},
        {"to_address": "no address"},
        {"ip": "300.1.1.1"},
        {"md5": "x"},
        {"uid": "no uid!"},
        {"protocol": "gopher"},
        {"date_from": -1},
        {"from": "yesterday"},
        {"search": "x" * 201},
    ],
    ids=lambda query: "=".join(map(str, *query.items()))[:30],
)
def test_a_parameter_that_breaks_the_documents_rule_is_400(team: Team, query: dict[str, Any]) -> None:
    answer = get(team, **query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert answer.json()["message"] == answer.json()["error"]


def test_what_is_not_there_is_404_and_a_wrong_method_405(team: Team) -> None:
    assert get(team, "/outbound/logs/uid", uid="eml_0000000000000").status_code == 404
    with pytest.raises(JetEmailError) as raised:
        client_of(team)._request("/nowhere", {})
    assert_error(raised.value, 404)
    with pytest.raises(JetEmailError) as raised:
        client_of(team)._request("/outbound/logs", {})
    assert_error(raised.value, 405)


def test_a_message_of_another_team_is_not_found(team: Team, make_team: Callable[[], Team]) -> None:
    uid = client_of(team).emails.send(options(unique_address()))["id"]
    stranger = make_team()
    assert listed(stranger, uid=uid) == []
    assert get(stranger, "/outbound/logs/uid", uid=uid).status_code == 404


def test_a_body_too_large_is_refused(make_team: Callable[[], Team]) -> None:
    team = make_team()
    with pytest.raises(JetEmailError) as raised:
        client_of(team).emails.send(options(unique_address(), text="x" * (26 * 1024 * 1024)))
    assert_error(raised.value, 413)
    assert team.count() == 0


def test_a_key_that_asks_too_often_is_429(limited_team: Team) -> None:
    with pytest.raises(JetEmailError) as raised:
        for _ in range(RATE_LIMIT * 20):
            client_of(limited_team).emails.send(options(unique_address()))
    assert_error(raised.value, 429)


# Help.


def fill(team: Team, count: int) -> list[str]:
    """The uids of new messages, newest first."""
    client = client_of(team)
    return [client.emails.send(options(unique_address()))["id"] for _ in range(count)][::-1]
