"""Who said what, without a browser: labels that change, segments of one voice, names in files."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.web.test_history import run

IMPORTS = {
    "captions/exports.js": "toSubRip, toText, toWebVtt",
    "captions/names.js": "Names",
    "protocol/transcript.js": "Transcript",
}
APPLY = """
const transcript = new Transcript();
const names = new Names();
names.beginSession(CHANNELS);
transcript.beginSession("s");
const seen = [];
for (const event of EVENTS) {
  if (event.type === "words") transcript.applyWords(event);
  if (event.type === "speakers") transcript.applySpeakers(event);
  if (event.type === "segment") transcript.applySegment(event);
  for (const caption of transcript.committed()) names.tell(caption);
  seen.push(transcript.committed().map((caption) => caption.speaker ?? null));
}
"""


def words(text: str, first_id: int, start_ms: int, speaker: int | None) -> list[dict[str, Any]]:
    return [
        {
            "id": first_id + i,
            "text": word,
            "start_ms": start_ms + 400 * i,
            "end_ms": start_ms + 400 * i + 350,
            "confidence": 0.9,
            "state": "committed",
            **({} if speaker is None else {"speaker": speaker}),
        }
        for i, word in enumerate(text.split())
    ]


def segment(
    number: int, said: list[dict[str, Any]], cause: str = "silence", **fields: object
) -> dict[str, Any]:
    times = {"start_ms": said[0]["start_ms"], "end_ms": said[-1]["end_ms"]}
    event = {"type": "segment", "segment_id": number, "words": said, "emotion": None}
    return event | times | {"cause": cause} | fields


def told(events: list[dict[str, Any]], script: str, channels: int = 1) -> Any:
    program = APPLY.replace("EVENTS", json.dumps(events)).replace("CHANNELS", str(channels))
    return run(program + script, IMPORTS)


def test_a_label_may_change_until_its_segment_is_final_and_words_behind_are_the_next_ones() -> None:
    question = words("Are you there?", 0, 0, None)
    answer = words("I am.", 3, 1600, None)
    events = [
        {"type": "words", "segment_id": 0, "words": question},
        {"type": "speakers", "segment_id": 0, "first_word_id": 0, "speakers": [1, 1, 1]},
        {"type": "words", "segment_id": 0, "words": answer},
        {"type": "speakers", "segment_id": 0, "first_word_id": 0, "speakers": [0, 0, 0, 1, 1]},
        segment(0, words("Are you there?", 0, 0, 0), "speaker", speaker=0),
        segment(1, words("I am.", 3, 1600, 1), speaker=1),
    ]
    seen, texts, ends = told(
        events,
        "const said = transcript.committed();"
        "const texts = said.map(({ words }) => words.map(({ text }) => text));"
        "console.log(JSON.stringify([seen, texts, said.map(({ endMs }) => endMs)]));",
    )
    one, two = "Speaker 1", "Speaker 2"
    assert seen == [[None], [two], [two], [one], [one, two], [one, two]]
    assert texts == [["Are", "you", "there?"], ["I", "am."]]
    assert ends == [1150, 2350]


def test_names_stand_in_files_where_somebody_else_begins() -> None:
    events = [
        segment(1, words("Yes, I am.", 5, 1000, None), channel=1),
        segment(0, words("Are you?", 0, 0, None), channel=0),
        segment(2, words("Good.", 8, 3000, None), channel=1),
    ]
    text, srt, vtt, usual = told(
        events,
        "names.rename(transcript.captions[0], '  Ada\\n<x>  ');"
        "for (const caption of transcript.captions) names.tell(caption);"
        "const said = transcript.captions;"
        "const files = [toText(said, false), toSubRip(said, 'off'), toWebVtt(said, 'off')];"
        "names.rename(said[0], ' ');"
        "console.log(JSON.stringify([...files, said[0].speaker]));",
        channels=2,
    )
    assert text == "You: Are you?\nAda <x>: Yes, I am.\nGood.\n"
    assert [part.split("\n")[2] for part in srt.strip().split("\n\n")] == [
        "You: Are you?",
        "Ada <x>: Yes, I am.",
        "Good.",
    ]
    assert vtt.count("<v Ada &lt;x&gt;>") == 2
    assert "<v You>Are you?\n" in vtt
    assert usual == "Others"


def test_each_side_has_its_own_people() -> None:
    near, far = words("Are you there?", 0, 0, None), words("Yes, both of us.", 3, 2000, None)
    # The other side's segment began before the first part of this one ended.
    events = [
        {"type": "words", "segment_id": 0, "channel": 0, "words": near[:1]},
        {"type": "words", "segment_id": 1, "channel": 1, "words": far},
        {"type": "words", "segment_id": 0, "channel": 0, "words": words("Good.", 7, 4000, None)},
        {"type": "speakers", "segment_id": 0, "channel": 0, "first_word_id": 0, "speakers": [0, 2]},
        {
            "type": "speakers",
            "segment_id": 1,
            "channel": 1,
            "first_word_id": 3,
            "speakers": [1, 3, 3, 3],
        },
        segment(1, words("Yes,", 3, 2000, 1), "speaker", speaker=1, channel=1, next_segment_id=2),
        segment(2, words("both of us.", 4, 2400, 3), speaker=3, channel=1),
    ]
    seen, ids, kept = told(
        events,
        "const said = transcript.committed();"
        "names.rename(said[1], 'Bob');"
        "for (const caption of said) names.tell(caption);"
        # After a reload the names are those that were kept.
        "const again = new Names(); again.goOn(structuredClone(said));"
        "const more = { ...structuredClone(said[1]), segmentId: 9 };"
        "again.tell(more);"
        "const others = { sessionId: 's', channel: 1, words: [{ speaker: 5 }] };"
        "again.tell(others);"
        "const kept = [said[1].speaker, more.speaker, others.speaker];"
        "console.log(JSON.stringify([seen, said.map(({ segmentId }) => segmentId), kept]));",
        channels=2,
    )
    assert seen[:3] == [["You"], ["You", "Others"], ["You", "Others"]]
    assert seen[-2] == ["Others", "You", "Others (2)"]
    assert seen[-1] == ["Others", "Others (2)", "You"]
    assert ids == [1, 2, 0]
    assert kept == ["Bob", "Bob", "Others (3)"]


def test_two_who_speak_at_once_have_cues_that_overlap() -> None:
    events = [
        segment(0, words("one two three four five six", 0, 0, None), channel=0),
        segment(1, words("seven eight nine", 6, 600, None), channel=1),
    ]
    srt = told(events, "console.log(JSON.stringify(toSubRip(transcript.captions, 'off')));", 2)
    times = [part.split("\n")[1] for part in srt.strip().split("\n\n")]
    assert [time.split(" --> ")[0] for time in times] == ["00:00:00,000", "00:00:00,600"]
    assert times[0].split(" --> ")[1] > "00:00:02"


def test_a_known_voice_keeps_its_label_and_name_over_a_lost_session() -> None:
    words_of = '{type: "words", segment_id: 0, words: WORDS, lag_ms: 0}'
    said = json.dumps(words("Hello there.", 0, 0, None))
    labels, names = run(
        f"""
const state = new ResumableState({{sampleRate: 16000, speakers: true, knownVoices: ["v"]}});
const names = new Names();
names.known = ["Ada"];
const labels = [state.handshake().known_voices];
for (const session of ["a", "b"]) {{
  state.onReady({{session_id: session}});
  state.onEvent({words_of.replace("WORDS", said)});
  const event = {{type: "speakers", segment_id: 0, first_word_id: 0, speakers: [0, 1]}};
  state.onEvent(event);
  labels.push(event.speakers);
}}
const told = [0, 1, 2].map((speaker) => {{
  const caption = {{sessionId: "b", words: [{{speaker}}]}};
  names.tell(caption);
  return caption.speaker;
}});
console.log(JSON.stringify([labels, told]));
""",
        {
            "captions/names.js": "Names",
            "protocol/resumable-state.js": "ResumableState",
        },
    )
    assert labels == [["v"], [0, 1], [0, 2]]
    assert names == ["Ada", "Speaker 2", "Speaker 3"]
