"""`learners.load_model`: a published model out of its file, whole and genuine or not at all."""

from __future__ import annotations

import pickle

import msgspec
import pytest
from guides import ROOT, blocks

import learners
from learners.candidates import Candidates, CandidateSpec
from learners.sealed import seal
from learners.target import Target

KEY = b"k" * 32
TARGET = Target(kind="binary", labels=("no", "yes"), positive="yes")
X = {"amount": 7.0}


def taught(*names, model="logistic_regression"):
    candidates = Candidates(
        {name: CandidateSpec(model=model) for name in names},
        champion=names[0],
        target=TARGET,
        kinds={"amount": "numeric"},
    )
    for number in range(60):
        candidates.learn({"amount": float(number % 10)}, "yes" if number % 10 > 4 else "no")
    return candidates


def blob_of(payload, key=KEY, name="snapshots/shard-0", kind="object"):
    return seal(msgspec.msgpack.encode({"name": name, "kind": kind}), payload, key)


@pytest.fixture
def put(tmp_path):
    def written(blob):
        place = tmp_path / "snapshot.obj"
        place.write_bytes(blob)
        return place

    return written


def test_it_has_all_that_was_learnt(put, tmp_path):
    """By path or URL, with the key or its file, the old one among others; the only candidate needs no name."""
    candidates = taught("main")
    place = put(blob_of(candidates.snapshot()))
    keys = tmp_path / "key"
    keys.write_text("# new first\n" + "n" * 40 + "\n" + KEY.decode() + "\n")
    wanted = candidates.champion_model.predict_proba_one(X)

    assert learners.load_model(place, KEY).predict_proba_one(X) == wanted
    assert learners.load_model(place.as_uri(), KEY.decode(), candidate="main").predict_proba_one(X) == wanted
    assert learners.load_model(str(place), keys).predict_proba_one(X) == wanted


def test_the_guide_s_lines_run(put, capsys):
    """As they stand on the page, with a place and a key of one's own."""
    place = put(blob_of(taught("champion", "tree").snapshot()))
    page = ROOT / "docs" / "observability.md"
    (block,) = [each for each in blocks(page, "python") if "learners.load_model" in each.text]

    exec(compile(block.text, str(page), "exec"), {"PLACE": place, "KEY": KEY})

    assert capsys.readouterr().out == "True\n"


def test_of_several_candidates_one_is_named(put):
    """Nobody is given whichever comes first."""
    place = put(blob_of(taught("main", "rival").snapshot()))

    assert type(learners.load_model(place, KEY, candidate="rival")).__name__ == "Pipeline"
    for name in (None, "prior"):
        with pytest.raises(ValueError, match="candidate must be one of main, rival, got"):
            learners.load_model(place, KEY, candidate=name)


def test_what_is_not_genuine_is_not_read(put):
    """One bit, another key, another kind of thing under the same key: refused before anything is unpickled."""
    genuine = blob_of(taught("main").snapshot())
    changed = bytearray(genuine)
    changed[-1] ^= 1
    refused = {
        "altered": bytes(changed),
        "truncated": genuine[:-1],
        "another key": blob_of(b"", b"o" * 32),
        "not a millrace": b"x" * 100,
        "must be a snapshot of models, got checkpoint task-0": blob_of(b"", name="task-0", kind="checkpoint"),
        "must be a snapshot of models, got object done/": blob_of(b"", name="done/0"),
        "snapshot must be one of candidates": blob_of(b"x"),
    }
    for words, blob in refused.items():
        with pytest.raises(ValueError, match=words):
            learners.load_model(put(blob), KEY)
    with pytest.raises(ValueError, match="key must hold keys of at least 32 bytes"):
        learners.load_model(put(genuine), "short")


class Ran:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def test_a_leaked_key_calls_nothing(put):
    """The list of classes is a second lock."""
    saved = msgspec.msgpack.decode(taught("main").snapshot())
    saved["models"]["main"]["model"] = pickle.dumps(Ran())

    with pytest.raises(ValueError, match=r"must name only allowed globals, got builtins\.exec"):
        learners.load_model(put(blob_of(msgspec.msgpack.encode(saved))), KEY)


def test_there_is_nothing_else_in_the_room_s_name():
    """A typing error is an AttributeError, as everywhere."""
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        _ = learners.load_modle
