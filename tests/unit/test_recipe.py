"""Recipes: what is valid comes back as written, and what is not is named by its key with the way out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import BadInput
from trainer import recipe
from trainer.recipe import Recipe

_LEAST: dict[str, Any] = {
    "run": "nightly",
    "feed": {"name": "docs"},
    "model": {"path": "/models/tiny"},
    "data": {"template": "{title}: {body}"},
    "steps": 100,
}
_FULL: dict[str, Any] = {
    "run": "nightly_2",
    "feed": {"name": "docs", "slot": "docs_b"},
    "model": {"path": "hub/name", "train_layers": 2, "attention_dropout": 0.1},
    "data": {"template": "{{literal}} {body}", "max_tokens": 64, "rows_per_step": 4},
    "optimizer": {"learning_rate": 2e-4, "warmup_steps": 10, "weight_decay": 0.0, "max_grad_norm": 0.5},
    "held_out": {"publication": "held_out", "rows": 16},
    "steps": 7,
    "checkpoint_every": 3,
    "tensor_parallel": 3,
    "seed": 42,
}


def _with(key: str, value: Any) -> dict[str, Any]:
    """Return the full recipe with one key, `section.key` if nested, set or added."""
    content = copy.deepcopy(_FULL)
    *sections, last = key.split(".")
    part = content
    for section in sections:
        part = part[section]
    part[last] = value
    return content


def _file(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("content", [_LEAST, _FULL], ids=["least", "full"])
def test_a_valid_recipe_comes_back_as_it_was_written(tmp_path: Path, content: dict[str, Any]) -> None:
    """Every key that was given has its value, read from a file or not."""
    loaded = recipe.load(_file(tmp_path, yaml.safe_dump(content)))
    assert loaded == recipe.parse(content, "here")
    assert loaded.model_dump(exclude_unset=True) == content


def test_a_rate_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-4 for text; we take it for the number."""
    text = yaml.safe_dump(_LEAST) + "optimizer: {learning_rate: 1e-4}\n"
    assert recipe.load(_file(tmp_path, text)).optimizer.learning_rate == 0.0001


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("stepz", "steps"),
        ("checkpoint_evry", "checkpoint_every"),
        ("heldout", "held_out"),
        ("feed.nmae", "name"),
        ("model.train_layer", "train_layers"),
        ("data.max_token", "max_tokens"),
        ("optimizer.learningrate", "learning_rate"),
        ("held_out.row", "rows"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_right_one(wrong: str, right: str) -> None:
    """A misspelt key is never taken for a default."""
    with pytest.raises(BadInput) as caught:
        recipe.parse(_with(wrong, 1), "r.yaml")
    assert str(caught.value) == f"r.yaml: unknown key {wrong}"
    assert caught.value.hint == f"write {right}"


@pytest.mark.parametrize(("key", "known"), [("zzz", "run"), ("held_out.zzz", "publication"), ("data.zzz", "template")])
def test_a_key_like_none_of_ours_is_answered_with_all_of_them(key: str, known: str) -> None:
    """Where nothing is near, the section's keys are listed."""
    with pytest.raises(BadInput) as caught:
        recipe.parse(_with(key, 1), "r.yaml")
    assert caught.value.hint.startswith(f"known keys: {known}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run", "Nightly"),
        ("run", "nightly\n"),
        ("run", ""),
        ("run", "x" * 56),
        ("run", 5),
        ("feed", "docs"),
        ("feed", None),
        ("feed.name", "a-b"),
        ("model.path", None),
        ("model.train_layers", 0),
        ("model.attention_dropout", 1.0),
        ("model.attention_dropout", -0.1),
        ("data.template", 5),
        ("data.max_tokens", 1),
        ("data.max_tokens", "64"),
        ("data.rows_per_step", 0),
        ("optimizer", None),
        ("optimizer.learning_rate", 0),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.learning_rate", float("nan")),
        ("optimizer.learning_rate", "fast"),
        ("optimizer.warmup_steps", -1),
        ("optimizer.weight_decay", -0.01),
        ("optimizer.max_grad_norm", 0),
        ("held_out.rows", 0),
        ("steps", 0),
        ("steps", 1.5),
        ("steps", True),
        ("steps", 1 << 31),
        ("checkpoint_every", 0),
        ("tensor_parallel", 0),
        ("seed", -1),
        ("seed", 1 << 63),
        ("seed", "dice"),
    ],
)
def test_a_value_of_the_wrong_kind_or_range_is_named_by_its_key(key: str, value: Any) -> None:
    """The message begins with file and key, in one line."""
    with pytest.raises(BadInput) as caught:
        recipe.parse(_with(key, value), "r.yaml")
    assert str(caught.value).startswith(f"r.yaml: {key}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("template", ["{", "}", "{body", "{}", "{body:>10}", "{body:d}", "{body!r}", "{body:{title}}"])
def test_a_template_that_could_not_be_filled_is_refused(template: str) -> None:
    """A mistake in the braces is found before the run begins, not at its first row."""
    with pytest.raises(BadInput, match=r"^r\.yaml: data\.template: "):
        recipe.parse(_with("data.template", template), "r.yaml")


@pytest.mark.parametrize("key", sorted(_LEAST))
def test_a_key_that_is_missing_is_named(key: str) -> None:
    """What has no default must be there."""
    with pytest.raises(BadInput, match=f"^r.yaml: {key}: Field required"):
        recipe.parse({name: value for name, value in _LEAST.items() if name != key}, "r.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path that cannot be read is the user's to correct."""
    with pytest.raises(BadInput, match=r"absent\.yaml: No such file or directory"):
        recipe.load(tmp_path / "absent.yaml")
    with pytest.raises(BadInput, match="Is a directory"):
        recipe.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"a: [1",
        b"a: b: c",
        b"\xff\xfe\xfd",
        b"a: 2001-13-45",
        b"a: 0b_",
        b"a: " + b"[" * 5000,
        b"a: !!python/name:os.x",
    ],
    ids=lambda content: content[:16].hex(),
)
def test_what_is_not_yaml_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    """Whatever the parser chokes on, the answer is one line with the file's name."""
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"recipe\.yaml is not YAML: ") as caught:
        recipe.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "just text", "- run: x", "5"])
