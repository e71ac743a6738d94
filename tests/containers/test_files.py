"""The Containerfile, the compose file and the manifests name what exists, and say the same."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers.containerfile import stages

from daemon.cli.app import commands
from daemon.config.config import load_config
from daemon.runtime.ledgers import ledger_url
from daemon.runtime.stores import store_options
from daemon.server.tokens import load_tokens

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "contrib" / "containers"
CONTAINERFILE = (CONTAINERS / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((CONTAINERS / "compose.yaml").read_text("utf-8"))
KUSTOMIZATION = yaml.safe_load((CONTAINERS / "kustomization.yaml").read_text("utf-8"))
MANIFESTS = [
    one for name in KUSTOMIZATION["resources"] for one in yaml.safe_load_all((CONTAINERS / name).read_text("utf-8"))
]
HAPROXY = (CONTAINERS / "haproxy.cfg").read_text("utf-8")
DOCS = (ROOT / "docs" / "containers.md").read_text("utf-8")
CONFIG = load_config(CONTAINERS / "config.toml")
BUILD, IMAGE = stages(CONTAINERFILE)[0]
PORT = int(CONFIG.service.listen.rpartition(":")[2])
HEALTH = set(re.findall(r'Route\("(/v2/health/\w+)"', (ROOT / "daemon" / "server" / "about.py").read_text("utf-8")))
SECRETS = {
    CONFIG.service.ledger_file,
    CONFIG.service.store_file,
    CONFIG.service.read_token_file,
    CONFIG.service.admin_token_file,
}
OURS = ("control", "follower")
PIN = re.compile(r"^([a-z0-9-]+==\S+)", re.MULTILINE)


def of_kind(kind: str) -> list[dict[str, Any]]:
    """The manifests of a kind."""
    return [one for one in MANIFESTS if one["kind"] == kind]


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The specification and the one container of each kind of pod."""
    for one in (*of_kind("StatefulSet"), *of_kind("Deployment")):
        spec = one["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        yield one, container


def gigabytes(text: str) -> float:
    """Of Kubernetes' and compose's notation."""
    number, unit = re.fullmatch(r"(\d+)(Gi|Mi|g)", text).groups()  # type: ignore[union-attr]
    return float(number) * (1.0 if unit in ("Gi", "g") else 1 / 1024)


def pinned(path: Path) -> set[str]:
    """The packages of a lock file with their versions."""
    return set(PIN.findall(path.read_text("utf-8")))


def test_the_image_is_built_of_what_is_there_and_locked():
    """What is copied exists and suffices for the wheel; each package has the version that the tests run with; the label
    says driftd's version."""
    copied = [one.text.split()[:-1] for one in BUILD.instructions if one.name == "COPY"]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert IMAGE.pairs("LABEL")["org.opencontainers.image.version"] == project["project"]["version"]
    core, dev = pinned(ROOT / "requirements.lock"), pinned(ROOT / "requirements-dev.lock")
    extras, build = pinned(CONTAINERS / "extras.lock"), pinned(CONTAINERS / "build.lock")
    assert core < extras <= dev and build <= dev
    assert {name.partition("==")[0] for name in extras - core} == {"obstore", "psycopg", "psycopg-binary"}
    assert project["build-system"]["requires"] == ["setuptools>=77"] and len(build) == 1


def test_the_image_is_started_as_nobody_and_asked_whether_it_is_ready():
    """By number, so that a cluster can see that it is not root; its command, its port and its health check are
    driftd's."""
    user, _, group = IMAGE.told("USER").partition(":")
    assert user.isdigit() and group.isdigit() and f"--uid {user}" in CONTAINERFILE
    assert [*IMAGE.words("ENTRYPOINT"), *IMAGE.words("CMD")] == ["driftd", "run"]
    assert int(IMAGE.told("EXPOSE")) == PORT
    asked = IMAGE.words("HEALTHCHECK")[-1]
    assert f"'127.0.0.1', {PORT}" in asked and set(re.findall(r"/v2/health/\w+", asked)) <= HEALTH
    compile(asked, "HEALTHCHECK", "exec")


def test_the_places_of_the_configuration_are_those_that_are_mounted():
    """State, data and each secret, in containers of compose and of the cluster; nothing else may be written, beside
    /tmp."""
    state, data = str(CONFIG.state_dir), "/data"
    assert set(IMAGE.words("VOLUME")) == {state, data}
    assert all(model.data_dir.startswith(f"{data}/") for model in CONFIG.models.values())
    for name in OURS:
        service = COMPOSE["services"][name]
        assert {one["target"] for one in service["secrets"]} == SECRETS
        places = {one.split(":")[one.count(":") > 0] for one in service["volumes"]} | {
            one.split(":")[0] for one in service["tmpfs"]
        }
        assert places == {state, data, "/tmp", f"{IMAGE.told('WORKDIR')}/config.toml"}
    for one, container in pods():
        places = {mount["mountPath"] for mount in container["volumeMounts"]}
        (secrets,) = {str(Path(path).parent) for path in SECRETS}
        assert places - {data} == {state, "/tmp", IMAGE.told("WORKDIR"), secrets}
        named = {mount["name"] for mount in container["volumeMounts"]}
        claims = {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", ())}
        assert named == claims | {volume["name"] for volume in one["spec"]["template"]["spec"]["volumes"]}


def test_compose_names_what_it_has():
    """Files, secrets, volumes, services and commands."""
    services = COMPOSE["services"]
    for name, service in services.items():
        given = [one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())]
        assert set(given) <= set(COMPOSE["secrets"]), name
        for source, *_ in (volume.split(":") for volume in service.get("volumes", ()) if ":" in volume):
            known = source in COMPOSE["volumes"] or source == "./data" or (CONTAINERS / source).is_file()
            assert known, source
        assert set(service.get("depends_on", ())) <= set(services)
    for name in OURS:
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
        assert services[name]["command"][0] in commands()
        build = services[name]["build"]
        assert (CONTAINERS / build["context"] / build["dockerfile"]).resolve() == CONTAINERS / "Containerfile"
        assert int(services[name]["stop_grace_period"].rstrip("s")) > CONFIG.service.drain
    assert gigabytes(services["control"]["mem_limit"]) * 2**30 > CONFIG.models["churn"].limits.train_memory


def test_the_balancer_asks_for_what_the_servers_answer():
    """Its backends are services of compose on the port that they listen on; it is published."""
    backends = re.findall(r"server(?:-template)? \w+ (?:\S+ )?(\w+):(\d+)", HAPROXY)
    assert sorted(backends) == [(name, str(PORT)) for name in sorted(OURS)]
    assert set(re.findall(r"GET (\S+)", HAPROXY)) <= HEALTH
    assert re.findall(r"path_beg (\S+) (\S+) ", HAPROXY) == [("/models/", "/v2")]  # not the page's
    bound = re.findall(r"bind :(\d+)", HAPROXY)
    assert [one.rpartition(":")[2] for one in COMPOSE["services"]["balancer"]["ports"]] == bound


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy: `apt install haproxy`")
def test_the_balancer_can_read_its_configuration():
    """As haproxy itself says."""
    done = subprocess.run(
        ["haproxy", "-c", "-f", CONTAINERS / "haproxy.cfg"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "warning" not in done.stderr.lower(), done.stderr


def test_the_manifests_agree_with_the_image():
    """User, port, probes and command; one that works, and followers of which one always stays."""
    user = int(IMAGE.told("USER").partition(":")[0])
    (image,) = KUSTOMIZATION["images"]
    for one, container in pods():
        spec = one["spec"]["template"]["spec"]
        assert container["image"] == image["name"] and container["args"][0] in commands()
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == user
        assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
        limits = container["securityContext"]
        assert limits["readOnlyRootFilesystem"] and not limits["allowPrivilegeEscalation"]
        assert limits["capabilities"] == {"drop": ["ALL"]}
        assert container["ports"] == [{"name": "http", "containerPort": PORT}]
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
        assert {probe["path"] for probe in probes} <= HEALTH and {probe["port"] for probe in probes} == {"http"}
        assert probes[2]["path"].endswith("ready")
        assert spec["terminationGracePeriodSeconds"] > CONFIG.service.drain
    (control,), (followers,) = of_kind("StatefulSet"), of_kind("Deployment")
    assert control["spec"]["replicas"] == 1 and control["spec"]["template"]["spec"]["containers"][0]["args"] == ["run"]
    assert followers["spec"]["replicas"] > of_kind("PodDisruptionBudget")[0]["spec"]["minAvailable"]
    memory = control["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert gigabytes(memory) * 2**30 > CONFIG.models["churn"].limits.train_memory


def test_the_manifests_name_each_other():
    """Selectors fit the pods' labels; the configuration's and the secrets' names are those of kustomization and docs."""
    labels = [one["spec"]["template"]["metadata"]["labels"] for one, _ in pods()]
    for one in (*of_kind("StatefulSet"), *of_kind("Deployment"), *of_kind("PodDisruptionBudget")):
        assert one["spec"]["selector"]["matchLabels"] in labels
    for service in of_kind("Service"):
        assert service["spec"]["selector"] in labels and service["spec"]["ports"][0]["targetPort"] == "http"
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert generated["files"] == ["config.toml"] and generated["name"] == "driftd"
    for one, _ in pods():
        volumes = {volume["name"]: volume for volume in one["spec"]["template"]["spec"]["volumes"]}
        assert volumes["config"]["configMap"]["name"] == generated["name"]
        assert f"create secret generic {volumes['secrets']['secret']['secretName']} " in DOCS
    assert {Path(path).name for path in SECRETS} <= set(re.findall(r"--from-file=secrets/([\w-]+)", DOCS))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
def test_kustomize_renders_them():
    """With the image's whole name and the configuration's own; no cluster is asked."""
    done = subprocess.run(["kubectl", "kustomize", CONTAINERS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    maps = [one["metadata"]["name"] for one in rendered if one["kind"] == "ConfigMap"]
    assert len(rendered) == len(MANIFESTS) + 1 and re.fullmatch(r"driftd-\w+", maps[0])
    assert done.stdout.count(f"name: {maps[0]}\n") == 3
    assert "image: driftd\n" not in done.stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_the_secrets_that_the_page_has_made_are_read(tmp_path):
    """By the configuration, as the ledger's URL, the store's options and tokens; no other user of the host reads them."""
    (block,) = re.findall(r"^```sh\n(mkdir -p -m 700 secrets.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    subprocess.run(["sh", "-ec", block.partition(" && sudo chown")[0]], cwd=tmp_path, check=True)
    text = (CONTAINERS / "config.toml").read_text("utf-8").replace("/run/secrets/driftd", str(tmp_path / "secrets"))
    (tmp_path / "config.toml").write_text(text, "utf-8")
    config = load_config(tmp_path / "config.toml")
    url, options = ledger_url(config, {}), store_options(config, {})
    assert (
        url is not None
        and url.endswith("@database:5432/driftd")
        and {"database", "objects"} <= set(COMPOSE["services"])
    )
    assert options["AWS_ENDPOINT_URL"] == "http://objects:9000" and len(options["AWS_SECRET_ACCESS_KEY"]) == 64
    assert load_tokens(config, {}) and (tmp_path / "data" / "churn").is_dir()
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == set(COMPOSE["secrets"])
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "secrets").iterdir())
