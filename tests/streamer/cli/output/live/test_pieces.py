from __future__ import annotations

from streamer.audio.clock import samples_from_ms
from streamer.cli.output.live.pieces import Pieces
from streamer.transcript.events import SegmentClosed, SessionEvent, SpeechBegan, StepDone
from streamer.transcript.ledger import Segment, WordState
from tests.streamer.cli.output.live.captioned import HAPPY, piece, update, words


def texts(pieces: list[Segment]) -> list[str]:
    return [piece.text for piece in pieces]


def closed(text: str, from_ms: float, cause: str = "silence") -> SessionEvent:
    return SegmentClosed(piece(text, from_ms, HAPPY), cause)


def step(processed_ms: float) -> StepDone:
    return StepDone(1, samples_from_ms(processed_ms), 0, {})


def test_a_sentence_is_given_when_it_is_committed_and_each_word_once() -> None:
    pieces = Pieces()
    assert pieces.on_event(update("I came.", 0)) != []
    assert texts(pieces.on_event(update("I saw. And", 1_000))) == ["I saw."]
    assert pieces.on_event(update("then", 2_500)) == []
    (rest,) = pieces.on_event(closed("I came. I saw. And then", 0))
    assert (rest.text, rest.emotion) == ("And then", HAPPY)
    assert (rest.start_sample, rest.end_sample) == (32_000, 46_400)
    assert pieces.on_event(closed("nothing new", 9_000)) == []


def test_a_long_sentence_is_cut_where_it_hurts_least() -> None:
    pieces = Pieces()
    said = "We went down to the river in the evening, and the sun"
    assert texts(pieces.on_event(update(said, 0))) == ["We went down to the river in the evening,"]
    assert pieces.on_event(update("was low", 6_000)) == []


def test_what_was_committed_of_a_broken_session_is_given_in_the_end() -> None:
    pieces = Pieces()
    pieces.on_event(update("And then", 0))
    assert texts(pieces.end()) == ["And then"]
    assert pieces.end() == []


def test_what_may_yet_come_is_known() -> None:
    pieces = Pieces()
    pieces.on_event(step(5_000))
    assert (pieces.heard_ms, pieces.known_ms) == (5_000, 4_000)  # a segment may begin before
    pieces.on_event(SpeechBegan(0, samples_from_ms(4_500)))
    pieces.on_event(step(7_000))
    assert pieces.known_ms == 4_500
    tentative = words("he", 6_000, WordState.TENTATIVE)
    pieces.on_event(update("She came. And", 4_600, tentative))
    assert pieces.known_ms == 5_600  # where "And" begins
    pieces.on_event(update("so. ", 6_100, words("he", 6_900, WordState.TENTATIVE)))
    assert pieces.known_ms == 6_900
    pieces.on_event(update("", 0))
    assert pieces.known_ms == 6_500  # "so." ended there, and speech goes on
    pieces.on_event(closed("She came. And so.", 4_600))
    pieces.on_event(step(9_000))
    assert pieces.known_ms == 8_000


def test_speech_that_goes_on_in_the_next_segment_is_awaited() -> None:
    pieces = Pieces()
    pieces.on_event(SpeechBegan(0, 0))
    pieces.on_event(update("I came", 0))
    pieces.on_event(closed("I came", 0, "length"))
    pieces.on_event(step(9_000))
    assert pieces.known_ms == 900
