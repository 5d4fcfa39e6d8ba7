"""Templates of servers' configurations."""

from __future__ import annotations

from lab.tars.web.answers import Template, read, read_rows
from lab.tars.web.calls import Calls


class Templates:
    """The calls about templates."""

    def __init__(self, web: Calls) -> None:
        self._web = web

    def query(self, name: str = "", parent: str = "") -> list[Template]:
        """Templates with these in their names."""
        rows = self._web.get("query_profile_template", template_name=name, parents_name=parent)
        return read_rows("query_profile_template", Template, rows)

    def names(self) -> list[str]:
        names: list[str] = self._web.get("template_name_list")
        return names

    def add(self, name: str, parent: str, profile: str) -> Template:
        """Add a template; one of that name that is there is refused ("system error")."""
        body = {"template_name": name, "parents_name": parent, "profile": profile}
        answer = self._web.post("add_profile_template", body)
        return read("add_profile_template", Template, answer)

    def update(self, template: Template) -> Template:
        """Have a template be as ``template`` says, by its number; unknown ones are refused."""
        body = {
            "id": template.id,
            "template_name": template.template_name,
            "parents_name": template.parents_name,
            "profile": template.profile,
        }
        answer = self._web.post("update_profile_template", body)
        return read("update_profile_template", Template, answer)

    def delete(self, template_id: int) -> None:
        """Forget a template; unknown ones are refused."""
        self._web.get("delete_profile_template", id=template_id)

    def merged(self, name: str) -> str:
        """A template upon its parents; "" when it is unknown. Needs the AdminRegistry."""
        text: str = self._web.get("get_merge_profile_template", template_name=name)["template"]
        return text

    def of_server(self, application: str, server_name: str, node_name: str) -> str:
        """A server's whole profile: its template, upon that its own."""
        text: str = self._web.get(
            "view_server_merge",
            application=application,
            serverName=server_name,
            nodeName=node_name,
        )["template"]
        return text
