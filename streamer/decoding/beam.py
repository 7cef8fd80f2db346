"""Hypotheses for the LLM to choose from: those of a beam search over the draft decoder, and others
that are proposed to it.

Hypotheses differ in their words. Of those that differ in marks and capitals only, which would
fill half of the beam, the likeliest stands for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.decoding.draft import Prefix, Token
from streamer.decoding.loop_guard import loop_start
from streamer.models.moonshine.contract import Audio, TokenDecoder
from streamer.models.moonshine.tokenizer import EOS, Tokenizer

SLACK_NATS: Final = 2.0
"""While hypotheses grow they may lag so much further behind the leader than in the end."""


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """A finished alternative: its tokens and their summed log-probability, end token included."""

    tokens: tuple[Token, ...]
    logprob: float


@dataclass(frozen=True, eq=False)
class BeamRequest:
    """What to search: see `DraftRequest`. Up to `width` hypotheses are wanted, none
    that is `nats` less likely than the best: clear speech needs a narrow beam, unclear a wide
    one."""

    audio: Audio
    prefix: Prefix
    width: int
    nats: float
    max_tokens: int


@dataclass(frozen=True, eq=False)
class ScoreRequest:
    """Continuations of the prefix (token ids, without the end token) to be scored."""

    audio: Audio
    prefix: Prefix
    proposals: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Living:
    row: int
    tokens: tuple[Token, ...]
    logprob: float
    letters: bytes
    reached: tuple[tuple[bytes, float], ...]
    """The letters behind each spoken token, and how likely the beginning was that had them."""


def beam_search(
    decoder: TokenDecoder, tokenizer: Tokenizer, request: BeamRequest
) -> list[BeamHypothesis]:
    """The most likely continuations of the prefix, best first by mean log-probability.

    Hypotheses that begin to loop are dropped; those that run out of budget do not finish. The
    list is empty if none finished.
    """
    audio, width, prefix = decoder.alone(request.audio), request.width, request.prefix
    n_best = 2 * width
    out = decoder.run(audio, [prefix.waiting], [prefix.cache], n_best=n_best)
    living = [_Living(0, (), 0.0, b"", ())]
    finished: dict[bytes, BeamHypothesis] = {}
    likeliest: dict[bytes, float] = {}

    def surpassed(hypothesis: _Living) -> bool:
        """Whether a likelier one has reached the same words: it may be a mark behind or ahead."""
        return any(logprob < likeliest[letters] for letters, logprob in hypothesis.reached)

    for _ in range(request.max_tokens + 1):
        grown = [
            _grown(hypothesis, row, Token(token, frame, logprob), tokenizer)
            for row, hypothesis in enumerate(living)
            for frame in [int(out[row].frames[-1])]
            for token, logprob in zip(
                out[row].tokens[-1].tolist(), out[row].logprobs[-1].tolist(), strict=True
            )
        ]
        grown.sort(key=lambda hypothesis: -hypothesis.logprob)
        chosen: list[_Living] = []
        for place, hypothesis in enumerate(grown):
            if hypothesis.tokens[-1].id == EOS:
                if place < n_best:
                    _finish(hypothesis, finished)
                continue
            # What is as likely but came later adds nothing either, unless it added a mark.
            spoken = hypothesis.reached[len(living[hypothesis.row].reached) :]
            if any(likeliest.get(letters, -math.inf) >= logprob for letters, logprob in spoken):
                continue
            likeliest.update(spoken)
            if surpassed(hypothesis):
                continue
            if loop_start(hypothesis.tokens) is None:
                chosen.append(hypothesis)
            if len(chosen) == width:
                break
        best = max((h.logprob for h in finished.values()), default=-math.inf)
        # Who lags behind the leader now may catch up a little until the end.
        floor = max(best - request.nats, grown[0].logprob - request.nats - SLACK_NATS)
        chosen = [h for h in chosen if h.logprob >= floor and not surpassed(h)]
        if len(finished) >= width:
            # Log-probabilities only fall: stop when no living hypothesis can still come in.
            worst = sorted((h.logprob for h in finished.values()), reverse=True)[width - 1]
            chosen = [hypothesis for hypothesis in chosen if hypothesis.logprob > worst]
        if not chosen:
            break
        living = chosen
        out = decoder.run(
            audio,
            [[hypothesis.tokens[-1].id] for hypothesis in living],
            [out[hypothesis.row].cache for hypothesis in living],
            n_best=n_best,
        )
    floor = max((h.logprob for h in finished.values()), default=0.0) - request.nats
    likely = [hypothesis for hypothesis in finished.values() if hypothesis.logprob >= floor]
    return sorted(likely, key=lambda h: -h.logprob / (len(h.tokens) + 1))[:width]


def _grown(hypothesis: _Living, row: int, token: Token, tokenizer: Tokenizer) -> _Living:
    letters = hypothesis.letters + tokenizer.letters(token.id)
    logprob = hypothesis.logprob + token.logprob
    reached = hypothesis.reached
    if tokenizer.is_spoken(token.id):
        reached = (*reached, (letters, logprob))
    return _Living(row, (*hypothesis.tokens, token), logprob, letters, reached)


def _finish(hypothesis: _Living, finished: dict[bytes, BeamHypothesis]) -> None:
    known = finished.get(hypothesis.letters)
    if known is None or known.logprob < hypothesis.logprob:
        ended = BeamHypothesis(hypothesis.tokens[:-1], hypothesis.logprob)
        finished[hypothesis.letters] = ended


def score_proposals(decoder: TokenDecoder, request: ScoreRequest) -> list[BeamHypothesis]:
    """What the decoder thinks of each proposal, in one pass."""
    if not request.proposals:
        return []
    prefix = request.prefix
    outputs = decoder.run(
        decoder.alone(request.audio),
        [[*prefix.waiting, *proposal] for proposal in request.proposals],
        [prefix.cache] * len(request.proposals),
        n_scored=max(map(len, request.proposals)) + 1,
        targets=[[*proposal, EOS] for proposal in request.proposals],
    )
    hypotheses = []
    for proposal, out in zip(request.proposals, outputs, strict=True):
        first = len(out.tokens) - len(proposal) - 1
        logprobs = out.logprobs[first:, 0].tolist()
        frames = out.frames[first:].tolist()
        tokens = tuple(map(Token, proposal, frames, logprobs))
        hypotheses.append(BeamHypothesis(tokens, sum(logprobs)))
    return hypotheses
