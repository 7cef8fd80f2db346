"""How documents write figures."""

from __future__ import annotations

from benchmarks.report.figures import (
    Row,
    between,
    difference,
    fixed,
    pair,
    result_table,
    signed,
    table,
    target,
)


def test_halves_are_rounded_up_and_thousands_divided() -> None:
    assert [fixed(value, 3) for value in (0.0185, 0.0055, 1.0)] == ["0.019", "0.006", "1.000"]
    assert fixed(13178.8, 0) == "13,179"
    assert fixed(-0.126) == "−0.13"


def test_differences_have_a_sign_unless_they_are_nothing() -> None:
    assert [signed(value) for value in (0.004, -0.004, 0.0, 0.5, -1.0)] == [
        "0.00",
        "0.00",
        "0.00",
        "+0.50",
        "−1.00",
    ]
    assert between([-0.2, 0.3], 1) == "[−0.2, +0.3]"
    assert difference({"wer_points": -1.04, "wer_points_ci95": [-1.97, -0.16]}) == (
        "−1.04 [−1.97, −0.16]"
    )


def test_delays_are_told_in_the_unit_that_is_wanted() -> None:
    delays = {"p50": 944.3, "p95": 1654.5}
    assert pair(delays) == "944 / 1,655 ms"
    assert pair(delays, "s") == "0.94 / 1.65 s"


def test_targets_that_are_not_met_are_told() -> None:
    assert target(("≤ 1", True)) == "≤ 1"
    assert target(("p50 ≤ 1 s", True), ("p95 ≤ 2 s", False)) == "p50 ≤ 1 s; p95 ≤ 2 s, **not met**"


def test_bars_in_cells_do_not_divide_them() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |\n"


def test_commands_are_quoted_and_links_are_not() -> None:
    rows = [Row("a", "1", "–", "benchmarks.x --y"), Row("b", "2", "–", "[how](research.md)")]
    told = result_table(rows).splitlines()
    assert told[2] == "| a | 1 | – | `python -m benchmarks.x --y` |"
    assert told[3] == "| b | 2 | – | [how](research.md) |"
