"""The second listener on a card: windows of several sessions are heard together.

It does what `streamer.models.whisper.listener` does with CTranslate2, and says there why. The
encoder's states never leave the card: a hearing has a slot there for as long as anybody keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.card.device import Card, Queue, bucket, in_parts_or_fail
from streamer.models.card.places import NoSlotError, Slot, Slots
from streamer.models.card.whisper.alignment import first_positions
from streamer.models.card.whisper.layers import POSITION_SAMPLES, Network
from streamer.models.card.whisper.scorer import Scorer
from streamer.models.card.whisper.search import ROWS, BeamSearch, Found, Window
from streamer.models.whisper.contract import (
    MAX_SAMPLES,
    Hearing,
    Hypothesis,
    ListenerOptions,
    ListenRequest,
    TimedWord,
)
from streamer.models.whisper.requests import (
    check_length,
    check_requests,
    token_budget,
    window_samples,
)
from streamer.models.whisper.tokens import WhisperTokens

_POSITION_S: Final = POSITION_SAMPLES / SAMPLE_RATE


@dataclass(frozen=True)
class SlotStates:
    """Where a window's states lie, and how many they are."""

    slot: Slot
    n_positions: int


@dataclass(frozen=True)
class Special:
    """What a folder's configuration says about tokens and heads."""

    multilingual: bool
    closed: Sequence[int]
    """Tokens that may not be said."""
    heads: Sequence[tuple[int, int]]
    """Layer and head of the cross-attention that follows the sound."""
    median_width: int


class CardListener:
    """A `streamer.models.whisper.contract.SecondListener`."""

    together = ROWS[-1]

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
            network, self._states, closed, special.heads, special.median_width, asking
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

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        """See `SecondListener`; a text with symbols that no hypothesis may have has minus
        infinity.

        Raises:
            ValueError: a text is longer than a window can hold.
        """
        if not texts:
            return []
        request, states = hearing.request, _states(hearing)
        given = self._given(request)
        spelled = [self._tokens.spell(text, request.text_language) for text in texts]
        check_length(len(given) + max(map(len, spelled)))
        ended = [[*tokens, self._tokens.end] for tokens in spelled]
        return self._scorer.logprobs(
            states.slot.index, states.n_positions, [*self._prompt(request), *given], ended
        )

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        """See `SecondListener`.

        Raises:
            ValueError: the text is longer than a window can hold.
        """
        request, states = hearing.request, _states(hearing)
        said, language = self._given(request), request.text_language
        spelled = self._tokens.spell(text, language)
        if not spelled:
            return []
        check_length(len(said) + len(spelled))
        length_s = len(request.samples) / SAMPLE_RATE
        weights, logprobs = self._scorer.alignment(
            states.slot.index,
            states.n_positions,
            max(1, len(request.samples) // POSITION_SAMPLES),
            self._prompt(request),
            [*said, *spelled, self._tokens.end],
        )
        begins = np.minimum(first_positions(weights) * _POSITION_S, length_s)[len(said) :]
        probabilities = logprobs[len(said) :]
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

    def language(self, samples: Floats) -> list[tuple[str, float]]:
        """See `SecondListener`; what is spoken in the first 30 s decides.

        Raises:
            NoSlotError: there is no place for the sound.
        """
        if not self._multilingual:
            return [("en", 1.0)]
        heard = samples[:MAX_SAMPLES]
        length = window_samples([heard], self._options)
        slot = self._slots.take()
        self._encode([(heard, slot)], length)
        codes = list(self._language_ids)
        found = self._scorer.first(
            slot.index,
            length // POSITION_SAMPLES,
            self._tokens.start,
            [self._language_ids[code] for code in codes],
        )
        named = zip(codes, (float(share) for share in found), strict=True)
        return sorted(named, key=lambda each: -each[1])

    def warm_up(self) -> None:
        """Run what is usual, so that it is captured before anybody waits for it."""
        silence = np.zeros(0, np.float32)
        for width in (1, 5):
            for _ in range(3):
                (hearing,) = self.hear([ListenRequest(silence, "en", beam_width=width)])
                if isinstance(hearing, Hearing):
                    self.score(hearing, ["yes", "no"])

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
