"""The second listener on a card: windows of several sessions are heard together.

It does what `streamer.models.whisper.listener` does with CTranslate2, and says there why. The
encoder's states never leave the card: a hearing has a slot there for as long as anybody keeps it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import torch
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.card.device import Card, Queue, bucket, in_parts_or_fail
from streamer.models.card.places import NoSlotError, Slot, Slots
from streamer.models.card.whisper.alignment import first_positions
from streamer.models.card.whisper.layers import POSITION_SAMPLES, Network
from streamer.models.card.whisper.scorer import Scorer, Text
from streamer.models.card.whisper.search import ROWS, BeamSearch, Found, Window
from streamer.models.card.whisper.special import Special
from streamer.models.errors import NoRoomError
from streamer.models.whisper.contract import (
    MAX_SAMPLES,
    Hearing,
    Hypothesis,
    ListenerOptions,
    ListenRequest,
    ScoreQuestion,
    TimedWord,
    TimesQuestion,
)
from streamer.models.whisper.requests import (
    check_length,
    check_requests,
    token_budget,
    window_samples,
)
from streamer.models.whisper.tokens import WhisperTokens

Question = TypeVar("Question")
Spelled = TypeVar("Spelled")

_POSITION_S: Final = POSITION_SAMPLES / SAMPLE_RATE


@dataclass(frozen=True)
class SlotStates:
    """Where a window's states lie, and how many they are."""

    slot: Slot
    n_positions: int


