"""The server under test: the program that the Rust tests are built with, on free loopback ports, in a temporary folder.

SENDLOG_BIN names another, such as the release.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import requests

from .ports import free_ports
from .waiting import wait_for

DIALECTS = ("sendwithus", "resend", "jetemail", "notificationapi")
PREFIXES = {
    "sendwithus": "/sendwithus/api/v1",
    "resend": "/resend",
    "jetemail": "/jetemail",
    "notificationapi": "/notificationapi",
}

STOP_WITHIN_S = 5


def program() -> Path:
    """The path of the program under test."""
    built = Path(__file__).resolve().parents[3] / "target" / "debug" / "sendlog"
    return Path(os.environ["SENDLOG_BIN"]).resolve() if os.environ.get("SENDLOG_BIN") else built


class Sendlog:
    """`sendlog serve` on a new database, with every dialect at an address of its own as well. A context manager.

    `environment` is set beside what the tests run with; `None` takes a variable away.
    """

    def __init__(self, *arguments: str, environment: dict[str, str | None] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sendlog-clients-"))
        main, *own = free_ports(1 + len(DIALECTS))
        self.url = f"http://127.0.0.1:{main}"
        self.ports = dict(zip(DIALECTS, own, strict=True))
        # The developer's own settings are not the test's.
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("SENDLOG_")}
        self._env["SENDLOG_DATABASE_URL"] = f"sqlite://{self._folder}/sendlog.db"
        given = {**self._env, **(environment or {})}
        self._env = {name: value for name, value in given.items() if value is not None}
        command = [str(program()), "serve", "--allow-private-adapters", "--addr", f"127.0.0.1:{main}"]
        for dialect, port in self.ports.items():
            command += ["--dialect-addr", f"{dialect}=127.0.0.1:{port}"]
        self._output: list[str] = []
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for("answer of the server", self._is_ready)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Sendlog":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """Everything the server has printed."""
        return "".join(self._output)

    def own_url(self, dialect: str) -> str:
        """The root of a dialect's own address."""
        return f"http://127.0.0.1:{self.ports[dialect]}"

    def prefixed_url(self, dialect: str) -> str:
        """Where a dialect is on the main address."""
        return self.url + PREFIXES[dialect]

    def admin(self, *arguments: str, **env: str) -> dict[str, Any]:
        """Runs `sendlog admin …` on the same database and gives the JSON it prints."""
        done = subprocess.run(
            [str(program()), "admin", *arguments, "--json"],
            cwd=self._folder,
            env={**self._env, **env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"sendlog admin {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout)

    def stop(self) -> None:
        """Ends the server and removes its folder."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(STOP_WITHIN_S)
        if self._process.stdout:
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._output.append(line)

    def _is_ready(self) -> bool:
        status = self._process.poll()
        assert status is None, f"the server ended with status {status}:\n{self.output}"
        try:
            return requests.get(f"{self.url}/login", timeout=5).status_code < 500
        except requests.ConnectionError:
            return False
