"""What the daemons that discipline clocks say, as their manuals show it."""

import pytest

from lab.clock import Discipline, read

CHRONY = (
    "chrony\nC613FAFD,198.19.250.253,9,1795575303.1,{system},{last},"
    "0.009,0,242.6,9.8,0.04,2.3,2.2,{leap}\n"
)
TIMESYNCD = """timesyncd
       Server: 216.218.254.202 (0.debian.pool.ntp.org)
Poll interval: 1min 4s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
      Stratum: 1
    Reference: CDMA
    Precision: 1us (-20)
Root distance: 335us (max: 5s)
       Offset: {offset}
        Delay: 349us
"""
NTPD = (
    "ntpd\nassocid=0 status=0615 leap_none, sync_ntp,\n"
    "leap={leap}, stratum=3, refid={refid}, offset=-1.250\n"
)


def test_a_clock_by_chrony() -> None:
    told = CHRONY.format(system="-0.001", last="0.5", leap="Normal")
    assert read(told) == Discipline("chrony", True, "198.19.250.253", 9, 0.5)
    told = CHRONY.format(system="3.1", last="0.5", leap="Not synchronised")
    assert read(told) == Discipline("chrony", False, "198.19.250.253", 9, 3.1)


def test_chrony_that_is_its_own_reference_has_no_source() -> None:
    told = CHRONY.format(system="0", last="0", leap="Normal")
    found = read(told.replace("C613FAFD,198.19.250.253", "7F7F0101,127.127.1.1"))
    assert found is not None
    assert found.source == ""


@pytest.mark.parametrize(
    ("offset", "seconds"), [("+316us", 316e-6), ("-2.5ms", -0.0025), ("+1min 2.5s", 62.5)]
)
def test_a_clock_by_timesyncd(offset: str, seconds: float) -> None:
    found = read(TIMESYNCD.format(offset=offset))
    assert found is not None
    assert (found.synchronized, found.source, found.stratum) == (True, "216.218.254.202", 1)
    assert found.offset_s == pytest.approx(seconds)


def test_timesyncd_without_an_answer_is_not_synchronized() -> None:
    found = read("timesyncd\n       Server: n/a\nPoll interval: 0 (min: 32s; max 34min 8s)\n")
    assert found is not None
    assert not found.synchronized


def test_a_clock_by_ntpd() -> None:
    assert read(NTPD.format(leap="00", refid="192.0.2.1")) == Discipline(
        "ntpd", True, "192.0.2.1", 3, -0.00125
    )
    found = read(NTPD.format(leap="11", refid="LOCAL"))
    assert found is not None
    assert (found.synchronized, found.source) == (False, "")


def test_nobody_and_nonsense() -> None:
    assert read("\n") is None
    with pytest.raises(ValueError, match="chrony says nothing of its clock: '506 Cannot talk"):
        read("chrony\n506 Cannot talk to daemon\n")
