"""The reference application of the Connected Vehicle Blueprint, for labs without one.

Edges and a data centre as Tars servers that nodes start. It says "embedded" of itself, and runs
from its package alone: no module here imports what does not travel in it.
"""
