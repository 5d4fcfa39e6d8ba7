"""Recorded exchanges with Jenkins 2.528.2, as requests to send and answers to compare."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from lab.payload import ROOT
from tests.jenkins_double.running import ACCOUNTS, TOKEN, Answer, Master

EXCHANGES = ROOT / "fixtures" / "recordings" / "jenkins" / "exchanges"

#: Headers that are compared; all others are Jetty's and the theme's.
HEADERS = (
    "Allow", "Content-Type", "Location", "WWW-Authenticate", "X-Error", "X-Jenkins",
    "X-More-Data", "X-Permission-Implied-By", "X-Required-Permission", "X-You-Are-Authenticated-As",
)  # fmt: skip
#: Values that time or chance decides: compared by their type.
_CHANCE = re.compile(
    r"timestamp|duration|estimatedDuration|crumb|\w+Millis|executorUtilization|inQueueSince|"
    r"queueId|id|availablePhysicalMemory"
)
#: JSON objects whose content is the machine's, or of plugins that are not emulated.
_LEFT_OUT = {"monitorData", "property"}
_WORDS = {
    "token admin": ("admin", TOKEN),
    "basic admin": ("admin", ACCOUNTS["admin"]["password"]),
    "basic reader": ("reader", ACCOUNTS["reader"]["password"]),
    "none": (None, ""),
}


@dataclass(frozen=True)
class Exchange:
    name: str
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def path(self) -> str:
        query = self.request["query"]
        return self.request["path"] + (f"?{query}" if query else "")

    def send(self, master: Master, path: str | None = None) -> Answer:
        """Send the request as it was; a session's crumb and cookie are fetched before."""
        headers = dict(self.request["headers"])
        user, secret = _WORDS.get(headers.pop("Authorization"), ("admin", "wrong-one"))
        if "Cookie" in headers or "Jenkins-Crumb" in headers:
            issued = master.ask("GET", "/crumbIssuer/api/json", user=user, secret=secret)
            if set(headers.get("Jenkins-Crumb", "0")) != {"0"}:
                headers["Jenkins-Crumb"] = issued.body["crumb"]
            if headers.pop("Cookie", None):
                headers["Cookie"] = issued.headers["Set-Cookie"].partition(";")[0]
        body = self.request["body"]
        return master.ask(
            self.request["method"],
            path or self.path,
            user=user,
            secret=secret or "",
            headers=headers,
            body=None if body is None else body.encode(),
        )


def exchange(name: str) -> Exchange:
    data = json.loads((EXCHANGES / f"{name}.json").read_text())
    return Exchange(name, data["request"], data["response"])


def comparable(value: Any, base: str) -> Any:
    """A JSON value without what time, chance and the machine put into it."""
    if isinstance(value, dict):
        return {
            key: type(found).__name__ if _CHANCE.fullmatch(key) else comparable(found, base)
            for key, found in value.items()
            if key not in _LEFT_OUT
        }
    if isinstance(value, list):
        return [comparable(each, base) for each in value]
    if isinstance(value, str):
        return value.replace(base, "http://JENKINS/")
    return value


def text_of(log: str) -> list[str]:
    """A log's lines without places, notes, and what ``sh -x`` writes of its own accord."""
    log = re.sub(r"\x1b\[8mha:[^\x1b]*\x1b\[0m", "", log.replace("\r\n", "\n"))
    log = re.sub(r"\S+/(workspace/)", r"\1", log)
    log = re.sub(r"(/bin/sh -xe )\S+", r"\1SCRIPT", log)
    return [line for line in log.split("\n") if not line.startswith("+ ")]
