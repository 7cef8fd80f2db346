"""Captions as files: SRT, WebVTT, JSON lines and plain text. All are views of final segments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamer.clock import seconds_from_samples
from streamer.cues import cues
from streamer.ledger import Segment, Word


def to_srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered cues. The format knows no escapes; an arrow in the text is replaced."""
    blocks = [
        f"{number}\n{_srt_time(cue.start_ms)} --> {_srt_time(cue.end_ms)}\n"
        + "\n".join(line.replace("-->", "\u2192") for line in cue.lines)
        + "\n"
        for number, cue in enumerate(cues(segments), start=1)
    ]
    return "\n".join(blocks)


def to_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT; the emotion is the class of a span (`<c.happy>`), so that a page can style it."""
    blocks = ["WEBVTT\n"]
    for cue in cues(segments):
        text = "\n".join(_vtt_escape(line) for line in cue.lines)
        css_class = re.sub(r"[^a-z]", "", (cue.emotion or "").lower())
        if css_class:
            text = f"<c.{css_class}>{text}</c>"
        blocks.append(f"{_vtt_time(cue.start_ms)} --> {_vtt_time(cue.end_ms)}\n{text}\n")
    return "\n".join(blocks)


def to_jsonl(segments: Sequence[Segment]) -> str:
    """One JSON object a segment and line, with its words; times in seconds."""
    return "".join(
        json.dumps(segment_dict(segment) | {"words": [word_dict(word) for word in segment.words]})
        + "\n"
        for segment in segments
    )


def to_txt(segments: Sequence[Segment]) -> str:
    """One line of text a segment."""
    return "".join(f"{_one_line(segment.text)}\n" for segment in segments)


def write_all(folder: Path, name: str, segments: Sequence[Segment]) -> list[Path]:
    """Write `name.srt`, `.vtt`, `.jsonl` and `.txt`; the folder is made if need be.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix, view in (("srt", to_srt), ("vtt", to_vtt), ("jsonl", to_jsonl), ("txt", to_txt)):
        written.append(folder / f"{name}.{suffix}")
        written[-1].write_text(view(segments), encoding="utf-8")
    return written


def word_dict(word: Word) -> dict[str, Any]:
    """A word with what decided for it, if it had a rival."""
    decision = word.decision
    return {
        "text": word.text,
        "start_s": round(seconds_from_samples(word.start_sample), 3),
        "end_s": round(seconds_from_samples(word.end_sample), 3),
        "confidence": round(word.confidence, 4),
        "decision": None if decision is None else _rounded(asdict(decision)),
    }


def segment_dict(segment: Segment) -> dict[str, Any]:
    """A segment without its words; `unknown` stands where no emotion was told."""
    emotion = segment.emotion
    return {
        "start_s": round(seconds_from_samples(segment.start_sample), 3),
        "end_s": round(seconds_from_samples(segment.end_sample), 3),
        "text": segment.text,
        "emotion": {
            "label": emotion.label if emotion else "unknown",
            "probs": {k: round(p, 4) for k, p in emotion.probs.items()} if emotion else {},
        },
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_time(ms: int) -> str:
    return _vtt_time(ms).replace(".", ",")


def _vtt_time(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"
