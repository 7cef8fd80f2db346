"""The JavaScript client, in Node, with two sides of a conversation as channels of one session."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from streamer.app import ServerOptions
from tests.conftest import ROOT
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

FOLDER = ROOT / "clients" / "web" / "protocol"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
PROGRAM = """\
const { StreamClient, streamAddress } = await import(`${process.argv[2]}/client.js`);
const { Transcript, joinWords } = await import(`${process.argv[2]}/transcript.js`);

const client = new StreamClient(streamAddress(new URL(process.argv[3])), {
  sampleRate: 16_000, channels: 2, live: false,
});
const transcript = new Transcript();
const lost = [];
client.addEventListener("event", ({ detail }) => {
  if (detail.type === "words") transcript.applyWords(detail);
  if (detail.type === "segment") transcript.applySegment(detail);
  if (detail.type === "loss") lost.push(detail.channel);
  if (detail.type === "words") console.log("heard");
});
client.addEventListener("restart", () => transcript.interrupt());
client.addEventListener("closed", ({ detail }) => {
  const said = transcript.committed().map(({ channel, words }) => [channel, joinWords(words)]);
  const times = transcript.committed().flatMap(({ channel, words }) =>
    words.map(({ start_ms, end_ms }) => [channel, start_ms, end_ms]));
  console.log(JSON.stringify({ said, times, lost, saidBye: detail.saidBye }));
});
const half = (loud) =>
  Float32Array.from({ length: 8_000 }, (_, i) => (loud ? 0.3 * Math.sin(i / 6) : 0));
// What each side says, in half seconds.
const near = [1, 1, 1, 0, 0, 0, 1, 1];
const far = [0, 0, 1, 1, 1, 1, 0, 0];
for (let i = 0; i < near.length; i += 1) {
  const sides = [half(near[i]), half(far[i])];
  const mixed = () => Float32Array.from({ length: 16_000 }, (_, at) => sides[at % 2][at >> 1]);
  const samples = i % 2 ? sides : mixed();
  client.push({ sampleOffset: 8_000 * i, captureTimeMs: 0, samples });
  await new Promise((resolve) => setTimeout(resolve, Number(process.argv[4])));
}
client.stop();
"""


async def spoken(folder: Path, url: str, pause_ms: int = 0) -> asyncio.subprocess.Process:
    if shutil.which("node", path=PATH) is None:
        pytest.skip("no Node here")
    program = folder / "program.mjs"
    program.write_text(PROGRAM)
    return await asyncio.create_subprocess_exec(
        *("node", "--experimental-websocket", str(program), FOLDER.as_uri(), url, str(pause_ms)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PATH": PATH},
    )


async def outcome(process: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert process.returncode == 0
    outcome: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert outcome["saidBye"]
    return outcome


EACH = [[0, "w0 w8000 w16000"], [1, "w16000 w24000 w32000 w40000"], [0, "w48000 w56000"]]


@pytest.mark.slow
async def test_each_channel_has_its_captions(tmp_path: Path) -> None:
    with ServerThread() as server:
        result = await outcome(await spoken(tmp_path, server.http_url))
    assert result["said"] == EACH
    assert result["lost"] == []


@pytest.mark.slow
async def test_a_cut_changes_nothing(tmp_path: Path) -> None:
    options = ServerOptions(heartbeat_s=0.02)
    with ServerThread(options) as server:
        async with cutting_proxy(server.http_url) as proxy:
            process = await spoken(tmp_path, proxy.url, 40)
            assert process.stdout is not None
            for _ in range(4):
                await process.stdout.readline()
            proxy.cut()
            result = await outcome(process)
    assert result["said"] == EACH


@pytest.mark.slow
async def test_of_a_lost_session_no_side_is_heard_twice(tmp_path: Path) -> None:
    options = ServerOptions(heartbeat_s=0.02)
    with ServerThread(options) as server:
        async with cutting_proxy(server.http_url) as proxy:
            process = await spoken(tmp_path, proxy.url, 40)
            assert process.stdout is not None
            for _ in range(4):  # the far side has begun, and nothing of it is committed
                await process.stdout.readline()
            server.server.registry._options = ServerOptions(max_parked=0)  # it forgets what is cut
            proxy.cut()
            result = await outcome(process)
    for channel, loud in enumerate(([0, 1, 2, 6, 7], [2, 3, 4, 5])):
        times = [(begin, end) for side, begin, end in result["times"] if side == channel]
        assert times == sorted(times)
        covered = sum(end - begin for begin, end in times)
        assert covered == pytest.approx(500 * len(loud), abs=1), times
