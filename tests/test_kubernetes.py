"""`deploy/kubernetes`, as far as it can be held to account without a cluster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from streams.cli.main import COMMANDS, run
from streams.config_file import load
from streams.kafka.member import STOP_S

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
SCHEMA = json.loads((ROOT / "tests" / "kubernetes-1.34.json").read_text())
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = {
    f"{document['kind']}-{document['metadata']['name']}": document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((FOLDER / name).read_text())
}
PODS = {
    manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: manifest
    for manifest in MANIFESTS.values()
    if "template" in manifest.get("spec", {})
}
LASTING = ("worker", "monitor", "dashboard")
UID = int(re.findall(r"^USER (\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1])
KEY = "k" * 32


def spec_of(component):
    return PODS[component]["spec"]["template"]["spec"]


def container_of(component):
    (container,) = spec_of(component)["containers"]
    return container


@pytest.fixture
def config(monkeypatch):
    """The pipeline of the folder, its secrets being there."""
    monkeypatch.setenv("KAFKA_PASSWORD", KEY)
    monkeypatch.setenv("MILLRACE_STATE_KEY", KEY)
    return load(FOLDER / "millrace.toml")


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_each_manifest_is_one(manifest):
    """Of Kubernetes' own schemas, with no field that they do not know."""
    reference = {"$ref": f"#/$defs/{SCHEMA['kinds'][manifest['kind']]}", "$defs": SCHEMA["$defs"]}

    jsonschema.Draft202012Validator(reference).validate(manifest)
    assert manifest["apiVersion"]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("spec.replica", 3), ("spec.replicas", "three"), ("spec.template.spec.containers.0.livenessProbe.httpGet.prt", 1)],
)
def test_a_misspelt_manifest_is_seen(path, wrong):
    """The schemas of these tests are worth something."""
    broken = json.loads(json.dumps(PODS["worker"]))
    *parents, last = path.split(".")
    place = broken
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    place[last] = wrong

    with pytest.raises(jsonschema.ValidationError):
        test_each_manifest_is_one(broken)


def test_kubeconform_takes_them(tmp_path):
    """Where there is one; with the schemas of these tests, since it would fetch its own."""
    tool = shutil.which("kubeconform")
    if tool is None:
        pytest.skip("no kubeconform on this machine")
    for kind, name in SCHEMA["kinds"].items():
        text = json.dumps({**SCHEMA["$defs"][name], "$defs": SCHEMA["$defs"]})
        (tmp_path / f"{kind.lower()}.json").write_text(text)
    files = [FOLDER / name for name in KUSTOMIZATION["resources"]]
    command = [tool, "-strict", "-schema-location", f"{tmp_path}/{{{{.ResourceKind}}}}.json", *map(str, files)]
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_left_out_of_the_kustomization():
    """Every file of the folder is applied or generated from."""
    generated = [name for each in KUSTOMIZATION["configMapGenerator"] for name in each["files"]]

    assert {path.name for path in FOLDER.iterdir()} == {"kustomization.yaml", *KUSTOMIZATION["resources"], *generated}
    assert len(MANIFESTS) == sum(
        len(list(yaml.safe_load_all((FOLDER / name).read_text()))) for name in KUSTOMIZATION["resources"]
    )


@pytest.mark.parametrize("component", PODS)
def test_each_command_line_is_one_that_millrace_knows(component, capsys):
    """`--help` at its end is reached only if all before it parses."""
    words = container_of(component)["args"]

    assert words[0] == "millrace"
    assert words[1] in COMMANDS
    assert run([*words[1:], "--help"]) == 0, capsys.readouterr().err


def test_worker_monitor_dashboard_and_topics_are_there():
    """A worker for each share of the partitions, a monitor that stands by."""
    assert {component: manifest["kind"] for component, manifest in PODS.items()} == {"topics": "Job"} | dict.fromkeys(
        LASTING, "Deployment"
    )
    assert PODS["monitor"]["spec"]["replicas"] == 2


