"""The suite's words: layers, systems, roles, capabilities. Everything else speaks in them."""

from __future__ import annotations

#: layer → (prefix of its criteria's ids, what it is)
LAYERS = {
    "os": ("OS", "the hosts: kernel, accounts, sshd, security scans"),
    "k8s": ("K8S", "IaaS: Kubernetes with Calico, as IEC sets it up"),
    "paas": ("PAAS", "Tars: RPC framework, name service, management platform"),
    "saas": ("SAAS", "virtual classroom on OpenVidu, teacher and student clients"),
    "cvb": ("CVB", "Connected Vehicle Blueprint on Tars"),
    "cicd": ("CICD", "the Jenkins master and the loop that it drives"),
    "e2e": ("E2E", "criteria that cross the stack"),
}

ROLES = {
    "jenkins-master": "triggers everything",
    "tars-master": "name service and management platform",
    "tars-agent": "runs what the platform deploys, and the classroom's backend",
    "dc": "the remote data centre",
    "teacher": "the teacher's client",
    "student": "the student's client",
}

#: What a lab or a host can do beyond answering; criteria name what they need.
CAPABILITIES = {
    "own-root": "the host's root account and file system are its own",
    "own-kernel": "the host's kernel is its own",
    "cluster": "a Kubernetes with Calico answers, and pods run in its networks",
    "kubelet": "pods are containers, run by a kubelet",
    "service-proxy": "a service's address leads to its pods",
    "cluster-dns": "names of services resolve inside the cluster",
    "conformance": "conformance tests of the cluster's version can be run, or have been",
    "second-interface": "a pod can have a second network interface",
    "vuls": "there is a report of Vuls about a host",
    "browser": "a Chromium can be started",
    "neighbour-edge": "the connected vehicles' site has all of its edges",
    "webhook": "the classroom posts its events to the suite's machine",
    "kvm": "hardware virtual machines can be started",
    "faults": "faults can be injected on request",
    "system-restart": "the suite may stop and start a system's own services by its recipe",
}

#: system → the endpoints under which it answers
SYSTEMS = {
    "iec": ("api",),
    "tars": ("registry", "web"),
    "classroom": ("api",),
    "clients": (),
    "cvb": (),
    "jenkins": ("web",),
}

#: SLO profiles: thresholds and pins stand per profile.
PROFILES = ("embedded", "lab")

#: Units in which measurements and thresholds are given.
UNITS = ("us", "ms", "s", "%", "calls/s", "joins/s", "packets", "bytes", "dB", "Hz", "count")
