"""What MKL is told, and on which processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unifw.backends.mkl import kernels, unless_set

NEEDED = "fpu sse4_2 fma avx avx2"


@pytest.mark.parametrize(
    ("vendor", "flags", "told"),
    [
        ("AuthenticAMD", NEEDED, {"MKL_DEBUG_CPU_TYPE": "5"}),
        ("HygonGenuine", NEEDED, {"MKL_DEBUG_CPU_TYPE": "5"}),
        ("AuthenticAMD", "fpu sse4_2 fma avx", {}),
        ("AuthenticAMD", "fpu sse4_2 avx avx2", {}),
        ("GenuineIntel", NEEDED, {}),
    ],
)
def test_only_an_amd_processor_with_its_instructions_is_told_of(
    vendor: str, flags: str, told: dict[str, str], tmp_path: Path
) -> None:
    found = tmp_path / "cpuinfo"
    cores = [f"processor\t: {n}\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n" for n in range(2)]
    found.write_text("\n".join(cores), encoding="utf-8")
    assert kernels(found) == told


@pytest.mark.parametrize("text", ["", "Processor\t: AArch64\nBogoMIPS : 2.0\n", "flags : avx2 fma"])
def test_without_a_maker_nothing_is_told(text: str, tmp_path: Path) -> None:
    found = tmp_path / "cpuinfo"
    found.write_text(text, encoding="utf-8")
    assert kernels(found) == {}
    assert kernels(tmp_path / "missing") == {}


def test_variables_are_set_within_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIFW_HIS", "kept")
    monkeypatch.delenv("UNIFW_OURS", raising=False)
    with unless_set({"UNIFW_HIS": "lost", "UNIFW_OURS": "5"}):
        assert (os.environ["UNIFW_HIS"], os.environ["UNIFW_OURS"]) == ("kept", "5")
    assert os.environ["UNIFW_HIS"] == "kept"
    assert "UNIFW_OURS" not in os.environ
