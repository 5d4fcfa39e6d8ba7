"""Outputs of BluVal's mandatory tests, judged by Akraino's rules.

They lie in a run directory as ``bluval/<layer>/<test>/<host or cluster>.*``.
"""
