"""How the threads of OpenMP wait for one another, which decides what a modelled processor is billed for.

Between two parallel regions a thread either spins, which uses its processor, or sleeps. GCC's libgomp, which PyTorch's
wheels bring, spins unless it is told otherwise (GNU libgomp manual, "OMP_WAIT_POLICY" and "GOMP_SPINCOUNT"), and so
does LLVM's for 200 ms (LLVM/OpenMP documentation, "KMP_BLOCKTIME"). Both read their variables once, when they are
loaded.
"""

from __future__ import annotations

from collections.abc import Mapping

POLICY = "OMP_WAIT_POLICY"
_PASSIVE = "PASSIVE"
_SPINNING = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")
VARIABLES = (POLICY, *_SPINNING)


def passive_waiting(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to add so that waiting threads sleep; empty where the user has decided how they wait."""
    return {} if any(environ.get(name) for name in VARIABLES) else {POLICY: _PASSIVE}


def spinning(environ: Mapping[str, str]) -> str | None:
    """The setting by which waiting threads spin, as ``NAME=value``; None if there is none."""
    policy = environ.get(POLICY, "")
    if policy:
        return None if policy.strip().upper() == _PASSIVE else f"{POLICY}={policy}"
    return next(
        (f"{name}={value}" for name in _SPINNING if (value := environ.get(name)) and value.strip() != "0"), None
    )
