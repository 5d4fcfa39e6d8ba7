"""The virtual classroom: OpenVidu 2.13's REST and signalling protocols, and their clients."""
