"""The peaks of all known GPUs, as their makers' data sheets have them: dense, in 10^12 operations a second."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.board_peaks import _PEAKS, _SHEETS, Peak, arithmetic_of, peak

# 16-bit floats, whether that is bfloat16 too, 8-bit floats and 8-bit whole numbers; None where there is none.
SHEETS: dict[str, tuple[float, bool, float | None, float | None]] = {
    "NVIDIA H200": (989, True, 1979, 1979),
    "NVIDIA H200 NVL": (835.5, True, 1670.5, 1670.5),
    "NVIDIA H100 80GB HBM3": (989, True, 1979, 1979),
    "NVIDIA H100 NVL": (835.5, True, 1670.5, 1670.5),
    "NVIDIA H100 PCIe": (756, True, 1513, 1513),
    "NVIDIA GH200 480GB": (990, True, 1979, 1979),
    "NVIDIA GH200 144G HBM3e": (990, True, 1979, 1979),
    "NVIDIA B200": (2250, True, 4500, 4500),
    "NVIDIA GB200": (2500, True, 5000, 5000),
    "NVIDIA A100-SXM4-40GB": (312, True, None, 624),
    "NVIDIA A100-SXM4-80GB": (312, True, None, 624),
    "NVIDIA A100-PCIE-40GB": (312, True, None, 624),
    "NVIDIA A100 80GB PCIe": (312, True, None, 624),
    "A100-SXM4-40GB": (312, True, None, 624),
    "A100-SXM4-80GB": (312, True, None, 624),
    "A100-PCIE-40GB": (312, True, None, 624),
    "NVIDIA L40S": (362.05, True, 733, 733),
    "NVIDIA L40": (181.05, True, 362, 362),
    "NVIDIA L4": (121, True, 242.5, 242.5),
    "NVIDIA GeForce RTX 4090": (165.2, True, 330.3, 660.6),
    "NVIDIA GeForce RTX 5090": (209.5, True, 419, 838),
    "AMD Instinct MI300X": (1307.4, True, 2614.9, 2614.9),
    "AMD Instinct MI300X OAM": (1307.4, True, 2614.9, 2614.9),
    "Tesla V100-SXM2-16GB": (125, False, None, None),
    "Tesla V100-SXM2-32GB": (125, False, None, None),
    "Tesla T4": (65, False, None, 130),
    "NVIDIA T4": (65, False, None, 130),
}


@pytest.mark.parametrize("board", list(SHEETS))
def test_a_gpu_has_the_peaks_of_its_sheet_and_no_others(board: str) -> None:
    """For each type of number that the sheet speaks of."""
    half, bfloat16, float8, int8 = SHEETS[board]
    expected = {"float16": half, "bfloat16": half if bfloat16 else None, "float8": float8, "int8": int8}
    for arithmetic, tera in expected.items():
        found = peak(board, arithmetic)
        assert (found and found.flop_per_s) == (tera and tera * 1e12), arithmetic
    assert (peak(board, None), peak(board, "float32")) == (None, None)
    (sheet,) = (each for each in _SHEETS if board in each.names)
    assert dict(sheet.peaks()) == expected


def test_no_other_gpu_has_a_peak() -> None:
    """A name is a whole one."""
    assert {board for board, _ in _PEAKS} == {name for sheet in _SHEETS for name in sheet.names} == set(SHEETS)
    assert peak("NVIDIA L4-8Q", "float16") is None
    assert peak("NVIDIA L40S", "float16") == Peak(362.05e12, "NVIDIA L40S data sheet, dense")


@pytest.mark.parametrize(
    ("quantization", "arithmetic"),
    [
        (None, "float16"),
        *((method, "float16") for method in ("gptq", "gptq_marlin", "awq", "awq_marlin", "hqq", "gguf")),
        ("GGUF blocks, unpacked to bfloat16", "float16"),
        ("GGUF blocks", None),
        ("fp8", "float8"),
        ("fbgemm_fp8", "float8"),
        ("fp", None),
        ("bitsandbytes, 8 bits", "int8"),
        ("bitsandbytes, 8 bits, more", None),
        ("bitsandbytes, 4 bits, nf4, computed in bfloat16", "bfloat16"),
        ("bitsandbytes, 4 bits, computed in float32, double, computed in int8", "float32"),
        ("bitsandbytes, 4 bits, nf4", None),
        ("something, computed in bfloat16", None),
        ("zzz", None),
        ("a", None),
        (True, None),
    ],
)
def test_the_type_of_number_follows_from_how_weights_are_quantised(
    quantization: object, arithmetic: str | None
) -> None:
    """That of the model where they are only stored in fewer bits, that of the multiplication elsewhere, or none."""
    assert arithmetic_of("float16", quantization) == arithmetic
