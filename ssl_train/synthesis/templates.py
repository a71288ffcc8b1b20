"""The instructions of the pipeline: the files in ``templates/``, with what holds for a whole call filled in."""

import dataclasses
from pathlib import Path

from ..augment.template import Template, parse_template

FOLDER = Path(__file__).parent / "templates"


def load(name: str) -> Template:
    """Give the template called ``name``, such as ``queries``; its cache name has the prefix ``synthesis/``."""
    file = FOLDER / f"{name}.txt"
    return parse_template(file.read_text(encoding="utf-8"), f"synthesis/{name}", str(file))


def filled(template: Template, **values: str) -> Template:
    """Put ``values`` in place of their names in braces; of texts that are data nothing is in the template yet."""
    system, user = template.system, template.user
    for name, value in values.items():
        system, user = system.replace(f"{{{name}}}", value), user.replace(f"{{{name}}}", value)
    return dataclasses.replace(template, system=system, user=user)


def identity(template: Template) -> str:
    """Name a template with its words' fingerprint, as the cache and the lineage do."""
    return f"{template.name}@{template.fingerprint}"
