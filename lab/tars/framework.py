"""The framework's optional servants as clients see them: statistics, properties, notices, logs.

Source: TarsProtocol ``framework/StatF.tars, PropertyF.tars, NotifyF.tars, LogF.tars,
ConfigF.tars`` and TarsFramework's ``QueryF`` of tarsquerystat; tags checked against recorded
packets. Optional members equal to their default are left out, as TarsCpp does. Services work
without every one of these servants.
"""

from __future__ import annotations

from lab.tars.body import Double, Empty, Function, Int, Long, Struct, field
from lab.tars.client import Proxy, TarsClient

STAT_OBJECT = "tars.tarsstat.StatObj"
PROPERTY_OBJECT = "tars.tarsproperty.PropertyObj"
NOTIFY_OBJECT = "tars.tarsnotify.NotifyObj"
LOG_OBJECT = "tars.tarslog.LogObj"
CONFIG_OBJECT = "tars.tarsconfig.ConfigObj"

#: The upper bounds of response times that reports count by, milliseconds.
INTERVALS_MS = (5, 10, 50, 100, 200, 500, 1000, 2000, 3000)


class Ret(Struct, frozen=True):
    """The result of a function that has only a return code."""

    ret: Int = field(tag=0, default=0)


# Statistics: how calls between modules went


class StatHead(Struct, frozen=True, omit_defaults=True):
    """Which calls: ``master`` called ``interface_name`` of ``slave``. Key of a report.

    The side that reports leaves its own address empty: the receiver fills it in.
    """

    master_name: str = field(tag=0)
    slave_name: str = field(tag=1)
    interface_name: str = field(tag=2)
    master_ip: str = field(tag=3)
    slave_ip: str = field(tag=4)
    slave_port: Int = field(tag=5)
    return_value: Int = field(tag=6)
    slave_set_name: str = field(tag=7, default="")
    slave_set_area: str = field(tag=8, default="")
    slave_set_id: str = field(tag=9, default="")
    tars_version: str = field(tag=10, default="")


class StatBody(Struct, frozen=True):
    """How they went: ``count`` with success; times in ms; ``intervals`` by `INTERVALS_MS`."""

    count: Int = field(tag=0)
    timeout_count: Int = field(tag=1)
    failed_count: Int = field(tag=2)
    intervals: dict[Int, Int] = field(tag=3)
    total_ms: Long = field(tag=4)
    longest_ms: Int = field(tag=5)
    shortest_ms: Int = field(tag=6)


class StatReport(Struct, frozen=True, omit_defaults=True):
    """``from_client``: the caller counted, else the called side did."""

    calls: dict[StatHead, StatBody] = field(tag=1)
    from_client: bool = field(tag=2, default=False)


REPORT_STATISTICS = Function("reportMicMsg", StatReport, Ret)


def counted(times_ms: list[int], *, timeouts: int = 0, failures: int = 0) -> StatBody:
    """The body of a report on calls that took ``times_ms``, and on those that went wrong."""
    intervals = dict.fromkeys(INTERVALS_MS, 0)
    for taken in times_ms:
        bound = next((bound for bound in INTERVALS_MS if taken <= bound), INTERVALS_MS[-1])
        intervals[bound] += 1
    return StatBody(
        count=len(times_ms),
        timeout_count=timeouts,
        failed_count=failures,
        intervals=intervals,
        total_ms=sum(times_ms),
        longest_ms=max(times_ms, default=0),
        shortest_ms=min(times_ms, default=0),
    )


# Properties: what a module measures of itself


class PropertyHead(Struct, frozen=True, omit_defaults=True):
    """Which property of which module. Key of a report."""

    module_name: str = field(tag=0)
    ip: str = field(tag=1)
    property_name: str = field(tag=2)
    set_name: str = field(tag=3, default="")
    set_area: str = field(tag=4, default="")
    set_id: str = field(tag=5, default="")
    container: str = field(tag=6, default="")
    version: Int = field(tag=7, default=1)


class PropertyValue(Struct, frozen=True):
    """``policy``: Sum, Avg, Count, Max, Min or Distr; ``value`` as text."""

    policy: str = field(tag=0)
    value: str = field(tag=1)


class PropertyBody(Struct, frozen=True):
    values: list[PropertyValue] = field(tag=0)


class PropertyReport(Struct, frozen=True):
    properties: dict[PropertyHead, PropertyBody] = field(tag=1)


REPORT_PROPERTIES = Function("reportPropMsg", PropertyReport, Ret)


# Questions about both: TarsWeb asks them


class Condition(Struct, frozen=True):
    """``column`` compared with ``value``; ``operator`` 5 is SQL's like."""

    column: str = field(tag=0)
    operator: Int = field(tag=1)
    value: str = field(tag=2)


LIKE = 5


class MonitorQuestion(Struct, frozen=True, kw_only=True):
    """What to add up, over which buckets of five minutes, by which columns."""

    id: str = field(tag=0)
    method: str = field(tag=1, default="query")
    data: str = field(tag=2)
    date: str = field(tag=3)
    first: str = field(tag=4)
    last: str = field(tag=5)
    conditions: list[Condition] = field(tag=6)
    columns: list[str] = field(tag=7)
    by: list[str] = field(tag=8)


class MonitorQuery(Struct, frozen=True):
    question: MonitorQuestion = field(tag=1)


