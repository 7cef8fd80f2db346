from __future__ import annotations

from streamer.transcript.phrases import break_cost, ends_sentence


def test_breaks_from_the_best_to_the_worst() -> None:
    costs = [
        break_cost("stirred.", "The", 0),
        break_cost("midday,", "the", 0),
        break_cost("sat", "by", 0),
        break_cost("blue", "steel", 0),
        break_cost("Ada", "Lovelace", 0),
        break_cost("the", "fire", 0),
    ]
    assert costs == sorted(set(costs))


def test_a_breath_is_a_phrase_but_parts_no_article() -> None:
    assert break_cost("blue", "steel", 500) < break_cost("blue", "steel", 100)
    assert break_cost("a", "hare", 500) == break_cost("a", "hare", 0)


def test_a_verb_stays_with_its_pronoun_and_auxiliary() -> None:
    for before, after in [("she", "pushed"), ("had", "taken"), ("of", "air"), ("Mr.", "Smith")]:
        assert break_cost(before, after, 0) == break_cost("the", "fire", 0)


def test_sentences_end_at_marks_within_quotes_but_not_at_titles() -> None:
    assert all(map(ends_sentence, ["air.", 'cold."', "what?", "\u98a8\u3002"]))
    assert not any(map(ends_sentence, ["air", "air,", "Mr.", ""]))
