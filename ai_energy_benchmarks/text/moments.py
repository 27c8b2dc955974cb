"""Times as tools and people write them."""

from __future__ import annotations

from datetime import datetime, timezone

# In the year 5138; what is larger is in milliseconds or is no time at all.
_LATEST_S = 1e11
# Those of nvidia-smi, with and without milliseconds.
_FORMS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S")


def unix_seconds(text: str) -> float | None:
    """Unix seconds of a time: a number as it is, else a date and time as ISO 8601 or nvidia-smi has it.

    A date without a zone is taken for UTC, which matters only against other clocks.

    Returns:
        None if it is no time.
    """
    try:
        seconds = float(text)
        return seconds if abs(seconds) <= _LATEST_S else None  # which not-a-number is not either
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
