"""`docker-compose.yml` and the `Dockerfile`, as far as they can be held to account without a Docker engine."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

from streams.cli.main import COMMANDS, run

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMMAND_LINES = {
    f"{name}-{what}": line
    for name, service in SERVICES.items()
    for what, line in (("command", service.get("command")), ("health", service.get("healthcheck", {}).get("test")))
    if line and "millrace" in line
}


def compose_schema() -> dict:
    """The compose-spec schema that check-jsonschema vendors."""
    (folder,) = find_spec("check_jsonschema").submodule_search_locations
    return json.loads((Path(folder) / "builtin_schemas" / "vendor" / "compose-spec.json").read_text())


def test_the_compose_file_is_one():
    """It holds to the compose specification."""
    jsonschema.Draft202012Validator(compose_schema()).validate(COMPOSE)


@pytest.mark.parametrize("line", COMMAND_LINES.values(), ids=COMMAND_LINES.keys())
def test_each_command_line_is_one_that_millrace_knows(line, capsys):
    """No service dies of a misspelt command or option: `--help` at its end is reached only if all before it parses."""
    words = line[line.index("millrace") + 1 :]

    assert words[0] in COMMANDS
    assert run([*words, "--help"]) == 0, capsys.readouterr().err


def test_the_services_of_the_pipeline_are_there():
    """Kafka, the one-shot that makes topics, worker and monitor; the others only for who asks for their profile."""
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {
        "kafka",
        "topics",
        "worker",
        "monitor",
    }
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "webhook": ["webhook"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }
    assert {name: SERVICES[name]["command"][1] for name in ("topics", "worker", "monitor")} == {
        "topics": "topics",
        "worker": "worker",
        "monitor": "monitor",
    }


@pytest.mark.parametrize(
    "image",
    [*(service["image"] for service in SERVICES.values()), *re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)],
)
def test_every_image_is_pinned(image):
    """What runs today runs tomorrow."""
    name, _, tag = image.partition(":")
    assert name
    assert re.match(r"v?\d+\.\d+", tag)


def test_nothing_is_reachable_from_other_machines():
    """Docker opens a published port to the whole network unless it is bound to the loopback address."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == ["127.0.0.1:9092:9092", "127.0.0.1:9090:9090", "127.0.0.1:3000:3000"]
    text = (ROOT / "docker-compose.yml").read_text()
    assert text.count("0.0.0.0") == text.count("metrics.host=0.0.0.0") == 3  # inside the containers' own network
    assert not any("ports" in SERVICES[name] for name in ("worker", "monitor", "webhook", "topics"))
    assert all(service.get("network_mode") != "host" for service in SERVICES.values())


def test_whoever_lasts_has_a_health_check_and_waits_for_kafka_and_topics():
    """A worker that starts before its topics would end at once."""
    for name in set(SERVICES) - {"topics"}:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["restart"] == "unless-stopped"
    for name in ("worker", "monitor"):
        assert SERVICES[name]["depends_on"]["kafka"] == {"condition": "service_healthy"}
        assert SERVICES[name]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert SERVICES["topics"]["restart"] == "no"


def test_data_and_state_are_on_named_volumes_and_the_config_is_read_only():
    """`docker compose down` and an upgrade keep everything that was learnt."""
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source, _, mode = mount.split(":")[0], *mount.split(":")[1:2], mount.split(":")[2:]
            ours = source == "./millrace.toml" or (source.startswith("./deploy/") and (ROOT / source).exists())
            assert source in COMPOSE["volumes"] or (ours and mode == ["ro"])
    log_dirs = SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]
    assert f"kafka:{log_dirs}" in SERVICES["kafka"]["volumes"]


def test_the_health_check_asks_where_the_process_listens():
    """Another port would call every process ill; the next try would start it again, for ever."""
    for name in ("worker", "monitor", "webhook"):
        words = SERVICES[name]["command"]
        port = words[words.index("--metrics-port") + 1]
        assert f"http://127.0.0.1:{port}/healthz" in SERVICES[name]["healthcheck"]["test"][-1]
        compile(SERVICES[name]["healthcheck"]["test"][-1], name, "exec")
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["dns_sd_configs"][0]["port"] == int(port)
    assert set(scraped["dns_sd_configs"][0]["names"]) == {"worker", "monitor", "webhook"}


def test_the_image_holds_the_lock_and_no_root_process():
    """Every package comes with a hash, and the process inside is nobody in particular."""
    installs = re.findall(r"pip install[^\n&]*", DOCKERFILE)
    assert all("--require-hashes --no-deps -r" in line or "--no-deps /wheels/*.whl" in line for line in installs)
    assert any("-r requirements.lock" in line for line in installs)
    user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert user not in {"root", "0"}
    copied = {name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed
