"""What of the history needs no browser: corrections, search, the clock."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.conftest import ROOT

WEB = ROOT / "clients" / "web"
SAID = ("So", "the", "tied", "mill", "grinds.")


def run(script: str, imports: dict[str, str]) -> Any:
    """What a script that imports names of the page's modules prints, as JSON."""
    lines = [
        f"import {{ {names} }} from {json.dumps((WEB / path).as_uri())};"
        for path, names in imports.items()
    ]
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", "\n".join([*lines, script])],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def caption(*events: tuple[str, list[int], str]) -> dict[str, object]:
    words = [
        {"id": i, "text": text, "start_ms": 100 * i, "end_ms": 100 * i + 100, "confidence": 0.5}
        for i, text in enumerate(SAID)
    ]
    corrections = [
        {"type": kind, "word_ids": ids, "new_text": text, "old_text": ""}
        for kind, ids, text in events
    ]
    return {"sessionId": "s", "segmentId": 0, "words": words, "corrections": corrections}


def corrected(*events: tuple[str, list[int], str]) -> list[tuple[str, float, float]]:
    words = run(
        f"console.log(JSON.stringify(corrected({json.dumps(caption(*events))}).words))",
        {"captions/corrections.js": "corrected"},
    )
    return [(word["text"], word["start_ms"], word["end_ms"]) for word in words]


def texts(*events: tuple[str, list[int], str]) -> str:
    return " ".join(text for text, _, _ in corrected(*events))


def test_corrected_words_share_the_time_of_those_that_were_heard() -> None:
    words = corrected(("correction", [2, 3], "tide mills here"))
    assert [text for text, _, _ in words] == ["So", "the", "tide", "mills", "here", "grinds."]
    ends = [end for _, _, end in words]
    assert [start for _, start, _ in words] == [0, *ends[:-1]]
    assert (words[2][1], words[4][2]) == (200, 400)
    assert words[3][2] - words[3][1] > words[2][2] - words[2][1]  # it is longer


def test_the_newest_correction_counts() -> None:
    assert texts(("correction", [2], "tight"), ("correction", [2], "tide")) == (
        "So the tide mill grinds."
    )
    # One that reaches into another takes it in whole.
    assert texts(("correction", [1, 2], "a tide"), ("correction", [2, 3], "our tide mill")) == (
        "So our tide mill grinds."
    )
    assert texts(("correction", [2], "tide"), ("correction", [2], "tied")) == " ".join(SAID)
    assert texts(("correction", [0], ""), ("report", [4], "")) == "the tied mill grinds."
    assert texts(("correction", [77], "never said")) == " ".join(SAID)


def test_units_are_what_is_shown_as_one() -> None:
    events = (("correction", [1, 2], "a tide"), ("report", [2], ""))
    found = run(
        f"console.log(JSON.stringify(units({json.dumps(caption(*events))})))",
        {"captions/corrections.js": "units"},
    )
    assert [(unit["text"], unit["isCorrected"], unit["isReported"]) for unit in found] == [
        ("So", False, False),
        ("a tide", True, True),
        ("mill", False, False),
        ("grinds.", False, False),
    ]


def test_new_words_are_those_worth_expecting() -> None:
    pairs = [
        ["son", "of the sun, Sun"],
        ["a b", "B, Zanzibar! 12 —"],
        ["is", "it's l'Été"],
        ["x", ""],
    ]
    found = run(
        f"console.log(JSON.stringify({json.dumps(pairs)}.map(([old_text, new_text]) =>"
        " newWords({ old_text, new_text }))))",
        {"captions/corrections.js": "newWords"},
    )
    assert found == [["sun"], ["Zanzibar"], ["it's", "l'Été"], []]


def test_search_finds_what_was_typed_in_any_case() -> None:
    text = "x" * 60 + " The tide mill (of  Brittany) grinds. " + "y" * 60
    queries = ["TIDE mill", "(of brittany)", ".", "zeppelin", "^", "  "]
    found = run(
        f"""
        const found = {json.dumps(queries)}.map((query) => {{
          const wanted = pattern(query);
          return wanted && excerpt({json.dumps(text)}, wanted);
        }});
        console.log(JSON.stringify(found));
        """,
        {"history/search.js": "excerpt, pattern"},
    )
    assert [part and part["match"] for part in found] == [
        "tide mill",
        "(of  Brittany)",
        ".",
        None,
        None,
        None,
    ]
    assert found[0]["before"].startswith("…")
    assert found[0]["before"].endswith("x The ")
    assert found[0]["after"].endswith("y…")
    assert len(found[0]["before"]) < 45


def test_the_clock_goes_on_while_the_sound_stands_still() -> None:
    chunks = [(0, 10_000), (50, 10_080), (100, 10_095), (150, 70_000), (200, 70_040)]
    script = f"""
      const track = new ClockTrack();
      const before = track.epochMs(0);
      for (const [audioMs, epochMs] of {json.dumps(chunks)}) track.observe(audioMs, epochMs);
      track.observe(300, 0);
      const after = [0, 100, 149, 150, 1150].map((ms) => track.epochMs(ms));
      console.log(JSON.stringify([before, ...after]));
    """
    found = run(script, {"protocol/clock-track.js": "ClockTrack"})
    assert found == [None, 10_000, 10_100, 10_149, 70_000, 71_000]
