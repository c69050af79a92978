"""The layout's rules that import contracts cannot say: who imports what, how long files are, what they are called."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("streams", "learners", "drift")
LINES_MAX = 400
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base", "impl", "core", "tools"}
OURS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL = [*OURS, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]


class Import(NamedTuple):
    """One import statement's module."""

    place: str
    module: str
    late: bool
    """Inside a function or class, so not when the module is imported."""


def imports_of(path: Path) -> list[Import]:
    """Everything a file imports, those for type checkers left out."""
    found: list[Import] = []

    def walk(node: ast.AST, *, late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(str(path.relative_to(ROOT)), alias.name, late) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                found.append(Import(str(path.relative_to(ROOT)), child.module or "", late))
            else:
                walk(child, late=late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))

    walk(ast.parse(path.read_text(encoding="utf-8")), late=False)
    return found


IMPORTS = [each for path in OURS for each in imports_of(path)]


def importers(*modules: str) -> set[str]:
    """Files of ours that import any of these top-level modules."""
    return {each.place for each in IMPORTS if each.module.split(".")[0] in modules}


def below(folder: str, places: set[str]) -> set[str]:
    """Those of the places that are not in the folder: empty if all are."""
    return {place for place in places if not place.startswith(folder)}


def test_evidently_is_imported_in_one_module_and_only_when_it_renders():
    """Its import costs 6.7 s and 270 MB, which no worker and no command may pay."""
    assert importers("evidently", "plotly") == {"drift/evidently_bridge.py"}
    assert all(each.late for each in IMPORTS if each.module.split(".")[0] == "evidently")


def test_pickles_are_read_in_one_module():
    """What a pickle may name is decided in one place."""
    assert importers("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib") == {"learners/snapshots.py"}


def test_faust_stays_at_the_edge():
    """Whatever else may know of Kafka, Faust is one folder's affair."""
    assert not below("streams/kafka/", importers("faust", "mode", "aiokafka"))
    assert importers("faust")


def test_kafka_python_is_for_admin_and_commands():
    """Cores, state and config know no client."""
    known = {place for place in importers("kafka") if not place.startswith(("streams/cli/", "streams/demo/"))}

    assert not below("streams/kafka/", known)


@pytest.mark.parametrize("package", ["learners", "drift", "streams/stages", "streams/verify"])
def test_the_core_is_pure(package):
    """No broker, clock, environment, thread, process or global randomness: two runs over a log do the same."""
    forbidden = {"faust", "mode", "aiokafka", "kafka", "asyncio", "threading", "subprocess", "socket", "time", "os"}
    allowed = {"drift/report_process.py"}  # the process that renders: an edge of its own
    found = {
        (each.place, each.module)
        for each in IMPORTS
        if each.place.startswith(f"{package}/")
        and each.place not in allowed
        and (each.module.split(".")[0] in forbidden or each.module.startswith(("streams.kafka", "streams.cli")))
    }

    assert found == set()


@pytest.mark.parametrize("package", ["learners", "drift", "streams/stages", "streams/verify"])
def test_the_core_asks_no_clock_and_no_dice(package):
    """Neither `now()` nor the shared generators of `random` and numpy are called."""
    calls = re.compile(r"\b(datetime\.now|datetime\.utcnow|date\.today|np\.random\.(?!Generator|default_rng)\w+)\b")
    dice = re.compile(r"\brandom\.(random|randint|choice|choices|shuffle|sample|uniform|gauss|seed)\(")
    for path in (ROOT / package).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not calls.search(text), path
        assert not dice.search(text), path


def test_learners_and_drift_know_neither_each_other_nor_streams():
    """Each could be used alone."""
    for package, others in (("learners", {"drift", "streams"}), ("drift", {"learners", "streams"})):
        found = {
            (each.place, each.module)
            for each in IMPORTS
            if each.place.startswith(f"{package}/") and each.module.split(".")[0] in others
        }
        assert found == set()


def test_the_verifier_judges_without_the_code_that_it_judges():
    """What is wrong in a stage must not be wrong in its judge alike: they share config, messages, ranges and logs."""
    shared = {"streams.config", "streams.messages", "streams.state.intervals", "streams.topic_logs"}
    found = {
        each.module
        for each in IMPORTS
        if each.place.startswith("streams/verify/") and each.module.split(".")[0] in PACKAGES
    }

    assert {module for module in found if not module.startswith("streams.verify")} == shared


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea(path):
    """At most 400 lines, and named for what it holds."""
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= LINES_MAX, f"{lines} lines"
    assert path.stem.removeprefix("test_") not in EMPTY_NAMES


def test_tests_are_no_package():
    """With an `__init__.py` below tests, `import drift` would find tests/drift."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_tests_use_no_mocks():
    """Doubles are written by hand and small, or the thing itself is used."""
    for path in (ROOT / "tests").rglob("*.py"):
        modules = {each.module for each in imports_of(path)}
        assert not any(module.startswith("unittest") or module == "mock" for module in modules), path


def test_locks_name_no_registry():
    """Whose mirror a lock was made on is nobody's business, and every pin has a hash."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "index-url" not in text
        pins = re.findall(r"(?m)^[a-z0-9][a-z0-9._-]*==", text)
        assert len(pins) == len(re.findall(r"(?m)^[a-z0-9].*\\\n\s+--hash=sha256:", text))
