"""What can go wrong with Tars: bytes that are none, calls that fail, answers that never come.

The numbers of iRet come from TarsProtocol ``tup/BaseF.tars``; only 0 is success.
"""

from __future__ import annotations

from lab.errors import LabError


class TarsError(LabError):
    """Root of all errors about Tars.

    ``code`` is the iRet that stands for it: the server's, or the one that a TarsCpp client
    reports when it fails by itself; None where there is none.
    """

    code: int | None = None


class MalformedTars(TarsError):
    """Bytes that are not what the protocol says; nothing was allocated for them."""


class MalformedFrame(MalformedTars):
    """A length header out of bounds. The stream cannot be read any further."""


class MalformedPacket(MalformedTars):
    """A frame that is not a packet of the kind that was expected."""


class MalformedBody(MalformedTars):
    """A body that does not hold what the function's signature says."""

    code = -12


class MissingArgument(MalformedBody):
    """A TUP body without one of the function's parameters."""


class NotEncodable(TarsError):
    """A value outside its Tars type: too large, of another type, not UTF-8."""


class ConnectFailed(TarsError):
    """No TCP connection to the endpoint within the time-out."""

    code = -8


class ConnectionLost(TarsError):
    """The connection ended before the answer had come."""

    code = -8


class NoAnswer(TarsError):
    """The call's time-out passed without an answer."""

    code = -7


class NameServiceSilent(NoAnswer):
    """The registry did not answer within the call's time-out, and the object is not known."""

    @staticmethod
    def about(name: str, registry: str, waited_s: float, last: Exception) -> NameServiceSilent:
        """The error for an object that was to be looked up."""
        return NameServiceSilent(
            f"{name} could not be looked up at {registry}",
            found=str(last),
            expected=f"the name service's answer within {waited_s:.3g} s",
            advice="check that the Tars registry runs; clients that knew the object go on",
        )


class InvalidEndpoint(TarsError):
    """A text that is no ``tcp -h HOST -p PORT …``."""


class ObjectNotFound(TarsError):
    """The registry knows no active endpoint of the object."""

    code = -10


class RegistryRefused(TarsError):
    """The registry answered a look-up with another return code than 0."""


class BrokenConfiguration(TarsError):
    """A server's configuration file that cannot be used."""


class CallFailed(TarsError):
    """A server answered with another iRet than 0.

    ``code`` is the iRet, ``code_name`` its name in BaseF.tars, ``description`` the server's
    own words (sResultDesc; TarsCpp sends none for most codes).
    """

    code: int
    code_name = "unknown code"

    def __init__(
        self, code: int, servant: str, function: str, endpoint: str, description: str
    ) -> None:
        self.code = code
        self.servant = servant
        self.function = function
        self.endpoint = endpoint
        self.description = description
        super().__init__(
            f"{servant}.{function} at {endpoint} failed",
            found=f"iRet {code} {self.code_name} {description}".strip(),
            expected="iRet 0",
        )

    @staticmethod
    def of(
        code: int, *, servant: str, function: str, endpoint: str, description: str
    ) -> CallFailed:
        """The error for ``code``: the subclass of that code, else `CallFailed` itself."""
        kind = _BY_CODE.get(code, CallFailed)
        return kind(code, servant, function, endpoint, description)


class ServerDecodeFailed(CallFailed):
    """-1: the server could not read the arguments; @tars/rpc also when the servant threw."""

    code_name = "TARSSERVERDECODEERR"


class ServerEncodeFailed(CallFailed):
    """-2: the server could not write the result."""

    code_name = "TARSSERVERENCODEERR"


class NoSuchFunction(CallFailed):
    """-3: the servant has no function of that name."""

    code_name = "TARSSERVERNOFUNCERR"


class NoSuchServant(CallFailed):
    """-4: the server has no servant of that name; @tars/rpc never says so."""

    code_name = "TARSSERVERNOSERVANTERR"


class GridReset(CallFailed):
    """-5: the server's grid state does not match."""

    code_name = "TARSSERVERRESETGRID"


class QueueTimeout(CallFailed):
    """-6: the request waited in the server's queue longer than its iTimeout."""

    code_name = "TARSSERVERQUEUETIMEOUT"


class InvokeTimeout(CallFailed):
    """-7: a proxy's call ran into its time-out."""

    code_name = "TARSASYNCCALLTIMEOUT"


class ProxyConnectFailed(CallFailed):
    """-8: a proxy could not connect to its server."""

    code_name = "TARSPROXYCONNECTERR"


class Overloaded(CallFailed):
    """-9: the server's queue is over its limit (TarsCpp: above 80 % of queuecap)."""

    code_name = "TARSSERVEROVERLOAD"


class NoAdapter(CallFailed):
    """-10: a proxy found no endpoint to choose."""

    code_name = "TARSADAPTERNULL"


class InvalidSet(CallFailed):
    """-11: the call by set names no valid set."""

    code_name = "TARSINVOKEBYINVALIDESET"


class ClientDecodeFailed(CallFailed):
    """-12: a proxy could not read its server's answer."""

    code_name = "TARSCLIENTDECODEERR"


class SendFailed(CallFailed):
    """-13: a proxy could not send the request."""

    code_name = "TARSSENDREQUESTERR"


class ServerFailed(CallFailed):
    """-99: unknown; TarsCpp answers so when the servant threw."""

    code_name = "TARSSERVERUNKNOWNERR"


_BY_CODE: dict[int, type[CallFailed]] = {
    -1: ServerDecodeFailed,
    -2: ServerEncodeFailed,
    -3: NoSuchFunction,
    -4: NoSuchServant,
    -5: GridReset,
    -6: QueueTimeout,
    -7: InvokeTimeout,
    -8: ProxyConnectFailed,
    -9: Overloaded,
    -10: NoAdapter,
    -11: InvalidSet,
    -12: ClientDecodeFailed,
    -13: SendFailed,
    -99: ServerFailed,
}
