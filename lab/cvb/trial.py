"""Applications and vehicles that criteria make for themselves, at the edges of a lab's site.

Criteria are judged side by side. Each has applications, vehicles and a place of its own, so that
no detection of one is seen, or warned of, in another.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import attrgetter

from blueprints.cvb import figures
from lab.closing import Closing
from lab.cvb import contracts
from lab.cvb.contracts import (
    EDGE_OBJECT,
    WARNING,
    Area,
    Code,
    Counters,
    Detection,
    Edge,
    Frame,
    Kind,
    Policy,
    Target,
    Vector,
    VehicleState,
    WarningPushed,
)
from lab.cvb.play import Played, Tokens, play
from lab.cvb.roles import POLICY, PUBLISHER, VEHICLE
from lab.cvb.scenario import scenario
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.errors import LabError, WaitTimeout
from lab.tars.body import changed, decode_body
from lab.tars.client import TarsClient
from lab.tars.packets import PUSH_FUNCTION, ResponsePacket
from lab.wait import wait_for

#: A streaming source publishes this often, seconds.
STREAM_S = 0.01

#: Of a policy that says nothing else: what is urgent is worked out where it was seen.
PLAIN = Policy(
    application="",
    revision=1,
    target=Target.LOCAL,
    deadline_ms=1000,
    fallback=[],
    sampling=1.0,
    retention_ms=10_000,
    redacted=[],
    urgent=True,
)


class App:
    """One application at one edge: a source's frames in their order, its policies, its counters."""

    def __init__(self, site: Site, edge: str, name: str) -> None:
        self.name = name
        self.edge = edge
        self.proxy: Edge = site.edge(edge)
        self._site = site
        self._sequence = 0
        self._revision = 0
        self.source = f"camera-{name}"

    def at(self, edge: str) -> App:
        """The same application at another edge."""
        return App(self._site, edge, self.name)

    def set_policy(self, **changes: object) -> Policy:
        """Have a policy, the next revision; raises `LabError` when the edge does not take it."""
        self._revision += 1
        policy = self.policy(revision=self._revision, **changes)
        code = self.proxy.set_policy(self._site.token(POLICY), policy)
        if code != Code.DONE:
            raise LabError(f"{self.edge} takes no policy", found=f"code {code}", expected="0")
        return policy

    def policy(self, **members: object) -> Policy:
        """A policy of it: a plain one but for these members."""
        return changed(PLAIN, **{"application": self.name, **members})

    def frame(self, *detections: Detection, at_us: int | None = None) -> Frame:
        """The next frame of its source."""
        self._sequence += 1
        moment = now_us() if at_us is None else at_us
        return Frame(self.source, self._sequence, moment, self.name, list(detections))

    def publish(self, *detections: Detection, token: str | None = None) -> int:
        """Publish the next frame; returns the edge's code."""
        shown = self._site.token(PUBLISHER) if token is None else token
        return self.proxy.publish(shown, self.frame(*detections))

    def publish_all(self, frames: int, *detections: Detection) -> None:
        """Publish frames one after the other; raises `LabError` for one that is not taken."""
        for _ in range(frames):
            code = self.publish(*detections)
            if code != Code.DONE:
                raise LabError(f"{self.edge} takes no frame", found=f"code {code}", expected="0")

    @contextmanager
    def streaming(self, *detections: Detection) -> Iterator[list[int]]:
        """Another source of it publishes within the context; its frames' codes, as they come."""
        codes: list[int] = []
        other, ended = App(self._site, self.edge, self.name), threading.Event()
        other.source = f"{self.source}-streaming"

        def publish() -> None:
            while not ended.wait(STREAM_S):
                codes.append(other.publish(*detections))

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield codes
        finally:
            ended.set()
            thread.join()

    def settled(self, frames: int, *, within: float) -> Counters:
        """What was counted, once so many frames have had a fate or the time (s) is over."""
        fates = attrgetter("sampled_out", "local", "neighbour", "data_centre", "lost")
        with suppress(WaitTimeout):
            wait_for(
                "every frame's fate",
                lambda: sum(fates(self.counters())) >= frames,
                timeout=within,
                interval=0.005,
                not_yet=(),
            )
        return self.counters()

    def counters(self) -> Counters:
        """What the edge has counted of it; zeros when it has not heard of it."""
        told = self.proxy.statistics().applications
        return told.get(self.name, Counters(0, 0, 0, 0, 0, 0, 0, 0))


def new_app(site: Site, edge: str = "edge-a") -> App:
    """An application with a name that no other has."""
    return App(site, edge, f"iec4-{uuid.uuid4().hex[:12]}")


def app_everywhere(site: Site) -> App:
    """Such an application, with a plain policy at all of the site's edges."""
    app = new_app(site)
    for edge in site.addresses:
        app.at(edge).set_policy()
    return app


async def play_anew(site: Site, name: str, *, access: str | None = None) -> Played:
    """A scenario by such an application at all edges, over that access; else as `play`."""
    tokens = Tokens(site.token(PUBLISHER), site.token(VEHICLE))
    link = None if access is None else figures().link(access)
    application = app_everywhere(site).name
    return await play(scenario(name), site.addresses, tokens, application, access=link)


class Listener(Closing):
    """A vehicle at one edge, with whatever is pushed to it."""

    def __init__(self, site: Site, edge: str, name: str) -> None:
        self.name = name
        self.heard: list[tuple[contracts.Warning, int]] = []
        self._client = TarsClient(site.addresses[edge], on_push=self._pushed)
        self._proxy = Edge(self._client, EDGE_OBJECT)
        self._token = site.token(VEHICLE)

    def drive(self, x: float, y: float, vx: float, vy: float = 0.0) -> None:
        """Tell the edge where it is; raises `LabError` when that is not taken."""
        state = VehicleState(self.name, now_us(), place(x, y), place(vx, vy))
        code = self._proxy.report(self._token, state)
        if code != Code.DONE:
            raise LabError("the edge takes no vehicle", found=f"code {code}", expected="0")

    def warnings(
        self, application: str, *, within: float, least: int = 1
    ) -> list[contracts.Warning]:
        """What an application warned of, once there are so many or the time (s) is over."""
        until = time.monotonic() + within
        while True:
            found = [one for one, _ in self.heard if one.application == application]
            left = until - time.monotonic()
            if len(found) >= least or left <= 0:
                return found
            self._client.wait_for_push(left)

    def close(self) -> None:
        self._client.close()

    def _pushed(self, packet: ResponsePacket) -> None:
        if packet.status.get(PUSH_FUNCTION) == WARNING:
            self.heard.append((decode_body(WarningPushed, packet.body).warning, now_us()))


def place(x: float, y: float) -> Vector:
    """A place, or a velocity: the codec takes no integers for these."""
    return Vector(float(x), float(y))


def around(x: float, y: float, *, reach: float = 1.0) -> Area:
    """The square of that reach around a place."""
    return Area(place(x - reach, y - reach), place(x + reach, y + reach))


def detection(
    x: float,
    y: float,
    vx: float = 0.0,
    vy: float = 0.0,
    *,
    track: str = "1",
    kind: Kind = Kind.PEDESTRIAN,
    plate: str | None = None,
    confidence: float = 0.9,
) -> Detection:
    return Detection(track, kind, place(x, y), place(vx, vy), confidence, plate)
