"""What can go wrong with Tars on request; whoever does the faulty act looks at its flag."""

from __future__ import annotations

from lab.faultflags import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("tars.echo-wrong", ("tars-agent",), "the echo servant returns altered values"),
    Fault("tars.echo-slow", ("tars-agent",), "the echo servant answers each echo 100 ms late"),
    Fault("tars.echo-deaf", ("tars-agent",), "the echo servant never answers an echo"),
    Fault("tars.echo-mixes", ("tars-agent",), "the echo servant answers with the call before"),
    Fault("tars.echo-cuts", ("tars-agent",), "the echo servant cuts bytes to 64 KiB"),
    Fault("tars.pause-blocks", ("tars-agent",), "a slow call holds up the others"),
    Fault("tars.late-mixed", ("tars-agent",), "a slow call's answer goes to the next call"),
    Fault("tars.registry-deaf", ("tars-master",), "the name service drops every request"),
    Fault("tars.lookup-empty", ("tars-master",), "deployed objects have no endpoints"),
    Fault("tars.lookup-invents", ("tars-master",), "unknown objects have an endpoint"),
    Fault("tars.inactive-hidden", ("tars-master",), "look-ups leave stopped servers out"),
    Fault("tars.lookup-stale", ("tars-master",), "stopped servers stay active in look-ups"),
    Fault(
        "tars.restart-forgets",
        ("tars-master",),
        "the name service does not know what was deployed before its start",
    ),
    Fault("tars.function-ignored", ("tars-master",), "unknown functions are answered with 0"),
    Fault("tars.servant-ignored", ("tars-master",), "unknown servants are answered with 0"),
    Fault("tars.garbage-spreads", ("tars-master",), "garbage ends everybody's connection"),
    Fault("tars.servers-need-registry", ("tars-agent",), "servers die with the name service"),
    Fault("tars.application-lost", ("tars-master",), "new applications are accepted, not kept"),
    Fault("tars.deploy-lost", ("tars-master",), "new servers are accepted, not kept"),
    Fault(
        "tars.publish-ignored",
        ("tars-master",),
        "publishing over an earlier package succeeds, and the earlier one runs on",
    ),
    Fault("tars.start-ignored", ("tars-master",), "start tasks succeed and do nothing"),
    Fault("tars.stop-ignored", ("tars-master",), "stop tasks succeed and do nothing"),
    Fault("tars.restart-ignored", ("tars-master",), "restart tasks succeed and do nothing"),
    Fault("tars.undeploy-ignored", ("tars-master",), "undeploy tasks succeed and do nothing"),
    Fault("tars.stat-lost", ("dc",), "tarsstat confirms reports and counts none"),
    Fault("tars.property-lost", ("dc",), "tarsproperty confirms reports and keeps none"),
    Fault("tars.log-lost", ("dc",), "tarslog confirms lines and writes none"),
    Fault("tars.notice-lost", ("dc",), "tarsnotify confirms notices and keeps none"),
    Fault("tars.log-empty", ("tars-agent",), "nodes find nothing in servers' log files"),
    Fault("tars.arch-ignored", ("tars-agent",), "nodes take packages of another architecture"),
    Fault("tars.node-busy", ("tars-agent",), "nodes use a fifth of a core for nothing"),
    Fault("tars.no-respawn", ("tars-agent",), "nodes do not restart a server that died"),
)
