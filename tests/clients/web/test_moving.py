"""What the page's client makes of `move`, in Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.clients.web.test_package import FOLDER, PATH

PROGRAM = """\
import { resumeUrl } from "%(folder)s/address.js";
import { ResumableState } from "%(folder)s/resumable-state.js";

const state = new ResumableState({ sampleRate: 16_000 });
const before = state.sessionId;
state.onReady({ type: "ready", session_id: "a.5f", resume_token: "kq", acknowledged_offset: 0 });
state.onEvent({ type: "speech", seq: 7, segment_id: 0, start_ms: 0 });
const shown = state.onEvent({ type: "move", session_id: "b.5f" });
state.onDisconnect();
console.log(JSON.stringify({
  before, shown, handshake: state.handshake(),
  urls: ["ws://there/v1/stream", "ws://there/v1/stream?token=x"].map((u) => resumeUrl(u, "b.5f")),
}));
"""


def test_a_moved_session_is_resumed_under_its_new_id() -> None:
    node = shutil.which("node", path=PATH)
    if node is None:
        pytest.skip("no Node here; `make typescript` installs it")
    program = PROGRAM % {"folder": FOLDER.as_uri()}
    command = [node, "--input-type=module", "--eval", program]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PATH": PATH}
    )
    assert json.loads(ran.stdout) == {
        "before": None,
        "shown": False,
        "handshake": {
            "type": "resume",
            "session_id": "b.5f",
            "resume_token": "kq",
            "last_seq": 7,
        },
        "urls": ["ws://there/v1/stream?session=b.5f", "ws://there/v1/stream?token=x&session=b.5f"],
    }
