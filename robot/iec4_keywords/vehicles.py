"""Keywords for the Connected Vehicle Blueprint: who sees a pedestrian, and who hears of it."""

from __future__ import annotations

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.cvb.contracts import Code, Kind
from lab.cvb.roles import VEHICLE
from lab.cvb.site import Site
from lab.cvb.timeline import now_us
from lab.cvb.trial import App, Listener, app_everywhere, around, detection

#: A warning or an answer shows so soon, seconds.
SHOWS_S = 3.0
#: edge → a place in its area where a vehicle drives to the east, in metres, and its speed.
ROAD = {"edge-a": (-150.0, 85.0), "edge-b": (40.0, 85.0)}
SPEED_MPS = 10.0
#: So far ahead of the vehicle somebody stands.
AHEAD_M = 30.0


class ConnectedVehicles(CriterionLibrary):
    """An application and a vehicle of a test's own."""

    def __init__(self) -> None:
        super().__init__()
        self._site: Site | None = None
        self._application: App | None = None
        self._vehicle: Listener | None = None
        self._where = ROAD["edge-a"]

    def close_test(self) -> None:
        for one in (self._vehicle, self._site):
            if one is not None:
                one.close()
        self._site = self._vehicle = self._application = None

    @keyword("A Host Vehicle That Drives In The Area Of ${edge}")
    def a_host_vehicle_that_drives(self, edge: str) -> None:
        """It reports to that edge; edges are written Edge-A in tests."""
        edge = edge.lower()
        self._where = ROAD[edge]
        self._vehicle = Listener(self._open(), edge, f"vehicle-{self._app.name}")
        self._vehicle.drive(*self._where, SPEED_MPS)

    @keyword("A Roadside Camera Of ${edge} Sees A Pedestrian Ahead Of It")
    def a_roadside_camera_sees_a_pedestrian(self, edge: str) -> None:
        """One frame, which that edge takes."""
        self._see(edge.lower(), self._where[0] + AHEAD_M, self._where[1])

    @keyword("Only ${edge} Sees A Pedestrian")
    def only_one_edge_sees_a_pedestrian(self, edge: str) -> None:
        """Where its neighbour has no camera."""
        self._open()
        self._where = ROAD[edge.lower()]
        self._see(edge.lower(), *self._where)

    @keyword("The Host Vehicle Gets A Pedestrian Warning From ${edge}")
    def the_host_vehicle_gets_a_warning(self, edge: str) -> None:
        """Judged: it is told by that edge, and that it is a pedestrian."""
        assert self._vehicle is not None, "let a host vehicle drive first"
        with evidence().judge("the host vehicle gets a pedestrian warning"):
            heard = self._vehicle.warnings(self._app.name, within=SHOWS_S)
            assert heard, f"it hears no warning within {SHOWS_S:g} s"
            assert heard[0].kind == Kind.PEDESTRIAN, f"it is warned of a {heard[0].kind.name}"
            assert heard[0].edge == edge.lower(), f"it hears it from {heard[0].edge}"

    @keyword("${edge} Tells Of The Pedestrian If It May Ask Its Neighbours")
    def an_edge_tells_what_its_neighbour_sees(self, edge: str) -> None:
        """Judged: not of its own, and once it may ask, where the pedestrian is."""
        with evidence().judge("an edge tells what its neighbour sees, if it is asked to"):
            assert not self._told(edge, neighbours=False), "it tells it of its own"
            found = self._told(edge, neighbours=True)
            assert found == [self._where], f"of what the neighbour sees it tells {found}"

    @property
    def _app(self) -> App:
        assert self._application is not None, "the site is not open"
        return self._application

    def _open(self) -> Site:
        if self._site is None:
            self._site = Site(lab())
            self._application = app_everywhere(self._site)
        return self._site

    def _see(self, edge: str, x: float, y: float) -> None:
        self._app.at(edge).publish_all(1, detection(x, y))

    def _told(self, edge: str, *, neighbours: bool) -> list[tuple[float, float]]:
        site = self._open()
        found = site.edges[edge.lower()].query(
            site.token(VEHICLE), around(*self._where), now_us() - 10_000_000, neighbours=neighbours
        )
        assert found.ret == Code.DONE, f"the query is answered {found.ret}"
        return [(one.position.x, one.position.y) for one in found.detections]
