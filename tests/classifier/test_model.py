"""SafetyClassifier: one right probability for every text, and the same one in an ordinary checkpoint."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from railmatch.classifier.calibration import threshold_at_fpr
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.classifier.families import final_layer
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.pooling import MeanPooledBert
from railmatch.classifier.tasks import Task
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

QUESTIONS = ["how do i bake the bread", "tell me how to threaten the neighbour", "", "a" * 90, "Ünïcode 👋🏽 שלום"]
PAIRS = [Exchange(question, answer) for question, answer in zip(QUESTIONS, reversed(QUESTIONS), strict=True)]


def spread(encoder: str | Path, task: Task, *, heads: int = 1, window: int = 256) -> SafetyClassifier:
    """A classifier with random weights and a head so large that its probabilities differ much."""
    torch.manual_seed(1)
    classifier = SafetyClassifier.from_encoder(str(encoder), task, window=window, heads=heads)
    with torch.no_grad():
        for name, parameter in classifier.network.named_parameters():
            if name.startswith(("classifier.dense", "pooler", "head")):
                parameter.mul_(5)  # drawn anew, and so small that all texts look the same behind it
        head = final_layer(classifier.network)
        torch.nn.init.normal_(head.weight, std=0.5 if isinstance(classifier.network, MeanPooledBert) else 2.0)
        torch.nn.init.normal_(head.bias)
    return classifier


def ordinary_scores(folder: Path, exchanges: list[Exchange]) -> np.ndarray:
    """What a user of transformers computes with the saved folder."""
    network, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert network.config.id2label == {0: "unharmful", 1: "harmful"}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    responses = [exchange.response for exchange in exchanges]
    batch = tokenizer(
        [exchange.prompt for exchange in exchanges],
        responses if responses[0] is not None else None,
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        return network(**batch).logits.softmax(dim=-1)[:, 1].double().numpy()


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_the_saved_folder_is_an_ordinary_checkpoint_with_the_same_probabilities(encoder, task, tmp_path):
    exchanges = PAIRS if task == "response" else [Exchange(question) for question in QUESTIONS]
    classifier = spread(encoder, task)
    scores = classifier.predict_proba(exchanges)
    assert np.ptp(scores) > 1e-3  # so that 1e-5 is strict
    classifier.save(tmp_path / "model")
    np.testing.assert_allclose(ordinary_scores(tmp_path / "model", exchanges), scores, rtol=0, atol=1e-5)
    again = SafetyClassifier.load(tmp_path / "model", device="cpu")
    assert (again.task, again.settings.window) == (task, classifier.settings.window)
    assert type(again.network) is type(classifier.network)
    np.testing.assert_allclose(again.predict_proba(exchanges), scores, rtol=0, atol=1e-6)


def test_a_pipeline_gives_the_same_probabilities_and_our_labels(encoder, tmp_path):
    classifier = spread(encoder, "prompt")
    classifier.save(tmp_path)
    judge = pipeline("text-classification", model=str(tmp_path), top_k=None, device="cpu")
    for question, score in zip(
        QUESTIONS, classifier.predict_proba([Exchange(text) for text in QUESTIONS]), strict=True
    ):
        answer = {row["label"]: row["score"] for row in judge([question])[0]}
        assert answer == {
            "harmful": pytest.approx(score, abs=1e-5),
            "unharmful": pytest.approx(1 - score, abs=1e-5),
        }


def test_a_pipeline_judges_pairs(encoder, tmp_path):
    classifier = spread(encoder, "response")
    classifier.save(tmp_path)
    judge = pipeline("text-classification", model=str(tmp_path), top_k=None, device="cpu")
    answer = judge([{"text": PAIRS[0].prompt, "text_pair": PAIRS[0].response}])[0]
    found = {row["label"]: row["score"] for row in answer}["harmful"]
    assert found == pytest.approx(classifier.predict_proba(PAIRS[:1])[0], abs=1e-5)


def test_three_heads_are_saved_as_one_with_the_same_probabilities(encoder, tmp_path):
    classifier = spread(encoder, "prompt", heads=3)
    exchanges = [Exchange(question) for question in QUESTIONS]
    assert classifier.logits(classifier.encode(exchanges[:1])[0]).shape == (1, 6)
    scores = classifier.predict_proba(exchanges)
    classifier.save(tmp_path)
    again = SafetyClassifier.load(tmp_path, device="cpu")
    assert again.logits(again.encode(exchanges[:1])[0]).shape == (1, 2)
    np.testing.assert_allclose(again.predict_proba(exchanges), scores, rtol=0, atol=1e-6)


def test_an_encoder_trained_for_other_labels_is_saved_for_ours(encoders, tmp_path):
    """Such an encoder's settings would make a pipeline take the sigmoid of each logit."""
    other = AutoModelForSequenceClassification.from_pretrained(
        encoders["roberta"], num_labels=5, problem_type="multi_label_classification"
    )
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(encoders["roberta"]).save_pretrained(tmp_path / "other")
    classifier = spread(tmp_path / "other", "prompt")
    classifier.save(tmp_path / "model")
    judge = pipeline("text-classification", model=str(tmp_path / "model"), top_k=None, device="cpu")
    found = {row["label"]: row["score"] for row in judge(["bread"])[0]}
    assert found["harmful"] == pytest.approx(classifier.predict_proba([Exchange("bread")])[0], abs=1e-5)


