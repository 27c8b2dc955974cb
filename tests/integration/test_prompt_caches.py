"""Caches of prompts: what is sent to keep trials apart, and what the verdict says of servers that have one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from attrs import define, evolve, field

from ai_energy_benchmarks.backends.base import BackendSettings, Demand, Salt
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.salts import line, salted
from ai_energy_benchmarks.backends.server.vllm import VllmBackend
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.servers import Exchange, ScriptedServer, delta, running, usage

# What the template of many chat models writes ahead of the first turn, one token a character here.
HEADER = "<system>You are a helpful assistant.</system><user>"
Report = Callable[["CachingServer", Exchange, int, int], dict[str, object]]


@define
class CachingServer:
    """A server whose prefix cache holds whole blocks of every prompt, apart for every ``cache_salt``.

    Attributes:
        reports: the usage document of an answer, from the tokens of its prompt and those of them that were found.
        block: tokens of a block.
        tokenizes: whether it shows the ids of a prompt.
    """

    reports: Report
    block: int = 16
    tokenizes: bool = False
    hits: int = 0
    looked_up: int = 0
    _blocks: set[tuple[str, str]] = field(factory=set)

    def prompt(self, body: dict[str, object]) -> str:
        turns = body["messages"]
        assert isinstance(turns, list)
        return HEADER + "".join(str(turn["content"]) for turn in turns)

    def cached(self, body: dict[str, object]) -> int:
        """Tokens found of this prompt, which is kept from now on."""
        prompt, salt = self.prompt(body), str(body.get("cache_salt", ""))
        starts = [prompt[:end] for end in range(self.block, len(prompt), self.block)]
        found = 0
        for start in starts:
            if (salt, start) not in self._blocks:
                break
            found = len(start)
        self._blocks.update((salt, start) for start in starts)
        return found

    async def answer(self, exchange: Exchange) -> None:
        if exchange.path == "/tokenize":
            ids = [ord(each) for each in self.prompt(exchange.body)] if self.tokenizes else None
            await exchange.document({"tokens": ids} if ids else {}, 200 if ids else 404)
            return
        tokens, found = len(self.prompt(exchange.body)), self.cached(exchange.body)
        self.hits += found
        self.looked_up += tokens
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await exchange.event(delta(content="b", finish_reason="length"))
        await exchange.event(self.reports(self, exchange, tokens, found))
        await exchange.end_stream()

    def vllm_page(self) -> str:
        return (
            f"vllm:prefix_cache_queries_total {self.looked_up}\nvllm:prefix_cache_hits_total {self.hits}\n"
            f"vllm:prompt_tokens_total {self.looked_up}\n"
        )

    def sglang_page(self) -> str:
        """SGLang's counter of cached tokens is on its page from the first hit on."""
        found = f'sglang:cached_tokens_total{{cache_source="device"}} {self.hits}\n' if self.hits else ""
        return f"sglang:prompt_tokens_total {self.looked_up}\n{found}"


def silent(_: CachingServer, __: Exchange, tokens: int, ___: int) -> dict[str, object]:
    return usage(tokens, 2)


def as_vllm(_: CachingServer, __: Exchange, tokens: int, found: int) -> dict[str, object]:
    """With ``--enable-prompt-tokens-details``: nothing is said where nothing was found."""
    return usage(tokens, 2, prompt_tokens_details={"cached_tokens": found} if found else None)


def as_llama_cpp(_: CachingServer, __: Exchange, tokens: int, found: int) -> dict[str, object]:
    return {**usage(tokens, 2), "timings": {"cache_n": found, "prompt_n": tokens - found, "predicted_n": 2}}


def run(server: ScriptedServer, directory: Path, **changes: object) -> BenchmarkResult:
    """Three trials of six prompts without meters."""
    chosen = {
        "backend.type": "openai",
        "backend.model": "scripted",
        "backend.endpoint": server.endpoint,
        "scenario.num_samples": 6,
        "protocol.bare_idle_s": 0,
        "protocol.resident_idle_s": 0,
        "protocol.warmup.requests": 1,
        "protocol.trials": 3,
        "metrics.enabled": False,
        "output_dir": str(directory),
        **changes,
    }
    file = directory / "wanted.yaml"
    file.write_text("{}\n")
    reporters = [JsonReporter(directory / "result.json"), ParquetReporter(directory / "requests.parquet")]
    runner = BenchmarkRunner(load_config(file, chosen), reporters=reporters)
    runner.run()
    assert runner.result is not None
    assert differences(reanalyse(directory), directory) == ()
    return runner.result


