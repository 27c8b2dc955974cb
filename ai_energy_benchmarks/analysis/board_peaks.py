"""What boards could do at most, by their makers' data sheets."""

from __future__ import annotations

from attrs import frozen


@frozen
class Peak:
    """Dense matrix products with 16-bit floats.

    Attributes:
        flop_per_s: without sparsity.
        source: the data sheet.
    """

    flop_per_s: float
    source: str


_SHEET = "NVIDIA data sheet, dense: "
# Part of NVML's name of a board → peak. Sheets that state figures with sparsity only are halved.
_PEAKS = {
    "NVIDIA H200": Peak(989e12, _SHEET + "H200 Tensor Core GPU"),
    "NVIDIA H100 80GB HBM3": Peak(989e12, _SHEET + "H100 Tensor Core GPU, SXM"),
    "NVIDIA H100 PCIe": Peak(756e12, _SHEET + "H100 Tensor Core GPU, PCIe"),
    "NVIDIA A100": Peak(312e12, _SHEET + "A100 Tensor Core GPU"),
    "NVIDIA L4": Peak(121e12, _SHEET + "L4 Tensor Core GPU"),
    "Tesla V100-SXM2": Peak(125e12, _SHEET + "V100, SXM2"),
    "Tesla T4": Peak(65e12, _SHEET + "T4"),
}
_ONLY_FLOAT16 = ("Tesla ",)


def peak(board: str, dtype: str | None) -> Peak | None:
    """The peak of a board by its name; None if the board, or the peak for this type of number, is not known."""
    if dtype not in ("float16", "bfloat16") or (dtype == "bfloat16" and board.startswith(_ONLY_FLOAT16)):
        return None
    found = [name for name in _PEAKS if board == name or board.startswith((f"{name} ", f"{name}-"))]
    return _PEAKS[max(found, key=len)] if found else None