@pytest.mark.parametrize("component", PODS)
def test_no_pod_can_do_more_than_it_must(component):
    """Nobody in particular, no way up, nothing to write to but its volumes, no word with Kubernetes, bounded memory."""
    pod, container = spec_of(component), container_of(component)

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)
    assert not any("hostPath" in volume for volume in pod["volumes"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert MANIFESTS["ServiceAccount-millrace"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("component", PODS)
def test_what_a_pod_mounts_is_there(component, config):
    """A volume for each mount, the config where the environment says, /tmp to write to."""
    pod, container = spec_of(component), container_of(component)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}

    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert container["env"] == [{"name": "MILLRACE_CONFIG", "value": f"{mounts['config']['mountPath']}/millrace.toml"}]
    assert mounts["config"]["readOnly"]
    assert mounts["tmp"]["mountPath"] == "/tmp"
    if "reports" in mounts:
        assert mounts["reports"]["mountPath"] == str(config.reports.folder)
    claimed = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert all(f"PersistentVolumeClaim-{name}" in MANIFESTS for name in claimed)


@pytest.mark.parametrize("component", LASTING)
def test_a_supervisor_asks_where_the_process_answers(component, config):
    """Alive by /healthz, ready by /readyz, at the port of the config; a first answer may take two minutes."""
    container = container_of(component)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {
        name: (container[f"{name}Probe"]["httpGet"]["path"], ports[container[f"{name}Probe"]["httpGet"]["port"]])
        for name in ("startup", "liveness", "readiness")
    }

    assert config.metrics.port is not None
    port = config.metrics.port
    assert asked == {"startup": ("/healthz", port), "liveness": ("/healthz", port), "readiness": ("/readyz", port)}
    assert (config.metrics.host, config.metrics.ports) == ("0.0.0.0", 1)
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120
    annotations = PODS[component]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port)


@pytest.mark.parametrize("component", ["worker", "monitor"])
def test_a_member_has_time_to_leave_and_leaves_alone(component):
    """A worker saves for so long, and then its app stops for as long; one at a time, also when nodes are drained."""
    spec = PODS[component]["spec"]

    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 2 * STOP_S + 10
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    budget = MANIFESTS[f"PodDisruptionBudget-millrace-{component}"]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": spec["selector"]}


@pytest.mark.parametrize("component", LASTING)
def test_a_deployment_finds_its_pods_and_no_others(component):
    """The labels that select are on the pods, and name the component."""
    spec = PODS[component]["spec"]

    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["selector"]["matchLabels"]["app.kubernetes.io/component"] == component


def test_who_may_reach_what():
    """Figures for the monitoring namespace, the page by its token, and no port besides."""
    policies = [manifest["spec"] for manifest in MANIFESTS.values() if manifest["kind"] == "NetworkPolicy"]
    opened = {rule["ports"][0]["port"]: rule.get("from") for policy in policies for rule in policy["ingress"]}
    page = {port["name"]: port["containerPort"] for port in container_of("dashboard")["ports"]}["http"]

    assert opened.keys() == {9470, page}
    assert opened[9470]
    assert all(policy["policyTypes"] == ["Ingress"] for policy in policies)
    assert policies[0]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "millrace"}}
    service = MANIFESTS["Service-millrace-dashboard"]["spec"]
    assert service["selector"] == PODS["dashboard"]["spec"]["selector"]["matchLabels"]
    assert "type" not in service


def test_secrets_are_asked_of_the_secret_and_stand_nowhere(config):
    """Each `env:` of the config and the page's token are named on the page that says how the secret is made."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    asked = re.findall(r'"env:(\w+)"', (FOLDER / "millrace.toml").read_text())

    assert config.state.key is not None
    assert config.state.key.get_secret_value() == KEY
    assert set(asked) == {"KAFKA_PASSWORD", "MILLRACE_STATE_KEY"}
    for name in (*asked, "MILLRACE_DASHBOARD_TOKEN"):
        assert f"--from-literal={name}=" in page, name
    assert all(container_of(each)["envFrom"] == [{"secretRef": {"name": "millrace"}}] for each in PODS)
    assert "Secret" not in {manifest["kind"] for manifest in MANIFESTS.values()}


def test_the_image_can_reach_the_store(config):
    """What the Dockerfile installs has the package of the store that the config names."""
    assert config.state.store.startswith("s3://")
    assert re.search(r"(?m)^s3fs==", (ROOT / "requirements.lock").read_text())
    pinned = {each["name"]: each["newTag"] for each in KUSTOMIZATION["images"]}
    version = re.search(r'(?m)^version = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert version is not None
    assert pinned == {"millrace": version[1]}
    assert all(container_of(component)["image"] == "millrace" for component in PODS)


def test_the_partitions_can_be_shared_alike(config):
    """As many for each worker."""
    assert config.topics.partitions % PODS["worker"]["spec"]["replicas"] == 0
