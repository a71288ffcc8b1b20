"""What a person is told before the endpoint is called."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from railmatch.cli import main
from railmatch.ssl_train.augment import Estimate
from railmatch.ssl_train.calls import Calls
from railmatch.terminal.asking import estimate_line, is_first_process
from small_training import recipe, write_data

NOTHING = Estimate(0, 0, 0, None)


def test_rewrites_alone_are_just_calls():
    assert estimate_line(Calls(Estimate(3, 50, 20, None), NOTHING)) == (
        "Calls of the endpoint: 3, tokens: about 50 in and 20 out."
    )


def test_votes_are_named_beside_them_and_costs_add_up():
    calls = Calls(Estimate(3, 50, 20, 0.25), Estimate(4, 60, 4, 0.5))
    assert estimate_line(calls) == (
        "Calls of the endpoint: 7 (3 for rewrites, 4 for votes), tokens: about 110 in and 24 out, "
        "cost about 0.75 (unit of the recipe's prices)."
    )


def test_a_bound_is_called_one():
    calls = Calls(Estimate(3, 50, 20, None), Estimate(4, 60, 4, None, at_most=True))
    assert estimate_line(calls).startswith("Calls of the endpoint: at most 7 (3 for rewrites, 4 for votes), tokens: ")


@pytest.mark.parametrize(
    ("environment", "first"),
    [({}, True), ({"RANK": "0"}, True), ({"RANK": "1"}, False), ({"OMPI_COMM_WORLD_RANK": "3"}, False)],
    ids=str,
)
def test_one_process_of_several_talks_to_a_person(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], first: bool
):
    for name in ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first


@pytest.mark.parametrize(
    ("rank", "said"),
    [
        (
            "0",
            "Go on? [y/N] Error: Nobody is there to agree to the calls: add --yes to make them without being asked.\n",
        ),
        ("1", "is a file, and the model is saved as a folder; name another one with --out\n"),
    ],
)
def test_only_the_first_of_several_processes_asks_before_it_trains(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, rank: str, said: str
):
    """The others go on to the training, which here is refused because its place is taken."""
    write_data(tmp_path)
    endpoint = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    settings = recipe(tmp_path, tiny_encoder, augment={"vote": True, "endpoint": endpoint})
    (tmp_path / "recipe.yml").write_text(settings.model_dump_json())
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RANK", rank)
    done = CliRunner().invoke(main, ["train", str(tmp_path / "recipe.yml"), "--out", str(tmp_path / "taken")])
    assert done.exit_code == 2
    assert done.stderr.endswith(said)
    assert ("Calls of the endpoint" in done.stderr) is (rank == "0")
