"""aiortc without PyAV: the forwarder has no use for codecs, and FFmpeg's 100 MB stay at home.

aiortc imports PyAV when it is imported, for names that only its encoders and decoders use.
Here they are names without anything behind them: whoever tries to decode gets an error, so a
backend that forwards media in this state has decoded none of it.
"""

from __future__ import annotations

import sys
from types import ModuleType

#: module → the names that aiortc 1.16 takes from it when it is imported
_NAMES = {
    "av": ("AudioFrame", "AudioResampler", "CodecContext", "Packet", "VideoFrame"),
    "av.frame": ("Frame",),
    "av.packet": ("Packet",),
    "av.video": (),
    "av.video.codeccontext": ("VideoCodecContext",),
}


class CodecsAbsent(AttributeError):
    """Somebody wanted to decode or encode in a process that has no codecs."""


class _Nothing(type):
    """A class without anything in it, which says why."""

    def __getattr__(cls, name: str) -> None:
        raise CodecsAbsent(f"no {cls.__name__}.{name}: this process has no codecs")

    def __call__(cls, *_: object, **__: object) -> None:
        raise CodecsAbsent(f"no {cls.__name__}: this process has no codecs")


def stand_in() -> None:
    """From now on this process imports these instead of PyAV; call it before importing aiortc."""
    for name, members in _NAMES.items():
        module = ModuleType(name, __doc__)
        for member in members:
            setattr(module, member, _Nothing(member, (), {}))
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    vars(sys.modules["av"])["FFmpegError"] = CodecsAbsent
