"""The repository keeps its own rules: what is pinned, what is never written down, what the Makefile offers."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"help", "setup", "test", "check", "fmt", "demo", "bench", "faults"}
# Where packages come from is the affair of the machine that installs them.
INSTALL_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.org|registry\.yarnpkg|deb\.debian\.org|files\.python", re.I
)


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "ignore")


def test_no_tracked_file_names_a_package_host() -> None:
    here = Path(__file__).resolve()
    assert [str(path) for path in tracked() if path != here and INSTALL_HOSTS.search(text(path))] == []


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-synapse.txt"])
def test_constraints_are_versions_only(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.\-]+==[^ ]+( ; .+)?", line)] == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted} - {project["name"]}
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names - pinned == set()


def test_npm_lock_has_no_download_address() -> None:
    lock = (ROOT / "deploy/world/js/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "omit-lockfile-registry-resolved=true" in (ROOT / "deploy/world/js/.npmrc").read_text()
    wanted = json.loads((ROOT / "deploy/world/js/package.json").read_text())["dependencies"]
    assert json.loads(lock)["packages"][""]["dependencies"] == wanted


def test_makefile_offers_what_the_docs_promise() -> None:
    offered = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    assert offered >= TARGETS


@pytest.mark.parametrize("script", [".ci/run", "deploy/tools/setup.sh", "deploy/tools/lock.sh"])
def test_scripts_are_valid_and_stop_at_the_first_error(script: str) -> None:
    assert "set -euo pipefail" in (ROOT / script).read_text()
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


def test_ci_runs_what_a_person_runs() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_nothing_below_tests_is_named_like_a_package_of_ours() -> None:
    assert [
        path for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name in {"bridge", "appservice"}
    ] == []


def test_no_secret_is_tracked() -> None:
    private = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\n[A-Za-z0-9+/]{40}")
    assert [str(path) for path in tracked() if private.search(text(path))] == []
