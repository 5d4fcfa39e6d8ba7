"""A container's environment: literal values, the pod's own fields, config maps and secrets.

https://kubernetes.io/docs/tasks/inject-data-application/
"""

from __future__ import annotations

import base64
import re

from lab.iec.embedded.api import Api, Object

_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


async def of(container: Object, pod: Object, address: str | None, api: Api) -> dict[str, str]:
    """What ``env`` and ``envFrom`` say; raises `ApiError`, `LookupError` for what is not there."""
    sources = _Sources(pod, address, api)
    found: dict[str, str] = {}
    for entry in container.get("envFrom", ()):
        prefix = entry.get("prefix", "")
        for kind in ("configMapRef", "secretRef"):
            if kind in entry:
                data = await sources.data(kind.removesuffix("Ref"), entry[kind]["name"])
                found |= {prefix + name: value for name, value in data.items()}
    for entry in container.get("env", ()):
        if "valueFrom" in entry:
            found[entry["name"]] = await sources.value(entry["valueFrom"])
        else:
            found[entry["name"]] = expanded(entry.get("value", ""), found)
    return found


def expanded(text: str, given: dict[str, str]) -> str:
    """``$(NAME)`` replaced where the name is known; ``$$`` is one dollar."""

    def value(match: re.Match[str]) -> str:
        return given.get(match[1], match[0]) if match[1] else "$"

    return _REFERENCE.sub(value, text)


class _Sources:
    def __init__(self, pod: Object, address: str | None, api: Api) -> None:
        self._pod = pod
        self._address = address
        self._api = api

    async def value(self, source: Object) -> str:
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        for kind in ("configMap", "secret"):
            if reference := source.get(f"{kind}KeyRef"):
                return (await self.data(kind, reference["name"]))[reference["key"]]
        raise LookupError(f"the embedded cluster knows no {', '.join(source)}")

    async def data(self, kind: str, name: str) -> dict[str, str]:
        collection = {"configMap": "configmaps", "secret": "secrets"}[kind]
        namespace = self._pod["metadata"]["namespace"]
        found = await self._api.get(f"/api/v1/namespaces/{namespace}/{collection}/{name}")
        data: dict[str, str] = found.get("data") or {}
        if kind == "secret":
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        return data

    def _field(self, path: str) -> str:
        meta, spec = self._pod["metadata"], self._pod["spec"]
        fields: dict[str, str] = {
            "metadata.name": meta["name"],
            "metadata.namespace": meta["namespace"],
            "metadata.uid": meta["uid"],
            "spec.nodeName": spec["nodeName"],
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "status.podIP": self._address or "",
        }
        if path not in fields:
            raise LookupError(f"the embedded cluster knows no field {path}")
        return fields[path]
