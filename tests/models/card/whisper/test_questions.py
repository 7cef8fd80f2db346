"""What several sessions ask about what was heard goes through the model together; each has the
answer that it has alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.audio.arrays import Floats
from streamer.models.card.device import Timeline
from streamer.models.card.places import NoSlotError
from streamer.models.card.whisper.listener import CardListener
from streamer.models.card.whisper.loading import load_card_listener
from streamer.models.card.whisper.scorer import Scorer
from streamer.models.errors import NoRoomError
from streamer.models.whisper.contract import (
    Hearing,
    ListenerOptions,
    ListenRequest,
    ScoreQuestion,
    TimesQuestion,
)
from tests.models.card.whisper.conftest import hear
from tests.models.questions import languages_of, score, times

TEXTS = ("bal bil", "dom", "gus kat kat bol", "")
SAID = ("", "dom gus", "bal")
ASKED = (TEXTS, ("bal (bil", "dom dom dom gus bil bal kat"), ())


@pytest.fixture(scope="module")
def several(folder: Path, sounds: list[Floats]) -> tuple[CardListener, list[Hearing]]:
    """Sessions whose windows are of different lengths; in each place something longer was heard
    before."""
    listener = load_card_listener(
        folder,
        name="tiny",
        threads=1,
        device="cpu",
        n_sessions=2,
        options=ListenerOptions(least_s=1.0, bucket_s=1.0),
    )
    full = [ListenRequest(np.tile(sounds[0], 2), "en") for _ in sounds]
    assert len(hear(listener, full)) == len(sounds)
    heard = [
        hear(listener, [ListenRequest(samples, "en", said)])[0]
        for samples, said in zip(sounds, SAID, strict=True)
    ]
    assert len({hearing.states.n_positions for hearing in heard}) == 3
    return listener, heard


def n_passes(listener: CardListener, run: Callable[[], object]) -> int:
    """Of the queue that answers questions."""
    _, asking = listener.queues
    asking.timeline = timeline = Timeline(asking.card)
    run()
    asking.timeline = None
    return len(timeline.spans())


def test_texts_of_several_sessions_score_what_they_score_alone(
    several: tuple[CardListener, list[Hearing]],
) -> None:
    listener, heard = several
    questions = [ScoreQuestion(h, texts) for h, texts in zip(heard, ASKED, strict=True)]
    alone = [score(listener, each.hearing, each.texts) for each in questions]
    together = listener.score(questions)
    assert [len(each) for each in alone] == [4, 2, 0]
    for found, expected in zip(together, alone, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    # Those of like length share one.
    assert n_passes(listener, lambda: listener.score(questions)) <= 2


def test_words_of_several_sessions_begin_where_they_begin_alone(
    several: tuple[CardListener, list[Hearing]],
) -> None:
    listener, heard = several
    texts = ("bal bil gus kat dom", "", "kat kat bol bal bil dom")
    questions = [TimesQuestion(h, text) for h, text in zip(heard, texts, strict=True)]
    alone = [times(listener, each.hearing, each.text) for each in questions]
    for found, expected in zip(listener.times(questions), alone, strict=True):
        assert isinstance(found, list)
        assert [(w.text, w.start_s, w.end_s) for w in found] == [
            (w.text, w.start_s, w.end_s) for w in expected
        ]
        assert [w.probability for w in found] == pytest.approx(
            [w.probability for w in expected], abs=1e-5
        )
    assert [len(each) for each in alone] == [5, 0, 6]
    assert n_passes(listener, lambda: listener.times(questions)) == 1


def test_languages_of_several_sounds(
    listener: CardListener, several: tuple[CardListener, list[Hearing]], sounds: list[Floats]
) -> None:
    alone = [dict(languages_of(listener, samples)) for samples in sounds]
    together = listener.language(sounds)
    for found, expected in zip(together, alone, strict=True):
        assert isinstance(found, list)
        assert dict(found) == pytest.approx(expected, abs=1e-5)
    assert n_passes(listener, lambda: listener.language(sounds)) == 1
    # Where all places are taken no sound is heard, and each is told.
    crowded, _ = several
    assert all(isinstance(each, NoSlotError) for each in crowded.language(sounds))


def test_a_question_that_has_no_answer_leaves_the_others_theirs(
    several: tuple[CardListener, list[Hearing]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, heard = several
    (first, second, third) = [ScoreQuestion(hearing, ("dom", "bal bil")) for hearing in heard]
    long = replace(second, texts=("bal " * 500,))
    expected = [score(listener, each.hearing, each.texts) for each in (first, third)]
    found, refused, other = listener.score([first, long, third])
    assert isinstance(refused, ValueError)
    assert [found, other] == [pytest.approx(each, abs=1e-4) for each in expected]
    asked = [TimesQuestion(second.hearing, "bal " * 500), TimesQuestion(first.hearing, "dom")]
    too_long, timed = listener.times(asked)
    assert isinstance(too_long, ValueError)
    assert timed == times(listener, first.hearing, "dom")
    whole, poor = Scorer._scored, second.hearing.states.slot.index

    def short(self: Scorer, words: torch.Tensor, *sizes: int) -> torch.Tensor:
        if words[0] == poor or sizes[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, words, *sizes)

    monkeypatch.setattr(Scorer, "_scored", short)
    found, refused, other = listener.score([first, second, third])
    assert isinstance(refused, NoRoomError)
    assert [found, other] == [pytest.approx(each, abs=1e-4) for each in expected]