class MonitorSums(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``sums``: values of the ``by`` columns, comma-separated → sum of each asked column."""

    ret: Int = field(tag=0)
    message: str = field(tag=1, default="")
    newest: str = field(tag=2)
    databases: Int = field(tag=3)
    answered: Int = field(tag=4)
    rets: list[Int] = field(tag=5)
    sums: dict[str, list[Double]] = field(tag=6, default_factory=dict)


class MonitorAnswer(Struct, frozen=True, kw_only=True):
    ret: Int = field(tag=0, default=0)
    answer: MonitorSums = field(tag=2)


QUERY_MONITOR = Function("query", MonitorQuery, MonitorAnswer)


# Notices: what servers and nodes say of themselves


class Notice(Struct, frozen=True, omit_defaults=True):
    """``kind`` 0 is a report of the framework, 1 a service's notice of ``level`` (0 to 2)."""

    kind: Int = field(tag=1)
    application: str = field(tag=2)
    set_name: str = field(tag=3)
    container: str = field(tag=4)
    server: str = field(tag=5)
    message: str = field(tag=6)
    thread_id: str = field(tag=7, default="")
    level: Int = field(tag=8, default=0)
    node_name: str = field(tag=9, default="")


class ReportNotice(Struct, frozen=True):
    notice: Notice = field(tag=1)


class ReportServer(Struct, frozen=True):
    """The older way: ``server`` is ``App.Server``."""

    server: str = field(tag=1)
    thread_id: str = field(tag=2)
    message: str = field(tag=3)


class NoticeKey(Struct, frozen=True):
    """``name`` is ``App.Server``; pages start at 0, ``ip`` "" is every node."""

    name: str = field(tag=1)
    ip: str = field(tag=2)
    page: Int = field(tag=3)


class GetNotices(Struct, frozen=True):
    key: NoticeKey = field(tag=1)


class NoticeItem(Struct, frozen=True):
    time: str = field(tag=1)
    server_id: str = field(tag=2)
    level: Int = field(tag=3)
    message: str = field(tag=4)


class NoticePage(Struct, frozen=True):
    """``next_page`` -1: there are no more."""

    next_page: Int = field(tag=1)
    items: list[NoticeItem] = field(tag=2)


class Notices(Struct, frozen=True, kw_only=True):
    ret: Int = field(tag=0, default=0)
    page: NoticePage = field(tag=2)


REPORT_NOTICE = Function("reportNotifyInfo", ReportNotice, Empty)
REPORT_SERVER = Function("reportServer", ReportServer, Empty)
GET_NOTICES = Function("getNotifyInfo", GetNotices, Notices)


# Remote logs


class LogLines(Struct, frozen=True):
    """Lines for ``file``; ``pattern`` is strftime's, of the time in the file's name."""

    application: str = field(tag=1)
    server: str = field(tag=2)
    file: str = field(tag=3)
    pattern: str = field(tag=4)
    lines: list[str] = field(tag=5)


class LogInfo(Struct, frozen=True):
    application: str = field(tag=0)
    server: str = field(tag=1)
    file: str = field(tag=2)
    pattern: str = field(tag=3)
    division: str = field(tag=4, default="")
    has_suffix: bool = field(tag=5, default=True)
    has_prefix: bool = field(tag=6, default=True)
    has_brackets: bool = field(tag=7, default=False)
    joined_by: str = field(tag=8, default="_")
    separated_by: str = field(tag=9, default="|")
    log_type: str = field(tag=10, default="")


class LogLinesByInfo(Struct, frozen=True):
    info: LogInfo = field(tag=1)
    lines: list[str] = field(tag=2)


LOG = Function("logger", LogLines, Empty)
LOG_BY_INFO = Function("loggerbyInfo", LogLinesByInfo, Empty)


class StatF(Proxy):
    """Reports of calls. Services send them one-way; asked like this, the receiver confirms."""

    def __init__(self, client: TarsClient, servant: str = STAT_OBJECT) -> None:
        super().__init__(client, servant)

    def report(self, calls: dict[StatHead, StatBody], *, from_client: bool = True) -> int:
        """The servant's return code, 0; raises as `TarsClient.call` does."""
        return self.invoke(REPORT_STATISTICS, StatReport(calls, from_client)).ret


class PropertyF(Proxy):
    """Reports of properties."""

    def __init__(self, client: TarsClient, servant: str = PROPERTY_OBJECT) -> None:
        super().__init__(client, servant)

    def report(self, properties: dict[PropertyHead, PropertyBody]) -> int:
        """The servant's return code, 0; raises as `TarsClient.call` does."""
        return self.invoke(REPORT_PROPERTIES, PropertyReport(properties)).ret


class LogF(Proxy):
    """Lines for the files that tarslog keeps."""

    def __init__(self, client: TarsClient, servant: str = LOG_OBJECT) -> None:
        super().__init__(client, servant)

    def write(
        self, application: str, server: str, file: str, lines: list[str], *, pattern: str = "%Y%m%d"
    ) -> None:
        """Have lines appended; raises as `TarsClient.call` does."""
        self.invoke(LOG, LogLines(application, server, file, pattern, lines))


class NotifyF(Proxy):
    """Notices."""

    def __init__(self, client: TarsClient, servant: str = NOTIFY_OBJECT) -> None:
        super().__init__(client, servant)

    def report(self, notice: Notice) -> None:
        """Have a notice kept; raises as `TarsClient.call` does."""
        self.invoke(REPORT_NOTICE, ReportNotice(notice))

    def notices(self, server: str, *, ip: str = "", page: int = 0) -> NoticePage:
        """A page of the notices of ``App.Server``, the newest first."""
        return self.invoke(GET_NOTICES, GetNotices(NoticeKey(server, ip, page))).page
