"""Every validation suite works with the suite's pytest plugin (see fixtures/)."""

from fixtures.cluster import *  # noqa: F403
from fixtures.connected_vehicles import *  # noqa: F403
from fixtures.plugin import *  # noqa: F403