class CardListener:
    """A `streamer.models.whisper.contract.SecondListener`."""

    together = ROWS[-1]
    asked_together = ROWS[-1]

    def __init__(
        self,
        model: Any,
        tokens: WhisperTokens,
        special: Special,
        card: Card,
        n_slots: int,
        options: ListenerOptions | None = None,
    ) -> None:
        """
        Args:
            model: a `WhisperForConditionalGeneration` on the card, in its number format, in eval
                mode.
            n_slots: hearings that memory is set aside for.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        self._tokens, self._options = tokens, options or ListenerOptions()
        self._multilingual = special.multilingual
        self._network = network = Network(model, card)
        self._slots = Slots(n_slots)
        with card.fitting("the second listener's hearings"):
            # One more row, for what is written to nobody.
            shape = (n_slots + 1, network.max_positions, network.width)
            self._states = torch.zeros(shape, device=card.device, dtype=card.dtype)
            closed = torch.zeros(network.n_vocabulary, dtype=torch.bool)
            closed[list(special.closed)] = True
            closed = closed.to(card.device)
            self._language_ids = tokens.language_ids
        hearing, asking = card.queue("listener"), card.queue("judge")
        self._queue: Queue = hearing
        self.queues = (hearing, asking)
        self._search = BeamSearch(
            network, self._states, closed, tokens.end, tokens.no_speech, card, hearing
        )
        self._scorer = Scorer(
            network,
            self._states,
            closed,
            special.heads,
            special.median_width,
            list(tokens.language_ids.values()),
            card,
            asking,
        )
        card.wait()

    @property
    def languages(self) -> frozenset[str]:
        return self._tokens.languages if self._multilingual else frozenset({"en"})

    def hear(self, requests: Sequence[ListenRequest]) -> list[Hearing | Exception]:
        """Hear stretches of several sessions together, all in a window for the longest; where
        there is no place or memory for one, the error stands in its place.

        Raises:
            ValueError: samples are longer than 30 s, more hypotheses are asked for than the beam
                is wide, or what was said before is longer than a window can hold.
            ModelLanguageError: a language is not known, or the model does not translate.
        """
        if not requests:
            return []
        check_requests(requests)
        windows = [self._window(request) for request in requests]
        width = max(request.beam_width for request in requests)
        length = window_samples([request.samples for request in requests], self._options)
        answers: list[Hearing | Exception] = []
        places: list[Slot | NoSlotError] = [self._place() for _ in requests]
        rows = [
            (request, slot, Window(slot.index, given, budget))
            for request, slot, (given, budget) in zip(requests, places, windows, strict=True)
            if isinstance(slot, Slot)
        ]

        def run(part: Sequence[tuple[ListenRequest, Slot, Window]]) -> list[Found]:
            self._encode([(r.samples, slot) for r, slot, _ in part], length)
            return self._search.run(
                [window for _, _, window in part], length // POSITION_SAMPLES, width
            )

        outcomes = in_parts_or_fail(run, rows, ROWS[-1])
        found = iter(zip(rows, outcomes, strict=True))
        for place in places:
            if isinstance(place, NoSlotError):
                answers.append(place)
                continue
            (request, slot, _), outcome = next(found)
            if isinstance(outcome, Exception):
                answers.append(outcome)
                continue
            states = SlotStates(slot, length // POSITION_SAMPLES)
            hypotheses = self._hypotheses(outcome, request.n_best)
            answers.append(Hearing(request, hypotheses, outcome.no_speech, states))
        return answers

    def score(self, questions: Sequence[ScoreQuestion]) -> list[list[float] | Exception]:
        """See `SecondListener`; a text with symbols that no hypothesis may have has minus
        infinity. For what is longer than a window can hold the answer is a ValueError."""
        asked = [_or_error(self._rivals, question) for question in questions]
        known = [texts for texts in asked if not isinstance(texts, ValueError)]
        found = iter(self._scorer.logprobs([text for texts in known for text in texts]))
        return [
            texts if isinstance(texts, ValueError) else _all([next(found) for _ in texts])
            for texts in asked
        ]

    def times(self, questions: Sequence[TimesQuestion]) -> list[list[TimedWord] | Exception]:
        """See `SecondListener`. For what is longer than a window can hold the answer is a
        ValueError."""
        asked = [_or_error(self._whole, question) for question in questions]
        found = iter(self._scorer.alignments([text for text in asked if isinstance(text, Text)]))
        return [
            self._timed(question, next(found)) if isinstance(text, Text) else text or []
            for question, text in zip(questions, asked, strict=True)
        ]

    def language(self, sounds: Sequence[Floats]) -> list[list[tuple[str, float]] | Exception]:
        """See `SecondListener`; what is spoken in the first 30 s of each decides. In the place of a
        sound that finds no room on the card the error stands."""
        if not self._multilingual:
            return [[("en", 1.0)] for _ in sounds]
        answers: dict[int, list[tuple[str, float]] | Exception] = {}
        by_length: dict[int, list[tuple[int, Floats, Slot]]] = defaultdict(list)
        for at, samples in enumerate(sounds):
            heard, slot = samples[:MAX_SAMPLES], self._place()
            if isinstance(slot, NoSlotError):
                answers[at] = slot
                continue
            by_length[window_samples([heard], self._options)].append((at, heard, slot))
        for length, group in by_length.items():
            found = in_parts_or_fail(partial(self._spoken, length), group, ROWS[-1])
            answers.update(zip((at for at, *_ in group), found, strict=True))
        return [answers[at] for at in range(len(sounds))]

    def _spoken(
        self, length: int, group: Sequence[tuple[int, Floats, Slot]]
    ) -> list[list[tuple[str, float]] | NoRoomError]:
        self._encode([(heard, slot) for _, heard, slot in group], length)
        n_positions, start = length // POSITION_SAMPLES, (self._tokens.start,)
        found = self._scorer.spoken(
            [Text(slot.index, n_positions, start, start) for _, _, slot in group]
        )
        return [
            shares
            if isinstance(shares, NoRoomError)
            else sorted(zip(self._language_ids, shares.tolist(), strict=True), key=lambda e: -e[1])
            for shares in found
        ]

    def _rivals(self, question: ScoreQuestion) -> list[Text]:
        """Each text, with its end, behind what is given."""
        request, states = question.hearing.request, _states(question.hearing)
        given = self._given(request)
        spelled = [self._tokens.spell(text, request.text_language) for text in question.texts]
        check_length(len(given) + max(map(len, spelled), default=0))
        before = [*self._prompt(request), *given]
        return [
            Text(states.slot.index, states.n_positions, before, [*tokens, self._tokens.end])
            for tokens in spelled
        ]

    def _whole(self, question: TimesQuestion) -> Text | None:
        """What is given and the text as one, with its end; None if the text is nothing."""
        request, states = question.hearing.request, _states(question.hearing)
        said = self._given(request)
        spelled = self._tokens.spell(question.text, request.text_language)
        if not spelled:
            return None
        check_length(len(said) + len(spelled))
        return Text(
            states.slot.index,
            states.n_positions,
            self._prompt(request),
            [*said, *spelled, self._tokens.end],
            max(1, len(request.samples) // POSITION_SAMPLES),
        )

    def _timed(
        self, question: TimesQuestion, alignment: tuple[Floats, Floats] | NoRoomError
    ) -> list[TimedWord] | Exception:
        if isinstance(alignment, NoRoomError):
            return alignment
        weights, logprobs = alignment
        request = question.hearing.request
        n_said, language = len(self._given(request)), request.text_language
        spelled = self._tokens.spell(question.text, language)
        length_s = len(request.samples) / SAMPLE_RATE
        begins = np.minimum(first_positions(weights) * _POSITION_S, length_s)[n_said:]
        probabilities = logprobs[n_said:]
        starts = self._tokens.word_starts(spelled, language)
        ends = [*starts[1:], len(spelled)]
        return [
            TimedWord(
                self._tokens.read(spelled[start:end]),
                float(begins[start]),
                float(begins[end]),
                math.exp(float(probabilities[start:end].mean())),
            )
            for start, end in zip(starts, ends, strict=True)
        ]

    def warm_up(self) -> None:
        """Run what is usual, so that it is captured before anybody waits for it."""
        silence = np.zeros(0, np.float32)
        for width in (1, 5):
            for _ in range(3):
                (hearing,) = self.hear([ListenRequest(silence, "en", beam_width=width)])
                if isinstance(hearing, Hearing):
                    self.score([ScoreQuestion(hearing, ["yes", "no"])])

    def _place(self) -> Slot | NoSlotError:
        try:
            return self._slots.take()
        except NoSlotError as error:
            return error.with_traceback(None)

    def _window(self, request: ListenRequest) -> tuple[list[int], int]:
        """What a text is to follow, and how many tokens it may have."""
        given = self._given(request)
        check_length(len(given))
        return [*self._prompt(request), *given], token_budget(request, len(given), self._options)

    def _given(self, request: ListenRequest) -> list[int]:
        return self._tokens.spell(request.said, request.text_language)

    def _prompt(self, request: ListenRequest) -> list[int]:
        return self._tokens.prompt(request.language, request.task, multilingual=self._multilingual)

    def _encode(self, sounds: Sequence[tuple[Floats, Slot]], length: int) -> None:
        """Put the states of each sound, with silence up to `length`, into its slot."""
        n_rows = bucket(ROWS, len(sounds))
        words = np.zeros((n_rows, 1 + length), np.int32)
        words[:, 0] = self._slots.nobody
        floats = words[:, 1:].view(np.float32)
        for row, (samples, slot) in enumerate(sounds):
            words[row, 0] = slot.index
            floats[row, : len(samples)] = samples
        # Waited for: what asks about them has another queue.
        self._queue.read(self._pass, words.reshape(-1), n_rows, length)

    def _pass(self, words: Tensor, n_rows: int, length: int) -> Tensor:
        words = words.view(n_rows, 1 + length)
        slots = words[:, 0].long()
        states = self._network.states(words[:, 1:].view(torch.float32))
        self._states[slots, : states.shape[1]] = states
        return slots

    def _hypotheses(self, found: Found, n_best: int) -> tuple[Hypothesis, ...]:
        """Each text once."""
        texts: dict[str, Hypothesis] = {}
        for each in found.ended:
            text = self._tokens.read(each.tokens)
            texts.setdefault(text, Hypothesis(text, each.logprob, each.tokens))
        return tuple(texts.values())[:n_best]


def _states(hearing: Hearing) -> SlotStates:
    assert isinstance(hearing.states, SlotStates)
    return hearing.states


def _or_error(spell: Callable[[Question], Spelled], question: Question) -> Spelled | ValueError:
    """One session's long text is no one else's business."""
    try:
        return spell(question)
    except ValueError as error:
        return error


def _all(scores: Sequence[float | NoRoomError]) -> list[float] | Exception:
    """Of one question: all, or why not."""
    found: list[float] = []
    for score in scores:
        if isinstance(score, NoRoomError):
            return score
        found.append(score)
    return found
