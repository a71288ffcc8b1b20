"""The package: the list in pyproject.toml, what the wheel and the source distribution hold, what an import costs."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import railmatch

ROOT = Path(__file__).parent.parent
SHIPPED_SUFFIXES = {".py", ".typed", ".yml", ".co", ".jsonl", ".txt", ".md", ".html", ".css", ".js"}
NOT_SHIPPED = {"tests", "docs", "benchmarks", "examples", "build", "dist", "models", "guardrails"}
HEAVY = (
    "torch", "transformers", "nemoguardrails", "pydantic", "openai", "datasets", "sklearn", "yaml", "rich",
    "matplotlib", "jinja2",
)  # fmt: skip


def shipped_files() -> set[str]:
    """The files of the tree that belong into a wheel, as paths below the package."""
    files = {"__init__.py", "__main__.py", "cli.py", "py.typed"}
    for folder in ROOT.iterdir():
        if folder.is_dir() and folder.name not in NOT_SHIPPED and (folder / "__init__.py").exists():
            paths = (path for path in folder.rglob("*") if path.suffix in SHIPPED_SUFFIXES)
            files |= {path.relative_to(ROOT).as_posix() for path in paths}
    return files


def packed_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = {name.removeprefix("railmatch/") for name in names if ".dist-info/" not in name}
    assert len(package) == len([name for name in names if name.startswith("railmatch/")])
    return package


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a ``wheel`` or an ``sdist`` with the installed setuptools, so that no network is needed."""
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in a folder of another name, without what git and earlier builds leave there."""
    copy = tmp_path_factory.mktemp("anywhere") / "clone"
    built = {".venv", ".git", "build", "dist", "models", "guardrails"}

    def skipped(folder: str, names: list[str]) -> set[str]:
        caches = {name for name in names if name == "__pycache__" or name.endswith(("_cache", ".egg-info", ".sqlite"))}
        return caches | (built if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, copy, ignore=skipped)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"))


def test_packages_of_pyproject_are_those_of_the_tree():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {Path(name).parent for name in shipped_files() if Path(name).name == "__init__.py"}
    found = {".".join(["railmatch", *folder.parts]) for folder in folders}
    assert set(listed) == found
    assert len(listed) == len(found)


def test_root_holds_only_the_three_modules_of_the_package():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


def test_wheel_holds_the_tree_and_nothing_else(wheel: Path):
    assert packed_files(wheel) == shipped_files()


def test_wheel_has_licence_command_and_tested_python(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        texts = {Path(name).name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert "Apache License" in texts["LICENSE"]
    assert "railmatch = railmatch.cli:main" in texts["entry_points.txt"]
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Requires-Python: >=3.11" in texts["METADATA"]
    assert f"Version: {railmatch.__version__}" in texts["METADATA"]


def test_source_distribution_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path):
    (tmp_path / "made").mkdir()
    sdist = build("sdist", tree, tmp_path / "made")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert (unpacked / "tests" / "pytest.ini").exists()
    (tmp_path / "again").mkdir()
    assert packed_files(build("wheel", unpacked, tmp_path / "again")) == packed_files(wheel)


def loaded_modules(code: str) -> set[str]:
    """The top-level modules that a new interpreter holds after ``code``."""
    report = "\nimport sys\nsys.stderr.write(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_import_loads_nothing_heavy():
    loaded = loaded_modules("import railmatch")
    assert "railmatch" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["check", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]):
    loaded = loaded_modules(f"from railmatch.cli import main\nmain({arguments!r}, standalone_mode=False)")
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_every_public_name_is_there_and_no_other():
    for name in railmatch.__all__:
        assert getattr(railmatch, name).__name__ == name
    assert set(railmatch.__all__) <= set(dir(railmatch))
    with pytest.raises(AttributeError, match="module 'railmatch' has no attribute 'Gard'"):
        _ = railmatch.Gard


def test_module_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "railmatch", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"railmatch, version {railmatch.__version__}\n"


def test_constraints_name_a_version_for_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    for requirement in wanted:
        name = requirement.partition(">")[0].partition("=")[0].partition("[")[0].lower()
        assert name in pinned, f"{name} has no tested version in constraints.txt"