def cache_line(result: BenchmarkResult) -> Finding:
    [finding] = [each for each in result.verdict.findings if each.check == "prefix cache"]
    return finding


def first_turns(server: ScriptedServer) -> list[str]:
    """The first turn of every request of a trial, without the warm-up's."""
    bodies = [each.body for each in server.seen if each.path.endswith("/completions")][1:]
    return [body["messages"][0]["content"] for body in bodies]  # type: ignore[index] # as sent


def test_a_text_salt_parts_requests_and_its_tokens_are_stated(tmp_path: Path) -> None:
    """Every prompt of every trial has a first line of its own; the report says how many tokens it adds."""
    caching = CachingServer(as_llama_cpp, block=1)
    with running(caching.answer) as server:
        result = run(server, tmp_path, **{"load.salt": "text"})
    turns = first_turns(server)
    lines = [turn.partition("\n")[0] for turn in turns]
    assert len(set(lines)) == len(lines) == 18
    assert all(len(each.split()) == 8 for each in lines)
    prompts = [turn.partition("\n")[2] for turn in turns]
    assert prompts[:6] == prompts[6:12] == prompts[12:]
    assert (cache_line(result).level, result.engine.settings["salt"]) == ("INFO", "text")  # type: ignore[union-attr]
    assert "with which all prompts begin" in cache_line(result).message
    notes = [each.message for each in result.verdict.findings if each.check == "engine"]
    assert any(
        "load.salt: text puts a random first line before every prompt of a trial: about 9 tokens each" in each
        for each in notes
    )


def test_the_tokens_of_a_text_salt_are_counted_where_that_is_possible() -> None:
    """The server's own tokenizer counts some lines before the first request."""

    async def answer(exchange: Exchange) -> None:
        await exchange.document({"count": len(str(exchange.body["prompt"]).split()) + 1})

    settings = BackendSettings(
        "scripted", "auto", (0,), "", "text-generation", OpenAIServerBackend.Options(), salt="text"
    )
    with running(answer) as server, OpenAIServerBackend(_at(settings, server)) as backend:
        facts = backend.facts()
    assert facts.settings["salt_tokens"] == 9
    assert any("9 tokens each (counted by the model's tokenizer)" in each for each in facts.notes)


def _at(settings: BackendSettings, server: ScriptedServer) -> BackendSettings:
    return evolve(settings, endpoint=server.endpoint)


def test_a_salt_of_text_stands_before_everything_that_is_said() -> None:
    """Ahead of the first turn, whoever speaks it; a raw prompt begins with it."""
    talk = Request(3, Prompt(0, "now"), (Message("system", "be brief"), Message("user", "now")))
    sent = salted(talk, "a")
    assert [each.content for each in sent.messages] == [line("a", 3) + "be brief", "now"]
    assert salted(Request(3, Prompt(0, "raw")), "a").prompt.text == line("a", 3) + "raw"
    assert len({line(salt, number) for salt in ("a", "b") for number in range(50)}) == 100


@pytest.mark.parametrize(
    ("salt", "sent"), [("auto", {"one", "two"}), ("key", {"one", "two"}), ("none", {None}), ("text", {None})]
)
def test_a_key_salts_the_cache_where_the_server_has_one(salt: Salt, sent: set[object]) -> None:
    """vLLM's ``cache_salt`` differs between trials, unless the cache is what is measured or text does it."""
    caching = CachingServer(silent)

    async def conversation(endpoint: str) -> None:
        settings = BackendSettings(
            "scripted", "auto", (0,), endpoint, "text-generation", VllmBackend.Options(), salt=salt
        )
        request = Request(0, Prompt(0, "hi"), (Message("user", "hi"),))
        with VllmBackend(settings) as backend:
            for name in ("one", "two"):
                await backend.generate(Batch((request,), Generation(2), salt=name))

    with running(caching.answer) as server:
        asyncio.run(conversation(server.endpoint))
    bodies = [each.body for each in server.seen if each.path.endswith("/completions")]
    assert {body.get("cache_salt") for body in bodies} == sent


