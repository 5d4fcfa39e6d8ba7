"""The data centre's object, ``V2X.DataCentreServer.DataCentreObj``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.cvb import contracts
from lab.cvb.contracts import (
    Acknowledged,
    BatchesAsked,
    BatchesTold,
    BatchGiven,
    Code,
    Target,
    Work,
    WorkedOut,
)
from lab.cvb.embedded.kept import KeptBatches
from lab.cvb.embedded.settings import Settings
from lab.cvb.embedded.tokens import Gate
from lab.cvb.embedded.work import rule_of, work_out
from lab.cvb.roles import EDGE, POLICY
from lab.cvb.timeline import now_us
from lab.faultflags import FaultFlags
from lab.tars.body import Function
from lab.tars.serving import Call, Servant, Silence

BATCHES_FILE = "batches.jsonl"


class DataCentreServer:
    """The data centre. ``kept``: the directory for what outlives a restart."""

    def __init__(self, settings: Settings, faults: FaultFlags, kept: Path) -> None:
        self._settings = settings
        self._faults = faults
        self._gate = Gate(settings.digests)
        self._rule = rule_of(settings)
        self._kept = KeptBatches(kept / BATCHES_FILE)

    def servant(self) -> Servant:
        """What it offers."""
        servant = Servant()

        def offer(function: Function[Any, Any], handler: Callable[[Any, Call], Any]) -> None:
            def answered(asked: Any, call: Call) -> Any:
                if self._faults.active("cvb.data-centre-silent"):
                    raise Silence
                return handler(asked, call)

            servant.offer(function, answered)

        offer(contracts.WORK_OUT, self._work_out)
        offer(contracts.STORE, self._store)
        offer(contracts.STORED, self._stored)
        return servant

    def close(self) -> None:
        self._kept.close()

    def _work_out(self, asked: Work, _call: Call) -> WorkedOut:
        if not self._gate.lets(asked.token, EDGE):
            return WorkedOut(Code.UNAUTHORISED, [])
        by = Target.DATA_CENTRE
        return work_out(asked, self._rule, self._settings, by=by, name="", now_us=now_us())

    def _store(self, asked: BatchGiven, _call: Call) -> Acknowledged:
        if not self._gate.lets(asked.token, EDGE):
            return Acknowledged(Code.UNAUTHORISED, 0)
        if asked.batch.sequence < 1 or asked.batch.from_us > asked.batch.until_us:
            return Acknowledged(Code.MALFORMED, 0)
        kept, last = self._kept.keep(asked.batch)
        return Acknowledged(Code.DONE if kept else Code.STALE, last)

    def _stored(self, asked: BatchesAsked, _call: Call) -> BatchesTold:
        if not self._gate.lets(asked.token, EDGE, POLICY):
            return BatchesTold(Code.UNAUTHORISED, [])
        return BatchesTold(Code.DONE, self._kept.after(asked.edge, asked.after))
