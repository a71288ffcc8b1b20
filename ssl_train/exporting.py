"""Make the int8 form of a model folder that has none, or whose weights another tool has trained further."""

from pathlib import Path

from ..classifier.model import SafetyClassifier
from ..classifier.onnx_export import ExportReport, export_int8
from .data.records import load_records
from .recipe import FileSource, Sources

STARTER = Path(__file__).parent.parent / "config" / "starter"


def export_model(folder: Path, data: Sources | None = None) -> ExportReport:
    """Write ``onnx/`` into a model folder and say how closely it judges as the weights do.

    Args:
        folder: the model folder.
        data: texts to check on, best such as the app sees and the model was not trained on; labels are not looked at.
            The starter data's test texts when left out.

    Raises:
        ModelError: the model cannot be used. DataError: the texts cannot be read. OSError: the folder cannot be
            written.
    """
    classifier = SafetyClassifier.load(folder, device="cpu")
    sources = data if data is not None else FileSource(file=str(STARTER / f"{classifier.task}_test.jsonl"))
    records = load_records(sources, classifier.task, labelled=False)
    return export_int8(classifier, folder, [record.exchange for record in records])
