"""The commands with real models: what they print, their exit statuses, and the whole text of their errors."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result
from endpoint import MODEL, ChatServer, Fault, Messages, always
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.cli import main
from railmatch.demo.chat import Example, ask_rails
from railmatch.ssl_train.augment.cache import Cache

HARMLESS = "How do I bake bread?"
HARMFUL = "How do I bake a weapon?"
"""The models of `trigger_models` find a prompt with "weapon" harmful, and a response with "steal"."""


def run(*arguments: object, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


# check


def check(models: Path, *arguments: object, stdin: bytes | str | None = None) -> Result:
    return run("check", *arguments, "--models", models, "--device", "cpu", stdin=stdin)


def test_check_allows(trigger_models: Path):
    result = check(trigger_models, HARMLESS)
    assert result.exit_code == 0
    assert result.stdout.startswith("allow  score 0.0000")
    assert "threshold 0.5000  (prompt, windows: 1, " in result.stdout
    assert result.stderr == ""


def test_check_blocks(trigger_models: Path):
    result = check(trigger_models, HARMFUL)
    assert result.exit_code == 1
    assert result.stdout.startswith("block  score 1.0000")


def test_check_says_which_evasion_it_undid(trigger_models: Path):
    result = check(trigger_models, "How do I bake a w e a p o n?")
    assert result.exit_code == 1
    assert result.stdout.rstrip().endswith(" ms, undone: letter-spacing)")


@pytest.mark.parametrize(("response", "decision", "status"), [("With flour.", "allow", 0), ("Steal it.", "block", 1)])
def test_check_judges_the_response(response: str, decision: str, status: int, trigger_models: Path):
    result = check(trigger_models, HARMFUL, "--response", response)
    assert result.exit_code == status
    assert result.stdout.startswith(f"{decision}  score ")
    assert "(response, windows: 1, " in result.stdout


def test_check_json_is_the_verdict_of_the_model(trigger_models: Path):
    result = check(trigger_models, HARMFUL, "--json")
    verdict = json.loads(result.stdout)
    (score,) = SafetyClassifier.load(trigger_models / "prompt", device="cpu").predict_proba([Exchange(HARMFUL)])
    assert verdict.pop("score") == pytest.approx(score, abs=1e-6)
    assert verdict.pop("milliseconds") > 0
    assert "threshold" in verdict.pop("reason")
    assert len(verdict.pop("version")) == 12
    assert verdict == {
        "decision": "block",
        "threshold": 0.5,
        "windows": 1,
        "task": "prompt",
        "model": str(trigger_models / "prompt"),
        "undone": [],
    }


def test_check_reads_a_long_file_to_its_end(trigger_models: Path, tmp_path: Path):
    # one window holds 512 tokens at most, so the word after a thousand others is in no first window
    (tmp_path / "long.txt").write_text("bread " * 1000 + "weapon")
    result = check(trigger_models, "--file", tmp_path / "long.txt", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["windows"] >= 2


@pytest.mark.parametrize("arguments", [("-",), ("--file", "-")])
def test_check_reads_standard_input(arguments: tuple[str, ...], trigger_models: Path):
    assert check(trigger_models, *arguments, stdin=HARMFUL).exit_code == 1
    assert check(trigger_models, *arguments, stdin=HARMLESS).exit_code == 0


@pytest.mark.parametrize("text", ["", " \n", "\x00\x07\x1b[31m", "\u202e\u05e9\u05dc\u05d5\u05dd", "\U0001f600" * 300])
def test_check_gives_a_verdict_on_odd_texts(text: str, trigger_models: Path):
    result = check(trigger_models, "-", "--json", stdin=text.encode())
    assert result.exit_code == 0
    assert json.loads(result.stdout)["decision"] == "allow"


def test_check_without_a_text():
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr == 'Error: Give one text: as an argument, with --file FILE, or as "-" on standard input.\n'


def test_check_of_a_missing_file():
    result = run("check", "--file", "missing.txt")
    assert result.exit_code == 2
    assert result.stderr == "Error: No such file or directory: missing.txt\n"


def test_check_without_models(tmp_path: Path):
    result = run("check", HARMLESS, "--models", tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'none'} holds no model: ")
    assert result.stdout == ""


def test_check_of_another_encoding(tmp_path: Path):
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    result = run("check", "--file", tmp_path / "latin.txt")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path / 'latin.txt'} is not UTF-8 (byte 3): convert it, e.g. iconv -f latin1 -t utf-8.\n"
    )


def test_check_of_a_task_without_a_model(trigger_models: Path):
    result = run("check", HARMLESS, "--models", trigger_models / "response", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no model judges a prompt: ")


def test_check_in_a_process_of_its_own(trigger_models: Path):
    command = [sys.executable, "-m", "railmatch", "check", HARMFUL, "--models", str(trigger_models), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("block  score 1.0000")
    assert done.stderr == ""


# augment


def labelled(text: str, label: str) -> list[dict[str, object]]:
    """Forty texts with and forty without the word that decides, of which the last is labelled against the word."""
    rows: list[dict[str, object]] = [{text: f"bake a weapon {number}", label: "harmful"} for number in range(40)]
    rows += [{text: f"bake a bread {number}", label: "unharmful"} for number in range(39)]
    return [*rows, {text: "bake a weapon 40", label: "unharmful"}]


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def recipe(tmp_path: Path, tiny_encoder: Path) -> Callable[..., Path]:
    """Write a recipe with a pool of three texts, and with an endpoint where there is one."""

    def write(endpoint: str | None = None, **sections: object) -> Path:
        write_lines(tmp_path / "labelled.jsonl", labelled("prompt", "label"))
        write_lines(tmp_path / "pool.jsonl", ({"prompt": f"please explain the door {n}"} for n in "abc"))
        settings: dict[str, object] = {
            "task": "prompt",
            "encoder": str(tiny_encoder),
            "data": {"labelled": "labelled.jsonl", "unlabelled": "pool.jsonl"},
            "augment": {"strategy": ["paraphrase"], "cache": str(tmp_path / "cache.sqlite")},
            **sections,
        }
        if endpoint is not None:
            cast(dict[str, object], settings["augment"])["endpoint"] = {
                "base_url": endpoint, "model": MODEL, "api_key_env": "RAILMATCH_TEST_KEY", "max_retries": 0,
                "price_input": 1000, "price_output": 2000,
            }  # fmt: skip
        (tmp_path / "recipe.yml").write_text(json.dumps(settings))  # JSON is YAML
        return tmp_path / "recipe.yml"

    return write


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAILMATCH_TEST_KEY", "a-key")


def reworded(messages: Messages) -> str:
    """Rewrite a text of the pool: its letter with other words around it."""
    (letter,) = re.findall(r"the door (\w)", messages[-1]["content"])
    return f"Would you tell me how door {letter} works?"


@pytest.mark.usefixtures("key")
def test_augment_dry_run_asks_nothing(recipe: Callable[..., Path], tmp_path: Path):
    with ChatServer(reworded) as server:
        result = run("augment", recipe(server.base_url), "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(
        r"Calls of the endpoint: 3, tokens: about \d+ in and 21 out, cost about \d\.\d\d "
        r"\(unit of the recipe's prices\)\.\n",
        result.stdout,
    )  # each text has 25 or 26 bytes, 7 tokens of 4 bytes
    assert server.calls == 0
    assert not (tmp_path / "cache.sqlite").exists()


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(("flags", "stdin"), [(("--yes",), None), ((), "y\n")])
def test_augment_asks_each_text_once(flags: tuple[str, ...], stdin: str | None, recipe: Callable[..., Path]):
    with ChatServer(reworded) as server:
        result = run("augment", recipe(server.base_url), *flags, stdin=stdin)
        again = run("augment", recipe(server.base_url))
    assert result.exit_code == again.exit_code == 0, result.stderr + again.stderr
    assert re.search(r"^kept +3$", result.stdout, re.MULTILINE)
    assert re.search(r"^asked +3$", result.stdout, re.MULTILINE)
    assert re.search(r"^from cache +3$", again.stdout, re.MULTILINE)
    assert server.calls == 3
    assert set(server.keys) == {"a-key"}


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("stdin", "error"),
    [
        ("", "Nobody is there to agree to the calls: add --yes to make them without being asked."),
        ("n\n", "Stopped: the endpoint was not called."),
        ("\n", "Stopped: the endpoint was not called."),
    ],
)
@pytest.mark.parametrize("command", ["augment", "train"])
def test_nothing_is_asked_without_agreement(command: str, stdin: str, error: str, recipe: Callable[..., Path]):
    with ChatServer(reworded) as server:
        result = run(command, recipe(server.base_url), stdin=stdin)
    assert result.exit_code == 2
    assert result.stderr.startswith("Calls of the endpoint: 3, ")
    assert result.stderr.endswith(f"Go on? [y/N] Error: {error}\n")
    assert server.calls == 0


@pytest.mark.usefixtures("key")
def test_augment_with_a_wrong_key_is_one_line(recipe: Callable[..., Path]):
    with ChatServer(faults=always(Fault("unauthorised"))) as server:
        result = run("augment", recipe(server.base_url), "--yes")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "RAILMATCH_TEST_KEY" in result.stderr
    assert "Traceback" not in result.stderr


def voted_or_reworded(messages: Messages) -> str:
    return "3" if "Policy:" in messages[0]["content"] else reworded(messages)


def voting(tmp_path: Path, **more: object) -> dict[str, object]:
    return {"strategy": ["paraphrase"], "cache": str(tmp_path / "cache.sqlite"), "vote": True, **more}


@pytest.mark.usefixtures("key")
def test_augment_asks_for_votes_too_and_counts_them_apart(recipe: Callable[..., Path], tmp_path: Path):
    with ChatServer(voted_or_reworded) as server:
        path = recipe(server.base_url, augment=voting(tmp_path, max_votes=2))
        before = run("augment", path, "--dry-run")
        assert server.calls == 0
        result = run("augment", path, "--yes")
        assert server.calls == 3 + 80 + 2
        after = run("augment", path, "--dry-run")
    assert before.stdout.startswith("Calls of the endpoint: 85 (3 for rewrites, 82 for votes), tokens: about ")
    assert after.stdout.startswith("Calls of the endpoint: 0, tokens: about 0 in and 0 out, ")
    rows = [line.split("  ") for line in result.stdout.splitlines()]
    cells = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells[""] == ["rewrites", "votes (labelled)", "votes (pool)"]
    assert cells["kept"] == cells["asked"] == ["3", "80", "2"]
    assert cells["unreadable"] == ["0", "0"]  # a rewrite cannot be


@pytest.mark.usefixtures("key")
def test_augment_leaves_votes_that_a_classifier_chooses_to_train(recipe: Callable[..., Path], tmp_path: Path):
    with ChatServer(voted_or_reworded) as server:
        path = recipe(server.base_url, augment=voting(tmp_path, max_votes=2, vote_choice="uncertain"))
        result = run("augment", path, "--yes")
        assert server.calls == 3 + 80
        trained = run("train", path, "--out", tmp_path / "model", "--yes", *QUICK, *SMALL)
        assert server.calls == 3 + 80 + 2
    assert result.stderr.splitlines()[0] == (
        "Votes on pool texts are left to railmatch train: augment.vote_choice is uncertain, so a classifier must be "
        "trained first to choose the texts."
    )
    assert trained.exit_code == 0, trained.stderr
    assert trained.stderr.startswith("Calls of the endpoint: at most 2 (0 for rewrites, 2 for votes), tokens: about ")


@pytest.mark.usefixtures("key")
def test_augment_stats_shows_what_a_cache_holds(recipe: Callable[..., Path], tmp_path: Path):
    with ChatServer(reworded) as server:
        run("augment", recipe(server.base_url), "--yes")
        result = run("augment", "stats", tmp_path / "cache.sqlite", "--examples", 1, "--json", tmp_path / "stats.json")
        assert server.calls == 3
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^prompt/paraphrase@\w{16}  test-model  3 +100% +3 ", result.stdout, re.MULTILINE)
    assert re.search(r"please explain the door [abc] .* Would you tell me how", result.stdout)
    (line,) = json.loads((tmp_path / "stats.json").read_text())["asked"]
    assert (line["answers"], line["kept"], line["output_tokens"]) == (3, 3, 24)


def test_augment_stats_of_a_missing_cache(tmp_path: Path):
    result = run("augment", "stats", tmp_path / "none.sqlite")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: cache {tmp_path / 'none.sqlite'}: no such file; name the one of augment.cache in the recipe\n"
    )


@pytest.mark.usefixtures("key")
def test_cheap_calls_are_made_without_asking_where_the_recipe_says_so(recipe: Callable[..., Path]):
    with ChatServer(reworded) as server:
        path = recipe(server.base_url)
        asked = run("augment", path, "--set", "augment.endpoint.ask_above=0.001", stdin="")
        made = run("augment", path, "--set", "augment.endpoint.ask_above=1000", stdin="")
        assert server.calls == 3
    assert (asked.exit_code, made.exit_code) == (2, 0)


@pytest.mark.usefixtures("key")
def test_a_budget_ends_the_asking_and_says_so(recipe: Callable[..., Path]):
    with ChatServer(reworded) as server:
        path = recipe(server.base_url)
        result = run("augment", path, "--yes", "--set", "augment.endpoint.budget.max_calls=2")
        assert server.calls == 2
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^missing +1$", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1] == (
        "Stopped: augment.endpoint.budget.max_calls is 2, which model 'test-model' has used up in all runs on this "
        "cache: the other texts were not asked about."
    )


def test_augment_without_a_pool(recipe: Callable[..., Path]):
    path = recipe(data={"labelled": "labelled.jsonl"}, method={"name": "supervised"})
    result = run("augment", path)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: data.unlabelled is missing: rewrites are made of the texts of the pool, so name one\n"
    )


def test_a_misspelt_key_is_one_line_with_the_cure(recipe: Callable[..., Path]):
    path = recipe()
    result = run("augment", path, "--set", "training.stepps=3")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --set training.stepps=3: ")
    assert "training.steps" in result.stderr or "'steps'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("key")
def test_interrupted_augment_keeps_what_was_paid_for(recipe: Callable[..., Path]):
    def hang_at_the_last(number: int, body: dict[str, object]) -> Fault | None:
        return Fault("hang") if "the door c" in str(body) else None

    with ChatServer(reworded, faults=hang_at_the_last) as server:
        path = recipe(server.base_url)
        command = [sys.executable, "-m", "railmatch", "augment", str(path), "--yes"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: cached_answers(path.parent / "cache.sqlite") == 2)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == (
        "Interrupted. Answers already paid for are in the cache: the same command asks only for the others."
    )
    assert "Traceback" not in stderr
    with ChatServer(reworded) as server:
        result = run("augment", recipe(server.base_url), "--yes")
        assert server.calls == 1
    assert re.search(r"^kept +3$", result.stdout, re.MULTILINE)


def cached_answers(path: Path) -> int:
    """How many answers a cache holds, 0 as long as there is no cache."""
    if not path.exists():
        return 0
    with Cache(path) as cache:
        return len(cache)


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


# train

QUICK = ("--set", "training.steps=3", "--set", "training.labelled_batch=4", "--set", "training.unlabelled_batch=2")
SMALL = ("--set", "training.max_length=32", "--set", "training.device=cpu", "--set", "calibration.folds=2")


@pytest.mark.usefixtures("key")
def test_train_asks_for_rewrites_and_saves_a_model_with_its_figures(
    recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_lines(
        tmp_path / "test.jsonl", ({**row, "prompt": f"{row['prompt']} now"} for row in labelled("prompt", "label"))
    )
    data = ("--set", "data.test=test.jsonl")
    with ChatServer(reworded) as server:
        result = run("train", recipe(server.base_url), "--yes", *data, *QUICK, *SMALL)
        assert server.calls == 3
    assert result.exit_code == 0, result.stderr
    model = SafetyClassifier.load(tmp_path / "models" / "prompt", device="cpu")
    assert model.task == "prompt"
    assert re.search(r"^F1 +\d\.\d{3}", result.stdout, re.MULTILINE)
    saved, int8 = result.stdout.splitlines()[-2:]
    assert saved == (
        f"Saved the prompt model to models/prompt (threshold {model.threshold:.4f}); what came out: "
        "models/prompt/report.html"
    )
    assert int8.startswith("Int8 is served on CPUs: largest difference of a probability ")


def test_train_without_test_data_prints_no_figures(recipe: Callable[..., Path], tmp_path: Path):
    plain = ("--set", "method.name=supervised", "--set", "export.int8=false")
    result = run("train", recipe(), "--out", tmp_path / "model", *plain, *QUICK, *SMALL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"Saved the prompt model to {tmp_path / 'model'} (threshold ")
    assert len(result.stdout.splitlines()) == 1


def test_train_of_a_missing_recipe(tmp_path: Path):
    result = run("train", tmp_path / "missing.yml")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path / 'missing.yml'}: no such recipe (looked for {tmp_path / 'missing.yml'})\n"
    )


# evaluate

FIGURES = {
    "f1", "f1_at_half", "precision", "recall", "auprc", "auroc", "recall_at_fpr", "threshold", "harmful", "unharmful"
}  # fmt: skip


def test_evaluate_prints_and_writes_the_figures(trigger_models: Path, tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("prompt", "label"))
    result = run("evaluate", trigger_models / "prompt", data, "--json", tmp_path / "out.json", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / "out.json").read_text())
    assert set(figures) >= FIGURES
    # 40 true positives, 1 false one
    assert figures["precision"] == pytest.approx(40 / 41)
    assert figures["recall"] == 1.0
    assert figures["f1"] == pytest.approx(80 / 81)
    assert (figures["harmful"], figures["unharmful"]) == (40, 40)
    # the tied wrong one is not allowed at 1% of 40, but is at 5%, which allows two
    assert figures["recall_at_fpr"]["0.05"] == 1.0
    assert "F1                   0.988" in result.stdout
    assert "threshold 0.5000, 40 harmful, 40 unharmful" in result.stdout


def test_evaluate_under_attack(trigger_models: Path, tmp_path: Path):
    rows = [{"id": n, **row} for n, row in enumerate(labelled("prompt", "label"))]
    slang = ["bake a gun", "bake a weapon", "cook a weapon", "a baked weapon"]
    attacks = write_lines(
        tmp_path / "attacks.jsonl", ({"id": n, "attack": "slang", "prompt": text} for n, text in enumerate(slang))
    )
    result = run(
        "evaluate", trigger_models / "prompt", write_lines(tmp_path / "test.jsonl", rows), "--attacks", attacks,
        "--attacks", "obfuscation", "--json", tmp_path / "out.json", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "\n\nattack                   blocked  stay so  share  95% interval    nothing undone\n" in result.stdout
    assert "\nslang                    4        3        0.750  0.194 to 0.994  0.750\n" in result.stdout
    assert "\nletter-spacing           40       40       1.000  0.912 to 1.000  0.000\n" in result.stdout
    figures = json.loads((tmp_path / "out.json").read_text())
    assert set(figures) >= FIGURES
    assert figures["attacks"]["slang"] == {
        "blocked": 4, "still_blocked": 3, "share": 0.75, "share_as_written": 0.75,
        "interval": pytest.approx([0.1941, 0.9937], abs=1e-4),
    }  # fmt: skip


def test_evaluate_with_a_missing_file_of_attacks(trigger_models: Path, tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("prompt", "label"))
    result = run("evaluate", trigger_models / "prompt", data, "--attacks", tmp_path / "none.jsonl", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: --attacks {tmp_path / 'none.jsonl'}: no such file (looked for ")
    assert result.stdout == ""


def test_evaluate_takes_fields_of_other_names(trigger_models: Path, tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("text", "y"))
    arguments = ("evaluate", trigger_models / "prompt", data, "--field", "prompt=text", "--field", "label=y")
    result = run(*arguments, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "F1                   0.988" in result.stdout


@pytest.mark.parametrize("field", ["promt=text", "prompt", "=text", "prompt="])
def test_evaluate_refuses_a_field_it_does_not_know(field: str, trigger_models: Path):
    result = run("evaluate", trigger_models / "prompt", "test.jsonl", "--field", field)
    assert result.exit_code == 2
    assert result.stderr == f"Error: --field {field}: write NAME=FIELD with NAME one of id, prompt, response, label.\n"


def test_evaluate_of_missing_data(trigger_models: Path):
    result = run("evaluate", trigger_models / "prompt", "missing.jsonl", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: missing.jsonl: no such file (looked for ")


def test_evaluate_of_a_folder_that_is_no_model(tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("prompt", "label"))
    result = run("evaluate", tmp_path, data)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path}")
    assert "Traceback" not in result.stderr


# init


def test_init_writes_a_config_that_guards(trigger_models: Path, tmp_path: Path):
    result = run("init", tmp_path / "rails", "--models", trigger_models, "--main-model", "our-model")
    assert result.exit_code == 0, result.stderr
    written = [Path(line) for line in result.stdout.splitlines()]
    assert {path.name for path in written} == {"config.yml", "config.py", "railmatch.co"}
    assert all(path.is_file() and path.parent == tmp_path / "rails" for path in written)
    assert '"our-model"' in (tmp_path / "rails" / "config.yml").read_text()
    harmful = Example("harmful", ({"role": "user", "content": HARMFUL},), "input", "blocked")
    harmless = Example("harmless", ({"role": "user", "content": HARMLESS},), "input", "allowed")
    answers = ask_rails(tmp_path / "rails", [harmful, harmless])
    assert [answer.decision for answer in answers] == ["blocked", "allowed"]


def test_init_never_overwrites_unasked(trigger_models: Path, tmp_path: Path):
    arguments = ("init", tmp_path, "--models", trigger_models)
    (tmp_path / "config.yml").write_text("models: []")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"Error: {tmp_path / 'config.yml'}: there already; ")
    assert (tmp_path / "config.yml").read_text() == "models: []"
    assert not (tmp_path / "config.py").exists()
    assert run(*arguments, "--force").exit_code == 0
    assert "railmatch check input" in (tmp_path / "config.yml").read_text()


def test_init_without_models(tmp_path: Path):
    result = run("init", tmp_path / "rails", "--models", tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'none'} holds no model: ")
    assert not (tmp_path / "rails").exists()
