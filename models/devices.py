"""Names of devices: `cpu`, `cuda`, `cuda:1`."""

from __future__ import annotations


def cuda_index(device: str) -> int | None:
    """The number of the card that `cuda` or `cuda:1` names; None for `cpu`.

    Raises:
        ValueError: it is no device.
    """
    kind, colon, number = device.partition(":")
    if device == "cpu":
        return None
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ValueError(f"{device!r} is no device; choose cpu, cuda, or cuda:1")
    return int(number or 0)
