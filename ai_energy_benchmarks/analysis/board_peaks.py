"""What GPUs could do at most, by their makers' data sheets, for each type of number that they multiply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

Arithmetic = Literal["float16", "bfloat16", "float8", "int8"]


@frozen
class Peak:
    """Dense matrix products of one type of number; products of whole numbers count as operations too.

    Attributes:
        flop_per_s: without sparsity.
        source: the data sheet.
    """

    flop_per_s: float
    source: str


@frozen
class _Sheet:
    """One data sheet's figures in 10^12 operations a second, dense; those given with sparsity only are halved.

    Attributes:
        names: the whole names under which the driver knows the part; a name that goes on is another part.
        half: 16-bit floats, accumulated in 32 bits, as PyTorch and the engines do.
        float8, int8: None where the part has no such units, or the sheet no such figure.
        bfloat16: whether ``half`` is that of bfloat16 too.
    """

    names: tuple[str, ...]
    source: str
    half: float
    float8: float | None = None
    int8: float | None = None
    bfloat16: bool = True

    def peaks(self) -> Iterator[tuple[Arithmetic, float | None]]:
        yield "float16", self.half
        yield "bfloat16", self.half if self.bfloat16 else None
        yield "float8", self.float8
        yield "int8", self.int8


_SHEETS = (
    _Sheet(("NVIDIA H200",), "NVIDIA H200 Tensor Core GPU data sheet, SXM", 989, 1979, 1979),
    _Sheet(("NVIDIA H200 NVL",), "NVIDIA H200 Tensor Core GPU data sheet, NVL", 835.5, 1670.5, 1670.5),
    _Sheet(("NVIDIA H100 80GB HBM3",), "NVIDIA H100 Tensor Core GPU data sheet, SXM", 989, 1979, 1979),
    _Sheet(("NVIDIA H100 NVL",), "NVIDIA H100 Tensor Core GPU data sheet, NVL", 835.5, 1670.5, 1670.5),
    _Sheet(("NVIDIA H100 PCIe",), "NVIDIA H100 Tensor Core GPU data sheet, PCIe", 756, 1513, 1513),
    _Sheet(
        ("NVIDIA GH200 480GB", "NVIDIA GH200 144G HBM3e"),
        "NVIDIA GH200 Grace Hopper Superchip data sheet",
        *(990, 1979, 1979),
    ),
    _Sheet(("NVIDIA B200",), "NVIDIA HGX B200 data sheet, of one GPU", 2250, 4500, 4500),
    _Sheet(("NVIDIA GB200",), "NVIDIA GB200 NVL72 data sheet, of one GPU", 2500, 5000, 5000),
    _Sheet(
        (
            *("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-PCIE-40GB", "NVIDIA A100 80GB PCIe"),
            *("A100-SXM4-40GB", "A100-SXM4-80GB", "A100-PCIE-40GB"),  # drivers before 470 leave the maker out
        ),
        "NVIDIA A100 Tensor Core GPU data sheet",
        312,
        int8=624,
    ),
    _Sheet(("NVIDIA L40S",), "NVIDIA L40S data sheet", 362.05, 733, 733),
    _Sheet(("NVIDIA L40",), "NVIDIA L40 data sheet", 181.05, 362, 362),
    _Sheet(("NVIDIA L4",), "NVIDIA L4 Tensor Core GPU data sheet", 121, 242.5, 242.5),
    _Sheet(
        ("NVIDIA GeForce RTX 4090",),
        "NVIDIA Ada GPU architecture white paper, accumulated in 32 bits",
        *(165.2, 330.3, 660.6),
    ),
    _Sheet(
        ("NVIDIA GeForce RTX 5090",),
        "NVIDIA RTX Blackwell GPU architecture white paper, accumulated in 32 bits",
        *(209.5, 419, 838),
    ),
    _Sheet(
        ("AMD Instinct MI300X", "AMD Instinct MI300X OAM"),
        "AMD Instinct MI300X data sheet",
        *(1307.4, 2614.9, 2614.9),
    ),
    _Sheet(
        ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB"), "NVIDIA V100 Tensor Core GPU data sheet", 125, bfloat16=False
    ),
    _Sheet(("Tesla T4", "NVIDIA T4"), "NVIDIA T4 Tensor Core GPU data sheet", 65, int8=130, bfloat16=False),
)
_PEAKS: dict[tuple[str, str | None], Peak] = {
    (name, arithmetic): Peak(tera * 1e12, f"{sheet.source}, dense")
    for sheet in _SHEETS
    for name in sheet.names
    for arithmetic, tera in sheet.peaks()
    if tera is not None
}
# Methods whose weights are unpacked to the model's own type before they are multiplied.
_WEIGHTS_ONLY = frozenset({"gptq", "gptq_marlin", "awq", "awq_marlin", "hqq", "gguf"})
_FLOAT8 = frozenset({"fp8", "fbgemm_fp8"})


def peak(board: str, arithmetic: str | None) -> Peak | None:
    """The peak of a GPU by its whole name; None if the GPU, or its peak for this type of number, is not known."""
    return _PEAKS.get((board, arithmetic))


def arithmetic_of(dtype: str | None, quantization: object) -> str | None:
    """The type of number that matrix products are made in; None if that is not known.

    Args:
        dtype: of the model as the engine names it, such as ``bfloat16``: what is not quantised has it.
        quantization: the engine's word for how weights are quantised; None if they are not.
    """
    if quantization is None:
        return dtype
    method = str(quantization)
    if method in _WEIGHTS_ONLY or method.startswith("GGUF blocks, unpacked"):
        return dtype
    if method in _FLOAT8:
        return "float8"
    if method == "bitsandbytes, 8 bits":  # LLM.int8: Dettmers et al., NeurIPS 2022, arXiv:2208.07339
        return "int8"
    if method.startswith("bitsandbytes, 4 bits") and "computed in " in method:
        return method.partition("computed in ")[2].partition(",")[0]
    return None
