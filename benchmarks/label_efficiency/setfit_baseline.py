"""SetFit (Tunstall et al. 2022, arXiv:2209.11055) as its own library runs it, on RailMatch's encoder.

The encoder learns which labelled texts are of one class, from pairs of them; then a logistic regression is fitted on
its mean-pooled outputs. The library's own settings are kept (16 pairs a step, oversampling, learning rate 2e-5, one
epoch), but there are at most ``training.steps`` of the recipe: the pairs of 2,000 labels are millions.

``pip install -r benchmarks/requirements.txt`` installs it.
"""

import math
import tempfile
from collections.abc import Callable

import numpy as np
from railmatch.classifier.backbone import locate_encoder
from railmatch.ssl_train.recipe import Recipe

PAIRS = 16
"""Those of a step."""


def setfit(texts: list[str], labels: np.ndarray, recipe: Recipe) -> Callable[[list[str]], np.ndarray]:
    """Train on texts with labels (texts,); gives what judges texts, as harmful probabilities.

    A text is read up to ``training.max_length`` tokens; of a longer one the end is not seen.
    """
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    device = None if recipe.training.device == "auto" else recipe.training.device
    words = Transformer(locate_encoder(recipe.encoder), max_seq_length=recipe.training.max_length)
    pooled = Pooling(words.get_embedding_dimension(), pooling_mode="mean")
    body = SentenceTransformer(modules=[words, pooled], device=device)
    model = SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            num_epochs=1,
            batch_size=PAIRS,
            max_steps=min(recipe.training.steps, steps_of_an_epoch(labels)),
            seed=recipe.seed,
            save_strategy="no",
            report_to="none",
            show_progress_bar=False,
        )
        examples = Dataset.from_dict({"text": texts, "label": labels.tolist()})
        Trainer(model=model, args=settings, train_dataset=examples).train()
    return lambda judged: model.predict_proba(judged, as_numpy=True, show_progress_bar=False)[:, 1]


def steps_of_an_epoch(labels: np.ndarray) -> int:
    """Count the steps in which every pair is seen once, the rarer kind (of one class, of two) oversampled."""
    sizes = np.bincount(labels)
    alike, different = int((sizes * (sizes - 1) // 2).sum()), int(np.prod(sizes))
    return math.ceil(2 * max(alike, different) / PAIRS)
