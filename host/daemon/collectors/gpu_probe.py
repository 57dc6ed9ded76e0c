"""Started as `python -I gpu_probe.py` in a process of its own: prints what nvidia-ml-py says of each GPU as JSON.

`missing` says what is not installed. A figure that a GPU does not have (many have no temperature sensor) is left out.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any


def gpus(nvml: Any) -> list[dict[str, Any]]:
    """One dict for each GPU, in the shape of `host.wire.records.Gpu`."""
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        name = nvml.nvmlDeviceGetName(device)
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        one: dict[str, Any] = {"name": name.decode() if isinstance(name, bytes) else name}
        try:
            one["percent"] = float(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
        except nvml.NVMLError_NotSupported:
            one["percent"] = 0.0
        one |= {"memory_used": int(memory.used), "memory_total": int(memory.total)}
        with suppress(nvml.NVMLError_NotSupported):  # it is left out
            one["temperature"] = float(nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU))
        found.append(one)
    return found


def _say(missing: str, found: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps({"missing": missing, "gpus": found}))


def main() -> int:
    try:
        import pynvml
    except ImportError:
        _say("nvidia-ml-py is not installed", [])
        return 0
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded) as problem:
        _say(f"no driver answers ({problem})", [])
        return 0
    try:
        _say("", gpus(pynvml))
    finally:
        pynvml.nvmlShutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
