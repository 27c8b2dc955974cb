"""Which clock the times of a power log and of a window are of: local time of some machine, or an absolute time.

nvidia-smi writes local time without a zone. Taken for UTC, its log would give the energy of other hours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

from attrs import define

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.moments import moment

# Clocks are set back by an hour, on Lord Howe Island by half of one (IANA time zone database); the next reading
# follows within this time.
_SET_BACK_S, _NEXT_S = (3600.0, 1800.0), 120.0
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d)")


def zone_named(name: str) -> tzinfo:
    """The time zone of a name such as ``Europe/Berlin``, or of an offset such as ``+01:00``.

    Raises:
        ConfigError: it is unknown.
    """
    if name == "UTC":  # known without the system's database of zones
        return timezone.utc
    if offset := _OFFSET.fullmatch(name):
        east = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        return timezone(-east if offset["sign"] == "-" else east)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"--timezone {name!r} is unknown",
            remedy="give a name such as Europe/Berlin or UTC, or an offset such as +01:00",
        ) from error


@define
class Clock:
    """Reads the times of one source, and remembers the first of each kind.

    Attributes:
        zone: of times without one; None if it is unknown, and then their seconds count from 1970 on that clock.
        zoneless, absolute: the first time of each kind as it was written; empty if there is none.
    """

    zone: tzinfo | None = None
    zoneless: str = ""
    absolute: str = ""

    def seconds(self, text: str) -> float | None:
        """Unix seconds of a time, or None if it is none.

        Raises:
            ConfigError: the zone has this time twice or not at all.
        """
        found = moment(text)
        if found is None:
            return None
        if not isinstance(found, datetime) or found.tzinfo is not None:
            self.absolute = self.absolute or text
            return found.timestamp() if isinstance(found, datetime) else found
        self.zoneless = self.zoneless or text
        local = found.replace(tzinfo=self.zone or timezone.utc)
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            raise ConfigError(
                f"{text!r} is in the hour in which the clocks of {self.zone} change",
                remedy="give the offset that the log was written with, such as --timezone +02:00",
            )
        return local.timestamp()


def set_back_at(times_s: Sequence[float], clock: Clock) -> str | None:
    """The last local time before the one place where a clock without a zone was set back; None if there is no such.

    Args:
        times_s: of readings in the order of the log.
        clock: that read them.
    """
    falls = [(earlier_s, later_s) for earlier_s, later_s in pairwise(times_s) if later_s <= earlier_s]
    if not clock.zoneless or clock.absolute or len(falls) != 1:
        return None
    [(earlier_s, later_s)] = falls
    if not any(0 < back_s - (earlier_s - later_s) < _NEXT_S for back_s in _SET_BACK_S):
        return None
    zone = timezone.utc if clock.zone is None else clock.zone
    return datetime.fromtimestamp(earlier_s, zone).replace(tzinfo=None).isoformat(" ", "milliseconds")


def require_one_clock(source: str, log: Clock, window: Clock) -> None:
    """Refuse to compare times without a zone with absolute ones.

    Raises:
        ConfigError: there are both, and no zone was given.
    """
    absolute, zoneless = window.absolute or log.absolute, log.zoneless or window.zoneless
    if log.zone is not None or not absolute or not zoneless:
        return
    if log.zoneless:
        message = f"{source} begins at {log.zoneless!r}, a time without a zone, and {absolute!r} is an absolute time"
        remedy = "name the zone that the log was written in: --timezone Europe/Berlin, or --timezone UTC"
    else:
        message = f"{source} begins at {log.absolute!r}, an absolute time, and {window.zoneless!r} has no zone"
        remedy = "name the zone of --from and --to: --timezone Europe/Berlin, or --timezone UTC"
    raise ConfigError(message, remedy=remedy)
