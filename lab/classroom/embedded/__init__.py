"""An OpenVidu-2.13-compatible backend for the embedded lab: REST, signalling, forwarded media."""
