"""Which executor runs a study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.environment.software import VARIABLES, package_version
from ai_energy_benchmarks.study.executors.base import Executor
from ai_energy_benchmarks.study.executors.local import LocalExecutor
from ai_energy_benchmarks.study.executors.orders import Site
from ai_energy_benchmarks.study.executors.shared import SharedExecutor
from ai_energy_benchmarks.study.plan.clusters import LOCAL
from ai_energy_benchmarks.study.plan.study import Study

# What a cell finds its models, packages and caches by; with what changes a figure, it goes to every node.
_PREFIXES = ("HF_", "TRANSFORMERS_", "VLLM_", "TOKENIZERS_", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
_NAMES = ("PYTHONPATH", "XDG_CACHE_HOME", registry.PLUGINS_VARIABLE)
_OF_A_NODE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class Member(Protocol):
    """An executor of several nodes, as the registry has it."""

    @classmethod
    def for_study(cls, site: Site, study: Study) -> Executor:
        """The executor of a study."""


def distributed(study: Study) -> bool:
    """Whether cells run on other machines than this one."""
    return study.config.execution.executor != LOCAL


def executor_for(study: Study, directory: Path) -> Executor:
    """The executor that the study names, not yet connected to anything."""
    execution = study.config.execution
    if not distributed(study):
        return SharedExecutor() if execution.isolation == "shared" else LocalExecutor()
    member: type[Member] = registry.load("executors", execution.executor)
    site = Site(
        directory=directory.absolute(),
        name=study.config.name,
        version=package_version(),
        working_directory=Path.cwd(),
        placement=execution.placement,
        gap_s=study.config.design.gap_s,
        variables=carried(os.environ),
    )
    return member.for_study(site, study)


def carried(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of this process that a cell needs wherever it runs."""
    wanted = {*VARIABLES, *_NAMES} - {*_OF_A_NODE}
    return {name: value for name, value in environ.items() if name in wanted or name.upper().startswith(_PREFIXES)}
