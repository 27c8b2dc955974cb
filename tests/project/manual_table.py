"""What of the manual no test runs as it stands, and why; ``test`` names the test that runs it in another form.

``start`` is the beginning of a command, or of a block of code; empty, it is every one of the page.
``test_documentation.py`` refuses a row that fits nothing any more, a test that is gone, and a block or command of the
manual that is neither run nor listed.
"""

from __future__ import annotations

from attrs import frozen

PIP = "installs from the package index"
IMAGE = "builds or runs an image"
RELEASE = "needs a published release"
OUTPUT = "shows output, and nothing to type"


@frozen
class Row:
    """One exception."""

    page: str
    start: str
    why: str
    test: str = ""

    def fits(self, page: str, text: str) -> bool:
        """Whether it is about this command or block."""
        return page == self.page and text.startswith(self.start)


TABLE = (
    Row("README.md", "./scripts/quickstart.sh", PIP, "functional/test_configs_run.py::test_a_starting_point_runs"),
    Row("README.md", "./scripts/test.sh", "runs these tests", "project/test_scripts.py::test_a_change_installs_again"),
    Row("README.md", "pip install", PIP),
    Row("README.md", "0.23 J/output token", OUTPUT),
    Row("tutorial.md", "python3 -m venv", PIP),
    Row("tutorial.md", "pip install", PIP),
    Row("servers.md", "pip install", PIP),
    Row("installing.md", "pip install", PIP),
    Row("installing.md", "python -m venv", PIP),
    Row("studies.md", "pip install", PIP),
    Row("studies.md", "ray start", "starts a cluster"),
    Row(
        "studies.md", "ai-energy-benchmark run study.yaml", "needs a cluster",
        "unit/test_study_on_ray.py::test_the_same_cells_as_here_each_cycle_in_one_reservation",
    ),
    Row(
        "servers.md", "transformers serve", "serves until it is ended",
        "integration/test_transformers_serve.py::test_every_request_succeeds_with_the_server_s_counts",
    ),
    Row("gpu-server.md", "nvidia-smi", "needs a GPU"),
    Row("gpu-server.md", "ai-energy-benchmark validate gpu.yaml", "needs a GPU"),
    Row("gpu-server.md", "ai-energy-benchmark run gpu.yaml", "needs a GPU"),
    Row(
        "aienergyscore.md", "ai-energy-benchmark run --model NAME --profile", "reads the method's prompts from the hub",
        "unit/test_contract_profile.py::test_the_profile_is_the_method",
    ),
    Row(
        "aienergyscore.md", "ai-energy-benchmark run CONFIG.yaml --profile", "runs 1,000 prompts ten times",
        "unit/test_contract_profile.py::test_a_profile_lies_under_a_file",
    ),
    Row(
        "aienergyscore.md", "BENCHMARK_BACKEND=pytorch", "reads the method's prompts from the hub",
        "functional/test_contract_cli.py::test_a_container_without_a_gpu_fails_and_says_why",
    ),
    Row(
        "aienergyscore.md", "ai-energy-benchmark batch", "reads the method's prompts from the hub",
        "functional/test_contract_cli.py::test_a_batch_killed_in_its_second_model_ends_complete",
    ),
    Row(
        "reports.md", "ai-energy-benchmark export results/mine --to mlflow", "needs MLflow",
        "unit/test_exports.py::test_mlflow_has_the_figures_and_the_reasons",
    ),
    Row("images.md", "docker/build.sh", IMAGE, "project/test_images.py::test_the_wheel_is_built_once_and_first"),
    Row("images.md", "BUILDER=buildah", IMAGE),
    Row("images.md", "docker run", IMAGE),
    Row("aienergyscore-image.md", "docker run", IMAGE),
    Row(
        "aienergyscore-image.md", "---", "is a patch",
        "project/test_aienergyscore_image.py::test_there_is_a_patch_for_every_file",
    ),
    Row("verify-a-release.md", "", RELEASE),
    Row(
        "commands.md", "Usage: ", OUTPUT,
        "project/test_documentation.py::test_the_page_of_commands_is_what_help_prints",
    ),
    Row("files.md", "import ", "has a test of its own", "project/test_files_page.py::test_the_blocks_read_the_files"),
    Row("files.md", "from ", "has a test of its own", "project/test_files_page.py::test_the_blocks_read_the_files"),
    Row(
        "compare.md", "- uses: ", "is a step of a workflow",
        "functional/test_action.py::test_the_metadata_matches_the_step",
    ),
    Row("reasoning.md", "families:", "is a file of families",
        "project/test_documentation.py::test_the_families_of_the_manual_are_known"),
    *(
        Row("add-a-backend.md", start, "has a test of its own", f"unit/test_add_a_backend.py::{test}")
        for start, test in (
            ("from __future__", "test_the_package_is_measured_from_a_config"),
            ("[build-system]", "test_the_package_is_measured_from_a_config"),
            ("name: busy", "test_the_package_is_measured_from_a_config"),
            ("from ai_energy_benchmarks import", "test_the_script_reports_the_object_under_its_own_name"),
        )
    ),
    *(
        Row("add-a-meter.md", start, "has a test of its own", f"unit/test_add_a_meter.py::{test}")
        for start, test in (
            ("from __future__", "test_a_run_measures_with_it"),
            ("[build-system]", "test_another_file_next_to_the_module_does_no_harm"),
            ("backend: ", "test_a_run_measures_with_it"),
            ("from ai_energy_benchmarks.metrics", "test_the_meter_of_the_whole_system_is_in_the_run_and_its_report"),
        )
    ),
)  # fmt: skip


def exception(page: str, text: str) -> Row | None:
    """The row about this command or block."""
    return next((row for row in TABLE if row.fits(page, text)), None)
