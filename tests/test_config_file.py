"""Reading millrace.toml: everything that is wrong is said at once, by its path, and no secret is shown."""

import pytest

from streams.config_file import load, read
from streams.errors import ConfigError

MINIMAL = """
name = "shop"
[features]
amount = "numeric"
[target]
task = "binary"
labels = [0, 1]
positive = 1
[models.candidates.champion]
model = "logistic_regression"
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="millrace.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


def problem(path, overrides=None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return str(caught.value)


def test_a_minimal_file_loads_and_paths_start_at_its_folder(write, monkeypatch, tmp_path):
    """Where the command was started does not matter."""
    path = write(MINIMAL)
    monkeypatch.chdir(tmp_path.parent)

    config = load(path)

    assert config.path(config.reports.folder) == tmp_path / "reports"
    assert load(path.relative_to(tmp_path.parent)).root == config.root


def test_a_missing_file_says_which_command_makes_one(tmp_path):
    """A newcomer's first error leads on."""
    assert "millrace init" in problem(tmp_path / "millrace.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = \n", "line 1, column 8"),
        ("name = 'x'\nname = 'y'\n", "line 2"),
        (b"\xff\xfen\x00", "must be UTF-8"),
        ("[kafka\n", "line 1"),
    ],
)
def test_what_is_no_toml_is_said_with_its_place(write, text, said):
    """Line and column of a syntax error; the wrong encoding by name."""
    assert said in problem(write(text))


