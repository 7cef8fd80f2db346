from __future__ import annotations

import pytest

from streamer.models.devices import cuda_index


def test_cards_have_numbers() -> None:
    assert [cuda_index(device) for device in ("cpu", "cuda", "cuda:0", "cuda:3")] == [None, 0, 0, 3]
    for device in ("tpu", "cuda:", "cuda:x", "cuda:-1", "CPU"):
        with pytest.raises(ValueError, match="choose cpu, cuda, or cuda:1"):
            cuda_index(device)
