"""What to do about a finding: one action for each check, for those whose message does not name one itself."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ai_energy_benchmarks.domain.verdict import Finding

_LONGER = "measure longer passes: raise scenario.num_samples or the output tokens"
_QUIET = "close other programs, or measure when the machine is at rest, and run again"
_SERVER_LOG = "check the server's log and its settings"
_OWN_GPU = "give the benchmark a GPU of its own, and run again"
_COOL = "cool the GPU, or lower its power limit or clocks, and run again"
_LENGTHEN_IDLE = "raise protocol.resident_idle_s, and let nothing else use the machine"

ACTIONS: Mapping[str, str] = {
    "GPU state": "set power limit and clocks before the run, and let nothing else change them",
    "clocks": "lock the clocks with nvidia-smi -lgc, or lengthen the warm-up (protocol.warmup, protocol.thermal_gate)",
    "client CPU": "give the client a processor of its own, or lower load.concurrency",
    "client event loop": "give the client a processor of its own, or lower load.concurrency",
    "concurrency": "raise scenario.num_samples, and check how many requests the server takes at a time",
    "context of the steady state": _LONGER,
    "counter against power": "run scripts/gpu_acceptance.sh on this GPU, or update its driver",
    "edge readings": f"{_QUIET}; where the driver answers slowly, show fewer GPUs (CUDA_VISIBLE_DEVICES)",
    "ending": "run it again to its end",
    "energy": "run ai-energy-benchmark doctor: it shows how to make a meter work",
    "engine": "set the option that the engine names, or accept what it does",
    "engine location": "run the benchmark on the engine's machine, or set metrics.assume_local: true if this is it",
    "filler requests": _SERVER_LOG,
    "first trial": "raise protocol.warmup.requests to those of a pass; reanalyze --drop-trial 1 shows the others",
    "foreign process": _OWN_GPU,
    "goodput": "measure a server that streams its tokens",
    "idle change": _LENGTHEN_IDLE,
    "idle settled": "raise protocol.settle_cap_s, and let nothing else use the machine",
    "idle share": "quote the gross energy, or use more of the GPU: a larger batch or load.concurrency",
    "journal": "free space in output_dir",
    "machine suspended": "keep the machine from sleeping, and run again",
    "meter": "check that the meter still works: ai-energy-benchmark doctor",
    "other devices": _OWN_GPU,
    "outliers": _QUIET,
    "output limit": "use a server that keeps to max_tokens",
    "output tokens": _SERVER_LOG,
    "pause": "do not stop or suspend the run, give its container enough processors, and run again",
    "performance state": "let nothing else use the GPU, and lengthen the warm-up (protocol.warmup)",
    "power limit": "set the power limit before the run, and let nothing change it",
    "prefix cache": "set load.salt: text, or switch the server's cache off",
    "preemptions": "lower load.concurrency, or give the server more memory for its KV cache",
    "prompt tokens": "use a server that counts the prompt tokens that it was sent",
    "protocol": "remove the settings that shorten it before you publish a figure",
    "reasoning": "check scenario.reasoning against the model's card, or remove it",
    "repeatability": f"{_QUIET}, or raise protocol.trials",
    "replayed energy": "measure with a meter of this machine",
    "requests": _SERVER_LOG,
    "rows": "free space in output_dir",
    "server load": "check how many requests the server takes at a time, or lower load.concurrency",
    "server stopped": "raise load.cancel_cap_s, or use a server that ends cancelled requests",
    "steady state": _LONGER,
    "steal time": "measure on a machine of its own, or where its host has no other work",
    "stopped": "correct what failed, and run again",
    "streaming": "use a server that streams its answers",
    "temperature": "lengthen the warm-up: protocol.thermal_gate",
    "thermal gate": "raise protocol.thermal_gate.cap_s",
    "thinking tokens": "use a server that counts thinking as a part of the output",
    "throttling": _COOL,
    "token counts": "name the model's tokenizer in backend.options.tokenizer, or use a server whose counts are right",
    "trend": "lengthen the warm-up (protocol.warmup), and raise protocol.trials",
    "truncation": "choose shorter prompts, or a model with a longer context",
    "unencrypted key": "use https, or a key that may be seen on the network",
    "uncounted GPU worked": "name the engine's GPUs in backend.device_ids",
    "warm-up": "raise protocol.warmup.max_requests, and let nothing else use the machine",
    "window": "run again; if it happens again, use another meter",
    "window edges": f"{_LONGER}, so that its edges weigh less",
    "window resolved": _LONGER,
}
OTHERWISE = 'docs/measurement.md, "The verdict", has what this check looks at'


def with_action(finding: Finding) -> Finding:
    """The finding with what to do about it, where it warns or fails and does not say so itself."""
    if finding.level not in ("WARN", "FAIL") or "fix: " in finding.message:
        return finding
    return evolve(finding, message=f"{finding.message}; fix: {ACTIONS.get(finding.check, OTHERWISE)}")
