from __future__ import annotations

from typing import Any

import pytest

from streamer.dialects.openai.realtime_view import RealtimeView
from streamer.session.report import Report
from streamer.transcript.events import AudioLost, TurnCause, TurnChanged, TurnEdge
from tests.streamer.dialects.views import PromptContext, report

DELTA = "conversation.item.input_audio_transcription.delta"
FAILED = "conversation.item.input_audio_transcription.failed"
COMPLETED = "conversation.item.input_audio_transcription.completed"
OF_A_TURN = [
    "input_audio_buffer.speech_started",
    DELTA,
    DELTA,
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    COMPLETED,
]


def told(by: RealtimeView, *reports: Report) -> list[dict[str, Any]]:
    return [message for one in reports for message in by.on_event(one)]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Deltas and transcripts."""
    name = {DELTA: "delta", COMPLETED: "transcript"}
    return [m[name[m["type"]]] for m in messages if m["type"] in name]


def test_a_turn() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    messages = told(
        by,
        speaker.begin(),
        speaker.words("", "Hello"),  # tentative words cannot be told
        speaker.words("Hello,", "word"),
        speaker.words("world."),
        speaker.close(),
    )
    assert [message["type"] for message in messages] == OF_A_TURN
    assert texts(messages) == ["Hello,", " world.", "Hello, world."]
    assert [message.get("lag_ms") for message in messages if "delta" in message] == [5.0, 5.0]
    assert messages[0]["audio_start_ms"] == 0
    assert messages[3]["audio_end_ms"] == 1500
    done = messages[-1]
    assert done["usage"] == {"type": "duration", "seconds": 1.5}
    assert "emotion" not in done
    assert done["segments"][0]["text"] == "Hello, world."
    assert len({m["item_id"] for m in messages if "item_id" in m}) == 1

    again = told(by, speaker.begin(), speaker.words("Bye."), speaker.close())
    assert again[-1]["item_id"] != done["item_id"]
    committed = next(m for m in again if m["type"] == "input_audio_buffer.committed")
    assert committed["previous_item_id"] == done["item_id"]


def test_who_asks_is_told_the_emotion() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.emotion = True
    done = told(by, speaker.begin(), speaker.words("Hello,"), speaker.close())[-1]
    assert done["emotion"]["label"] == "sad"


def test_a_segment_that_was_split_is_still_one_turn() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    messages = told(
        by,
        speaker.begin(),
        speaker.words("on and"),
        speaker.close("length", silence=0),
        speaker.words("on"),
        speaker.close(),
    )
    assert texts(messages) == ["on and", " on", "on and on"]


def test_commits_make_the_items_without_turn_detection() -> None:
    by, speaker = RealtimeView(beta=True), PromptContext()
    by.turns = False
    first = told(by, speaker.begin(), speaker.words("one"), speaker.close())
    assert [message["type"] for message in first] == [DELTA]
    by.expect("commit")
    second = told(
        by, speaker.begin(), speaker.words("two"), speaker.close("finalize"), speaker.finalized()
    )
    assert [message["type"] for message in second] == [
        DELTA,
        "input_audio_buffer.committed",
        "conversation.item.created",
        COMPLETED,
    ]
    assert texts(second) == [" two", "one two"]
    assert [segment["text"] for segment in second[-1]["segments"]] == ["one", "two"]


def test_a_commit_is_answered_without_speech_too() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.emotion = True
    by.expect("commit")
    speaker.clock = 1_600
    done = told(by, speaker.finalized())[-1]
    assert (done["type"], done["transcript"]) == (COMPLETED, "")
    assert done["emotion"] == {"label": "unknown", "probs": {}}
    assert done["usage"]["seconds"] == 0.1


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("said_before", ["so far", ""])
def test_clear_forgets_what_was_not_committed(turns: bool, said_before: str) -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.turns = turns
    before = told(by, speaker.begin(), speaker.words(said_before, "never"))
    by.expect("clear")
    by.expect("commit")
    cleared = told(by, speaker.words("never mind"), speaker.close("finalize"), speaker.finalized())
    begun = [message["item_id"] for message in before]
    assert texts(cleared) == []  # no delta because of a clear
    failures = [m for m in cleared if m["type"] == FAILED]
    assert [failure["item_id"] for failure in failures] == begun[:1]  # what had begun ends
    assert all(f["error"]["code"] == "input_audio_buffer_cleared" for f in failures)
    assert cleared[-1]["type"] == "input_audio_buffer.cleared"
    assert len(cleared) == len(failures) + 1

    clean_from = speaker.clock
    committed = told(
        by, speaker.begin(), speaker.words("Yes."), speaker.close("finalize"), speaker.finalized()
    )
    assert texts(committed) == ["Yes.", "Yes."]
    assert not {m.get("item_id") for m in committed} & set(begun)
    assert committed[-1]["usage"]["seconds"] == (speaker.clock - clean_from) / 16_000
    assert [segment["text"] for segment in committed[-1]["segments"]] == ["Yes."]


def test_a_pause_that_is_heard_after_a_clear_ends_no_item() -> None:
    """The audio of the pause came before the clear."""
    by, speaker = RealtimeView(beta=False), PromptContext()
    told(by, speaker.begin(), speaker.words("so far"))
    by.expect("clear")
    assert told(by, speaker.words("never mind"), speaker.close("silence"), speaker.begin()) == []
    assert [m["type"] for m in told(by, speaker.finalized())] == [
        FAILED,
        "input_audio_buffer.cleared",
    ]


def test_a_commit_before_a_clear_is_told_in_full() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.turns = False
    by.expect("commit")
    by.expect("clear")
    messages = told(
        by,
        speaker.begin(),
        speaker.words("keep this"),
        speaker.close("finalize"),
        speaker.finalized(),
        speaker.begin(),
        speaker.words("but not this"),
        speaker.close("finalize"),
        speaker.finalized(),
    )
    assert texts(messages) == ["keep this", "keep this"]
    assert messages[-1]["type"] == "input_audio_buffer.cleared"


def test_a_clear_is_answered_when_the_server_ends() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    told(by, speaker.begin(), speaker.words("so far"))
    by.expect("clear")
    assert [message["type"] for message in by.on_end()] == [FAILED, "input_audio_buffer.cleared"]
    assert list(by.on_event(speaker.words("more"))) == []


def test_a_client_may_commit_in_the_middle_of_a_turn() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.expect("commit")
    messages = told(
        by, speaker.begin(), speaker.words("half"), speaker.close("finalize"), speaker.finalized()
    )
    assert "input_audio_buffer.speech_stopped" not in [message["type"] for message in messages]
    assert texts(messages) == ["half", "half"]


def test_what_was_said_is_completed_when_the_server_ends() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    told(by, report(AudioLost(0, 160, "gap")), speaker.begin(), speaker.words("bye"))
    told(by, speaker.close("finalize"))
    *_, done = by.on_end()
    assert (done["transcript"], done["lost_ms"]) == ("bye", 10.0)
    assert list(by.on_end()) == []


def turn(speaker: PromptContext, edge: TurnEdge, cause: TurnCause | None = None) -> Report:
    return report(TurnChanged(edge, 0, 0, speaker.clock, (), 0.8, cause))


def test_with_semantic_vad_turns_end_items_and_segments_do_not() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.semantic = by.emotion = True
    messages = told(
        by,
        speaker.begin(),  # maybe a cough
        turn(speaker, "start"),
        speaker.words("Well,"),
        speaker.feel(),
        speaker.close(),
        speaker.begin(),
        turn(speaker, "eager_end"),
        turn(speaker, "resumed"),
        speaker.words("yes."),
        turn(speaker, "end", "confidence"),
        speaker.close(),
    )
    assert [message["type"] for message in messages] == OF_A_TURN
    assert texts(messages) == ["Well,", " yes.", "Well, yes."]
    assert messages[-1]["emotion"]["label"] == "sad"
    assert len({m["item_id"] for m in messages if "item_id" in m}) == 1


def test_with_semantic_vad_a_commit_is_answered_once() -> None:
    by, speaker = RealtimeView(beta=False), PromptContext()
    by.semantic = True
    by.expect("commit")
    messages = told(
        by,
        speaker.begin(),
        turn(speaker, "start"),
        speaker.words("Yes."),
        speaker.close("finalize"),
        turn(speaker, "end", "finalize"),
        speaker.finalized(),
    )
    assert [m["type"] for m in messages].count(COMPLETED) == 1
    assert texts(messages) == ["Yes.", "Yes."]