def test_yaml_that_is_no_mapping_is_no_recipe(tmp_path: Path, text: str) -> None:
    """A list or a word has no keys."""
    with pytest.raises(BadInput, match="is not a recipe: it has no keys"):
        recipe.load(_file(tmp_path, text))


def test_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """YAML allows numbers and dates as keys; a recipe does not."""
    with pytest.raises(BadInput, match="Keys should be strings"):
        recipe.load(_file(tmp_path, yaml.safe_dump(_LEAST) + "1: 2\n"))


@given(st.permutations(sorted(_FULL)))
def test_equal_recipes_have_equal_text(order: list[str]) -> None:
    """Neither the order of keys nor a default that is written out shows in the canonical text."""
    assert recipe.parse({key: _FULL[key] for key in order}, "r").canonical() == Recipe(**_FULL).canonical()
    least = Recipe(**_LEAST)
    spelt_out = Recipe.model_validate(least.model_dump())
    assert spelt_out.canonical() == least.canonical()


@pytest.mark.parametrize(
    ("value", "text"), [("any", "any"), (2, "2"), (["b", "c:5432"], "b,c:5432"), ("b,c", "b,c"), ("all", "all")]
)
def test_standbys_are_asked_for_in_any_of_their_forms(value: Any, text: str) -> None:
    """By a word, a number or names; and as they decide no bit, a run may go on with others."""
    one = recipe.parse(_FULL | {"durable": value}, "r")
    assert one.durable == text
    assert one.canonical() == Recipe(**_FULL).canonical()


@pytest.mark.parametrize("value", ["", [], ["a", 1], True, -1, None, {"a": 1}, 1.5])
def test_what_names_no_standbys_is_refused(value: Any) -> None:
    """One line names the key and the forms."""
    with pytest.raises(BadInput, match="durable: Value error, write any, all, a number, or a list of standbys"):
        recipe.parse(_FULL | {"durable": value}, "r")


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 43), ("data.template", "{body}"), ("optimizer.learning_rate", 2.0000000000000004e-4)]
)
def test_recipes_that_differ_have_different_text(key: str, value: Any) -> None:
    """The text holds every key exactly, so that a changed recipe cannot pass for the one a run was begun with."""
    assert Recipe(**_with(key, value)).canonical() != Recipe(**_FULL).canonical()
    text = Recipe(**_with(key, value)).canonical()
    assert Recipe.model_validate_json(text).canonical() == text
