"""The page of models: everyone's scores on the same examples, how sure they are, and what each version learnt."""

from __future__ import annotations

import pytest
from page_records import NOW_MS, facts, score, version, window


def test_models_are_scored_on_the_same_examples(view, look):
    """Champion and baselines, an interval, and of every version kept the range learnt and what was new in it."""
    part = {"window": score(0.9, margin=0.0187), "total": score(0.9), "examples": 9_000, "unscored": 10}
    view.version(version(100, published_ms=NOW_MS - 5_000))
    view.version(version(7_317, scores={"champion": part, "no_change": part | {"window": score(0.7)}}))
    view.heard(facts(begins={("shop.examples", 0): 20}), NOW_MS)
    text = look("/models").page.text

    for words in ("champion", "no_change", "0.900 ±0.019", "0.200 ±0.009", "2 of 2 kept", "8,990", "10 not"):
        assert words in text, words
    assert text.count("±") == 3  # the explanation has one, too
    assert "shop.examples/0 [20, 7,317) +7,217" in text
    assert "shop.examples/0 [20, 100) -" in text


def test_everyone_is_held_against_the_champion_by_what_differs_on_the_same_examples(view, look):
    """Better or worse only where the interval of the difference leaves out zero; less is better of a loss."""
    told = {
        "champion": score(0.9, margin=0.02),
        "rival": score(0.915, margin=0.02, difference=0.01) | {"log_loss": 0.15},
        "tree": score(0.905, margin=0.02, difference=0.01) | {"log_loss": 0.3},
        "twin": score(0.9, margin=0.02, difference=0.0),
        "prior": score(0.6, margin=0.03, difference=0.04) | {"log_loss": 0.7},
        "late": score(0.99, 20),
    }
    scores = {name: {"window": each, "total": each, "examples": 9, "unscored": 0} for name, each in told.items()}
    view.version(version(scores=scores))
    said = look("/models")

    assert (
        "rival +0.015 ±0.010 better tree +0.005 ±0.010 no difference seen twin +0.000 ±0.000 the same" in said.page.text
    )
    assert "prior \u22120.300 ±0.040 worse" in said.page.text
    (bars,) = [[r for r in said.page.of("rect") if r.get("class") == word] for word in ("worse",)]
    assert [(bar["x"], bar["width"]) for bar in bars] == [("2.0", "11.3")]
    text = look("/models", "metric=log_loss").page.text
    assert "rival \u22120.050 ±0.010 better tree +0.100 ±0.010 worse" in text
    assert "log loss of the last 1,000, lower is better" in text


def test_scores_over_time_have_their_intervals_on_the_models_page(view, look):
    """A band around every line of every metric that the windows tell one of, as wide as they say, within its bounds."""
    for number in range(1, 4):
        quality = {"champion": score(0.98, margin=0.03), "tree": score(0.7, margin=0.1), "prior": score(0.6)}
        view.window(window(number, quality=quality))
    said = look("/models")

    def widths(said):
        found = {each["class"]: each["d"] for each in said.page.of("path") if each.get("class", "").startswith("band")}
        heights = {name: [float(point.split()[1]) for point in d.strip("MZ").split("L")] for name, d in found.items()}
        return {name: max(each) - min(each) for name, each in heights.items()}

    found = widths(said)
    assert found.keys() == {"band challenger c0", "band champion"}
    assert found["band challenger c0"] == pytest.approx(4 * found["band champion"], rel=1e-3), "none is above 1"
    assert "95 % interval of each window" in said.page.text
    assert widths(look("/models", "metric=log_loss")).keys() == found.keys()
    said = look("/models", "metric=f1")
    assert not widths(said)
    assert "These windows hold no intervals" in said.page.text


@pytest.mark.parametrize(
    "told", [None, [], "x", {"accuracy": None}, {"accuracy": -1.0, "f1": "x"}, {"accuracy": 1e400}]
)
def test_margins_that_are_none_are_not_shown(view, look, told):
    """Whatever somebody puts on the topics, the pages are there."""
    odd = score(0.9) | {"margins": told, "difference_margins": told}
    view.window(window(quality={"champion": odd, "tree": odd}))
    view.version(version(scores={"champion": {"window": odd, "total": odd}, "tree": {"window": odd, "total": odd}}))

    assert look("/models").page.text.count("±") == 1
    assert "±" not in look("/").page.text
