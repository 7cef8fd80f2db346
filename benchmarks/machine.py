"""What measured figures depend on: the machine, and the packages that do the computing."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

_EIGHT_BITS: Final = {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimddp", "i8mm"}
"""Instructions that products of 8 bits are fast or slow by."""
_WHEELS: Final = ("torch", "onnxruntime-gpu", "onnxruntime", "ctranslate2", "transformers", "numpy")


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    flags = _cpuinfo("flags") or _cpuinfo("Features")
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or "unknown",
        "instructions": sorted(_EIGHT_BITS & set(flags.split())),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average_at_end": [round(load, 2) for load in psutil.getloadavg()],
        "matmul_gflops_at_end": round(_matmul_gflops()),
    }


def _matmul_gflops(size: int = 768, times: int = 20) -> float:
    """The best of some products of square float32 matrices, on all cores: a rented machine of the
    same name is not as fast every day."""
    square = np.ones((size, size), np.float32)
    spent_s = []
    for _ in range(times):
        began = time.perf_counter()
        square @ square
        spent_s.append(time.perf_counter() - began)
    return 2 * size**3 / min(spent_s) / 1e9


def versions() -> dict[str, str]:
    """Of Python and of the packages that do the computing."""
    found = {"python": platform.python_version()}
    for package in _WHEELS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpuinfo(key: str) -> str:
    """Of the first core; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
