"""The interpreter of an environment that has vLLM; importing this skips the module that does, if there is none."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

_FOUND = os.environ.get("VLLM_PYTHON") or (sys.executable if importlib.util.find_spec("vllm") else None)
if _FOUND is None:
    pytest.skip(
        "vLLM is not installed; VLLM_PYTHON may name the interpreter of an environment that has it, "
        "and scripts/test.sh --heavy makes one",
        allow_module_level=True,
    )
INTERPRETER: str = _FOUND
