"""Log-in and tokens, recorded under the prefix of TarsWeb's own pages."""

from __future__ import annotations

from lab.secrets import redactor
from lab.tars.web.answers import Token, read
from lab.tars.web.calls import PAGES, Calls


class Users:
    """The calls about users."""

    def __init__(self, web: Calls) -> None:
        self._web = web.under(PAGES)

    def login_enabled(self) -> bool:
        enabled: bool = self._web.get("is_enable_login")["enableLogin"]
        return enabled

    def set_admin_password(self, password: str) -> None:
        """Set the administrator's password, which can be done once."""
        redactor.add(password)
        body = {"password": password, "repeat_password": password}
        self._web.post("adminModifyPass", body)

    def log_in(self, uid: str, password: str) -> str:
        """A ticket for a user; a wrong password is refused ("Incorrect password")."""
        answer = self._web.post("login", {"uid": uid, "password": password})
        ticket: str = answer["ticket"]
        redactor.add(ticket)
        return ticket

    def add_token(self, name: str, expire_time: str) -> Token:
        """Make a token, redacted from now on; ``expire_time``: ``YYYY-MM-DD hh:mm:ss``."""
        answer = self._web.post("auth/addToken", {"name": name, "expire_time": expire_time})
        redactor.add(str(answer["token"]))
        return read("auth/addToken", Token, answer)

    def switch_token(self, token: Token, *, valid: bool) -> None:
        """Switch a token on or off; the real one accepted it after that all the same."""
        self._web.post("auth/setTokenValid", {"token": token.token, "valid": int(valid)})

    def delete_token(self, token: Token) -> None:
        """Forget a token by its number; by its text, the real one would forget nothing."""
        self._web.post("auth/deleteToken", {"tokens": [token.id]})
