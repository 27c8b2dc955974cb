"""Continuous batching in virtual time: requests join and leave a batch between steps; a step makes a token of each.

Reading the weights costs a step the same whatever the batch; prefill and looking back at the context come on top. So
energy per token depends on how full the batch is and on what is in it, as it does on a real server.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

from attrs import define, field

_IDLE_KNOT_S = 0.01


Load = Callable[[int, float, int], float]


# Llama 3 8B keeps 128 KiB of keys and values a token (config.json: 32 layers × 8 key-value heads × 128 × 2 × 2 bytes),
# which an H100 SXM reads in 39 ns at 3.35 TB/s (data sheet), an A100 of 80 GB in 64 ns at 2.04 TB/s.
CONTEXT_TOKEN_S = 4e-8


def step_seconds(batch: int, context_tokens: float, prefill_tokens: int) -> float:
    """Seconds of a step: the weights, and a little for each sequence and for each token that it looks back at."""
    return 7e-3 + 1e-5 * batch + CONTEXT_TOKEN_S * context_tokens + 4e-5 * prefill_tokens


def step_watts(batch: int, context_tokens: float, prefill_tokens: int) -> float:
    """Power of a step: from 250 to 700 W, rising ever more slowly with the batch, the context and prefill."""
    return 700.0 - 450.0 * math.exp(-batch / 60 - context_tokens / 1e6 - prefill_tokens / 2e3)


@define(eq=False)
class Job:
    """One request in the engine.

    Attributes:
        prompt_tokens, output_tokens: its lengths.
        done: called when its last token is there.
        first_step: index of the step that made its first token; None while it waits.
        dropped: whether its client has left.
    """

    prompt_tokens: int
    output_tokens: int
    done: Callable[[Job], None]
    first_step: int | None = None
    dropped: bool = False


@define(eq=False)
class Engine:
    """Steps, their times and their energy.

    Attributes:
        running: requests in the batch now.
        most_running: requests in one batch at most; others wait.
        most_prefill_tokens: prompt tokens in one step at most, unless a single prompt has more.
        seconds, watts: of a step, by batch, tokens of context and tokens of prefill.
        idle_w: power without a batch.
        step_s: end of each step.
        knots_s, knots_j: moments, and the energy used until then; power is constant between two of them.
        tokens_made: output tokens so far.
    """

    most_running: int = 1_000_000
    most_prefill_tokens: int = 2048
    seconds: Load = step_seconds
    watts: Load = step_watts
    idle_w: float = 110.0
    step_s: array[float] = field(factory=lambda: array("d"), init=False)
    knots_s: array[float] = field(factory=lambda: array("d", (0.0,)), init=False)
    knots_j: array[float] = field(factory=lambda: array("d", (0.0,)), init=False)
    tokens_made: int = field(default=0, init=False)
    running: int = field(default=0, init=False)
    _waiting: deque[Job] = field(factory=deque, init=False)
    _ends: list[tuple[int, int, Job]] = field(factory=list, init=False)
    _order: count[int] = field(factory=count, init=False)
    _context_tokens: int = field(default=0, init=False)
    _power_w: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._power_w = self.idle_w

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return sum(not job.dropped for job in self._waiting)

    def submit(self, job: Job) -> None:
        """Take a request into the queue.

        Args:
            job: the request.
        """
        self._waiting.append(job)

    def drop(self, job: Job) -> None:
        """Forget a request, as a server does when its client has left.

        Args:
            job: the request.
        """
        if not job.dropped and job.first_step is not None:
            self._leave(job)
        job.dropped = True

    def busy(self) -> bool:
        """Whether there is work for another step."""
        return self.running > 0 or self.waiting > 0

    def begin(self, now_s: float) -> float:
        """Begin a step; returns how long it takes in seconds.

        Args:
            now_s: the time in seconds.
        """
        self.note(now_s)
        prefill_tokens = self._admit()
        load = self.running, float(self._context_tokens), prefill_tokens
        self._power_w = self.watts(*load)
        return self.seconds(*load)

    def complete(self, now_s: float) -> bool:
        """End the step, and hand on the requests that have their last token; whether there were any.

        Args:
            now_s: the time in seconds.
        """
        self.note(now_s)
        self._power_w = self.idle_w
        self.step_s.append(now_s)
        self.tokens_made += self.running
        self._context_tokens += self.running
        return self._finish()

    def note(self, now_s: float) -> None:
        """Note the energy until now; at rest as often as a counter that goes on ticking.

        Args:
            now_s: the time in seconds.
        """
        resting = self._power_w == self.idle_w
        while resting and self.knots_s[-1] + _IDLE_KNOT_S < now_s:
            self._add_knot(self.knots_s[-1] + _IDLE_KNOT_S)
        self._add_knot(now_s)

    def _add_knot(self, time_s: float) -> None:
        seconds = time_s - self.knots_s[-1]
        if seconds > 0:
            self.knots_j.append(self.knots_j[-1] + self._power_w * seconds)
            self.knots_s.append(time_s)

    def generated(self, job: Job) -> int:
        """Tokens of a request so far.

        Args:
            job: the request.
        """
        return 0 if job.first_step is None else min(job.output_tokens, len(self.step_s) - job.first_step)

    def _admit(self) -> int:
        """Let requests into the batch, while there is room."""
        prefill_tokens = 0
        while self._waiting and self.running < self.most_running:
            job = self._waiting[0]
            if prefill_tokens and prefill_tokens + job.prompt_tokens > self.most_prefill_tokens and not job.dropped:
                break
            self._waiting.popleft()
            if job.dropped:
                continue
            prefill_tokens += job.prompt_tokens
            job.first_step = len(self.step_s)
            self.running += 1
            self._context_tokens += job.prompt_tokens
            heapq.heappush(self._ends, (job.first_step + job.output_tokens - 1, next(self._order), job))
        return prefill_tokens

    def _finish(self) -> bool:
        """Hand on the requests that have their last token; whether there were any."""
        last, finished = len(self.step_s) - 1, False
        while self._ends and self._ends[0][0] <= last:
            _, _, job = heapq.heappop(self._ends)
            if not job.dropped:
                self._leave(job)
                job.done(job)
                finished = True
        return finished

    def _leave(self, job: Job) -> None:
        self.running -= 1
        self._context_tokens -= job.prompt_tokens + self.generated(job)


def long_run_j(engine: Engine, concurrency: int, lengths: Sequence[int], prompt_tokens: int = 100) -> float:
    """J per output token of a closed loop over requests of these lengths, the first half of them discarded.

    It is the truth of a steady state: from the sending of the request in the middle until all have been sent, with the
    load kept up by the requests from the first on.
    """
    sent, now_s = 0, 0.0
    until: list[tuple[float, int]] = []

    def send(_: Job | None = None) -> None:
        nonlocal sent
        if sent in {len(lengths) // 2, len(lengths)}:
            until.append((engine.knots_j[-1], engine.tokens_made))
        engine.submit(Job(prompt_tokens, lengths[sent % len(lengths)], send))
        sent += 1

    for _ in range(concurrency):
        send()
    while len(until) < 2:
        now_s += engine.begin(now_s)
        engine.complete(now_s)
    (begin_j, begin_tokens), (end_j, end_tokens) = until
    return (end_j - begin_j) / (end_tokens - begin_tokens)
