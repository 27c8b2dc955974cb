"""What a server wants to see before it answers, which is sent and never shown."""

from __future__ import annotations

import base64
import os

from attrs import field, frozen

from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.safety.secrets import learn


@frozen
class ApiKey:
    """The key in an environment variable, read whenever it is needed and kept nowhere; or a user with a password.

    Attributes:
        variable: its name.
        credentials: ``user:password`` of the server's address, which is then sent instead of the key.
    """

    variable: str
    credentials: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """What is sent with every request; nothing without a key.

        Raises:
            BackendError: the key has a character that no header may have (RFC 9110 §5.5); it is not shown.
        """
        if self.credentials is not None:
            return {"Authorization": f"Basic {self._basic()}"}
        key = self._value()
        if not (key.isascii() and key.isprintable()):
            raise BackendError(
                f"the key in the environment variable {self.variable} has a line break or another character that "
                "cannot be sent",
                remedy="set it to the key alone, without quotation marks or a second line",
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def wanted(self) -> str:
        """How to give a server the key that it wants."""
        if self.credentials is not None:
            return "correct the user and the password in backend.endpoint"
        return f"put the server's key into the environment variable {self.variable}"

    def _basic(self) -> str:
        basic = base64.b64encode((self.credentials or "").encode()).decode()
        learn(basic)
        learn((self.credentials or "").partition(":")[2])
        return basic

    def _value(self) -> str:
        key = os.environ.get(self.variable, "").strip()
        learn(key)  # some servers quote the key that they refuse, and reasons are written down
        return key
