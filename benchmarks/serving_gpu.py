"""How fast a GPU judges prompts, and how near that is to what its matrix units can do.

    python benchmarks/serving_gpu.py --json gpu.json

Needs a GPU, PyTorch and transformers, and this checkout, whose engine is measured; no weights, no data, no other
package: the networks have random weights in the shapes of MiniLM-L6 and DeBERTa-v3-base, which cost what trained ones
do, and a tokenizer that is built here. Measured are texts of 128 tokens:

1. The card's limit: the rate of large bfloat16 matrix products.
2. Texts a second through the engine, tokenising included, and the share of the limit that its matrix products reach.
3. The median time of one text when nothing else is asked, through the engine, with CUDA graphs.
"""

import importlib.util
import json
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

if TYPE_CHECKING:
    from railmatch.classifier.engine.batching import Engine
    from railmatch.classifier.inputs import Window

ROOT = Path(__file__).parent.parent
DEVICE = "cuda"
TOKENS = 128
VOCABULARY = 30_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one shape; ``limit_share`` is of the measured matrix rate, in [0, 1]."""

    shape: str
    texts_per_second: float
    limit_share: float
    p50_milliseconds: float
    padding_share: float
    engine: dict[str, Any]


def main() -> None:
    """Measure and print."""
    if not torch.cuda.is_available():
        sys.exit("serving_gpu.py measures a GPU, and PyTorch sees none here: torch.cuda.is_available() is False")
    find_railmatch()
    limit = matrix_rate()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}: matrix products {limit / 1e12:.0f} TFLOP/s")
    results = [measured(shape, make, limit) for shape, make in SHAPES.items()]
    for figures in results:
        print(
            f"{figures.shape:18} {figures.texts_per_second:9.0f} texts/s ({figures.limit_share:.0%} of the limit, "
            f"{figures.padding_share:.1%} padding)   p50 {figures.p50_milliseconds:.2f} ms"
        )
        print(f"{'':18} {figures.engine}")
    fast = results[0].texts_per_second >= 10_000 and results[0].p50_milliseconds <= 2
    print(f"MiniLM: at least 10,000 texts/s and p50 at most 2 ms: {'reached' if fast else 'NOT REACHED'}")
    if "--json" in sys.argv:
        file = Path(sys.argv[sys.argv.index("--json") + 1])
        rows = [asdict(figures) for figures in results]
        file.write_text(json.dumps({"limit_tflops": limit / 1e12, "shapes": rows}, indent=2) + "\n")


def find_railmatch() -> None:
    """Make this checkout importable as ``railmatch`` where it is not installed: a bare machine has no package index."""
    if importlib.util.find_spec("railmatch") is None:
        package = types.ModuleType("railmatch")
        package.__path__ = [str(ROOT)]
        sys.modules["railmatch"] = package


def matrix_rate(size: int = 8192, repeats: int = 20) -> float:
    """Measure the floating-point operations a second of large bfloat16 matrix products; the best round counts."""
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(repeats):
            left @ right
        torch.cuda.synchronize()
        best = max(best, 2 * size**3 * repeats / (time.perf_counter() - started))
    return best


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Build a tokenizer that makes one token of each word, with as many words as BERT's vocabulary."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = {word: number for number, word in enumerate([*special, *(f"w{n}" for n in range(VOCABULARY))])}
    backend = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=512, **names)


def minilm() -> nn.Module:
    """Make a network of MiniLM-L6's shape, with RailMatch's mean pooling."""
    from railmatch.classifier.pooling import MeanPooledBert

    shape = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    return MeanPooledBert(BertModel(BertConfig(**shape), add_pooling_layer=False), 2)


def deberta() -> nn.Module:
    """Make a network of DeBERTa-v3-base's shape, with a smaller vocabulary, whose size costs no time."""
    config = DebertaV2Config(
        vocab_size=VOCABULARY + 4, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
        intermediate_size=3072, relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0,
        max_relative_positions=-1, pooler_hidden_size=768, num_labels=2,
    )  # fmt: skip
    return DebertaV2ForSequenceClassification(config)


SHAPES: dict[str, Callable[[], nn.Module]] = {"MiniLM-L6": minilm, "DeBERTa-v3-base": deberta}


class RandomClassifier:
    """What the engine needs of a classifier; the real one also needs packages that read and check model folders."""

    task = "prompt"
    settings = types.SimpleNamespace(window=512)

    def __init__(self, network: nn.Module) -> None:
        """Put a network on the GPU as a loaded model is put there."""
        from railmatch.classifier.inputs import WindowEncoder

        self.network = network.eval().to(device=DEVICE, dtype=torch.bfloat16)
        self.tokenizer = word_tokenizer()
        self.encode = WindowEncoder(self.tokenizer, "prompt", self.settings.window)
        self.device, self.dtype = torch.device(DEVICE), torch.bfloat16

    def score_windows(self, windows: "Sequence[Window]") -> list[float]:
        """Judge windows in one padded pass."""
        from railmatch.classifier.batches import collate
        from railmatch.classifier.families import run_network
        from railmatch.classifier.heads import harmful_probability

        with torch.inference_mode():
            logits = run_network(self.network, collate(windows, pad=0, device=self.device))
        return harmful_probability(logits.float()).tolist()


def measured(shape: str, make: Callable[[], nn.Module], limit: float) -> Figures:
    """Measure one shape through the engine, without its memory of texts."""
    from railmatch.classifier.engine.batching import Engine
    from railmatch.classifier.engine.gpu_scorer import GpuScorer

    classifier = RandomClassifier(make())
    with Engine(classifier, GpuScorer(classifier), queue_size=100_000, cache_size=0) as engine:
        engine.warm_up()
        rate = max(throughput(engine, 20_000 if shape == "MiniLM-L6" else 4_000) for _ in range(ROUNDS))
        p50 = min(latency(engine) for _ in range(ROUNDS))
        work = rate * matrix_work(classifier.network) / limit
        return Figures(shape, rate, work, p50, engine.counts.padding_share, engine.report)


def texts(count: int) -> list[str]:
    """Make distinct texts of ``TOKENS`` tokens with the special ones."""
    words = [f"w{number}" for number in torch.randint(VOCABULARY, (count * (TOKENS - 2),)).tolist()]
    return [" ".join(words[start : start + TOKENS - 2]) for start in range(0, len(words), TOKENS - 2)]


def throughput(engine: "Engine", count: int) -> float:
    """Give the texts a second when all are asked at once."""
    from railmatch.classifier.inputs import Exchange

    exchanges = [Exchange(text) for text in texts(count)]
    started = time.perf_counter()
    for future in [engine.submit(exchange) for exchange in exchanges]:
        future.result()
    return count / (time.perf_counter() - started)


def latency(engine: "Engine", count: int = 200) -> float:
    """Give the median milliseconds of one text at a time."""
    from railmatch.classifier.inputs import Exchange

    times = []
    for text in texts(count):
        started = time.perf_counter()
        engine.submit(Exchange(text)).result()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def matrix_work(network: nn.Module) -> float:
    """Count the operations of a text's matrix products: two for each weight of a linear layer and token, and attention.

    Left out are heads, embeddings, and DeBERTa's products with relative positions.
    """
    layers = getattr(network, "bert", None) or getattr(network, "deberta", None)
    linear = sum(module.weight.numel() for module in layers.encoder.modules() if isinstance(module, nn.Linear))
    config = layers.config
    attention = 4 * TOKENS * TOKENS * config.hidden_size * config.num_hidden_layers
    return float(2 * TOKENS * linear + attention)


if __name__ == "__main__":
    main()
