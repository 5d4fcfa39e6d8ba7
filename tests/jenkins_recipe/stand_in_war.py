"""Stands in for jenkins.war: the embedded Jenkins, set up from what the recipe left for a real one.

    python stand_in_war.py --httpListenAddress=… --httpPort=… [--prefix=…]

Reads what Jenkins would: JENKINS_HOME with its plugins, and the YAML and the secrets of
configuration-as-code. An agent connects only if host, port, account, key and host key are right.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

HOME = Path(os.environ["JENKINS_HOME"])
SECRETS = Path(os.environ["SECRETS"])


def substituted(value: Any) -> Any:
    """Every ``${NAME}`` replaced by the content of the file NAME, as the plugin does it."""
    if isinstance(value, dict):
        return {key: substituted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item) for item in value]
    if isinstance(value, str):
        return re.sub(
            r"(?<!\^)\$\{([^}]+)\}", lambda m: (SECRETS / m[1]).read_text().strip(), value
        )
    return value


def main() -> None:
    options = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:])
    casc = substituted(yaml.safe_load(Path(os.environ["CASC_JENKINS_CONFIG"]).read_text()))
    jenkins = casc["jenkins"]
    work = HOME / "stand-in"
    work.mkdir(exist_ok=True)

    entries = [e["user"] for e in jenkins["authorizationStrategy"]["globalMatrix"]["entries"]]
    may = {entry["name"]: entry["permissions"] for entry in entries}
    accounts = {
        user["id"]: {
            "password": user["password"],
            # The embedded Jenkins knows two roles; who may define jobs is its admin.
            "role": "admin" if "Job/Create" in may[user["id"]] else "reader",
        }
        for user in jenkins["securityRealm"]["local"]["users"]
    }
    (work / "accounts.json").write_text(json.dumps(accounts))

    [domain] = casc["credentials"]["system"]["domainCredentials"]
    keys = {
        key["id"]: key
        for credential in domain["credentials"]
        for kind, key in credential.items()
        if kind == "basicSSHUserPrivateKey"
    }
    agents = {}
    for node in (node["permanent"] for node in jenkins["nodes"]):
        ssh = node["launcher"]["ssh"]
        key = keys[ssh["credentialsId"]]
        file = work / f"{ssh['credentialsId']}.key"
        file.write_text(key["privateKeySource"]["directEntry"]["privateKey"] + "\n")
        verifying = ssh["sshHostKeyVerificationStrategy"]["manuallyProvidedKeyVerificationStrategy"]
        agents[node["name"]] = {
            "address": ssh["host"],
            "port": ssh["port"],
            "user": key["username"],
            "host_key": verifying["key"],
            "key": str(file),
            "labels": node["labelString"].split(),
            "executors": node["numExecutors"],
        }
    (work / "agents.json").write_text(json.dumps(agents))

    # A stand-in plugin's file holds its version.
    plugins = sorted((HOME / "plugins").glob("*.jpi"))
    lines = (f"{file.stem}:{file.read_text()}\n" for file in plugins)
    (work / "plugins.txt").write_text("".join(lines))

    sys.argv = [
        "master", "--home", str(work),
        "--listen", f"{options['httpListenAddress']}:{options['httpPort']}",
        "--context", options.get("prefix", ""),
        "--accounts", str(work / "accounts.json"), "--agents", str(work / "agents.json"),
        "--plugins", str(work / "plugins.txt"), "--executors", str(jenkins["numExecutors"]),
    ]  # fmt: skip
    runpy.run_module("lab.jenkins.embedded.master", run_name="__main__")


main()
