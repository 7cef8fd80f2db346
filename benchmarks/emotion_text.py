"""What the LLM's emotion token adds to the voice, on acted speech.

CREMA-D's actors say twelve sentences in every emotion, so the words cannot tell it; this shows
what harm they do. Weights are compared on dev speakers and on test speakers. Beside it, what the
LLM makes of sentences that do tell an emotion: a handful, no measure of accuracy. And whether an
emotion that it is told moves the mark with which it would close a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.common import RESULTS, OutOption, figure, interval95, run, style, write_result
from benchmarks.emotion_scores import Integers, drawn_by_speaker, uar
from streamer.audio.files import read_samples
from streamer.models.emotion.classifier import LABELS, EmotionModel
from streamer.models.emotion.loading import load_emotion_model
from streamer.models.emotion.track import EmotionTrack
from streamer.models.fusion.score import FusionWeights, LlmFusion, stage_direction
from streamer.models.llm.contract import Ask
from streamer.models.llm.scorer import LlmScorer
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.data import CREMA_D, DEV_SPEAKERS, TEST_SPEAKERS, read_manifest
from streamer.recognition.engine import Engine, EngineOptions

WEIGHTS: Final = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
TELLING: Final = {
    "We won, we actually won, this is the best day of my life!": "happy",
    "My grandmother died last night and I cannot stop crying.": "sad",
    "How dare you lie to me, get out of my house!": "angry",
    "Somebody is in the house, please hurry, I am so scared.": "fearful",
    "There is a rotten rat in my soup, I am going to be sick.": "disgust",
    "The meeting has been moved to Tuesday at nine.": "neutral",
}
SAID_BEFORE: Final = "The meeting is over now."
OTHER_MARKS: Final = ("!", "?")


@dataclass(frozen=True)
class Heard:
    """A clip as a segment: what the voice told, the sentence, who said it how."""

    track: EmotionTrack
    n_samples: int
    text: str
    label: int
    speaker: str


def voices(model: EmotionModel, data: Path, speakers: Sequence[str]) -> list[Heard]:
    """All clips of these speakers."""
    folder = data / CREMA_D
    heard = []
    for row in read_manifest(folder):
        if row["speaker"] not in speakers or row["label"] not in LABELS:
            continue
        samples = read_samples(folder / row["path"])
        track = EmotionTrack()
        track.update(model.classify_clip(samples), len(samples), 0)
        label = LABELS.index(row["label"])
        heard.append(Heard(track, len(samples), row["text"], label, row["speaker"]))
    return heard


def words_say(scorer: LlmScorer, text: str) -> dict[str, float]:
    """What a sentence speaks for each emotion, nats."""
    fusion = LlmFusion(scorer, FusionWeights(emotion_token=1.0), "")
    fusion.append(text)
    return fusion.felt(LABELS)


def likeliest(
    heard: Sequence[Heard], words: Mapping[str, Mapping[str, float]], weight: float
) -> Integers:
    """The likeliest class of each clip when the words have this weight."""
    found = []
    for clip in heard:
        nats = {name: weight * value for name, value in words[clip.text].items()}
        probs = clip.track.segment(0, clip.n_samples, lambda _, nats=nats: nats).probs
        found.append(LABELS.index(max(probs, key=lambda name: probs[name])))
    return np.array(found)


def difference_interval(
    labels: Integers, one: Integers, other: Integers, speakers: Sequence[str], seed: int = 0
) -> list[float]:
    """95 % of UAR(one) - UAR(other) when speakers are drawn with replacement."""
    drawn = [
        uar(labels[chosen], one[chosen]) - uar(labels[chosen], other[chosen])
        for chosen in drawn_by_speaker(speakers, 1_000, seed)
    ]
    return interval95(drawn, digits=4)


def compared(scorer: LlmScorer, heard: Sequence[Heard]) -> list[dict[str, Any]]:
    """A row for each weight."""
    labels = np.array([clip.label for clip in heard])
    speakers = [clip.speaker for clip in heard]
    words = {text: words_say(scorer, f"{text}.") for text in sorted({c.text for c in heard})}
    chosen = {weight: likeliest(heard, words, weight) for weight in WEIGHTS}
    return [
        {
            "weight": weight,
            "uar": round(uar(labels, predicted), 4),
            "difference_ci95": difference_interval(labels, predicted, chosen[0.0], speakers),
        }
        for weight, predicted in chosen.items()
    ]


def telling(scorer: LlmScorer) -> list[dict[str, Any]]:
    """What the words alone say of sentences that tell an emotion."""
    rows = []
    for text, meant in TELLING.items():
        nats = words_say(scorer, text)
        best = max(nats, key=lambda name: nats[name])
        rounded = {name: round(value, 2) for name, value in nats.items()}
        rows.append({"text": text, "meant": meant, "likeliest": best, "nats": rounded})
    return rows


def closing_marks(scorer: LlmScorer, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """How much likelier than a full stop the LLM thinks other marks behind the sentences, in nats
    (mean), by the emotion it was told before."""
    found = {}
    for told in ("", *LABELS):
        opening = stage_direction(told) if told else ""
        nats = []
        for text in texts:
            context = scorer.context(f"{SAID_BEFORE}{opening} {text.rstrip('.!')}")
            stop, *others = scorer.score([Ask(context, [".", *OTHER_MARKS])])[0]
            nats.append([other - stop for other in others])
        means = np.mean(nats, axis=0).round(2).tolist()
        found[told or "nothing"] = dict(zip(OTHER_MARKS, means, strict=True))
    return found


def draw(results: Mapping[str, Any]) -> Figure:
    picture = figure(7, 4)
    axis = picture.subplots()
    for name in ("dev", "test"):
        axis.plot(WEIGHTS, [row["uar"] for row in results[name]], marker="o", label=name)
    axis.legend(frameon=False)
    style(axis, "Emotion of CREMA-D's actors, voice and words", "weight of the words", "UAR")
    return picture


def main(
    data: Annotated[Path, typer.Option(envvar="STREAMER_BENCH_DATA")] = Path("data"),
    out: OutOption = RESULTS,
) -> None:
    model = load_emotion_model(EngineOptions().emotion_model, Zoo())
    engine = Engine.load(EngineOptions(threads=1))
    try:
        scorer = engine._llm
        if scorer is None:
            raise typer.BadParameter("there are no words to ask about without the LLM")
        results: dict[str, Any] = {
            name: compared(scorer, voices(model, data, speakers))
            for name, speakers in (("dev", DEV_SPEAKERS), ("test", TEST_SPEAKERS))
        }
        results["telling"] = telling(scorer)
        acted = sorted({str(row["text"]) for row in read_manifest(data / CREMA_D)})
        results["closing_marks"] = closing_marks(scorer, [*acted, *TELLING])
    finally:
        engine.close()
    table = Table(title="Mean recall, voice and words")
    for column in ("speakers", *(f"weight {weight:g}" for weight in WEIGHTS)):
        table.add_column(column)
    for name in ("dev", "test"):
        table.add_row(name, *(f"{row['uar']:.4f}" for row in results[name]))
    write_result("emotion_text", out, {"weights": list(WEIGHTS)}, results, draw(results))
    Console(width=120).print(table)


app = run(main)

if __name__ == "__main__":
    app()
