"""Learn: a fold over the examples that drops what it has seen, and survives what a model does."""

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_world import Row
from river import base

from learners.candidates import Candidates, CandidateSpec
from learners.scores import PrequentialScores
from learners.target import Target
from streams.messages import Example, Output, encode
from streams.stages.learn import Learner

TARGET = Target(kind="binary", labels=("no", "yes"), positive="yes")
KINDS = {"x": "numeric"}


class Brittle(base.Classifier):
    """Counts rows, and breaks half-way through one whose x is negative."""

    def __init__(self):
        self.rows = 0

    def learn_one(self, x, _y):
        self.rows += 1
        if x["x"] < 0:
            raise ArithmeticError(f"secret {x}")

    def predict_proba_one(self, _x):
        return {True: 1 / (1 + self.rows), False: self.rows / (1 + self.rows)}


def brittle(_target, _kinds, _seed):
    return Brittle()


SPECS = {
    "champion": CandidateSpec(model="logistic_regression"),
    "brittle": CandidateSpec(model=f"{__name__}:brittle"),
}


def learner(saved=None):
    if saved is None:
        candidates = Candidates(SPECS, "champion", TARGET, KINDS)
    else:
        candidates = Candidates.restore(saved["candidates"], SPECS, "champion", TARGET, KINDS)
    scores = PrequentialScores(TARGET, candidates.names, window=10)
    if saved is not None:
        scores.restore(saved["scores"])
    return Learner(0, "examples", candidates, scores, saved)


def example(label_offset, *, closed=0, x=1.0, label="yes", **changes):
    said = Output("no", {"no": 0.75, "yes": 0.25})
    made = Example(
        f"e{label_offset}",
        label,
        (0, label_offset),
        closed,
        1_000,
        features={"x": x},
        prediction="yes",
        probabilities={"no": 0.5, "yes": 0.5},
        model="champion",
        candidates={"brittle": said, "no_change": Output("no"), "prior": said},
    )
    return encode(msgspec.structs.replace(made, **changes))


def log(*values):
    return [Row(offset, 1_000, b"k", value) for offset, value in enumerate(values)]


def fold(*values):
    stage = learner()
    dead = stage.learn(log(*values))
    return stage, dead


def rows_of(stage):
    """How many examples the brittle candidate holds, by what it says."""
    return round(1 / stage.predict({"x": 1.0})["brittle"].probabilities["yes"]) - 1


def test_a_label_is_learnt_once_whoever_says_it_again():
    """Replays at once, later, and below the mark that has been raised since."""
    again = example(0)
    stage, dead = fold(again, again, example(1), again, example(7, closed=9), again, example(8, closed=9))

    assert stage.counts() == {"learnt": 3, "duplicate": 4}
    assert rows_of(stage) == 3
    assert dead == []


def test_an_example_may_close_the_log_over_itself():
    """The check comes before the mark is raised; in the other order this label would be lost."""
    stage, _ = fold(example(4, closed=5), example(4, closed=5))

    assert stage.counts() == {"learnt": 1, "duplicate": 1}
    assert stage.dump()["learnt"] == {0: (5, [])}


def test_each_labels_partition_has_a_mark_of_its_own():
    """Offsets of two partitions have nothing to do with each other."""
    stage, _ = fold(example(9, closed=10), example(3, label_source=(1, 3), closed=0), example(3))

    assert stage.counts() == {"learnt": 2, "duplicate": 1}


def test_a_correction_is_not_learnt():
    """A model cannot unlearn: candidates and scores stay as they were, a repeat is a duplicate."""
    correction = example(1, kind="correction", label="no", label_before="yes", features={}, candidates={})
    stage, _ = fold(example(0))
    before = stage.candidates.snapshot(), stage.scores.report()
    stage.learn(log(example(0), correction, correction))

    assert stage.counts() == {"learnt": 1, "correction": 1, "duplicate": 1}
    assert (stage.candidates.snapshot(), stage.scores.report()) == before


def test_a_model_that_breaks_is_as_it_was_before_and_the_others_go_on():
    """Half-learnt is undone; the example is laid aside with the error's type alone, and scored as it was served."""
    without, _ = fold(example(0), example(2))
    stage, dead = fold(example(0), example(1, x=-7.0), example(2))

    assert rows_of(stage) == rows_of(without) == 2
    assert stage.counts() == {"learnt": 3, "candidate_failed": 1}
    assert stage.scores.report()["champion"]["examples"] == 3
    assert [(letter.topic, letter.partition, letter.row.offset, letter.reason) for letter in dead] == [
        ("examples", 0, 1, "candidate brittle raised ArithmeticError in learn_one")
    ]
    champion, shorter = (each.predict({"x": -7.0})["champion"].probabilities["yes"] for each in (stage, without))
    assert champion != shorter  # the champion did learn it


def test_a_model_that_breaks_again_and_again_is_suspended():
    """It says nothing any more; nobody else is harmed."""
    stage, dead = fold(*[example(n, x=-1.0) for n in range(5)])

    assert [letter.reason.endswith("and is suspended") for letter in dead] == [False, False, True]
    assert stage.predict({"x": 1.0})["brittle"] == (None, None)
    assert stage.counts() == {"learnt": 5, "candidate_failed": 3}


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"[]", b'{"id": "e"}', example(1, label="maybe"), example(1, label=1), example(1, label=True)],
)
def test_what_is_no_example_of_ours_is_laid_aside(value):
    """Somebody else's record in the topic: it counts as failed, and the next one is learnt."""
    stage, dead = fold(example(0), value, example(2))

    assert stage.counts() == {"learnt": 2, "failed": 1}
    assert [letter.row.offset for letter in dead] == [1]
    assert dead[0].reason.startswith("$")
    assert "maybe" not in dead[0].reason
    assert rows_of(stage) == 2


def test_the_chain_is_a_hash_over_what_was_learnt_in_its_order():
    """Anybody can compute it from the log; duplicates and corrections are not in it."""
    correction = example(5, kind="correction", label_before="no")
    stage, _ = fold(example(3), example(3), correction, example(1))
    swapped, _ = fold(example(1), example(3))

    chain = b""
    for source in (b"0/3", b"0/1"):
        chain = hashlib.blake2b(chain + source, digest_size=16).digest()
    assert stage.chain == chain
    assert swapped.chain != chain


EXAMPLES = st.builds(
    example,
    st.integers(0, 12),
    closed=st.integers(0, 8),
    x=st.sampled_from((-1.0, 0.5, 2.0)),
    label=st.sampled_from(("no", "yes")),
    kind=st.sampled_from(("example", "example", "correction")),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(EXAMPLES | st.just(b"poison"), max_size=25), st.lists(st.integers(0, 25), max_size=4))
def test_a_restart_anywhere_gives_the_same_learner(values, ends):
    """Dump and load at any point, reading a little of the log again: the same bytes as without."""
    rows, whole = log(*values), learner()
    dead = whole.learn(rows)
    stage, found = learner(), {}
    for end in [*sorted(ends), len(rows)]:
        begin = max(0, stage.version - 3)
        found |= {letter.row.offset: letter for letter in stage.learn(rows[begin:end])}
        stage = learner(msgspec.msgpack.decode(msgspec.msgpack.encode(stage.dump()), strict=False))

    assert msgspec.msgpack.encode(stage.dump()) == msgspec.msgpack.encode(whole.dump())
    assert list(found.values()) == dead
    counts = whole.counts()
    assert sum(counts.get(word, 0) for word in ("learnt", "correction", "duplicate", "failed")) == len(rows)
