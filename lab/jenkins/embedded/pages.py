"""The answers that are no JSON: Jenkins' and Jetty's error pages, and the errors behind them."""

from __future__ import annotations

import uuid
from html import escape
from urllib.parse import quote

from aiohttp import web

from lab.jenkins.embedded import VERSION

#: What every page and JSON answer of Jenkins carries; logs, files and empty answers do not.
STAPLER = {
    "X-Hudson": "1.395",
    "X-Jenkins": VERSION,
    "X-Jenkins-Session": uuid.uuid4().hex[:8],
}
_IMPLIED = {
    "Item.Build": ("GenericUpdate", "GenericWrite"),
    "Item.Cancel": ("GenericUpdate", "GenericWrite"),
    "Item.Configure": ("GenericConfigure", "GenericUpdate", "GenericWrite"),
    "Item.Create": ("GenericCreate", "GenericWrite"),
    "Item.Delete": ("GenericDelete", "GenericWrite"),
    "Run.Update": ("GenericUpdate", "GenericWrite"),
    "View.Configure": ("GenericConfigure", "GenericUpdate", "GenericWrite"),
    "View.Create": ("GenericCreate", "GenericWrite"),
    "View.Delete": ("GenericDelete", "GenericWrite"),
}


class Refused(Exception):
    """A request ends with ``answer``."""

    def __init__(self, answer: web.Response) -> None:
        self.answer = answer
        super().__init__(str(answer.status))


def quoted(text: str) -> str:
    """In the typographic quotes of Jenkins' messages."""
    return f"\u2018{text}\u2019"


def page(status: int, text: str, **headers: str) -> web.Response:
    """A page of Jenkins itself."""
    body = (
        f"\n  <!DOCTYPE html><html><head><title>Jenkins (embedded)</title></head>"
        f"<body><div id='main-panel'>{text}</div>"
        f"<footer>Jenkins {VERSION}, embedded</footer></body></html>\n"
    )
    answer = web.Response(
        status=status, text=body, content_type="text/html", charset="utf-8", headers=STAPLER
    )
    answer.headers.update(headers)
    return answer


def not_found() -> Refused:
    return Refused(
        page(
            404,
            "<h1>Oops!</h1><p>Not Found</p>"
            "<p>This page may not exist, or you may not have permission to see it.</p>",
        )
    )


def not_found_upwards() -> Refused:
    """Of a build's report that is not there: a page that leads to the build."""
    text = "<html><head><meta http-equiv='refresh' content='1;url=..'/></head><body>\nNot found\n"
    return Refused(web.Response(status=404, text=text, content_type="text/html", charset="utf-8"))


def oops(status: int = 500) -> Refused:
    """An exception in Jenkins: only its log would tell which."""
    return Refused(
        page(
            status,
            "<h1>Oops!</h1><p>A problem occurred while processing the request</p>"
            f"<p>Logging ID={uuid.uuid4()}</p>",
        )
    )


def rejected(message: str) -> Refused:
    """400 with a reason. The header has it in ISO-8859-1, so typographic quotes are lost."""
    lossy = "".join(c if ord(c) < 256 else " " for c in message)
    return Refused(page(400, f"<h1>Error</h1><p>{escape(message)}</p>", **{"X-Error": lossy}))


def requires_post(*, triggers: bool = False) -> Refused:
    if triggers:
        text = "You must use POST method to trigger builds."
        return Refused(page(405, text, Allow="POST"))
    return Refused(page(405, "<h1>This URL requires POST</h1>"))


def jetty(status: int, message: str, uri: str) -> Refused:
    """A page of the servlet container: its title is the only place that has the reason."""
    headline = f"{status} {escape(message)}"
    text = (
        '<html>\n<head>\n<meta http-equiv="Content-Type" '
        f'content="text/html;charset=ISO-8859-1"/>\n<title>Error {headline}</title>\n</head>\n'
        f"<body><h2>HTTP ERROR {headline}</h2>\n<table>\n<tr><th>URI:</th><td>{escape(uri)}</td>"
        f"</tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n<tr><th>MESSAGE:</th>"
        f"<td>{escape(message)}</td></tr>\n</table>\n<hr/>embedded<hr/>\n</body>\n</html>\n"
    )
    body = text.encode("iso-8859-1", "replace")
    headers = {"Content-Type": "text/html;charset=iso-8859-1"}
    return Refused(web.Response(status=status, body=body, headers=headers))


def no_crumb(uri: str) -> Refused:
    return jetty(403, "No valid crumb was included in the request", uri)


def wrong_credentials(uri: str) -> Refused:
    refused = jetty(401, "Unauthorized", uri)
    refused.answer.headers["WWW-Authenticate"] = 'Basic realm="Jenkins"'
    return refused


def login_first(path: str) -> Refused:
    """What anonymous gets for every page, whether it exists or not."""
    place = f"/login?from={quote(path, safe='')}"
    text = (
        f"<html><head><meta http-equiv='refresh' content='1;url={place}'/>"
        f"<script id='redirect' data-redirect-url='{place}'></script></head>"
        "<body style='background-color:white; color:white;'>\nAuthentication required\n<!--\n-->\n"
        "\n</body></html>"
    )
    return Refused(
        web.Response(
            status=403, text=text, content_type="text/html", charset="utf-8", headers=STAPLER
        )
    )


def access_denied(user: str, permission: str) -> Refused:
    """``permission`` is its name after ``hudson.model.``: ``Item.Build``, ``Hudson.Administer``."""
    refused = page(
        403,
        f"<h1>Access Denied</h1><p>{escape(user)} is missing the {permission} permission</p>",
        **{
            "X-You-Are-Authenticated-As": user,
            "X-Required-Permission": f"hudson.model.{permission}",
        },
    )
    implied = [f"hudson.security.Permission.{name}" for name in _IMPLIED.get(permission, ())]
    if implied:
        for name in (*implied, "hudson.model.Hudson.Administer"):
            refused.headers.add("X-Permission-Implied-By", name)
    return Refused(refused)


def starting() -> web.Response:
    """What everybody gets while Jenkins starts: no X-Jenkins, no Retry-After."""
    text = (
        '<!DOCTYPE html><html lang="en"><head><title>Starting Jenkins</title></head>'
        "<body><p>Please wait while Jenkins (embedded) is getting ready to work</p></body></html>"
    )
    return web.Response(status=503, text=text, content_type="text/html", charset="utf-8")


def login_page() -> web.Response:
    return web.Response(
        text="<!DOCTYPE html><html><head><title>Sign in - Jenkins</title></head>"
        "<body><p>Jenkins, embedded</p></body></html>",
        content_type="text/html",
        charset="utf-8",
        headers=STAPLER,
    )
