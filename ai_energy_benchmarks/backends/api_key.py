"""The key of a server, which is sent and never shown."""

from __future__ import annotations

import os

from attrs import frozen


@frozen
class ApiKey:
    """The key in an environment variable, read whenever it is needed and kept nowhere.

    Attributes:
        variable: its name.
    """

    variable: str

    def headers(self) -> dict[str, str]:
        """What is sent with every request; nothing without a key."""
        key = self._value()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def hidden_in(self, text: str) -> str:
        """The text without the key: some servers quote the key that they refuse, and reasons are written down."""
        key = self._value()
        return text.replace(key, "(key)") if key else text

    def _value(self) -> str:
        return os.environ.get(self.variable, "").strip()
