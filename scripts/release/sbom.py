"""A bill of materials (CycloneDX 1.6, JSON) of an environment in which the wheel is installed.

    python scripts/release/sbom.py PYTHON > sbom.cdx.json

PYTHON is the interpreter of a fresh environment that holds nothing but the wheel and what it needs. The same
environment gives the same bytes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NAME = "ai_energy_benchmarks"
# Every new environment may hold these; they are no part of what was installed.
TOOLS = {"pip", "setuptools", "wheel"}


# Run by the interpreter that is inspected: its own packages, without those of a base environment. pip inspect would do,
# but that of pip before 24.3 leaves out the field License-Expression.
_READ = """
import json, sysconfig
from importlib.metadata import distributions

places = list(dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))))
fields = {"name": "Name", "version": "Version", "license": "License", "license_expression": "License-Expression"}
lists = {"requires_dist": "Requires-Dist", "classifier": "Classifier"}
found = {}
for distribution in distributions(path=places):
    data = distribution.metadata
    entry = {key: data.get(name) for key, name in fields.items() if data.get(name)}
    entry.update({key: data.get_all(name) for key, name in lists.items() if data.get_all(name)})
    found.setdefault(entry["name"], entry)
print(json.dumps(list(found.values())))
"""


def inspect(python: str) -> list[dict[str, Any]]:
    """The metadata of every distribution that is installed for an interpreter."""
    done = subprocess.run([python, "-I", "-c", _READ], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def package_url(metadata: Mapping[str, Any]) -> str:
    """The package URL (purl) of a distribution."""
    return f"pkg:pypi/{normal(metadata['name'])}@{metadata['version']}"


def component(metadata: Mapping[str, Any], kind: str = "library") -> dict[str, Any]:
    """One CycloneDX component."""
    entry: dict[str, Any] = {
        "type": kind,
        "bom-ref": package_url(metadata),
        "name": metadata["name"],
        "version": metadata["version"],
        "purl": package_url(metadata),
    }
    if metadata.get("license_expression"):
        entry["licenses"] = [{"expression": metadata["license_expression"]}]
    elif metadata.get("license"):
        # Some distributions put the whole text here; its first line names it.
        entry["licenses"] = [{"license": {"name": metadata["license"].strip().splitlines()[0]}}]
    return entry


def bill_of_materials(distributions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document: the package as its subject, everything else that is installed as components.

    Raises:
        ValueError: the package is not among the distributions.
    """
    by_name = {normal(each["name"]): each for each in distributions}
    subject = by_name.pop(normal(NAME), None)
    if subject is None:
        raise ValueError(f"{NAME} is not installed there")
    others = [each for name, each in sorted(by_name.items()) if name not in TOOLS]
    refs = {normal(each["name"]): package_url(each) for each in (subject, *others)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(subject, "application")},
        "components": [component(each) for each in others],
        "dependencies": [
            {"ref": package_url(each), "dependsOn": sorted(depends_on(each, refs))} for each in (subject, *others)
        ],
    }


def depends_on(metadata: Mapping[str, Any], refs: Mapping[str, str]) -> set[str]:
    """What a distribution needs without its extras, as far as it is installed."""
    lines = [line for line in metadata.get("requires_dist") or [] if "extra ==" not in line]
    names = {normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines}
    return {refs[name] for name in names if name in refs}


def main() -> None:
    """Print the document of the interpreter that the command line names."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).exists():
        sys.exit(__doc__)
    print(json.dumps(bill_of_materials(inspect(sys.argv[1])), indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
