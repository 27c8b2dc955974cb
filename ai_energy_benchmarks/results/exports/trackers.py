"""Runs of MLflow and Weights & Biases: quotable figures as metrics, the verdict and what is withheld as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.results.exports.figures import exported, reasons, verdict_of
from ai_energy_benchmarks.results.quotable import Document, block
from ai_energy_benchmarks.results.reading import RESULT_FILE

_PARAMETERS = ("backend", "model", "dataset", "dataset_sha256", "num_samples", "batch_size")
# The longest value of a tag that MLflow's stores take (mlflow.utils.validation.MAX_TAG_VAL_LENGTH).
_LONGEST_TAG = 5000


def to_mlflow(document: Document, directory: Path) -> str:
    """Log a run to MLflow, where ``MLFLOW_TRACKING_URI`` points, and return its id.

    Figures that may be quoted are metrics (``gpu.j_per_output_token`` with ``…_low`` and ``…_high``); the verdict,
    each component's method and the reasons of withheld figures are tags; ``result.json`` is an artifact.

    Raises:
        ConfigError: MLflow is not installed.
    """
    try:
        import mlflow
    except ImportError as error:
        raise _missing("mlflow") from error
    with mlflow.start_run(run_name=str(document.get("name", ""))) as run:
        mlflow.log_params(_parameters(document))
        mlflow.log_metrics(_metrics(document))
        mlflow.set_tags({f"aeb.{name}": text[:_LONGEST_TAG] for name, text in _texts(document).items()})
        mlflow.log_artifact(str(directory / RESULT_FILE))
        return str(run.info.run_id)


def to_wandb(document: Document, directory: Path) -> str:
    """Log a run to Weights & Biases (``WANDB_MODE=offline`` keeps it here) and return its id.

    The same as for MLflow: figures in the run's summary, parameters, verdict and reasons in its config.

    Raises:
        ConfigError: the package ``wandb`` is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise _missing("wandb") from error
    project = str(block(document, "energy").get("project_name") or "ai_energy_benchmarks")
    settings = {**_parameters(document), **_texts(document)}
    with wandb.init(project=project, name=str(document.get("name", "")), config=settings) as run:
        run.summary.update(_metrics(document))
        run.save(str(directory / RESULT_FILE), base_path=str(directory), policy="now")
        return str(run.id)


def _missing(package: str) -> ConfigError:
    return ConfigError(f"{package} is not installed", remedy=install_line(package))


def _parameters(document: Document) -> dict[str, object]:
    config = block(document, "config")
    return {name: config[name] for name in _PARAMETERS if config.get(name) not in (None, "")}


def _metrics(document: Document) -> dict[str, float]:
    values: dict[str, float] = {}
    for figure in exported(document):
        if figure.value is not None:
            values[figure.name] = figure.value.value
            if figure.bounded:
                values |= {f"{figure.name}_low": figure.value.low, f"{figure.name}_high": figure.value.high}
    return values


def _texts(document: Document) -> Mapping[str, str]:
    figures = exported(document)
    methods = {figure.component: figure.method for figure in figures if figure.component}
    return {
        "verdict": verdict_of(document),
        "run_id": str(document.get("run_id") or ""),
        **{f"method.{component}": method for component, method in methods.items()},
        **{f"withheld.{name}": why for name, why in reasons(figures).items()},
    }
