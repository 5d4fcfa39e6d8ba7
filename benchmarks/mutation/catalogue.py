"""Every parser of foreign bytes that the bench tries."""

from __future__ import annotations

from benchmarks.mutation import of_classroom, of_files, of_jenkins, of_runs, of_scans, of_tars

TARGETS = (
    *of_tars.TARGETS,
    *of_classroom.TARGETS,
    *of_jenkins.TARGETS,
    *of_scans.TARGETS,
    *of_files.TARGETS,
    *of_runs.TARGETS,
)
