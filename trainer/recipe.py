"""A run as a YAML file: everything that decides its bits, and nothing secret (DSNs come from the environment)."""

from __future__ import annotations

import difflib
import string
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field

from replicator.errors import BadInput
from replicator.store.standbys import Wanted

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,55}$")]
# Strict, or `true` would be 1.
Whole = Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]
Positive = Annotated[Whole, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FeedSection(_Section):
    """Which rows."""

    name: Name
    """The feed; `hadrian feed create` makes it."""
    slot: Name | None = None
    """Read another slot that keeps the same rows: two runs that read one feed at a time need one each."""


class ModelSection(_Section):
    """Which model, and what of it is trained."""

    path: str
    """A folder as transformers saves it, a GGUF file, or a hub id."""
    train_layers: Positive | None = None
    """Train only the last so many decoder layers; all parameters if left out."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Drawn from each rank's own generator, whose state every checkpoint holds."""


class DataSection(_Section):
    """How rows become tokens. One row is one sequence, so a batch is a function of the feed's order alone."""

    template: str
    """Text of a row, with `{column}` for its values."""
    max_tokens: Annotated[Positive, Field(gt=1)] = 128
    """Longer rows are cut. One token has no next one to learn."""
    rows_per_step: Positive = 8

    @pydantic.field_validator("template")
    @classmethod
    def _only_plain_columns(cls, template: str) -> str:
        for _, name, spec, conversion in string.Formatter().parse(template):
            if name == "" or spec or conversion:
                raise ValueError("name each column as {column}, and write a brace as {{ or }}")
        return template


class OptimizerSection(_Section):
    """AdamW."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    warmup_steps: Whole = 0
    """Linear, from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0


class HeldOutSection(_Section):
    """Rows the loss is measured on before the first step and after the last; never trained on."""

    publication: Name
    """Describes the rows, as the feed's own publication does."""
    rows: Positive = 32
    """How many, in key order."""


class Recipe(_Section):
    """A training run. Same recipe, same rows, same tensor-parallel degree: the same bits."""

    run: Name
    """The run's name in the database: its checkpoints and its step journal."""
    feed: FeedSection
    model: ModelSection
    data: DataSection
    optimizer: OptimizerSection = OptimizerSection()
    held_out: HeldOutSection | None = None
    steps: Positive
    """Optimizer steps in all."""
    checkpoint_every: Positive = 50
    """Steps; the last step always makes one."""
    when_saving: Literal["wait", "skip"] = "wait"
    """What becomes of a checkpoint that is due while the one before it is still being saved."""
    durable: str = "all"
    """The standbys that must have replayed a checkpoint before its rows are given up: any, all, so many, or names."""
    tensor_parallel: Positive = 1
    """Ranks that share each layer. The model's heads must divide by it."""
    seed: Whole = 0

    def canonical(self) -> str:
        """Return the recipe as text: equal text means an equal run, whatever standbys its checkpoints wait for."""
        return self.model_dump_json(exclude={"durable"})

    @pydantic.field_validator("durable", mode="before")
    @classmethod
    def _only_standbys(cls, durable: Any) -> str:
        listed = durable if isinstance(durable, list) else [str(durable) if type(durable) is int else durable]
        try:
            text = ",".join(listed)
            Wanted.parse(text)
        except (BadInput, TypeError):  # TypeError: a name that is no text
            raise ValueError("write any, all, a number, or a list of standbys") from None
        return text


def load(path: Path) -> Recipe:
    """Read and validate a recipe.

    Raises:
        BadInput: says which key of which file, and the nearest right name of an unknown one.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", hint="give the path of a recipe in YAML") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date of month 13, bytes not UTF-8
        raise BadInput(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path} is not a recipe: it has no keys", hint="see examples/drill.yaml")
    return parse(content, str(path))


def parse(content: dict[str, Any], where: str) -> Recipe:
    """Validate a recipe's content; `where` names its file. Raises: as `load`."""
    try:
        return Recipe.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise BadInput(f"{where}: unknown key {key}", hint=_nearest(first["loc"])) from error
        raise BadInput(f"{where}: {key}: {first['msg']}") from error


def _nearest(location: tuple[int | str, ...]) -> str:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        annotation: Any = section.model_fields[str(part)].annotation
        section = next(t for t in (annotation, *getattr(annotation, "__args__", ())) if _is_section(t))
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1, cutoff=0.5)
    return f"write {close[0]}" if close else f"known keys: {', '.join(section.model_fields)}"


def _is_section(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
