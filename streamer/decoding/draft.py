"""Greedy decoding that verifies the previous draft in one pass and extends it.

The tokens of the last step are fed at once behind the committed ones; what the newest encoder
output still predicts is kept, and only from the first difference on is decoding done token by
token. This is speculative decoding with the past as the draft model (Leviathan et al., 2023,
greedy case). Drafts of several sessions go through the decoder together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final

from streamer.models.moonshine.contract import Audio, RowOutput, TokenCache, TokenDecoder
from streamer.models.moonshine.decoder import NO_CACHE
from streamer.models.moonshine.tokenizer import BOS, EOS

CLOSING_FRAMES: Final = 12
"""A closing mark that rests on one of so many last frames (0.3 s) is the last token: on 100 s of
development speech it was 159 times of 159; of marks that others followed none came so late."""


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token, the encoder frame it attends to most, and its log-probability (nats)."""

    id: int
    frame: int
    logprob: float


@dataclass(frozen=True, eq=False)
class Prefix:
    """Tokens that are given (committed), and the decoder's cache of the first of them.

    The cache never holds the last one: feeding that tells what follows.
    """

    ids: tuple[int, ...] = (BOS,)
    cache: TokenCache = field(default_factory=lambda: NO_CACHE)

    @property
    def waiting(self) -> tuple[int, ...]:
        """Those not in the cache."""
        return self.ids[self.cache.n_tokens :]

    def followed_by(self, tokens: Sequence[int], seen: Seen) -> Prefix:
        """With more tokens; what `seen` knows of them goes into the cache."""
        ids = (*self.ids, *tokens)
        pairs = zip(ids, seen.ids, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        known = min(shared, len(ids) - 1, seen.cache.n_tokens)
        if known <= self.cache.n_tokens:
            return Prefix(ids, self.cache)
        return Prefix(ids, seen.cache.first(known))


@dataclass(frozen=True, eq=False)
class Seen:
    """Tokens that went through the decoder and their cache."""

    ids: tuple[int, ...]
    cache: TokenCache


@dataclass(frozen=True, eq=False)
class DraftRequest:
    """What to decode.

    Args:
        audio: what the decoder attends to.
        prefix: given tokens, neither questioned nor returned.
        held: tokens behind it that were chosen by more than the sound: not questioned, but returned
            with the frames that they attend to now.
        guess: tokens to verify behind those, usually the previous step's.
        max_tokens: budget for the tokens after the prefix.
        closing_marks: tokens that end the sentence if they rest on the end of the sound; asking
            what follows them is left out.
    """

    audio: Audio
    prefix: Prefix
    guess: tuple[int, ...]
    max_tokens: int
    closing_marks: frozenset[int] = frozenset()
    held: tuple[Token, ...] = ()


@dataclass(frozen=True, eq=False)
class Draft:
    """Tokens after the prefix. `ended` tells that the decoder closed the sentence itself, rather
    than the token budget."""

    tokens: tuple[Token, ...]
    ended: bool
    seen: Seen


class _Row:
    """One request on its way."""

    def __init__(self, request: DraftRequest) -> None:
        self.request = request
        self.guess = (*(token.id for token in request.held), *request.guess[: request.max_tokens])
        self.fed = [*request.prefix.waiting, *self.guess]
        self.cache = request.prefix.cache
        self.kept: list[Token] = []
        self.ended: bool | None = None

    def take(self, out: RowOutput) -> None:
        """Keep what the pass confirms, and the token behind it."""
        n_scored = min(len(self.fed), len(self.guess) + 1)
        self.cache = out.cache
        for at in range(len(out.tokens) - n_scored, len(out.tokens)):
            if len(self.kept) < len(self.request.held):
                held = self.request.held[len(self.kept)]
                self.kept.append(replace(held, frame=int(out.frames[at])))
                continue
            token = int(out.tokens[at, 0])
            if token == EOS or len(self.kept) >= self.request.max_tokens:
                self.ended = token == EOS
                return
            frame = int(out.frames[at])
            self.kept.append(Token(token, frame, float(out.logprobs[at, 0])))
            if len(self.kept) > len(self.guess) or self.guess[len(self.kept) - 1] != token:
                behind = self.request.audio.n_frames - frame
                if token in self.request.closing_marks and behind <= CLOSING_FRAMES:
                    self.ended = True
                    return
                break
        n_valid = len(self.request.prefix.ids) + len(self.kept) - 1
        self.cache = self.cache.first(n_valid)
        self.guess = ()
        self.fed = [self.kept[-1].id]

    def draft(self) -> Draft:
        ids = (*self.request.prefix.ids, *(token.id for token in self.kept))
        return Draft(tuple(self.kept), bool(self.ended), Seen(ids, self.cache))


def draft_together(decoder: TokenDecoder, requests: Sequence[DraftRequest]) -> list[Draft]:
    """Decode what follows each prefix, trusting as much of the guess as still holds."""
    rows = [_Row(request) for request in requests]
    audio = decoder.together([row.request.audio for row in rows])
    living = rows
    while living:
        outputs = decoder.run(
            audio,
            [row.fed for row in living],
            [row.cache for row in living],
            n_scored=max(min(len(row.fed), len(row.guess) + 1) for row in living),
        )
        for row, out in zip(living, outputs, strict=True):
            row.take(out)
        alive = [i for i, row in enumerate(living) if row.ended is None]
        if 0 < len(alive) < len(living):
            audio = audio.rows(alive)
        living = [living[i] for i in alive]
    return [row.draft() for row in rows]
