"""What an inventory says about a classroom to install: images, certificate, options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from blueprints.config import Model
from lab.images import ENGINE, Image
from lab.references import Reference


class OpenViduInstall(Model):
    """An OpenVidu 2.13.0 to install on a real lab, from its own container images.

    The images are those of its release's compose file unless others are named. ``certificate``:
    a file of this machine, the chain in PEM for the endpoint's host; ``key`` its private key.
    ``directory``: where recordings and CDR files lie on the host. Events go to the system's
    ``webhook`` where it has one: only ``webhook_events``, all when it is empty, with
    ``webhook_headers`` (name → value, by reference).
    """

    certificate: Path
    key: Reference
    server: Image = "openvidu/openvidu-server:2.13.0"
    media_server: Image = "kurento/kurento-media-server:6.13.1"
    turn: Image = "openvidu/openvidu-coturn:1.0.0"
    redis: Image = "redis:5.0.7"
    proxy: Image = "openvidu/openvidu-proxy:1.0.0"
    #: Made and taken down by the server for each composed recording.
    recorder: Image = "openvidu/openvidu-recording:2.9.0"
    engine: str = Field(default="docker", pattern=ENGINE)
    directory: str = Field(default="/opt/openvidu", pattern=r"^/[^:\s]*$")
    recording: bool = False
    recording_notification: Literal["all", "publisher_moderator", "moderator", "none"] = (
        "publisher_moderator"
    )
    cdr: bool = False
    webhook_events: tuple[str, ...] = ()
    webhook_headers: dict[str, Reference] = Field(default_factory=dict)

    @field_validator("recorder")
    @classmethod
    def _known_to_the_server(cls, value: str) -> str:
        """The server takes its version alone (OPENVIDU_RECORDING_VERSION), and no other name."""
        if value.rpartition(":")[0] != "openvidu/openvidu-recording":
            raise ValueError("the recorder's image reads openvidu/openvidu-recording:TAG")
        return value

    def references(self) -> list[str]:
        """Every secret that it names."""
        return [self.key, *self.webhook_headers.values()]
