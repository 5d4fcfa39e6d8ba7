"""A Jenkins master as code: what the plugin configuration-as-code reads.

No secret stands in it: ``${NAME}`` is the content of the file NAME in the directory that the
variable SECRETS names (the plugin's docs/features/secrets.adoc, "Docker secrets").
The keys are those of the plugins' own exports: matrix-auth 3.2 (globalMatrix.entries),
ssh-slaves 3 (launcher.ssh), throttle-concurrents (throttleJobProperty), core (resourceRoot).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lab.inventory import HostEntry
from lab.jenkins.installation import Credential, JenkinsInstall

#: The credential that jobs use for Jenkins itself (docs/jenkins.md).
TOKEN_ID = "iec4-jenkins-token"  # noqa: S105  a name
_EXECUTORS = 2

#: What the suite's account may do: define its jobs, run them, and look at the rest.
SUITE_PERMISSIONS = (
    "Overall/Read",
    "Overall/SystemRead",
    "Job/Build",
    "Job/Cancel",
    "Job/Configure",
    "Job/Create",
    "Job/Delete",
    "Job/Read",
    "Job/Workspace",
    "View/Read",
)
READER_PERMISSIONS = ("Overall/Read", "Job/Read", "View/Read")


@dataclass(frozen=True)
class Agent:
    """A host as an agent; ``user``: the account that it logs in as."""

    name: str
    entry: HostEntry
    user: str
    labels: tuple[str, ...]
    directory: str


def account_secret(name: str) -> str:
    """The name of the secret that is an account's password."""
    return f"account-{name}"


def agent_secret(name: str) -> str:
    """The name of the secret that is an agent's private key; also its credential's id."""
    return f"iec4-agent-{name}"


def credential_secret(identity: str) -> str:
    """The name of a credential's secret; a file's is base64."""
    return f"credential-{identity}"


def render(
    install: JenkinsInstall, *, url: str, suite: str, agents: Iterable[Agent], labs: Iterable[str]
) -> str:
    """The whole configuration, as YAML. ``suite``: the suite's own account there."""
    agents = list(agents)
    accounts: dict[str, tuple[str, ...]] = {suite: SUITE_PERMISSIONS}
    accounts |= dict.fromkeys(install.readers, READER_PERMISSIONS)
    accounts |= dict.fromkeys(install.admins, ("Overall/Administer",))
    credentials = [_agent_credential(agent) for agent in agents]
    credentials.append(_secret_text(TOKEN_ID, account_secret(suite)))
    credentials += [_credential(id_, given) for id_, given in install.credentials.items()]
    document: dict[str, Any] = {
        "jenkins": {
            "systemMessage": "Configured by the iec4 suite: what is changed here by hand is lost.",
            # Builds on the controller's own node could read its secrets.
            "numExecutors": 0,
            "mode": "EXCLUSIVE",
            "slaveAgentPort": -1,  # no inbound agents
            "securityRealm": {
                "local": {
                    "allowsSignup": False,
                    "users": [
                        {"id": name, "password": _secret(account_secret(name))} for name in accounts
                    ],
                }
            },
            "authorizationStrategy": {
                "globalMatrix": {
                    "entries": [
                        {"user": {"name": name, "permissions": list(permissions)}}
                        for name, permissions in accounts.items()
                    ]
                }
            },
            "crumbIssuer": {"standard": {"excludeClientIPFromCrumb": False}},
            "nodes": [_node(agent) for agent in agents],
        },
        "credentials": {"system": {"domainCredentials": [{"credentials": credentials}]}},
        "unclassified": {
            "location": {"url": url},
            "throttleJobProperty": {
                "categories": [
                    {
                        "categoryName": f"iec4-{lab}",
                        "maxConcurrentPerNode": 0,  # no limit of its own
                        "maxConcurrentTotal": 1,
                    }
                    for lab in labs
                ]
            },
        },
    }
    if install.resource_root:
        document["unclassified"]["resourceRoot"] = {"url": install.resource_root}
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def _node(agent: Agent) -> dict[str, Any]:
    entry = agent.entry
    return {
        "permanent": {
            "name": agent.name,
            "remoteFS": _plain(agent.directory),
            "numExecutors": _EXECUTORS,
            "labelString": " ".join(agent.labels),
            "mode": "EXCLUSIVE",
            "retentionStrategy": "always",
            "launcher": {
                "ssh": {
                    "host": entry.address,
                    "port": entry.port,
                    "credentialsId": agent_secret(agent.name),
                    "sshHostKeyVerificationStrategy": {
                        "manuallyProvidedKeyVerificationStrategy": {
                            "key": " ".join((entry.host_key or "").split()[:2])
                        }
                    },
                }
            },
        }
    }


def _agent_credential(agent: Agent) -> dict[str, Any]:
    identity = agent_secret(agent.name)
    # SYSTEM: for Jenkins' own use; jobs cannot ask for it.
    return _ssh_key(identity, agent.user, identity, scope="SYSTEM")


def _credential(identity: str, given: Credential) -> dict[str, Any]:
    secret = credential_secret(identity)
    if given.text:
        return _secret_text(identity, secret)
    common = {"scope": "GLOBAL", "id": identity}
    if given.file:
        return {"file": {**common, "fileName": identity, "secretBytes": _secret(secret)}}
    user = given.user or ""
    if given.key:
        return _ssh_key(identity, user, secret, scope="GLOBAL")
    return {"usernamePassword": {**common, "username": _plain(user), "password": _secret(secret)}}


def _secret_text(identity: str, secret: str) -> dict[str, Any]:
    return {"string": {"scope": "GLOBAL", "id": identity, "secret": _secret(secret)}}


def _ssh_key(identity: str, user: str, secret: str, *, scope: str) -> dict[str, Any]:
    source: Mapping[str, Any] = {"directEntry": {"privateKey": _secret(secret)}}
    fields = {"scope": scope, "id": identity, "username": _plain(user), "privateKeySource": source}
    return {"basicSSHUserPrivateKey": fields}


def _secret(name: str) -> str:
    return f"${{{name}}}"


def _plain(text: str) -> str:
    """Text in which the plugin is to replace nothing."""
    return text.replace("${", "^${")
