"""aiortc can be imported without PyAV, and whoever needs a codec then gets a clear error."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from lab.classroom.embedded.without_codecs import CodecsAbsent, stand_in
stand_in()
import aiortc.codecs, lab.classroom.embedded.server
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
for name, rate in (("audio/opus", 48000), ("video/VP8", 90000)):
    codec = RTCRtpCodecParameters(mimeType=name, clockRate=rate, payloadType=96)
    try:
        aiortc.codecs.get_decoder(codec)
    except CodecsAbsent:
        print("absent")
print([name for name, module in sys.modules.items() if "av" in name.split(".") and module.__spec__])
"""


def test_the_backend_imports_aiortc_without_any_codec() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["absent"] * 2 + ["[]"], done.stderr
