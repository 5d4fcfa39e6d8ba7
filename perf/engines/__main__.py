"""An engine in a process of its own: ``python -m perf.engines``.

A line of JSON comes in: `Order`. Lines of JSON go out: `EndedSecond`s as they end, and at last
``{"result": …}``, or ``{"broken": why}``. SIGTERM closes the window; so does an end of the
reader, within a second.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from typing import Any

from lab.errors import LabError
from lab.tars.client import Address
from perf.engines import engine_of
from perf.engines.call import echo_call
from perf.engines.orders import EndedSecond, Order
from perf.histogram import Histogram


def main() -> int:
    """Put one load on; the exit status is 0 also when there was none: the reader was told."""
    order = Order.from_json(sys.stdin.readline())
    addresses = [Address(*one) for one in order.addresses]
    engine = engine_of(order.plan)(addresses, echo_call(), each_second=_tell_second)
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is Locust's to answer
    try:
        _tell({"result": engine.run(order.plan).to_json()})
    except LabError as error:
        _tell({"broken": str(error)})
    except BrokenPipeError:
        return 1
    return 0


def _tell_second(latencies: Histogram, failures: Counter[str]) -> None:
    _tell(EndedSecond.of(latencies, failures).to_json())


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
