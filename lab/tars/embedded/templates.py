"""Templates: what servers' profiles are made of, each upon its parent.

Source: exchanges recorded from TarsWeb 3.0.15. Of the templates that the real one comes
with, those are here that servers on this platform can have.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.tars.embedded.store import Row, Store, now
from lab.tars.profile import BrokenProfile, join, parse, render

_SCHEMA = """
CREATE TABLE IF NOT EXISTS template (
    id INTEGER PRIMARY KEY AUTOINCREMENT, template_name TEXT NOT NULL UNIQUE,
    parents_name TEXT NOT NULL, profile TEXT NOT NULL, posttime TEXT NOT NULL);
"""

_DEFAULT = """\
<tars>
  <application>
    enableset=${enableset}
    setdivision=${setdivision}
    <client>
      locator=${locator}
      sync-invoke-timeout=3000
      async-invoke-timeout=5000
      refresh-endpoint-interval=60000
      stat=tars.tarsstat.StatObj
      property=tars.tarsproperty.PropertyObj
      report-interval=60000
      asyncthread=${asyncthread}
      modulename=${modulename}
    </client>
    <server>
      app=${app}
      server=${server}
      nodename=${nodename}
      localip=${localip}
      local=${local}
      basepath=${basepath}
      datapath=${datapath}
      logpath=${logpath}
      logsize=10M
      lognum=10
      logLevel=DEBUG
      config=tars.tarsconfig.ConfigObj
      notify=tars.tarsnotify.NotifyObj
      log=tars.tarslog.LogObj
      deactivating-timeout=3000
      activating-timeout=60000
    </server>
  </application>
</tars>
"""
_CPP = """\
<tars>
  <application>

      <client>
      </client>

      <server>
        opencoroutine = 0
        coroutinememsize = 1G
        coroutinestack = 128K
        closecout = 0
        #net thread
        netthread=1
      </server>
  </application>
</tars>


"""
_NOTHING = "<tars>\n</tars>\n"
#: Number, name, parent, profile; a root is its own parent.
_SHIPPED = (
    (1, "tars.default", "tars.default", _DEFAULT),
    (2, "tars.cpp.default", "tars.default", _CPP),
    (3, "tars.go.default", "tars.default", _NOTHING),
    (4, "tars.nodejs.default", "tars.default", _NOTHING),
    (5, "tars.tarsjava.default", "tars.default", _NOTHING),
)
#: How deep templates may stand upon each other; a ring of them ends there.
_DEPTH = 16


class Templates:
    """The templates of a platform, by name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.define(_SCHEMA)
        for shipped in _SHIPPED:
            store.write("INSERT OR IGNORE INTO template VALUES (?, ?, ?, ?, ?)", *shipped, now())

    def add(self, name: str, parent: str, profile: str) -> Row:
        """Add a template; raises `sqlite3.IntegrityError` when there is one of that name."""
        row = {"template_name": name, "parents_name": parent, "profile": profile}
        return self._store.insert("template", {**row, "posttime": now()})

    def change(self, template_id: str, changes: Mapping[str, str]) -> Row | None:
        """Change name, parent or profile; None when there is no such template.

        Raises `sqlite3.IntegrityError` when another has the new name.
        """
        row = self.numbered(template_id)
        if row is None:
            return None
        row |= {name: changes[name] for name in _CHANGEABLE if name in changes}
        self._store.write(
            "UPDATE template SET template_name = ?, parents_name = ?, profile = ?, posttime = ? "
            "WHERE id = ?",
            *(row[name] for name in _CHANGEABLE),
            now(),
            template_id,
        )
        return self.numbered(template_id)

    def delete(self, template_id: str) -> bool:
        """Forget a template; whether there was one."""
        return self._store.write("DELETE FROM template WHERE id = ?", template_id) == 1

    def numbered(self, template_id: str) -> Row | None:
        return self._store.row("SELECT * FROM template WHERE id = ?", template_id)

    def named(self, name: str) -> Row | None:
        return self._store.row("SELECT * FROM template WHERE template_name = ?", name)

    def like(self, name: str = "", parent: str = "") -> list[Row]:
        """The templates in whose names these stand, by name."""
        return self._store.rows(
            "SELECT * FROM template WHERE instr(template_name, ?) AND instr(parents_name, ?) "
            "ORDER BY template_name",
            name,
            parent,
        )

    def merged(self, name: str, own: str = "") -> str:
        """A template upon its parents, with a server's ``own`` profile; "" when unknown.

        Raises `BrokenProfile`.
        """
        found = self.named(name)
        if found is None:
            return ""
        profiles = [own, found["profile"]]
        while len(profiles) < _DEPTH and found["parents_name"] != found["template_name"]:
            found = self.named(found["parents_name"])
            if found is None:
                break
            profiles.append(found["profile"])
        whole = parse(profiles.pop())
        for profile in reversed(profiles):
            whole = join(whole, parse(profile))
        return render(whole)

    def profile_of(self, server: Row) -> str:
        """A server's profile; "" when its template is unknown or something in it is broken."""
        try:
            return self.merged(server["template_name"], server["profile"])
        except BrokenProfile:
            return ""


_CHANGEABLE = ("template_name", "parents_name", "profile")
