"""Keywords of the Robot suites."""
