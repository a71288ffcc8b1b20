"""Measure how fast a generator practises by GRPO, and how much memory that takes: whole weights, and adapters alone.

    python benchmarks/generator_gpu.py --steps 20

Weights are random and have the shape of a 0.5B model (Qwen2.5-0.5B) on a GPU, a tiny one on a CPU, unless --model
names a folder or Hub id: how fast a model is does not depend on what it knows. Such a model never ends a text, so that
every text is as long as it may be, the slowest case. Classifier and judge are MiniLM with untrained heads on the same
device, and the gate lets everything pass, so that every text is judged.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from railmatch.classifier.device import choose_device
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.adversarial.attack import Candidate, Seed
from railmatch.ssl_train.adversarial.fluency import Fluency
from railmatch.ssl_train.adversarial.generators.grpo import GrpoWriter
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.judges import ClassifierJudges, Judges
from railmatch.ssl_train.adversarial.recipe import GateSettings, GeneratorSettings, RlSettings, ShapingSettings
from railmatch.ssl_train.adversarial.rewards import Reward, Terms
from railmatch.ssl_train.data.records import load_records
from railmatch.ssl_train.embedding import Remembered
from railmatch.terminal.tables import aligned
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

STARTER = Path(__file__).parents[1] / "config" / "starter" / "prompt_labelled.jsonl"

SHAPES = {
    "0.5b": {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "vocab_size": 151_936,
    },
    "tiny": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 512,
    },
}  # fmt: skip

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass
class Timed:
    """A reward that keeps how long its calls took, a batch each."""

    reward: Reward
    seconds: list[float] = field(default_factory=list)

    def score(self, candidates: Sequence[Candidate]) -> list[Terms]:
        """Score candidates."""
        started = time.perf_counter()
        terms = self.reward.score(candidates)
        self.seconds.append(time.perf_counter() - started)
        return terms


def random_model(folder: Path, shape: str) -> str:
    """Save a model of random weights with a tokenizer of bytes."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<eos>"]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>")
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    end = fast.eos_token_id
    ends = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": None}
    Qwen2ForCausalLM(Qwen2Config(**SHAPES[shape], **ends, tie_word_embeddings=True)).save_pretrained(folder)
    return str(folder)


def a_reward(writer: GrpoWriter, seeds: Sequence[Seed], device: str) -> Reward:
    """Make a reward that asks everybody about every text."""
    attacked, judge = (SafetyClassifier.from_encoder("minilm", "prompt", window=256).to(device) for _ in range(2))
    fluency = Fluency.of(writer.fluency, [seed.text for seed in seeds], 0.0)
    everything = GateSettings(cosine=[-2.0, 2.0], length=[0.0, 1e6])
    open_gate = Fluency(fluency.score, float("-inf"), fluency.median)
    judges = Judges([ClassifierJudges([judge])], asked=1, needed=1)
    return Reward(attacked, judges, Remembered(), open_gate, everything, ShapingSettings())


def measure(settings: GeneratorSettings, seeds: Sequence[Seed], steps: int, device: str) -> list[str]:
    """Practise, and give a row of the table: of the median step, as some of them also write a checkpoint."""
    said: list[str] = []
    writer = GrpoWriter(settings, Instructions("prompt"), device=device, seed=0, say=said.append)
    reward = Timed(a_reward(writer, seeds, device))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    ends: list[float] = []
    a_step = settings.rl.group * settings.rl.batch
    with tempfile.TemporaryDirectory() as folder:
        writer.learn(
            seeds, reward, texts_a_seed=-(-(steps + 1) * a_step // len(seeds)), folder=Path(folder),
            advance=lambda texts: ends.append(time.perf_counter()),
        )  # fmt: skip
    seconds = statistics.median(after - before for before, after in pairwise(ends))
    judging = statistics.median(reward.seconds)
    return [
        f"adapters of rank {settings.rl.lora_rank}" if settings.rl.lora else "whole weights",
        f"{1 / seconds:.3g}",
        f"{a_step / seconds:.3g}",
        f"{judging / seconds:.0%}",
        f"{peak_gib(device):.1f}",
        "; ".join(said),
    ]


def peak_gib(device: str) -> float:
    """Give the peak memory in GiB: of this run on a GPU, of the process so far on a CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure both ways of learning and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or Hub id; random weights when left out")
    parser.add_argument("--shape", choices=SHAPES, help="of random weights: 0.5b on a GPU, tiny on a CPU when left out")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--group", type=int, default=8, help="texts for one seed")
    parser.add_argument("--batch", type=int, default=4, help="seeds a step")
    parser.add_argument("--tokens", type=int, default=128, help="of a text")
    parser.add_argument("--beta", type=float, default=0.02)
    parser.add_argument("--only", choices=["adapters", "weights"])
    options = parser.parse_args()
    device = choose_device("auto").type
    records = load_records(str(STARTER), "prompt", labelled=True)
    by_label = [[record for record in records if record.label == label][:16] for label in (1, 0)]
    seeds = [Seed(each.id, each.exchange, each.label or 0) for pair in zip(*by_label, strict=True) for each in pair]
    shape = options.shape or ("0.5b" if device == "cuda" else "tiny")
    rows = [["", "steps/s", "texts/s", "reward's share", "peak GiB", "remarks"]]
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or random_model(Path(folder), shape)
        for lora in (True, False):
            if options.only == ("weights" if lora else "adapters"):
                continue
            rl = RlSettings(group=options.group, batch=options.batch, beta=options.beta, lora=lora)
            settings = GeneratorSettings(name="rl", model=model, max_tokens=options.tokens, rl=rl)
            rows.append(measure(settings, seeds, options.steps, device))
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    size = f"{options.batch} seeds x {options.group} texts of {options.tokens} tokens"
    print(f"{options.model or shape} on {name}: steps of {size}")
    print(aligned(rows))


if __name__ == "__main__":
    main()
