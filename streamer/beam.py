"""Hypotheses for the LLM to choose from: those of a beam search over the draft decoder, and others
that are proposed to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.moonshine import EOS
from models.moonshine_decoder import DraftDecoder, together
from models.moonshine_encoder import Audio
from streamer.draft import Prefix, Token
from streamer.loop_guard import loop_start


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """A finished alternative: its tokens and their summed log-probability, end token included."""

    tokens: tuple[Token, ...]
    logprob: float


@dataclass(frozen=True, eq=False)
class BeamRequest:
    """What to search: see `streamer.draft.DraftRequest`; `width` hypotheses are wanted."""

    audio: Audio
    prefix: Prefix
    width: int
    max_tokens: int


@dataclass(frozen=True, eq=False)
class ScoreRequest:
    """Continuations of the prefix (token ids, without the end token) to be judged by ear."""

    audio: Audio
    prefix: Prefix
    proposals: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Living:
    row: int
    tokens: tuple[Token, ...]
    logprob: float


def beam_search(decoder: DraftDecoder, request: BeamRequest) -> list[BeamHypothesis]:
    """The most likely continuations of the prefix, best first by mean log-probability.

    Hypotheses that begin to loop are dropped; those that run out of budget do not finish. The
    list is empty if none finished.
    """
    heard, width, prefix = together([request.audio]), request.width, request.prefix
    n_best = 2 * width
    out = decoder.run(heard, [prefix.waiting], [prefix.cache], n_best=n_best)
    living = [_Living(0, (), 0.0)]
    finished: list[BeamHypothesis] = []
    for _ in range(request.max_tokens + 1):
        grown = [
            _Living(
                row,
                (*hypothesis.tokens, Token(token, frame, logprob)),
                hypothesis.logprob + logprob,
            )
            for row, hypothesis in enumerate(living)
            for frame in [int(out[row].alignment[-1].argmax())]
            for token, logprob in zip(
                out[row].tokens[-1].tolist(), out[row].logprobs[-1].tolist(), strict=True
            )
        ]
        grown.sort(key=lambda hypothesis: -hypothesis.logprob)
        chosen: list[_Living] = []
        for hypothesis in grown[:n_best]:
            if hypothesis.tokens[-1].id == EOS:
                finished.append(BeamHypothesis(hypothesis.tokens[:-1], hypothesis.logprob))
            elif loop_start([token.id for token in hypothesis.tokens]) is None:
                chosen.append(hypothesis)
            if len(chosen) == width:
                break
        if len(finished) >= width:
            # Log-probabilities only fall: stop when no living hypothesis can still come in.
            worst = sorted((h.logprob for h in finished), reverse=True)[width - 1]
            chosen = [hypothesis for hypothesis in chosen if hypothesis.logprob > worst]
        if not chosen:
            break
        living = chosen
        out = decoder.run(
            heard,
            [[hypothesis.tokens[-1].id] for hypothesis in living],
            [out[hypothesis.row].cache for hypothesis in living],
            n_best=n_best,
        )
    finished.sort(key=lambda h: -h.logprob / (len(h.tokens) + 1))
    return finished[:width]


def score_proposals(decoder: DraftDecoder, request: ScoreRequest) -> list[BeamHypothesis]:
    """What the decoder thinks of each proposal, in one pass."""
    if not request.proposals:
        return []
    prefix = request.prefix
    outputs = decoder.run(
        together([request.audio]),
        [[*prefix.waiting, *proposal] for proposal in request.proposals],
        [prefix.cache] * len(request.proposals),
        n_scored=max(map(len, request.proposals)) + 1,
        targets=[[*proposal, EOS] for proposal in request.proposals],
    )
    hypotheses = []
    for proposal, out in zip(request.proposals, outputs, strict=True):
        first = len(out.tokens) - len(proposal) - 1
        logprobs = out.logprobs[first:, 0].tolist()
        frames = out.alignment[first:].argmax(axis=1).tolist()
        tokens = tuple(map(Token, proposal, frames, logprobs))
        hypotheses.append(BeamHypothesis(tokens, sum(logprobs)))
    return hypotheses
