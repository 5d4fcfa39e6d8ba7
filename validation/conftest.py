"""Every validation suite works with the suite's pytest plugin (see fixtures/)."""

from fixtures.plugin import *  # noqa: F403
