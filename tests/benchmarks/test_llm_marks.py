from __future__ import annotations

from dataclasses import replace

from benchmarks.llm_marks import Respelling, decide, remarked, respellings
from streamer.audio.files import read_samples
from streamer.client.bundled_speech import bundled_speech
from streamer.models.fusion.score import FusionWeights
from streamer.recognition.engine import Engine
from streamer.transcript.wer import normalize


def test_every_other_mark_is_tried_and_the_next_word_follows_suit() -> None:
    found = [(each.at, each.mark, each.text) for each in respellings("Yes, sir")]
    assert sorted(found) == [
        (0, "", "Yes sir"),
        (0, "!", "Yes! Sir"),
        (0, ".", "Yes. Sir"),
        (0, "?", "Yes? Sir"),
        (1, "!", "Yes, sir!"),
        (1, ",", "Yes, sir,"),
        (1, ".", "Yes, sir."),
        (1, "?", "Yes, sir?"),
    ]


def test_a_word_behind_a_removed_full_stop_may_be_a_name() -> None:
    texts = {each.text for each in respellings("So. Ann") if (each.at, each.mark) == (0, "")}
    assert texts == {"So Ann", "So ann"}


def test_abbreviations_keep_their_points() -> None:
    assert {each.at for each in respellings("Dr. Hale")} == {1}


def test_the_best_mark_stands_where_one_is_better_than_what_was_there() -> None:
    tried = [
        (Respelling(0, ",", ""), 0.5),
        (Respelling(0, "!", ""), 1.5),
        (Respelling(1, "?", ""), -0.1),
    ]
    assert remarked("Well. then.", tried) == "Well! then."


def test_only_marks_and_capitals_change(engine: Engine) -> None:
    assert engine._llm is not None
    samples = read_samples(bundled_speech()[0].path)
    heavy = replace(FusionWeights(), llm=3.0, emotion_in_context=True)
    ear, *fused = decide(engine, engine._llm, heavy, samples)
    assert {tuple(normalize(text)) for text in fused} == {tuple(normalize(ear))}
    assert fused[0] != ear
    nothing_said = replace(heavy, llm=0.0)
    _, *deaf = decide(engine, engine._llm, nothing_said, samples)
    assert len(set(deaf)) == 1
