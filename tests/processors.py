"""Run the numeric tests as other processors would: `python tests/processors.py [options of pytest]`.

Each library is told which instructions to use: PyTorch's own kernels, oneDNN, MKL and numpy's OpenBLAS. MKL obeys
MKL_ENABLE_INSTRUCTIONS on Intel alone; MKL_CBWR=COMPATIBLE restricts it to SSE2 on any processor. A machine's own
OPENBLAS_CORETYPE stays as it is. The best that the machine is capable of is left out: all tests run so anyway.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

IMITATIONS = {
    "default": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"},
    "avx512": {
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}
"""Environments by the value of ATEN_CPU_CAPABILITY, the best last."""
NEEDED = {
    "default": {"sse4_2"},
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"},
}
"""Flags in /proc/cpuinfo. PyTorch takes a capability that the processor lacks at its word, and crashes."""


def flags() -> set[str]:
    """Return this processor's capabilities, in the kernel's words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def main() -> int:
    """Runs the tests under every imitation that this machine is capable of, but for its best; 1 if any failed."""
    options = sys.argv[1:] or ["-n", "auto", "--dist", "loadfile"]
    here, failed = flags(), False
    best = [capability for capability, needed in NEEDED.items() if needed <= here][-1:]
    for capability, settings in IMITATIONS.items():
        if capability in best:
            print(f"left out {capability}: it is this processor's best, with which all tests run", flush=True)
            continue
        if lacking := NEEDED[capability] - here:
            print(f"skipped {capability}: this processor has no {', '.join(sorted(lacking))}", flush=True)
            continue
        own = {name: os.environ[name] for name in ("OPENBLAS_CORETYPE",) if name in os.environ}
        environment = os.environ | settings | own | {"ATEN_CPU_CAPABILITY": capability}
        print(f"as a processor with {capability} instructions", flush=True)
        command = [sys.executable, "-m", "pytest", "-m", "numeric and not long", *options]
        failed |= subprocess.run(command, env=environment, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