@pytest.mark.parametrize(
    ("report", "page"),
    [(as_vllm, None), (as_llama_cpp, None), (silent, CachingServer.vllm_page), (silent, CachingServer.sglang_page)],
    ids=["usage", "llama.cpp", "vLLM's counter", "SGLang's counter"],
)
def test_prompts_that_a_server_finds_again_fail_however_it_says_so(
    report: Report, page: Callable[[CachingServer], str] | None, tmp_path: Path
) -> None:
    """Without a salt the second trial costs no prefill: two thirds of the prompts are found, and the fix is named."""
    caching = CachingServer(report)
    with running(caching.answer) as server:
        if page is not None:
            server.pages["/metrics"] = lambda: page(caching)
        result = run(server, tmp_path)
    finding = cache_line(result)
    assert finding.level == "FAIL"
    assert "set load.salt: text" in finding.message
    assert result.summary.cached_prompt_tokens is not None
    cached, prompts = result.summary.cached_prompt_tokens, result.summary.prompt_tokens
    assert 0.5 < cached / prompts < 0.9


@pytest.mark.parametrize("changes", [{"load.salt": "none"}, {"backend.options.enable_prefix_caching": True}])
def test_a_cache_that_the_config_asks_for_is_information(changes: dict[str, object], tmp_path: Path) -> None:
    """Whoever measures the cache says so, and is told its share."""
    caching = CachingServer(as_vllm)
    with running(caching.answer) as server:
        result = run(server, tmp_path, **{"backend.type": "vllm", **changes})
    finding = cache_line(result)
    [(key, value)] = changes.items()
    assert finding.level == "INFO"
    assert f"{key}: {str(value).lower()} asks" in finding.message


@pytest.mark.parametrize("tokenizes", [True, False])
@pytest.mark.parametrize("report", [silent, as_vllm])
def test_what_all_prompts_begin_with_is_no_cached_prompt(report: Report, tokenizes: bool, tmp_path: Path) -> None:
    """A stock vLLM finds the template's header within a trial, in whole blocks: no FAIL where that is all it finds."""
    caching = CachingServer(report, tokenizes=tokenizes)
    with running(caching.answer) as server:
        server.pages["/metrics"] = caching.vllm_page
        result = run(server, tmp_path, **{"backend.type": "vllm"})
    finding = cache_line(result)
    assert caching.hits > 0
    known = tokenizes or report is as_vllm
    assert finding.level == ("INFO" if known else "FAIL")
    if known:
        assert "with which all prompts begin" in finding.message
    assert result.engine is not None
    common = result.engine.settings["common_prefix_tokens"]
    assert common == (len(HEADER) if tokenizes else None)


