"""A slice of the campaign against a real server; the whole is `make campaign`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from tests.campaign.kills import killed
from tests.campaign.speaking import endless

pytestmark = pytest.mark.slow


async def test_a_killed_server_loses_no_word(tmp_path: Path) -> None:
    speech = endless([read_samples(clip.path) for clip in bundled_speech()])
    with (tmp_path / "log").open("wb") as log:
        options = ["--no-llm", "--store", str(tmp_path / "store.db")]
        told = await killed(log, options, speech, kills=2, seed=1)
    assert told["committed_words"] > 10
    assert (told["lost"], told["changed"], told["doubled"]) == (0, 0, 0)
    assert told["same_session"]
    assert told["lost_samples"] == 0


async def test_a_slice_of_every_attack_does_no_harm(tmp_path: Path) -> None:
    campaign = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.campaign.campaign", "--share", "0.005", "--out", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await campaign.communicate()
    assert campaign.returncode == 0, told.decode()
