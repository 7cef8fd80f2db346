"""Results of recognition: words, marks, what decides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.figures import (
    Row,
    difference,
    document,
    fixed,
    results,
    signed,
    target,
)

_LIBRISPEECH = "benchmarks.quality.accuracy --clips 150 --longform 24"


def rows() -> list[Row]:
    return [
        _streaming(),
        _fused(),
        *_continuous(),
        _non_native(),
        *_parts_of_the_decision(),
        *_marks(),
        *_expected_words(),
        _noise(),
        *_sounds(),
        _quiet_speech(),
        *_music(),
        _graphs(),
    ]


def errors(summary: Mapping[str, Any], *systems: str) -> str:
    """WER of one system after the other."""
    return " → ".join(f"{fixed(summary['systems'][name]['wer_percent'])} %" for name in systems)


def gain(summary: Mapping[str, Any]) -> str:
    """What the LLM brings over the draft."""
    compared = summary["comparisons"]["fused - draft"]
    return f"{ratio(compared)}, {difference(compared)}"


def ratio(compared: Mapping[str, Any]) -> str:
    low, high = compared["ratio_ci95"]
    return f"× {fixed(compared['ratio'])} [{fixed(low)}, {fixed(high)}]"


def _streaming() -> Row:
    found = results("accuracy")
    both = "draft - offline"
    points = found["all"]["comparisons"][both]
    dev = found["librispeech_dev_clean_mp3"]["comparisons"][both]["wer_points"]
    return Row(
        f"WER, whole clips → streaming draft: {found['all']['recordings']} clips of LibriSpeech "
        "dev-clean, test-clean, test-other",
        f"{errors(found['all'], 'offline', 'draft')}: {difference(points)}; dev-clean alone "
        f"{signed(dev)}",
        target(("≤ +0.5", points["wer_points"] <= 0.5)),
        _LIBRISPEECH,
    )


def _fused() -> Row:
    found = results("accuracy")
    dev = found["librispeech_dev_clean_mp3"]["comparisons"]["fused - draft"]
    reached = found["all"]["comparisons"]["fused - draft"]["ratio"]
    return Row(
        "WER, streaming draft → streaming fused, the same clips",
        f"{errors(found['all'], 'draft', 'fused')}, {gain(found['all'])}; dev-clean alone "
        f"{ratio(dev)}",
        target(("≤ × 0.9", reached <= 0.9), ("≤ × 0.75", reached <= 0.75)),
        _LIBRISPEECH,
    )


def _continuous() -> list[Row]:
    dev = results("dev-chapters/accuracy")["longform librispeech_dev_clean_mp3"]
    test = results("accuracy")["longform librispeech_test_clean_opus"]
    told = {
        "**continuous speech**, where the LLM reads what it heard before: all "
        f"{dev['recordings']} chapters of dev-clean ({dev['speakers']} readers, "
        f"{fixed(dev['audio_minutes'], 0)} minutes, {dev['words']:,} words)": (
            dev,
            "benchmarks.quality.accuracy --speech librispeech_dev_clean_mp3 --clips 1 --longform "
            "47 --out benchmarks/results/dev-chapters",
        ),
        f"continuous speech, {test['recordings']} chapters of test-clean "
        f"({fixed(test['audio_minutes'], 0)} minutes)": (test, _LIBRISPEECH),
    }
    return [
        Row(
            f"the same in {what}",
            f"{errors(found, 'draft', 'fused')}, {gain(found)}; cut into clips and heard whole "
            f"{errors(found, 'offline')}",
            target(("≤ × 0.75", found["comparisons"]["fused - draft"]["ratio"] <= 0.75)),
            command,
        )
        for what, (found, command) in told.items()
    ]


def _non_native() -> Row:
    found = results("non-native/accuracy")["speechocean762"]
    return Row(
        f"the same, non-native readers, {found['recordings']} clips of speechocean762",
        f"{errors(found, 'draft', 'fused')}, {gain(found)}",
        target(("better", found["comparisons"]["fused - draft"]["wer_points_ci95"][1] < 0)),
        "benchmarks.quality.accuracy --speech speechocean762 --clips 150 --out "
        "benchmarks/results/non-native",
    )


def _parts_of_the_decision() -> list[Row]:
    whole = document("fusion")
    found = {name: row["against"] for name, row in whole["results"]["sets"]["all"].items()}
    llm = found["+ LLM"]["draft"]

    def more(name: str) -> str:
        return difference(found[name]["+ LLM"])

    trained = [
        row
        for row in document("fusion_ablation")["against_llm"]
        if row["variant"] in document("fusion_ablation")["modality_shares"]
        and row["variant"] != "text"
    ]
    gains = [row["excess_difference"] for row in trained]
    surely = [row for row in trained if row["excess_interval"][1] < 0]
    return [
        Row(
            f"what the LLM brings, streaming, {whole['parameters']['clips']} clips, about a "
            "quarter each of test-clean, test-other, non-native and acted speech: WER less the "
            "draft's",
            f"{difference(llm)}, × {fixed(llm['ratio'])}; **told what was said before** "
            f"({whole['parameters']['context_clips']} clips of the chapter) {more('+ context')} "
            f"more, × {fixed(found['+ context']['draft']['ratio'])}, told what somebody else said "
            f"{more('+ wrong context')}; told the emotion in the voice {more('+ emotion')}, with "
            f"wrong ones {more('+ wrong emotion')}: which emotion it is told does not show",
            target(("≤ × 0.75 on clips out of context", llm["ratio"] <= 0.75)),
            f"benchmarks.quality.fusion --clips {whole['parameters']['clips']}",
            "with `--speech` as in its result",
        ),
        Row(
            f"the same decision by an LLM trained to hear ({len(trained)} ways, not shipped), "
            "readers never met: errors for 100 words, less the shipped LLM's",
            f"{signed(min(gains))} to {signed(max(gains))}, {len(surely)} of the intervals below "
            "0; an earlier and longer training: not in the recorded results",
            target(("a gain", bool(surely))),
            "[how](research.md#an-llm-that-hears)",
        ),
    ]


def _marks() -> list[Row]:
    found, parameters = results("punctuation"), document("punctuation")["parameters"]
    fused, low_high = found["+ LLM"], found["+ LLM"]["f1_ci95"]
    classes = {name: fixed(row["f1"]) for name, row in fused["classes"].items()}
    shouts = fused["classes"]["exclamation mark"]
    heard_whole = {name: row["against"] for name, row in results("research/llm_marks").items()}
    say = heard_whole["+ LLM"]["draft"]
    return [
        Row(
            f"marks (. , ? !) against the printed books of {len(parameters['chapters'])} "
            "chapters: F1",
            f"draft {fixed(found['draft']['f1'], 3)}, fused {fixed(fused['f1'], 3)} "
            f"[{fixed(low_high[0])}, {fixed(low_high[1])}]; told the emotion "
            f"{fixed(found['+ emotion']['f1'], 3)}, a wrong one "
            f"{fixed(found['+ wrong emotion']['f1'], 3)} (full stop {classes['full stop']}, comma "
            f"{classes['comma']}, question mark {classes['question mark']}, **{shouts['found']} "
            f"of {shouts['found'] + shouts['missed']} exclamation marks**)",
            "–",
            "benchmarks.quality.punctuation",
        ),
        Row(
            "the same clips heard whole, if the LLM had a say in marks (it has none): F1 less the "
            "ear's",
            f"{difference(say, 'f1', 3)}; told the emotion "
            f"{difference(heard_whole['+ emotion']['+ LLM'], 'f1', 3)} more, a wrong one "
            f"{signed(heard_whole['+ wrong emotion']['+ LLM']['f1'], 3)}",
            target(("a gain", say["f1_ci95"][0] > 0)),
            "[how](research.md#punctuation-by-the-llm)",
        ),
    ]


def _expected_words() -> list[Row]:
    told = {
        "test-clean and test-other": ("hot_words", "benchmarks.quality.hot_words"),
        "dev-clean": (
            "hot-words-dev/hot_words",
            "benchmarks.quality.hot_words --speech librispeech_dev_clean_mp3 --clips 140 --out "
            "benchmarks/results/hot-words-dev",
        ),
    }
    made = []
    for sets, (name, command) in told.items():
        whole = document(name)
        (nats,) = whole["parameters"]["nats"]
        alone, found = whole["results"]["without"], whole["results"][f"{nats:g}"]
        change, made_up = found["rare_change"], found["false_insertions_percent"]
        made.append(
            Row(
                f"rare words told in advance, in lists of {whole['parameters']['size']}, "
                f"{found['clips']} clips of {sets}: errors in them; listed words made up",
                f"{fixed(alone['rare_errors_percent'], 1)} → "
                f"{fixed(found['rare_errors_percent'], 1)} %, {ratio(change)} (WER "
                f"{fixed(alone['wer_percent'], 1)} → {fixed(found['wer_percent'], 1)} %); "
                f"{fixed(made_up)} % of all words ({fixed(alone['false_insertions_percent'])} % "
                "without a list)",
                target(("≤ × 0.6", change["ratio"] <= 0.6), ("≤ 0.2 %", made_up <= 0.2)),
                command,
            )
        )
    return made


def _noise() -> Row:
    whole = document("noise")
    words = sum(row["words"] for row in whole["results"].values())
    return Row(
        f"words in {whole['parameters']['minutes']:g} minutes each of "
        f"{', '.join(whole['results'])} (synthetic)",
        str(words),
        target(("0", words == 0)),
        "benchmarks.quality.noise",
    )


def _sounds() -> list[Row]:
    rows = []
    for latency in ("low", "balanced"):
        found, whole = results(f"sounds-{latency}"), document(f"sounds-{latency}")
        unseen, seen, speech = found["sounds"]["unseen"], found["sounds"]["seen"], found["speech"]
        rows.append(
            Row(
                f"recorded music, noise, applause, laughter, crying, coughs and more, {latency}: "
                "clips with a word, words",
                f"{unseen['clips_with_words']} of {unseen['clips']}, {unseen['words']} (of the "
                f"clips that the rule was made on {seen['clips_with_words']} of {seen['clips']}, "
                f"{seen['words']}); words lost in {speech['clips']} clips of speech, whispered "
                f"and falsetto among them: {speech['lost']} of {speech['words']}",
                target(("0", unseen["words"] == 0)),
                f"benchmarks.quality.sounds --latency {latency} --clips "
                f"{whole['parameters']['clips']}",
            )
        )
    return rows


def _quiet_speech() -> Row:
    quiet = results("sounds-low")["quiet"]
    normal, *levels = quiet
    lost = ", ".join(
        f"at {signed(float(level), 0)} dB {quiet[level]['first_words_lost']} and "
        f"{quiet[level]['lost']}"
        for level in levels
    )
    return Row(
        f"very quiet speech, {quiet[normal]['clips']} clips: first words, and words, lost",
        f"{lost} of {quiet[normal]['words']} (at {signed(float(normal), 0)} dB "
        f"{quiet[normal]['first_words_lost']} and {quiet[normal]['lost']})",
        target(
            (
                "at −60 dB as at −30",
                quiet["-60"]["first_words_lost"] <= quiet[normal]["first_words_lost"],
            )
        ),
        "benchmarks.quality.sounds",
    )


def _music() -> list[Row]:
    found = results("sound_tags-test")
    kinds, speech = found["sounds"]["kinds"], found["speech"].values()
    music, others = kinds["music"], [kinds[kind] for kind in kinds if kind != "music"]
    under = found["share_of_music_told_under_speech"]
    hours = sum(row["minutes"] for row in speech) / 60
    wrong = sum(row["tags"] for row in speech)
    cost = sum(row["cpu_ms_a_second"] * row["minutes"] for row in speech) / (60 * hours)
    module = "benchmarks.sounds.tags"
    return [
        Row(
            f"[music]: pieces told of {music['clips']} on which nothing was chosen, share of "
            "their time; while somebody speaks over them 20, 10, 0 dB louder",
            f"{music['clips_tagged']}, {100 * music['seconds_tagged'] / music['seconds']:.0f} %; "
            + ", ".join(f"{100 * under[level]:.0f}" for level in ("20", "10", "0"))
            + " %",
            "–",
            module,
        ),
        Row(
            f"[music] told wrongly: in {fixed(hours, 1)} hours of speech of {len(speech)} sets; in "
            f"{sum(row['clips'] for row in others)} clips of other sounds; CPU ms for a second",
            f"{wrong}; {sum(row['clips_tagged'] for row in others)}; {fixed(cost, 1)}",
            target(("0 in speech", wrong == 0), ("≤ 3 ms", cost <= 3)),
            module,
        ),
    ]


def _graphs() -> Row:
    whole = document("graphs")
    shipped, rebuilt = whole["results"]["shipped"], whole["results"]["rebuilt"]
    same = rebuilt["same_tokens_percent"]
    exact = whole["results"]["in float32"]["same_tokens_percent"]
    return Row(
        f"speech graphs, rebuilt against shipped, {whole['parameters']['clips']} whole clips",
        f"WER {fixed(rebuilt['wer_percent'])} % against {fixed(shipped['wer_percent'])} %; the "
        f"same tokens on {fixed(same, 0)} % of clips ({fixed(exact, 0)} % in float32: what rounds "
        f"differently), {fixed(rebuilt['words_apart_percent'], 1)} % of words differ; "
        f"{fixed(rebuilt['cpu_ms_per_audio_s'], 1)} against "
        f"{fixed(shipped['cpu_ms_per_audio_s'], 1)} ms of CPU for a second of audio",
        target(("same tokens ≥ 99 %", same >= 99)),
        "benchmarks.quality.graphs --speech librispeech_dev_clean_mp3,librispeech_test_clean_opus "
        "--clips 120",
    )
