"""The JSON schema of configs, made from the models; `configs/schema.json` is a copy, for editors."""

import json

from jconv.lab.config import AnyExperiment


def text() -> str:
    """Return the schema as JSON text.

    Example:
        >>> json.loads(text())["discriminator"]["propertyName"]
        'kind'
    """
    return json.dumps(AnyExperiment.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
