"""What is said of the context and the prefill of the steady windows against those of a steady state."""

from __future__ import annotations

from collections.abc import Iterator

from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.summary import SteadyState
from ai_energy_benchmarks.domain.verdict import Finding

CHECK = "context of the steady state"
# A change so large rests on the slices more than on the window.
_LARGE = 0.10
# So far may a figure be off, were other requests of the same kind drawn (95 %).
_DRAWN, _Z95 = 0.02, 1.96


def cost_of_mix_known(steady: SteadyState) -> bool:
    """Whether the slices show what context costs the component that leads."""
    leading = next((each.component for each in steady.components), None)
    return steady.mix is not None and leading in steady.mix.known


def mix_findings(steady: SteadyState) -> Iterator[Finding]:
    """Both figures where they differ, and how far the choice of requests alone may move them."""
    mix = steady.mix
    if mix is None:
        return
    if mix.corrected:
        changes = [
            (each.component, each.per_output_token_window_j, each.per_output_token_j.mean)
            for each in steady.components
            if each.per_output_token_j is not None and each.per_output_token_window_j is not None
        ]
        shown = [
            f"{name.upper()} {window_j:.4g} J/output token in the window, {mean_j:.4g} in a steady state"
            for name, window_j, mean_j in changes
        ]
        shown.append(f"{mix.window_tokens_per_s:.4g} output tokens/s, {steady.output_tokens_per_s:.4g}")
        message = (
            f"tokens of the steady window follow {mix.window_context_tokens:.0f} tokens of context, those of a steady "
            f"state {mix.steady_context_tokens:.0f}, with {mix.window_prompt_tokens:.3g} and "
            f"{mix.steady_prompt_tokens:.3g} computed prompt tokens each; the figures are the latter's: "
        )
        large = any(abs(mean_j / window_j - 1) > _LARGE for _, window_j, mean_j in changes if window_j)
        yield Finding("WARN" if large else "INFO", CHECK, message + "; ".join(shown))
    if mix.sampling is not None and _Z95 * mix.sampling > _DRAWN:
        leading = next(each for each in COMPONENTS if each in mix.known).upper()
        message = f"{leading} J/output token would differ by ± {_Z95 * mix.sampling:.1%} (95 %) with other requests"
        yield Finding("INFO", CHECK, f"{message} of the same kind; its interval is for these requests")
