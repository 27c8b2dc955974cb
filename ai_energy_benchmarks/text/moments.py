"""Times as tools and people write them."""

from __future__ import annotations

from datetime import datetime

# In the year 5138; what is larger is in milliseconds or is no time at all.
_LATEST_S = 1e11
# Those of nvidia-smi, with and without milliseconds.
_FORMS = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S")


def moment(text: str) -> float | datetime | None:
    """A time: a number as Unix seconds, else a date and time as ISO 8601 or nvidia-smi has it.

    Returns:
        Unix seconds, or a date and time, which has a zone only where the text names one; None if it is no time.
    """
    try:
        seconds = float(text)
        return seconds if abs(seconds) <= _LATEST_S else None  # which not-a-number is not either
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
