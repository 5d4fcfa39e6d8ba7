"""Keywords for the dedicated hosts: who gets in over SSH."""

from __future__ import annotations

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.host import keys
from lab.host.connection import try_login
from lab.inventory import HostEntry


class Hosts(CriterionLibrary):
    """Log-ins to every host of the lab."""

    @keyword
    def every_host_answers(self) -> None:
        """Arranging: a host that is down cannot be judged."""
        for name, entry, account, _ in _accounts():
            try_login(name, entry, user=account)

    @keyword("Every Account's Key Opens Its Host")
    def every_account_s_key_opens_its_host(self) -> None:
        """Judged: the key that the inventory names for an account is accepted."""
        with evidence().judge("every account's key opens its host"):
            for name, entry, account, key in _accounts():
                if not try_login(name, entry, user=account, key=key).accepted:
                    raise AssertionError(f"{account} is refused on {name}")

    @keyword
    def these_roles_are_on_machines_of_their_own(self, *roles: str) -> None:
        """Judged: no machine (by its id, machine-id(5)) carries two of the roles."""
        with evidence().judge("each of the nodes is a machine of its own"):
            carriers: dict[str, str] = {}
            for role in roles:
                for host in lab().with_role(role):
                    machine = host.check(["cat", "/etc/machine-id"]).strip()
                    other = carriers.setdefault(machine, role)
                    if other != role:
                        raise AssertionError(f"{other} and {role} are on the same machine")

    @keyword
    def nobody_gets_in_as(self, user: str) -> None:
        """Judged: no account's key opens a host as ``user``."""
        with evidence().judge(f"nobody gets in as {user}"):
            for name, entry, account, key in _accounts():
                if try_login(name, entry, user=user, key=key).accepted:
                    raise AssertionError(f"{account}'s key is accepted on {name}")


def _accounts() -> list[tuple[str, HostEntry, str, keys.Key]]:
    """(host, entry, account, its private key) of every account with a key, on every host."""
    return [
        (name, entry, account.name, keys.load(account.key))
        for name, entry in lab().inventory.hosts.items()
        for account in entry.accounts
        if account.key is not None
    ]