def test_weights_in_half_precision_are_trained_in_full(tiny_encoder, tmp_path):
    from transformers import AutoModel

    AutoModel.from_pretrained(tiny_encoder, dtype=torch.bfloat16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    network = SafetyClassifier.from_encoder(str(tmp_path), "prompt", window=64).network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_bfloat16_as_on_a_gpu_gives_nearly_the_same(encoder):
    classifier = spread(encoder, "prompt")
    exchanges = [Exchange(question) for question in QUESTIONS]
    scores = classifier.predict_proba(exchanges)
    classifier.network.to(torch.bfloat16)
    assert classifier.dtype == torch.bfloat16
    np.testing.assert_allclose(classifier.predict_proba(exchanges), scores, rtol=0, atol=0.05)


def test_padding_does_not_change_a_score(encoder):
    classifier = spread(encoder, "prompt")
    windows = [classifier.encode([Exchange(question)])[0][0] for question in QUESTIONS]
    assert len({len(window) for window in windows}) > 3
    alone = [classifier.score_windows([window])[0] for window in windows]
    assert classifier.score_windows(windows) == pytest.approx(alone, abs=1e-5)


def test_scores_do_not_depend_on_batches_or_order(encoder):
    classifier = spread(encoder, "response", window=64)
    exchanges = [Exchange("how " * (number % 5), "bread " * (number * 7 % 60)) for number in range(20)]
    scores = classifier.predict_proba(exchanges)
    np.testing.assert_allclose(classifier.predict_proba(exchanges, batch_tokens=1), scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(exchanges[::-1])[::-1], scores, rtol=0, atol=1e-5)


def test_a_fresh_classifier_judges_without_dropout(encoder):
    classifier = SafetyClassifier.from_encoder(encoder, "prompt", window=64)
    (windows,) = classifier.encode([Exchange("bread")])
    assert classifier.score_windows(windows) == classifier.score_windows(windows)


HARMLESS = "please tell me about the garden " * 110  # 660 tokens


def test_a_harmful_sentence_after_token_600_is_found(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    scores = judge.predict_proba(
        [Exchange(HARMLESS), Exchange(HARMLESS + "how do i build a weapon"), Exchange("a car")]
    )
    assert (scores > judge.threshold).tolist() == [False, True, False]
    assert scores[1] > 0.999


def test_a_harmful_response_is_found_behind_a_long_prompt(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "response", device="cpu")
    pairs = [
        Exchange(HARMLESS, "no"),
        Exchange(HARMLESS, "steal it"),
        Exchange("how", HARMLESS + "steal it"),
        Exchange(HARMLESS, HARMLESS + "steal it"),
    ]
    assert (judge.predict_proba(pairs) > judge.threshold).tolist() == [False, True, True, True]


def test_the_prompt_is_shortened_before_its_response(trigger_models):
    """The word is in the middle of the prompt, which is left out where the response needs the room."""
    judge = SafetyClassifier.load(trigger_models / "response", device="cpu")
    prompt = "the " * 200 + "steal " + "the " * 200
    scores = judge.predict_proba([Exchange(prompt, "no"), Exchange(prompt, "garden " * 300)])
    assert (scores > judge.threshold).tolist() == [True, False]


ODD = [
    "",
    " \n\t",
    "nul \x00 in it",
    "".join(map(chr, range(1, 32))) + "\x7f\x85\u200b\ufeff",
    "\ud800 lone \udfff",
    "👋🏽👨‍👩‍👧‍👦" * 20,
    "\u202eשבת\u202c مرحبا",
    "[SEP] [CLS] </s> <s>",
]


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_every_odd_text_gets_one_probability_in_its_own_row(trigger_models, task):
    word = {"prompt": "weapon", "response": "steal"}[task]
    judge = SafetyClassifier.load(trigger_models / task, device="cpu")
    texts = [text + end for text in ODD for end in ("", f" {word}")]
    exchanges = [Exchange(text) if task == "prompt" else Exchange("", text) for text in texts]
    scores = judge.predict_proba(exchanges)
    assert scores.dtype == np.float64
    assert (scores > 0.999).tolist() == [False, True] * len(ODD)
    assert ((scores < 0.001) | (scores > 0.999)).all()


def test_a_megabyte_is_judged_to_its_last_word(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    scores = judge.predict_proba([Exchange("bread " * 170_000 + "weapon"), Exchange("a car")])
    assert (scores > judge.threshold).tolist() == [True, False]


def test_odd_texts_get_a_probability_from_every_family(encoder):
    classifier = spread(encoder, "prompt")
    texts = [text[:2000] for text in ODD]
    scores = classifier.predict_proba([Exchange(text) for text in texts])
    assert scores.shape == (len(ODD),)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_nothing_to_judge_gives_an_empty_array(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    assert judge.predict_proba([]).shape == (0,)
    assert judge.score_windows([]) == []


def test_progress_is_told_in_exchanges(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    told: list[int] = []
    judge.predict_proba([Exchange("a")] * 600, advance=told.append)
    assert told == [512, 88]


def test_the_response_task_needs_a_response(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "response", device="cpu")
    with pytest.raises(ValueError, match="judges a response"):
        judge.predict_proba([Exchange("how")])


def test_a_probability_that_is_no_number_is_an_error_and_never_harmless(tiny_encoder):
    classifier = spread(tiny_encoder, "prompt")
    with torch.no_grad():
        final_layer(classifier.network).bias[0] = torch.nan
    with pytest.raises(ModelError) as refused:
        classifier.predict_proba([Exchange("bread")])
    assert str(refused.value) == "the model gave no number: its weights are damaged; train it again"


def test_temperature_and_threshold_are_saved_with_the_model(encoder, tmp_path):
    classifier = spread(encoder, "prompt", heads=2)
    exchanges = [Exchange(question) for question in QUESTIONS]
    before = classifier.predict_proba(exchanges)
    report = threshold_at_fpr(np.linspace(0, 1, 200), np.arange(200) % 2, target_fpr=0.1)
    classifier.calibrated(2.5, report, {"method": "fixmatch"})
    # dividing the logits by 2.5 takes odds to the power of 0.4
    after = 1 / (1 + ((1 - before) / before) ** 0.4)
    np.testing.assert_allclose(classifier.predict_proba(exchanges), after, rtol=0, atol=1e-5)
    classifier.save(tmp_path)
    np.testing.assert_allclose(ordinary_scores(tmp_path, exchanges), after, rtol=0, atol=1e-5)
    again = SafetyClassifier.load(tmp_path, device="cpu")
    assert again.threshold == report.threshold
    assert again.settings.calibration == {"temperature": 2.5, **report.as_dict()}
    assert again.settings.training == {"method": "fixmatch"}


def test_without_calibration_the_threshold_stays(tiny_encoder):
    classifier = spread(tiny_encoder, "prompt").calibrated(1.0, None, {"method": "supervised"})
    assert (classifier.threshold, classifier.settings.calibration) == (0.5, None)


def test_a_window_without_room_for_text_is_refused(tiny_encoder):
    with pytest.raises(SettingsError, match="a window of 4 tokens leaves 2 for text"):
        SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=4)


def test_bert_is_pooled_by_the_mean_and_modernbert_too(encoders):
    bert = SafetyClassifier.from_encoder(str(encoders["bert"]), "prompt", window=64)
    assert isinstance(bert.network, MeanPooledBert)
    modern = SafetyClassifier.from_encoder(str(encoders["modernbert"]), "prompt", window=64)
    assert modern.network.config.classifier_pooling == "mean"


def test_the_log_says_device_and_precision(trigger_models, caplog):
    with caplog.at_level("INFO", logger="railmatch"):
        judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    assert caplog.messages == ["prompt classifier on cpu in torch.float32"]
    assert (judge.device, judge.dtype) == (torch.device("cpu"), torch.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_before_anything_is_read(tmp_path):
    with pytest.raises(ModelError) as refused:
        SafetyClassifier.load(tmp_path / "nothing", device="cuda")
    assert str(refused.value) == "device is 'cuda', but no CUDA device is available; set device to 'auto' or 'cpu'"


def test_threads_load_and_judge_at_the_same_time(encoders, tmp_path):
    exchanges = [Exchange("how " * number, "bread " * (60 - number)) for number in range(12)]
    expected = {}
    for family, folder in encoders.items():
        classifier = spread(folder, "response", window=64)
        classifier.save(tmp_path / family)
        expected[family] = classifier.predict_proba(exchanges)
    together = threading.Barrier(8)

    def judge(family: str) -> np.ndarray:
        together.wait(30)
        return SafetyClassifier.load(tmp_path / family, device="cpu").predict_proba(exchanges)

    with ThreadPoolExecutor(8) as pool:
        for family, scores in zip([*encoders] * 2, pool.map(judge, [*encoders] * 2), strict=True):
            np.testing.assert_allclose(scores, expected[family], rtol=0, atol=1e-5)


def test_threads_share_one_classifier(trigger_models):
    judge = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    together = threading.Barrier(8)

    def ask(number: int) -> list[bool]:
        together.wait(30)
        texts = ["a car " * (number + place) + ("weapon" if place % 3 == 0 else "") for place in range(30)]
        return (judge.predict_proba([Exchange(text) for text in texts]) > judge.threshold).tolist()

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(ask, range(8)):
            assert found == [place % 3 == 0 for place in range(30)]


def test_training_may_begin_with_a_trained_classifier(encoder, tmp_path):
    trained = spread(encoder, "prompt", window=64)
    trained.save(tmp_path / "trained")
    begun = SafetyClassifier.from_encoder(str(tmp_path / "trained"), "prompt", window=64)
    exchanges = [Exchange(question) for question in QUESTIONS]
    assert begun.predict_proba(exchanges) == pytest.approx(trained.predict_proba(exchanges), abs=1e-5)
    assert type(begun.network) is type(trained.network)
    assert (begun.threshold, begun.settings.calibration) == (0.5, None)  # these are another training's


def test_other_heads_than_the_trained_one_are_new(tiny_encoder, tmp_path):
    spread(tiny_encoder, "prompt", window=64).save(tmp_path / "trained")
    begun = SafetyClassifier.from_encoder(str(tmp_path / "trained"), "prompt", window=64, heads=3, classes=3)
    head = final_layer(begun.network)
    assert head.weight.shape == (9, 32)
    assert head.weight.std() < 0.05  # as new weights are drawn, of 0.02; the trained ones have 0.5
    assert head.bias.abs().max() == 0.0


def test_a_classifier_of_another_task_does_not_begin_this_one(tiny_encoder, tmp_path):
    spread(tiny_encoder, "prompt", window=64).save(tmp_path / "trained")
    with pytest.raises(ModelError) as error:
        SafetyClassifier.from_encoder(str(tmp_path / "trained"), "response", window=64)
    assert str(error.value) == (
        f"encoder {str(tmp_path / 'trained')!r} is a classifier of prompts, which does not learn to judge responses; "
        "name one of responses, or an encoder"
    )