def test_a_prompt_that_is_sent_twice_in_a_trial_is_more_than_its_beginning(tmp_path: Path) -> None:
    """The salt parts trials: a repeat within one is found, which nobody asked for."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("one and then much more of it all\ntwo and then much more of it all\n")
    repeated = {"scenario.dataset_name": str(prompts), "scenario.repeat": True, "protocol.warmup.requests": 0}
    for tokenizes in (True, False):
        caching = CachingServer(as_vllm, tokenizes=tokenizes)
        with running(caching.answer) as server:
            result = run(server, tmp_path, **{"backend.type": "vllm", **repeated, "protocol.thermal_gate": False})
        assert cache_line(result).level == "FAIL"
    caching = CachingServer(as_vllm)
    with running(caching.answer) as server:
        result = run(server, tmp_path, **{**repeated, "load.salt": "text", "protocol.thermal_gate": False})
    assert cache_line(result).level == "INFO"


def test_a_server_that_says_nothing_of_its_cache_warns_where_prompts_repeat(tmp_path: Path) -> None:
    """Every trial sends the same prompts; with a salt, or in a single trial, nothing was there to find."""
    caching = CachingServer(silent)
    with running(caching.answer) as server:
        finding = cache_line(run(server, tmp_path))
        assert finding.level == "WARN"
        assert "every trial sends the same prompts; fix: set load.salt: text" in finding.message
        assert cache_line(run(server, tmp_path, **{"load.salt": "text"})).level == "INFO"
        assert cache_line(run(server, tmp_path, **{"protocol.trials": 1})).level == "INFO"


@pytest.mark.parametrize(("report", "level"), [(silent, "WARN"), (as_vllm, "FAIL")])
def test_fillers_repeat_the_prompts_of_their_pass(report: Report, level: str, tmp_path: Path) -> None:
    """In a single trial too, and without a salt they are found: the steady state then holds less prefill."""

    @define
    class Slow(CachingServer):
        async def answer(self, exchange: Exchange) -> None:
            await asyncio.sleep(0.05 if exchange.path.endswith("completions") else 0)
            if len(self._blocks) and "last" in self.prompt(exchange.body):
                await asyncio.sleep(0.4)
            await super().answer(exchange)

    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"{n} is a number of which much can be said\n" for n in range(7)) + "the last of all\n")
    caching = Slow(report)
    loaded = {"load.concurrency": 3, "scenario.dataset_name": str(prompts), "scenario.num_samples": 8}
    with running(caching.answer) as server:
        changes = {"protocol.trials": 1, "protocol.warmup.requests": 0, "protocol.thermal_gate": False}
        result = run(server, tmp_path, **loaded, **changes)
    assert len(result.trials[0].fillers) > 6
    finding = cache_line(result)
    assert finding.level == level
    assert ("filler requests repeat the prompts of their pass" in finding.message) == (level == "WARN")


def test_a_key_that_a_server_lacks_is_refused() -> None:
    """The check names the setting, and what does it instead."""
    settings = BackendSettings(
        "m", "auto", (0,), "http://localhost:1", "text-generation", OpenAIServerBackend.Options(), salt="key"
    )
    (problem,) = OpenAIServerBackend(settings).problems(Demand(Generation()))
    assert problem.startswith("load.salt: key is refused")
    assert "load.salt: text" in problem


@pytest.mark.parametrize("salt", ["auto", "key", "none"])
def test_a_salt_of_the_user_s_own_is_refused_unless_the_cache_is_measured(salt: Salt) -> None:
    """It would be the same in every trial, so that each found the prompts of the one before."""
    options = VllmBackend.Options(extra_body={"cache_salt": "mine"})
    settings = BackendSettings("m", "auto", (0,), "http://localhost:1", "text-generation", options, salt=salt)
    problems = VllmBackend(settings).problems(Demand(Generation()))
    assert [each.partition(":")[0] for each in problems] == (
        [] if salt == "none" else ["backend.options.extra_body.cache_salt"]
    )


def test_a_salt_in_process_has_no_effect_and_is_refused(tmp_path: Path) -> None:
    """No cache of prompts outlives a batch there, unless the engine's options ask for one."""
    file = tmp_path / "config.yaml"
    file.write_text("backend: {type: pytorch, model: m}\nload: {salt: text}\n")
    with pytest.raises(ConfigError, match=r"load\.salt.*has no effect"):
        load_config(file)


def test_the_document_says_what_was_done(tmp_path: Path) -> None:
    """Salt, its tokens and what was asked for stand in the engine's settings, and the tokens from the cache."""
    caching = CachingServer(as_llama_cpp)
    with running(caching.answer) as server:
        run(server, tmp_path)
    document = json.loads((tmp_path / "result.json").read_text())
    settings = document["backend_info"]["settings"]
    assert (settings["salt"], settings["salt_tokens"], settings["cache_requested"]) == ("none", None, None)
    assert document["tokens"]["cached_prompt"] > 0


def test_an_answer_s_own_usage_of_a_cache_comes_before_its_timings() -> None:
    """A server may send both; a chunk without usage has no count at all."""
    for document, cached in (
        ({**usage(9, 1, prompt_tokens_details={"cached_tokens": 4}), "timings": {"cache_n": 5}}, 4),
        ({**usage(9, 1), "timings": {"cache_n": 5}}, 5),
        ({**usage(9, 1), "timings": {"prompt_n": 5}}, None),
    ):
        stream, clock = EventStream(), count()
        stream.feed(next(clock), b"data: " + json.dumps(document).encode() + b"\n\n")
        found = stream.summary().usage
        assert found is not None
        assert found.cached_prompt_tokens == cached
