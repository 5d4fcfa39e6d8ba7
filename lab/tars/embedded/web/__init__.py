"""TarsWeb's HTTP API over the master's parts: a module for each subject, each with `routes`.

Names, fields and oddities are those recorded from TarsWeb 3.0.15; docs/tars.md lists the
intended differences.
"""
