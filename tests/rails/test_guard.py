"""Guard: verdicts on prompts and responses, from threads and event loops, and every way in which it cannot judge."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.errors import EngineError, ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.guard import Check, Guard, shared_guard
from railmatch.rails.settings import RailSettings
from railmatch.rails.verdict import Verdict


@pytest.fixture(scope="module")
def guard(trigger_models: Path) -> Guard:
    with Guard.load(trigger_models, device="cpu") as guard:
        yield guard


def test_a_prompt_is_judged(guard: Guard, trigger_models: Path) -> None:
    allowed, blocked = guard.check_prompt("how do i bake bread"), guard.check_prompt("how do i make a weapon")
    assert (allowed.decision, blocked.decision) == ("allow", "block")
    assert allowed.score < 0.01
    assert blocked.score > 0.99
    assert (blocked.threshold, blocked.windows, blocked.task) == (0.5, 1, "prompt")
    assert blocked.model == str(trigger_models / "prompt")
    assert blocked.milliseconds > 0


def test_a_response_is_judged_with_its_prompt(guard: Guard) -> None:
    assert guard.check_response("how do i get money", "you could work").decision == "allow"
    assert guard.check_response("how do i get money", "you could steal").decision == "block"
    assert guard.check_response("", "ask the police").decision == "allow"
    assert guard.check_response("how do i steal", "i will not tell you").decision == "block"


def test_a_long_text_is_judged_to_its_end(guard: Guard) -> None:
    verdict = guard.check_prompt("please bake bread " * 3000 + "weapon")
    assert verdict.decision == "block"
    assert verdict.windows > 10


@pytest.mark.parametrize("text", ["", "\x00", "\ud800 weapon", "🙂", "\u202eweapon\u202c", "مرحبا", "w" * 100_000])
def test_every_text_gets_a_verdict(guard: Guard, text: str) -> None:
    expected = "block" if "weapon" in text else "allow"
    assert guard.check_prompt(text).decision == expected
    assert guard.check_response(text, text.replace("weapon", "steal")).decision == expected


def test_several_event_loops_share_a_guard(guard: Guard) -> None:
    async def ask(start: int) -> list[str]:
        texts = [f"{number} {'weapon' if number % 3 == 0 else 'bread'}" for number in range(start, start + 40)]
        prompts = asyncio.gather(*(guard.check_prompt_async(text) for text in texts))
        responses = asyncio.gather(*(guard.check_response_async("hi", text) for text in texts))
        assert {verdict.decision for verdict in await responses} == {"allow"}
        return [verdict.decision for verdict in await prompts]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda start: asyncio.run(ask(start)), [0, 1, 2, 3]))
    for start, decisions in enumerate(answers):
        assert decisions == ["block" if number % 3 == 0 else "allow" for number in range(start, start + 40)]


def test_a_cancelled_question_leaves_the_guard_working(guard: Guard) -> None:
    async def ask() -> str:
        task = asyncio.create_task(guard.check_prompt_async("bread " * 50_000))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await guard.check_prompt_async("weapon")).decision

    assert asyncio.run(ask()) == "block"


def test_a_folder_may_be_one_model(trigger_models: Path) -> None:
    with Guard.load(trigger_models / "response", device="cpu") as guard:
        assert guard.check_response("hi", "steal it").decision == "block"
        with pytest.raises(ModelError, match=r"no model judges a prompt: loaded were only .*response"):
            guard.check_prompt("hi")


def test_thresholds_may_be_replaced(trigger_models: Path) -> None:
    with Guard.load(trigger_models, device="cpu", prompt_threshold=1e-7) as guard:
        assert guard.check_prompt("bread").decision == "block"
        assert guard.check_response("hi", "bread").threshold == 0.5


@pytest.mark.parametrize("threshold", [0.0, -0.5, 82.0, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(trigger_models: Path, threshold: float) -> None:
    with pytest.raises(SettingsError) as refused:
        Guard.load(trigger_models, device="cpu", prompt_threshold=threshold)
    assert str(refused.value) == (
        f"the threshold for a prompt is {threshold:g}: it must be above 0 and at most 1, as the scores are; leave it "
        "out to use the model's own"
    )


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model: neither railmatch.json nor a folder prompt/ or response/"):
        Guard.load(tmp_path)


def test_a_model_in_the_other_tasks_folder_is_refused(trigger_models: Path, tmp_path: Path) -> None:
    shutil.copytree(trigger_models / "response", tmp_path / "prompt")
    with pytest.raises(ModelError, match="classifier of the response task; put it into response/"):
        Guard.load(tmp_path, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_asked_for_and_not_there_is_an_error(trigger_models: Path) -> None:
    with pytest.raises(ModelError, match="no CUDA device"):
        Guard.load(trigger_models, device="cuda")


@pytest.mark.parametrize(("fail", "stops"), [("closed", True), ("open", False)])
def test_a_guard_that_cannot_judge_is_undecided(trigger_models: Path, fail: str, stops: bool) -> None:
    guard = Guard.load(trigger_models, device="cpu", fail=fail)
    guard.close()
    verdict = guard.check_prompt("bread")
    assert (verdict.decision, verdict.score, verdict.windows) == ("undecided", None, 0)
    assert "closed" in verdict.reason
    assert asyncio.run(guard.check_response_async("a", "b")).decision == "undecided"
    assert guard.stops(verdict) is stops


def test_fail_open_still_stops_what_was_judged_harmful(trigger_models: Path) -> None:
    with Guard.load(trigger_models, device="cpu", fail="open") as guard:
        assert guard.stops(guard.check_prompt("weapon"))
        assert not guard.stops(guard.check_prompt("bread"))


def test_a_deadline_that_passes_is_undecided(trigger_models: Path) -> None:
    with Guard.load(trigger_models, device="cpu", deadline=1e-3) as guard:
        assert guard.check_prompt("bread " * 50_000).reason == "not judged before its deadline"


def test_a_model_that_gives_no_number_is_undecided(trigger_models: Path) -> None:
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    with torch.no_grad():
        classifier.network.classifier.bias.fill_(float("nan"))
    with Guard({"prompt": Check(Engine(classifier), "prompt", 0.5, "broken")}) as guard:
        verdict = guard.check_prompt("bread")
        with pytest.raises(EngineError, match="no number"):
            guard.warm_up()
    assert (verdict.decision, verdict.reason) == ("undecided", "the model gave no number")


def test_a_text_that_is_none_is_an_error(guard: Guard) -> None:
    with pytest.raises(TypeError, match="string, not"):
        guard.check_prompt(None)
    with pytest.raises(TypeError, match="string, not list"):
        guard.check_response("hi", ["parts"])


def test_configs_share_the_models_of_a_folder(trigger_models: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(trigger_models)
    first = shared_guard(RailSettings(models=str(trigger_models), device="cpu"))
    second = shared_guard(RailSettings(models=str(link), device="auto", fail="open", response_threshold=0.25))
    assert first.check("prompt").engine is second.check("prompt").engine
    assert (first.fail, second.fail) == ("closed", "open")
    assert (first.check("response").threshold, second.check("response").threshold) == (0.5, 0.25)


def test_threads_that_ask_at_once_load_a_folder_once(trigger_models: Path, tmp_path: Path) -> None:
    settings = RailSettings(models=str(shutil.copytree(trigger_models, tmp_path / "models")), device="cpu")
    with ThreadPoolExecutor(4) as pool:
        guards = list(pool.map(shared_guard, [settings] * 4))
    assert len({id(guard.check("prompt").engine) for guard in guards}) == 1


def test_observers_are_told_and_one_that_fails_changes_nothing(
    trigger_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = []

    def broken(verdict: Verdict, exchange: Exchange) -> None:
        raise OSError("the disk is full")

    observers = [broken, lambda verdict, exchange: told.append((verdict.decision, exchange))]
    with Guard.load(trigger_models, device="cpu", observers=observers) as guard:
        assert guard.check_prompt("weapon").decision == "block"
        assert asyncio.run(guard.check_response_async("hi", "bread")).decision == "allow"
    assert told == [("block", Exchange("weapon")), ("allow", Exchange("hi", "bread"))]
    assert [record.message for record in caplog.records] == ["an observer of verdicts failed"] * 2


def test_exchanges_are_exported() -> None:
    import railmatch

    assert railmatch.Guard is Guard
    assert railmatch.Exchange is Exchange
