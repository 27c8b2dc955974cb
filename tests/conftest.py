"""What every test relies on: no network, no board unless the machine has one, and the shared prompts if present."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ai_energy_benchmarks.safety import secrets

# A law that takes long on a busy machine is no broken law.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")

# Read by huggingface_hub and transformers when they are first imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Read by PyTorch: two threads for a model this small, in tests that run next to others, mostly wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"
# The defaults of whoever runs the tests are no part of them.
os.environ["AEB_NO_USER_DEFAULTS"] = "1"
# Nor are the plugins that are installed here, but for those that tests make.
os.environ["AEB_PLUGINS"] = "aeb-test-members"
# Studies of tests that run at the same time do not measure anything that another could disturb.
os.environ["AEB_LOCK_DIR"] = os.path.join(tempfile.gettempdir(), f"aeb-test-locks-{os.getpid()}")

ROOT = Path(__file__).parent.parent


def pytest_unconfigure() -> None:
    """Take away what the tests of this process have locked."""
    shutil.rmtree(os.environ["AEB_LOCK_DIR"], ignore_errors=True)


def _has_board() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give heavy tests more time, and skip tests of real boards where there is none."""
    for item in items:
        if item.get_closest_marker("heavy") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))
    if _has_board():
        return
    for item in items:
        if item.get_closest_marker("gpu") is not None:
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """What one test calls a secret is plain text in the next."""
    yield
    secrets.forget()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory with the prompts of AI Energy Score, which is no part of the repository."""
    directory = Path(os.environ.get("AEB_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip("the AI Energy Score prompts are not here; AEB_SHARED_DATA names their directory")
    return directory
