"""Would the words help the voice to tell the emotion? The fusion, tried on constructed sentences.

The LLM is asked how likely each emotion's name is behind a sentence, less the same behind sentences
that tell nothing (so that a name's own frequency does not count). Voice and words are fused
log-linearly: log P(voice) + weight · words, made to sum to 1. Speech whose words carry feeling is
not at hand, so the voice is constructed too: *unsure*, with a little more on the right emotion than
on the others; *misheard*, with as much on a wrong one; and *calm*, surely neutral.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import WEIGHTS as WEIGHTS_FILE
from benchmarks.emotion.corpora import ModelOption
from streamer.audio.files import read_samples
from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.emotion.track import NEUTRAL
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.loading import load_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.store.catalog import GEMMA
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.data import CREMA_D, TEST_SPEAKERS, read_manifest

WEIGHTS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
UNSURE: Final = 0.25
SURE: Final = 0.85
TELLING: Final = {
    "happy": (
        "We won, we actually won, this is the best day of my life!",
        "I got the job, I am so happy I could dance!",
        "She said yes! We are getting married in the spring!",
        "What a wonderful surprise, thank you so much!",
    ),
    "sad": (
        "My grandmother died last night and I cannot stop crying.",
        "I miss him every day, and nothing feels right any more.",
        "We had to put our old dog to sleep this morning.",
        "Nobody came to my birthday, I sat there all alone.",
    ),
    "angry": (
        "How dare you lie to me, get out of my house!",
        "I have told you a hundred times, stop touching my things!",
        "This is outrageous, I want my money back right now!",
        "You broke it on purpose, and I will never forgive you!",
    ),
    "fearful": (
        "Somebody is in the house, please hurry, I am so scared.",
        "Do not leave me alone here, I heard it move again.",
        "The brakes do not work, we are going to crash!",
        "I am terrified of what the doctor will say tomorrow.",
    ),
    "disgust": (
        "There is a rotten rat in my soup, I am going to be sick.",
        "That smell is revolting, get it away from me.",
        "He spat on the table and then ate from it, how gross.",
        "The bathroom was filthy, there was hair everywhere, yuck.",
    ),
}
FLAT: Final = (
    "The meeting has been moved to Tuesday at nine.",
    "The train to the coast leaves from platform four.",
    "Please turn to page twelve of the handbook.",
    "It is eleven o'clock.",
    "The shop is on the corner, next to the bank.",
    "There are two cups and a plate on the table.",
    "The report has six chapters and an index.",
    "I will be there at half past three.",
)


def words_say(scorer: LlmScorer, text: str) -> dict[str, float]:
    """Nats for each emotion's name, behind the sentence."""
    context = scorer.context(f'"{text}" The voice of the speaker sounds')
    names = [f" {label}" for label in LABELS]
    (scores,) = scorer.score([LlmRequest(context, names)])
    return dict(zip(LABELS, scores, strict=True))


def fused(
    voice: Mapping[str, float], words: Mapping[str, float], weight: float
) -> dict[str, float]:
    """Voice and words together, log-linearly; they sum to 1. Weight 0 gives the voice back."""
    nats = {label: np.log(voice[label]) + weight * words[label] for label in voice}
    highest = max(nats.values())
    raw = {label: float(np.exp(value - highest)) for label, value in nats.items()}
    return {label: value / sum(raw.values()) for label, value in raw.items()}


def leaning(label: str, probability: float) -> dict[str, float]:
    """A voice that gives one emotion this much, and the others the same each."""
    return dict.fromkeys(LABELS, (1 - probability) / (len(LABELS) - 1)) | {label: probability}


def named(words: Mapping[str, float], voice: Mapping[str, float], weight: float) -> str:
    """The likeliest emotion of voice and words."""
    probs = fused(voice, words, weight)
    return max(probs, key=lambda label: probs[label])


def judge(
    telling: Mapping[str, tuple[str, Mapping[str, float]]],
    flat: Sequence[Mapping[str, float]],
    weight: float,
) -> dict[str, float]:
    """Shares of sentences.

    Args:
        telling: what was meant, and what the words say, by sentence.
        flat: what words say that tell nothing.
    """
    unsure, misheard, calm, kept = [], [], [], []
    for meant, words in telling.values():
        wrong = LABELS[(LABELS.index(meant) + 1) % len(LABELS)]
        unsure.append(named(words, leaning(meant, UNSURE), weight) == meant)
        misheard.append(named(words, leaning(wrong, UNSURE), weight) == meant)
        calm.append(named(words, leaning(NEUTRAL, SURE), weight) not in (meant, NEUTRAL))
    for words in flat:
        kept += [named(words, leaning(label, UNSURE), weight) == label for label in LABELS]
    return {
        "weight": weight,
        "unsure_right": round(float(np.mean(unsure)), 3),
        "misheard_righted": round(float(np.mean(misheard)), 3),
        "calm_called_a_wrong_emotion": round(float(np.mean(calm)), 3),
        "flat_words_keep_the_voice": round(float(np.mean(kept)), 3),
    }


def acted_recall(
    classifier: EmotionClassifier, folder: Path, told: Callable[[str], Mapping[str, float]]
) -> list[dict[str, float]]:
    """Mean recall over CREMA-D's test speakers, whose words tell nothing, by weight."""
    rows = [row for row in read_manifest(folder) if row["speaker"] in TEST_SPEAKERS]
    words = {text: told(text) for text in {row["text"] for row in rows}}
    heard = [
        (row["label"], row["text"], classifier.predict(read_samples(folder / row["path"])).probs)
        for row in rows
    ]
    found = []
    for weight in WEIGHTS:
        hits: dict[str, list[bool]] = {}
        for label, text, voice in heard:
            hits.setdefault(label, []).append(named(words[text], voice, weight) == label)
        recall = float(np.mean([np.mean(right) for right in hits.values()]))
        found.append({"weight": weight, "recall": round(recall, 3)})
    return found


def main(
    data: DataOption = Path("../shared/data"),
    model: ModelOption = WEIGHTS_FILE,
    out: OutOption = RESULTS / "research",
) -> None:
    scorer = load_llm(GEMMA.name, Zoo(), threads=1)
    flat = [words_say(scorer, text) for text in FLAT]
    usual = {label: float(np.mean([said[label] for said in flat])) for label in LABELS}

    def told(text: str) -> dict[str, float]:
        said = words_say(scorer, text)
        return {label: said[label] - usual[label] for label in LABELS}

    telling = {text: (label, told(text)) for label, texts in TELLING.items() for text in texts}
    results = {
        "words_alone_right": round(
            float(np.mean([max(w, key=lambda x: w[x]) == meant for meant, w in telling.values()])),
            3,
        ),
        "weights": [judge(telling, [told(text) for text in FLAT], weight) for weight in WEIGHTS],
        "crema_d_test": acted_recall(EmotionClassifier(model, threads=1), data / CREMA_D, told),
        "sentences": [
            {"text": text, "meant": meant, "named": max(words, key=lambda label: words[label])}
            for text, (meant, words) in telling.items()
        ],
    }
    Console().print_json(json.dumps(results))
    parameters = {"unsure": UNSURE, "sure": SURE, "telling": len(telling), "flat": len(FLAT)}
    write_json("research.emotion_words", out, parameters, results)


app = run(main)

if __name__ == "__main__":
    app()
