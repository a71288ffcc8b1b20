"""A training recipe: its sections, its file, and what is wrong with it in the words of who writes one."""

from .augment import (
    COMPUTED,
    LOCAL,
    AugmentSettings,
    BacktranslationSettings,
    ComputedStrategy,
    EdaSettings,
    QualitySettings,
)
from .data import DataSettings, FieldNames, FileSource, HubSource, Source, Sources
from .endpoint import BatchSettings, BudgetSettings, EndpointSettings
from .method import MethodSettings
from .model import Recipe
from .sections import Policy, Section
from .training import CalibrationSettings, ExportSettings, ReportSettings, TrainingSettings

__all__ = [
    "COMPUTED",
    "LOCAL",
    "AugmentSettings",
    "BacktranslationSettings",
    "BatchSettings",
    "BudgetSettings",
    "CalibrationSettings",
    "ComputedStrategy",
    "DataSettings",
    "EdaSettings",
    "EndpointSettings",
    "ExportSettings",
    "FieldNames",
    "FileSource",
    "HubSource",
    "MethodSettings",
    "Policy",
    "QualitySettings",
    "Recipe",
    "ReportSettings",
    "Section",
    "Source",
    "Sources",
    "TrainingSettings",
]
