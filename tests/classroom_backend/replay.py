"""Recorded requests and frames, made comparable: no time, no chance, ids by what they mean."""

from __future__ import annotations

import re
from typing import Any

#: Where the recorded server was.
RECORDED_AUTHORITIES = ("localhost:4443", "127.0.0.1:4443")

_RANDOM = re.compile(r"(ses_|con_|tok_|str_[A-Z]{3}_)[A-Za-z0-9]+")
#: What is renamed: those ids, tokens with their URL, and rpc session ids.
_IDENTITY = re.compile(r"^(wss://|ses_|con_|tok_|str_)|^[0-9a-v]{24,26}$")
#: Values that are only there to be of their type.
_CHANCE = {"timestamp", "createdAt", "startTime"}
#: What media servers tell of a connection each in their own way.
_MEDIA = {"remoteSdp", "localSdp", "receivedCandidates", "events"}
#: There only while media flows, which it does in no replay.
_FLOWING = {"localCandidate", "remoteCandidate"}
#: Texts that Java or Spring word; ours say the same in other words.
_WORDING = re.compile(
    r"(JSON parse error|Required request body is missing|'filter' parameter wrong).*", re.DOTALL
)


class Renaming:
    """Recorded ids → those of the running server, learnt as they come."""

    def __init__(self, authority: str) -> None:
        self._names = dict.fromkeys(RECORDED_AUTHORITIES, authority)

    def learn(self, recorded: Any, found: Any) -> None:
        """Learn from an answer in the recorded shape what its ids are here."""
        if isinstance(recorded, dict) and isinstance(found, dict):
            for key in recorded.keys() & found.keys():
                self.learn(recorded[key], found[key])
        elif isinstance(recorded, list) and isinstance(found, list):
            for one, other in zip(recorded, found, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, str) and isinstance(found, str) and _IDENTITY.search(recorded):
            self._names.setdefault(recorded, found)  # later lists may come in another order

    def knows(self, recorded: str) -> bool:
        return recorded in self._names

    def here(self, text: str) -> str:
        """A recorded text with the running server's ids in it."""
        for recorded in sorted(self._names, key=len, reverse=True):
            text = text.replace(recorded, self._names[recorded])
        return text


def comparable(value: Any, authority: str) -> Any:
    """A JSON value without what time and chance put into it."""
    if isinstance(value, dict):
        return {
            key: type(found).__name__ if key in _CHANCE | _MEDIA else comparable(found, authority)
            for key, found in value.items()
            if key not in _FLOWING
            and (key != "data" or not str(found).startswith(("java.", "org.", "com.")))
        }
    if isinstance(value, list):
        found = [comparable(item, authority) for item in value]
        return sorted(found, key=str) if all(isinstance(item, dict) for item in found) else found
    if isinstance(value, str):
        for recorded in (*RECORDED_AUTHORITIES, authority):
            value = value.replace(recorded, "AUTHORITY")
        return _WORDING.sub(r"\1", _RANDOM.sub(r"\1*", value))
    return value
