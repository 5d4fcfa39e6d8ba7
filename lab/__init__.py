"""Where the blueprint is shown, and how to speak to it.

`lab` returns facts and results; only `validation`, `robot` and `perf` judge them.
"""
