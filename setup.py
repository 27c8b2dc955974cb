"""Shim for tools that still call setup.py; everything stands in pyproject.toml.

But for the project's addresses, which are those of the repository that builds; it tells its own in AEB_REPOSITORY_URL.
"""

import os

from setuptools import setup

repository = os.environ.get("AEB_REPOSITORY_URL", "").rstrip("/")

setup(
    project_urls={
        "Repository": repository,
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
    if repository
    else {}
)