def test_a_byte_order_mark_and_windows_line_ends_are_no_error(write):
    """Editors put them there."""
    assert load(write(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())).name == "shop"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[kafka]\nboostrap = 'x'", "kafka.boostrap is not a setting; did you mean kafka.bootstrap?"),
        ("[kafak]\nbootstrap = 'x'", "kafak is not a setting; did you mean kafka?"),
        ("[topics]\nwait = '1d'", "topics.wait is not a setting; did you mean labels.wait?"),
        ("[labels]\nwait_ms = '1d'", "labels.wait_ms is not a setting; did you mean labels.wait?"),
        ("[models.candidates.champion2]\nmodl = 'x'", "did you mean models.candidates.champion2.model?"),
        ("[kafka.tls]\nzzz = 1", "[kafka.tls] has ca, cert, key"),
        ("[topics]\npartitions = 'many'", "topics.partitions must be a whole number, got 'many'"),
        ("[topics]\npartitions = 0", "topics.partitions must be at least 1, got 0"),
        ("[topics]\npartitions = [1]", "topics.partitions must be a whole number, got an array"),
        ("[labels]\nwait = 30", "labels.wait must be a duration"),
        ("[kafka.sasl]\nmechanism = 'PLAN'\nusername='u'\npassword='p'", "did you mean 'PLAIN'?"),
        ("[kafka.sasl]\nusername = 'u'", "kafka.sasl.password must be set"),
        ("kafka = 3", "kafka must be a table, got 3"),
        ("[drift]\nslide_rows = 2000", "drift.slide_rows must be at most window_rows"),
        ("[drift.thresholds]\namont = 1", "drift.thresholds.amont must be one of the features"),
        ("[drift.reference]\nkind = 'slidng'", "got 'slidng'; did you mean 'sliding'?"),
        ("[drift.reference]\nkind = 'file'", 'drift.reference.file must be set where kind is "file"'),
        ("[drift.reference]\nkind = 'sliding'\nfile = 'a.csv'", "drift.reference.file must be left out unless kind is"),
        ("[drift]\nperiod = '24h'\nreference.file = 'a.csv'", 'drift.period must be in rows ("48 rows") where'),
        ("[drift.reference]\nkind = 'seasonal'", 'drift.period must be set where reference.kind is "seasonal"'),
        ("[drift]\nperiod = '24h'\nreference = {kind = 'seasonal', rows = 1000}", "must be at least 24 times rows_min"),
        ("[models]\nchampion = 'none'", "models.champion must be one of the candidates"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(write, line, said):
    """One line, the dotted path first, what was expected, what was there, the nearest known name."""
    text = problem(write(line + MINIMAL if line.startswith("kafka =") else MINIMAL + line))

    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize(("line", "path"), [("root = '/tmp'", "root"), ("colour = 1", "colour")])
def test_a_key_that_is_no_setting_is_refused_even_if_a_field_is_called_so(write, line, path):
    """`root` is a field of the tree, and still not a key of the file."""
    assert problem(write(line + MINIMAL)).startswith(f"{path} is not a setting")


def test_all_problems_are_told_at_once(write):
    """Unknown keys, wrong types, missing settings and unset variables in one answer."""
    text = problem(
        write("start = 'erliest'\nfoo = 1\n[kafka]\nbootstrap = 'env:MILLRACE_TEST_UNSET'\n[topics]\nshards = 0\n")
    )

    for part in ("start must", "foo is not", "kafka.bootstrap must be in the environment", "topics.shards must"):
        assert part in text
    for part in ("name", "target", "features", "models"):
        assert f"  {part} must be set" in text
    assert len(text.splitlines()) == 9


def test_one_wrong_value_of_several_types_is_one_problem(write):
    """A union of types is one expectation, and its members' names stay out of the path."""
    text = problem(write(MINIMAL.replace("[0, 1]", "[0, [1]]")))

    assert text == "target.labels.1 must be a text or a whole number or a number or true or false, got an array"


def test_the_environment_fills_in_what_the_file_names(write, monkeypatch):
    """A whole value `env:NAME`, anywhere; numbers are read as such."""
    monkeypatch.setenv("MILLRACE_TEST_PARTITIONS", "12")
    monkeypatch.setenv("MILLRACE_TEST_KEY", "k" * 32)
    path = write(
        MINIMAL + "[topics]\npartitions = 'env:MILLRACE_TEST_PARTITIONS'\n[state]\nkey = 'env:MILLRACE_TEST_KEY'\n"
    )

    source = read(path)

    assert source.config.topics.partitions == 12
    assert source.config.state.key.get_secret_value() == "k" * 32
    assert source.environment == {"topics.partitions": "MILLRACE_TEST_PARTITIONS", "state.key": "MILLRACE_TEST_KEY"}


@pytest.mark.parametrize(("value", "said"), [(None, "not set"), ("", "is empty")])
def test_an_unset_or_empty_variable_is_an_error_with_the_path(write, monkeypatch, value, said):
    """An empty password is a deployment's mistake, not a password."""
    monkeypatch.delenv("MILLRACE_TEST_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MILLRACE_TEST_KEY", value)

    text = problem(write(MINIMAL + "[state]\nkey = 'env:MILLRACE_TEST_KEY'\n"))

    assert text.startswith("state.key must be in the environment as MILLRACE_TEST_KEY")
    assert said in text


def test_no_error_shows_a_secret_or_what_came_from_the_environment(write, monkeypatch):
    """Whatever is wrong with it: a password's text, or an address with a password in it, stays out of logs."""
    monkeypatch.setenv("MILLRACE_TEST_SECRET", "hunter2")
    text = problem(
        write(
            MINIMAL + "[topics]\npartitions = 'env:MILLRACE_TEST_SECRET'\n[labels]\nwait = 'env:MILLRACE_TEST_SECRET'\n"
            "[kafka]\nsession_timeout = 'env:MILLRACE_TEST_SECRET'\n"
            "[kafka.sasl]\nusername='u'\npassword = ['hunter2']\n"
            "[state]\nkey = 987654\n"
        )
    )

    assert "hunter2" not in text
    assert "987654" not in text
    assert "kafka.sasl.password must be a text" in text


def test_overrides_are_values_as_in_the_file_and_a_text_needs_no_quotes(write):
    """`--set topics.partitions=8` is a number, `--set kafka.bootstrap=host:1` a text, both win over the file."""
    path = write(MINIMAL + "[topics]\npartitions = 2\n")

    source = read(
        path,
        {
            "topics.partitions": "8",
            "kafka.bootstrap": "host:1",
            "target.labels": '["1", "2"]',
            "target.positive": '"1"',
        },
    )

    assert source.config.topics.partitions == 8
    assert source.config.kafka.bootstrap == "host:1"
    assert source.config.target.labels == ("1", "2")
    assert source.given["topics.partitions"] == "--set"
    assert source.given["name"] == "file"
    assert "topics.shards" not in source.given


@pytest.mark.parametrize("key", ["", "kafka.", ".x", "name.deeper"])
def test_an_override_that_has_no_place_is_refused(write, key):
    """Never silently dropped, never a traceback."""
    assert problem(write(MINIMAL), {key: "1"})


def test_an_unknown_override_is_refused_as_in_the_file(write):
    """The same check, the same suggestion."""
    assert "did you mean kafka.bootstrap" in problem(write(MINIMAL), {"kafka.boostrap": "x"})
