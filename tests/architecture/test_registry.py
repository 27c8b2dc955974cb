"""Every name in the registry leads to a class that fulfils its contract."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.errors import ConfigError

MEMBERS = [(kind, name) for kind, members in registry.BUILTIN.items() for name in members]
NEEDED = {
    "backends": {"Options", "from_settings", "problems", "facts", "process_ids", "generate"},
    "collectors": {
        "Options",
        "from_settings",
        "components",
        "attach",
        "counted_devices",
        "guard_s",
        "further_rest_s",
        "mark",
        "read",
        "samples",
        "notes",
    },
    "datasets": {"from_settings", "prompts"},
    "reporters": {"from_settings", "report"},
    "executors": {"run"},
}


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_every_name_leads_to_a_member(kind: registry.Kind, name: str) -> None:
    """Loading the class needs the base install only, and it has what its contract asks for."""
    member = registry.load(kind, name)
    assert {each for each in NEEDED[kind] if not hasattr(member, each)} == set()


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    """A misspelt name is answered with the name that was meant and with all others."""
    with pytest.raises(ConfigError, match="did you mean 'pytorch'"):
        registry.load("backends", "pytroch")
