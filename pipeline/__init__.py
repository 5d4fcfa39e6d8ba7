"""The command line, the stages, the run directory."""
