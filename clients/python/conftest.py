"""The fixtures. One server serves all tests of a run; a test that counts or walks makes a team of its own."""

from collections.abc import Callable, Iterator

import pytest

from support.sendlog import Sendlog
from support.targets import HttpTarget, SmtpTarget
from support.team import Team

RATE_LIMIT = 3


@pytest.fixture(scope="session")
def smtp() -> Iterator[SmtpTarget]:
    """The mail server that everything is sent to."""
    with SmtpTarget() as target:
        yield target


@pytest.fixture(scope="session")
def http() -> Iterator[HttpTarget]:
    """The HTTP server that takes the channels which are no email."""
    with HttpTarget() as target:
        yield target


@pytest.fixture(scope="session")
def sendlog() -> Iterator[Sendlog]:
    """The server."""
    with Sendlog() as server:
        yield server


@pytest.fixture(scope="session")
def make_team(sendlog: Sendlog, smtp: SmtpTarget, http: HttpTarget) -> Callable[[], Team]:
    """Makes a team whose log is empty."""
    return lambda: Team(sendlog, smtp.url, http.url)


@pytest.fixture(scope="session")
def team(make_team: Callable[[], Team]) -> Team:
    """A team that tests share when they look at their own messages only."""
    return make_team()


@pytest.fixture(scope="session")
def limited_team(smtp: SmtpTarget, http: HttpTarget) -> Iterator[Team]:
    """A team on a server that allows each key only RATE_LIMIT requests a second."""
    with Sendlog("--rate-limit", str(RATE_LIMIT)) as server:
        yield Team(server, smtp.url, http.url)


SERVERS = ("sendlog", "limited_team", "sendlog_behind_sns")
shown = pytest.StashKey[dict[Sendlog, int]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Shows what the server printed during a test that failed."""
    report = yield
    before = item.config.stash.setdefault(shown, {})
    for name in SERVERS:
        value = getattr(item, "funcargs", {}).get(name)
        server = value.sendlog if isinstance(value, Team) else value
        if isinstance(server, Sendlog):
            if report.failed:
                printed = server.output[before.get(server, 0) :]
                report.sections.append((f"what the server printed ({name})", printed[-8000:]))
            if call.when == "teardown":
                before[server] = len(server.output)
    return report
