"""Places that tests draw, so that nobody stands on a wall, where rounding says who is hidden."""

from __future__ import annotations

from hypothesis import strategies as st

_decimetres = st.integers(-600, 600).map(lambda number: number / 10)
#: Of cameras and of those who move, in metres.
places = st.tuples(_decimetres, _decimetres)
#: Of walls. No line through two of these goes through two of the others.
corners = places.map(lambda place: (place[0] + 0.0370251, place[1] + 0.0611327))
