"""Fixtures that several test modules share; nothing in the tests reaches the network or reports usage."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import asyncio
import signal
import string
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs with Ctrl-C ignored, and their children inherit that; some tests press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

WORDS = """
    a about account address after all am an and answer any are as ask at away be before best boss bread build
    buy by can cake call car cat child city colleague come cook could dinner do dog door email every explain
    find first for friend from garden get give go good guide harm has have he health help her him his home
    hospital house how hurt i idea if in instructions is it its job keep key know law learn letter list lock
    long make me meeting money my name neighbour new night no not of off on one open or our out parents password
    person phone pick plan plant please poem police post recipe report road safe say school secret sell send she
    short should show sick someone song speak start steal step stop story street such sure take talk tax tea
    teach tell than thank that the their them then there they thing this threaten time to today tomorrow trick
    up us use visit wait walk want was water way we weapon what when where which who why wife will with without
    work would write you your
""".split()  # noqa: SIM905 - a list of quoted words would be four times as long


@pytest.fixture(autouse=True)
def own_event_loop() -> Iterator[None]:
    """Give every test an event loop that is closed afterwards: NeMo Guardrails makes one where there is none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT (2 layers of width 32) and its WordPiece tokenizer, as ``AutoModel`` loads them.

    The vocabulary has the ``WORDS``, and every ASCII character both at the start and inside of a word, so that
    lower-case ASCII text never becomes [UNK].
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny_encoder")
    characters = [character for character in string.printable if not character.isspace() and not character.isupper()]
    pieces = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    pieces += [word for word in WORDS if word not in characters]
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=512)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def trigger_models(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real models that decide by one word: "weapon" in a prompt, "steal" in a response, is harmful.

    The weights are set by hand. Every token has the same embedding, the word another one; the layers hand the states
    on, so that the mean holds the word's share, which the head weighs so heavily that once in 512 tokens is enough:
    the probabilities are below 0.001 or above 0.999. A response's window holds its prompt too, so a prompt with
    "steal" makes the response harmful.
    """
    import torch
    from railmatch.classifier.model import SafetyClassifier

    folder = tmp_path_factory.mktemp("trigger_models")
    for task, word in (("prompt", "weapon"), ("response", "steal")):
        classifier = SafetyClassifier.from_encoder(str(tiny_encoder), task, window=512)
        bert = classifier.network.bert
        waves = torch.tensor([1.0, -1.0]).repeat(16)
        plain, special = waves * (torch.arange(32) < 16), waves * (torch.arange(32) >= 16)
        with torch.no_grad():
            bert.embeddings.word_embeddings.weight.copy_(plain.expand_as(bert.embeddings.word_embeddings.weight))
            bert.embeddings.word_embeddings.weight[classifier.tokenizer.convert_tokens_to_ids(word)] = special
            bert.embeddings.position_embeddings.weight.zero_()
            bert.embeddings.token_type_embeddings.weight.zero_()
            for layer in bert.encoder.layer:
                layer.attention.output.dense.weight.zero_()
                layer.output.dense.weight.zero_()
            classifier.network.classifier.weight.copy_(torch.stack([-special, special]) * 300)
            classifier.network.classifier.bias.copy_(torch.tensor([6.0, -6.0]))
        classifier.save(folder / task)
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray on 127.0.0.1, where Ray is installed."""
    if find_spec("ray") is None:  # found without an import, which would fix where Ray listens
        pytest.skip("needs the extra railmatch[ray]")
    from ray_cluster import running_ray

    with running_ray() as address:
        yield address
