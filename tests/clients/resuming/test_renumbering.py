"""A lost session that is begun anew: its numbers go on behind those of the one before."""

from __future__ import annotations

from streamer.client.resuming.renumbering import Renumbering
from streamer.client.transcript import Transcript
from streamer.protocol.messages import SegmentEvent, WordsEvent
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.turns import TurnEvent
from streamer.protocol.words import SoundEvent, WireWord


def word(number: int, speaker: int | None, state: str = "committed") -> WireWord:
    return WireWord.model_validate(
        {
            "id": number,
            "text": f"w{number}",
            "start_ms": 100.0 * number,
            "end_ms": 100.0 * number + 90,
            "confidence": 1.0,
            "state": state,
            "speaker": speaker,
        }
    )


def test_a_voice_of_the_new_session_is_none_of_the_old_one() -> None:
    transcript = Transcript()
    transcript.apply(WordsEvent(segment_id=0, words=(word(0, 0), word(1, 1)), lag_ms=0))
    transcript.interrupt()
    assert transcript.n_speakers == 2
    after = Renumbering(
        ms=1_000,
        words=transcript.next_word_id,
        segments=transcript.next_segment_id,
        speakers=transcript.n_speakers,
    )
    for event in (
        WordsEvent(segment_id=0, words=(word(0, None), word(1, None)), lag_ms=0),
        SpeakersEvent(segment_id=0, first_word_id=0, speakers=(0, None)),
        SegmentEvent(
            segment_id=0,
            start_ms=0,
            end_ms=190,
            text="w0 w1",
            words=(word(0, 0, "final"), word(1, 0, "final")),
            emotion=None,
            lag_ms=0,
            speaker=0,
        ),
    ):
        changed = after.apply(event)
        transcript.apply(changed)
        if isinstance(changed, SpeakersEvent):
            assert [w.speaker for w in transcript.spoken] == [2, None]
    assert [segment.speaker for segment in transcript.segments] == [None, 2]
    assert [w.speaker for w in transcript.committed] == [0, 1, 2, 2]
    assert transcript.n_speakers == 3


def test_a_voice_that_every_session_is_told_of_keeps_its_label() -> None:
    after = Renumbering(speakers=2, known_voices=1)
    event = SpeakersEvent(segment_id=0, first_word_id=0, speakers=(0, 1, None))
    assert after.apply(event) == event.model_copy(update={"speakers": (0, 3, None)})


def test_turns_go_on_behind_those_of_the_sessions_before() -> None:
    turn = TurnEvent(
        event="start", turn_id=1, start_ms=10, end_ms=20, text="hi", confidence=0.5, lag_ms=7
    )
    renumbered = Renumbering(ms=1_000, words=5, segments=2).apply(turn)
    assert isinstance(renumbered, TurnEvent)
    assert (renumbered.turn_id, renumbered.start_ms, renumbered.end_ms) == (6, 1_010, 1_020)
    assert renumbered.lag_ms == 7


def test_sounds_go_on_on_the_same_time_line() -> None:
    transcript, after = Transcript(), Renumbering(ms=1_000)
    transcript.apply(after.apply(SoundEvent(sound="music", start_ms=500, lag_ms=0)))
    (going_on,) = transcript.sounds
    assert (going_on.start_ms, going_on.end_ms) == (1_500, None)
    transcript.apply(after.apply(SoundEvent(sound="music", start_ms=500, end_ms=9_000, lag_ms=0)))
    (ended,) = transcript.sounds
    assert (ended.start_ms, ended.end_ms) == (1_500, 10_000)
