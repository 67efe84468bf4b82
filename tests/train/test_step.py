"""One optimizer step on one rank: same state, same bits; and the state's digest misses nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from trainer import model, step
from trainer.dataset import IGNORED_LABEL
from trainer.recipe import ModelSection, OptimizerSection
from trainer.state import State

_SECTION = OptimizerSection(learning_rate=1e-3, warmup_steps=2)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceMesh]:
    """Make this process a group of one rank."""
    store = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,), mesh_dim_names=("tp",))
    dist.destroy_process_group()


class Run:
    """A tiny model with its optimizer and state."""

    def __init__(self, path: Path, mesh: DeviceMesh, *, seed: int = 1, dropout: float = 0.2) -> None:
        self.model: Any = model.build(ModelSection(path=str(path), attention_dropout=dropout), mesh)
        self.optim = step.optimizer(self.model, _SECTION)
        self.state = State(self.model, self.optim, seed)

    def train(self, number: int, tokens: torch.Tensor, section: OptimizerSection = _SECTION) -> tuple[float, float]:
        """Do one step."""
        return step.train(self.model, self.optim, section, number, tokens)


@pytest.fixture
def run(tiny_model: Path, mesh: DeviceMesh) -> Run:
    """Make a run without dropout."""
    return Run(tiny_model, mesh, dropout=0.0)


def _tokens(number: int) -> torch.Tensor:
    """Return a batch of 3 rows of 10, 8 and 6 tokens."""
    generator = torch.Generator().manual_seed(number)
    tokens = torch.randint(1, 257, (3, 10), generator=generator)
    tokens[1, 8:] = tokens[2, 6:] = IGNORED_LABEL
    return tokens


def _three_steps(run: Run) -> list[Any]:
    return [*(run.train(number, _tokens(number)) for number in (1, 2, 3)), run.state.digest()]


def test_the_same_seed_gives_the_same_bits(tiny_model: Path, mesh: DeviceMesh) -> None:
    """Losses, norms and the whole state, dropout included; another seed drops something else."""
    first = _three_steps(Run(tiny_model, mesh))
    assert _three_steps(Run(tiny_model, mesh)) == first
    assert _three_steps(Run(tiny_model, mesh, seed=2)) != first


def test_a_state_put_into_another_run_goes_on_with_the_same_bits(tiny_model: Path, mesh: DeviceMesh) -> None:
    """The tensors of the state are all there is: copied into a run of another seed, they give the same next steps."""
    origin = Run(tiny_model, mesh)
    origin.train(1, _tokens(1))
    kept = {name: tensor.clone() for name, tensor in origin.state.tensors().items()}
    expected = [origin.train(number, _tokens(number)) for number in (2, 3)], origin.state.digest()
    other = Run(tiny_model, mesh, seed=9)
    other.train(1, _tokens(7))
    live = other.state.tensors()
    assert live.keys() == kept.keys()
    for name, tensor in kept.items():
        live[name].copy_(tensor)
    other.state.restore_generator(live)
    assert ([other.train(number, _tokens(number)) for number in (2, 3)], other.state.digest()) == expected


def test_the_norm_is_the_one_torch_computes(run: Run) -> None:
    """On one rank the norm before clipping is torch's own, and clipping brings it down to the recipe's."""
    section = OptimizerSection(max_grad_norm=0.125)
    _, norm = run.train(1, _tokens(1), section)
    gradients = [parameter.grad for parameter in run.model.parameters()]
    assert norm > 0.125
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(0.125, rel=1e-5)
    run.model.zero_grad()
    step.loss_of(run.model, _tokens(2)).backward()
    gradients = [parameter.grad for parameter in run.model.parameters()]
    expected = torch.nn.utils.get_total_norm(gradients).item()
    assert step.gradient_norm(gradients) == pytest.approx(expected, rel=1e-6)


def test_a_gradient_within_the_limit_is_left_alone(run: Run) -> None:
    """Clipping touches nothing that need not be clipped."""
    _, norm = run.train(1, _tokens(1), OptimizerSection(max_grad_norm=1e6))
    gradients = [parameter.grad for parameter in run.model.parameters()]
    assert step.gradient_norm(gradients) == norm


def test_the_norm_of_no_gradients_is_zero(mesh: DeviceMesh) -> None:
    """Every rank joins the sum, even one that has nothing to add."""
    assert mesh.size() == 1
    assert step.gradient_norm([]) == 0.0


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_no_number_changes_nothing(run: Run, poison: float) -> None:
    """The step ends before the update: weights, moments and counters are as they were."""
    run.train(1, _tokens(1))
    with torch.no_grad():
        next(run.model.parameters())[5, 5] = poison
    before = run.state.digest()
    tokens = _tokens(2)
    tokens[0, 0] = 5
    with pytest.raises(step.LossNotFinite, match="step 2: loss nan"):
        run.train(2, tokens)
    assert run.state.digest() == before


def test_a_gradient_that_is_no_number_changes_nothing(run: Run) -> None:
    """The loss may be fine where its gradient is not."""
    run.train(1, _tokens(1))
    before = run.state.digest()
    hook = next(run.model.parameters()).register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(step.LossNotFinite, match=r"step 2: loss \d.*, gradient norm (nan|inf)"):
        run.train(2, _tokens(2))
    assert run.state.digest() == before
    hook.remove()
    run.train(2, _tokens(2))
    assert run.state.digest() != before


def test_a_batch_without_a_next_token_is_refused(run: Run) -> None:
    """Rows of one token have nothing to learn: the mean over nothing is no number."""
    with pytest.raises(step.LossNotFinite):
        run.train(1, torch.tensor([[0], [0]]))


def test_every_single_bit_counts_in_the_digest(run: Run) -> None:
    """The last bit of any weight, moment or counter flipped is another digest, and flipped back it is the same."""
    run.train(1, _tokens(1))
    original = run.state.digest()
    tensors = run.state.tensors()
    assert {name.split(".")[0] for name in tensors} == {"model", "optimizer", "generator"}
    for name, tensor in tensors.items():
        if name.startswith("generator"):
            continue  # a copy: see the next test
        flat = tensor.reshape(-1).view(torch.uint8)
        assert flat.data_ptr() == tensor.data_ptr()
        for place, bit in ((0, 1), (flat.numel() - 1, 128)):
            flat[place] ^= bit
            assert run.state.digest() != original, name
            flat[place] ^= bit
    assert run.state.digest() == original


def test_the_generator_counts_in_the_digest(run: Run) -> None:
    """A random number more or less is another state, and the state put back is the same."""
    original, tensors = run.state.digest(), run.state.tensors()
    torch.rand(1)
    assert run.state.digest() != original
    run.state.restore_generator(tensors)
    assert run.state.digest() == original


def test_two_values_swapped_are_another_digest(run: Run) -> None:
    """The digest knows which tensor holds what."""
    original = run.state.digest()
    weights = dict(run.model.named_parameters())
    one, other = (weights[f"model.layers.0.mlp.{name}_proj.weight"] for name in ("gate", "up"))
    with torch.no_grad():
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)
    assert run.state.digest() != original


@pytest.mark.usefixtures("mesh")
def test_the_same_bytes_under_another_name_or_shape_are_another_digest() -> None:
    """What a tensor is called, and how it is read, is part of the state."""

    def digest(name: str, tensor: torch.Tensor) -> str:
        parameter = torch.nn.Parameter(tensor, requires_grad=False)
        return State(torch.nn.ParameterDict({name: parameter}), torch.optim.SGD([torch.zeros(1)]), 1).digest()

    values = torch.arange(6.0)
    others = [("b", values), ("a", values.reshape(2, 3)), ("a", values.reshape(3, 2)), ("a", values.view(torch.int32))]
    assert len({digest("a", values), *(digest(*other) for other in others)}) == 5
    assert digest("a", values.clone()) == digest("a", values)


def test_a_fresh_optimizer_has_its_whole_state(run: Run) -> None:
    """A checkpoint can be loaded into it before its first step: the names are those after a step."""
    before = {name: tensor.shape for name, tensor in run.state.tensors().items()}
    run.train(1, _tokens(1))
    assert {name: tensor.shape for name, tensor in run.state.tensors().items()} == before


def test_only_the_last_layers_are_trained_if_so_asked(tiny_model: Path, mesh: DeviceMesh) -> None:
    """What is frozen keeps its bits and has no moments."""
    built = model.build(ModelSection(path=str(tiny_model), train_layers=1), mesh)
    optim = step.optimizer(built, _SECTION)
    state = State(built, optim, 1)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    step.train(built, optim, _SECTION, 2, _tokens(1))
    changed = {name for name, tensor in state.tensors().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if ".layers.2." in name}
    assert any(name.startswith("optimizer.") for name in changed)


def test_padding_is_not_learnt(run: Run) -> None:
    """A row has the same loss alone as in wider company, so a batch's width decides nothing."""
    run.model.eval()
    with torch.no_grad():
        row = _tokens(1)[2:, :6]
        wide = torch.cat([row, torch.full((1, 20), IGNORED_LABEL)], dim=1)
        assert step.loss_of(run.model, wide).item() == pytest.approx(step.loss_of(run.model, row).item(), rel=1e-6)


def test_evaluation_is_a_mean_over_tokens_and_changes_nothing(run: Run) -> None:
    """However the rows are cut into batches, the mean is the same, and so is the state afterwards."""
    before = run.state.digest()
    tokens = _tokens(4)
    whole = step.evaluate(run.model, [tokens])
    assert step.evaluate(run.model, [tokens[:1], tokens[1:]]) == pytest.approx(whole, rel=1e-6)
    assert step.evaluate(run.model, []) == 0.0
    assert run.state.digest() == before


@given(st.integers(0, 50), st.integers(1, 100))
def test_the_rate_rises_to_its_full_height_and_stays(warmup_steps: int, number: int) -> None:
    """A linear warm-up that is never 0, full from its last step on."""
    section = OptimizerSection(learning_rate=0.5, warmup_steps=warmup_steps)
    rate = step.learning_rate(section, number)
    assert rate == (0.5 if number >= warmup_steps else pytest.approx(0.5 * number / warmup_steps))
    assert 0 < rate <= 0.5
