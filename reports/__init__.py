"""Reads a run directory, and writes what people and machines read of it."""
