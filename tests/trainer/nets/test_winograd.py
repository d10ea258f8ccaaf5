"""Winograd's passes in training: torch's gradients, the same bits each time, and torch itself where they do not fit."""

from __future__ import annotations

import copy
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.import_graph import ROOT
from tests.trainer.nets.compact import needs_compiler, same, trained_compact
from trainer.nets.reparameterisation import over_parameterise
from trainer.nets.winograd import convolve_by_winograd
from trainer.nets.winograd.choice import load_passes
from weights import Generator, build_generator

pytestmark = needs_compiler
# Gradients jump where a result changes its sign. Rounding moves results by about 1e-6; pictures are drawn until, in
# float64, none is nearer to 0 than this, so that what is compared is rounding alone.
NEAREST_TO_ZERO = 1e-5
ROUNDING = 2e-5  # of a parameter's gradient, relative norm; 3e-6 is usual


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads for the rest of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def _by_winograd(generator: Generator) -> Generator:
    copied = copy.deepcopy(generator)
    convolve_by_winograd(copied, load_passes())
    return copied


def _picture(generator: Generator, count: int, height: int, width: int) -> Tensor:
    """Draw pictures of which no result in the generator is near 0."""
    exact, nearest = copy.deepcopy(generator).double(), [0.0]

    def note(module: nn.Module, results: tuple[Tensor]) -> None:
        nearest[0] = min(nearest[0], float(results[0].abs().min()))

    for activation in list(exact.get_submodule("body").children())[1::2]:
        activation.register_forward_pre_hook(note)
    for seed in range(1000):
        picture = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))
        nearest[0] = float("inf")
        with torch.no_grad():
            exact(picture.double())
        if nearest[0] > NEAREST_TO_ZERO:
            return picture
    raise AssertionError("each picture has a result near 0")


def _gradients(generator: Generator, picture: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Return the residual, and the gradients of a sum of its numbers, weighed at random."""
    generator.zero_grad(set_to_none=True)
    residual = generator(picture)
    weights = torch.randn(residual.shape, generator=torch.Generator().manual_seed(7))
    (residual * weights.to(residual.dtype)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in generator.named_parameters()}
    return residual.detach(), {name: None if each is None else each.clone() for name, each in gradients.items()}


def _agree(generator: Generator, picture: Tensor) -> None:
    """Hold residual and gradients against torch's in float64."""
    residual, gradients = _gradients(_by_winograd(generator), picture)
    exact, expected = _gradients(copy.deepcopy(generator).double(), picture.double())
    assert float((residual - exact).abs().max() / exact.abs().max()) < 1e-5
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        found = gradients[name]
        assert (found is None) == (gradient is None), name
        if found is not None and gradient is not None:
            assert float((found - gradient).norm() / gradient.norm()) < ROUNDING, name


@pytest.mark.parametrize(
    ("features", "layers", "shape", "count"),
    [
        (5, 1, (2, 6, 6), 1),
        (16, 3, (3, 13, 20), 2),
        (20, 2, (5, 5, 7), 3),
        (48, 2, (1, 1, 1), 1),
        (48, 3, (2, 9, 14), 2),
        (64, 1, (4, 12, 6), 7),
    ],
)
def test_gradients_are_those_of_torch_for_any_features_layers_sizes_and_threads(
    features: int, layers: int, shape: tuple[int, int, int], count: int, threads: Callable[[int], None]
) -> None:
    generator = trained_compact(features, layers)
    picture = _picture(generator, *shape)
    threads(count)
    _agree(generator, picture)


@pytest.mark.parametrize(("expansion", "fixed_slopes"), [(2, False), (0, True), (1, True)])
def test_gradients_reach_over_parameterised_kernels_past_fixed_slopes(expansion: int, fixed_slopes: bool) -> None:
    torch.manual_seed(1)
    plain = build_generator("compact", {"features": 8, "layers": 2})
    generator = over_parameterise(plain, expansion, fixed_slopes=fixed_slopes)
    assert not any(isinstance(module, nn.PReLU) for module in generator.modules())
    _agree(generator, _picture(generator, 2, 7, 11))


def test_parameters_that_are_not_trained_get_no_gradients() -> None:
    generator = trained_compact()
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_("bias" in name)
    _agree(generator, _picture(generator, 2, 7, 11))
    generator.requires_grad_(False)
    picture = torch.rand(1, 3, 8, 8)
    assert torch.allclose(_by_winograd(generator)(picture), generator(picture), atol=1e-5)


def test_gradients_are_the_same_to_the_bit_each_time(threads: Callable[[int], None]) -> None:
    generator = _by_winograd(trained_compact(20, 3))
    picture = torch.rand(7, 3, 20, 31)
    for count in (2, 3):
        threads(count)
        residual, gradients = _gradients(generator, picture)
        for _ in range(10):
            again, repeated = _gradients(generator, picture)
            assert torch.equal(residual, again)
            assert same(gradients, repeated), f"{count} threads"


def test_several_forward_passes_may_come_before_a_backward_pass() -> None:
    generator = _by_winograd(trained_compact())
    pictures = torch.rand(2, 2, 3, 9, 10)
    apart = [_gradients(generator, picture)[1] for picture in pictures]
    generator.zero_grad(set_to_none=True)
    weights = torch.randn(2, 3, 18, 20, generator=torch.Generator().manual_seed(7))
    first, second = (generator(picture) for picture in pictures)
    for residual in (second, first):
        (residual * weights).sum().backward()
    for name, parameter in generator.named_parameters():
        expected = sum(gradients[name] for gradients in apart)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-5, atol=1e-5)


def test_a_second_backward_pass_is_refused_in_a_sentence() -> None:
    residual = _by_winograd(trained_compact())(torch.rand(1, 3, 8, 8))
    residual.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match=r"second backward pass.*compute the forward pass again"):
        residual.sum().backward()


def test_memory_is_kept_from_step_to_step_and_freed_where_no_backward_pass_comes() -> None:
    generator, picture = _by_winograd(trained_compact()), torch.rand(1, 3, 8, 8)
    residual = generator(picture)
    address = _state_of(residual).data_ptr()
    residual.sum().backward()
    given_up = generator(picture)
    assert _state_of(given_up).data_ptr() == address
    state = weakref.ref(_state_of(given_up))
    del given_up
    assert state() is None


def test_without_gradients_the_pixels_are_the_same_and_the_memory_is_free_at_once() -> None:
    generator, picture = _by_winograd(trained_compact()), torch.rand(2, 3, 8, 8)
    recorded = generator(picture)
    address = _state_of(recorded).data_ptr()
    recorded.sum().backward()
    with torch.no_grad():
        assert torch.equal(generator(picture), recorded)
    still = copy.deepcopy(generator).requires_grad_(False)
    assert torch.equal(still(picture), recorded)
    assert _state_of(generator(picture)).data_ptr() == address


def _state_of(residual: Tensor) -> Tensor:
    node: Any = residual.grad_fn
    while not hasattr(node, "state"):
        node = node.next_functions[0][0]
    return node.state  # type: ignore[no-any-return]


def test_torch_computes_what_is_none_of_a_training_steps_business() -> None:
    plain = trained_compact()
    generator, picture = _by_winograd(plain), torch.rand(1, 3, 8, 8)
    asked = picture.clone().requires_grad_()
    for compute in (generator, plain):
        compute.zero_grad(set_to_none=True)
    (expected,) = torch.autograd.grad(plain(asked).square().sum(), asked)
    (found,) = torch.autograd.grad(generator(asked).square().sum(), asked)
    assert torch.equal(found, expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(generator(picture), plain(picture))
    doubles = [copy.deepcopy(each).double()(picture.double()) for each in (generator, plain)]
    assert torch.equal(*doubles)


def test_a_copy_computes_with_its_own_parameters() -> None:
    generator, picture = _by_winograd(trained_compact()), torch.rand(1, 3, 8, 8)
    copied = copy.deepcopy(generator)
    assert list(copied.state_dict()) == list(trained_compact().state_dict())
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    copied(picture).sum().backward()
    assert float(copied(picture).detach().abs().max()) == 0
    assert all(parameter.grad is None for parameter in generator.parameters())
    assert any(parameter.grad is not None for parameter in copied.parameters())


LIMITED = """
import resource, torch
from trainer.nets.winograd.choice import load_passes
from trainer.nets.winograd.convolutions import Passes, _parameters
from weights import build_generator

torch.set_num_threads(1)
passes = Passes(load_passes(), 16, 1, 12)
parameters = [each.detach() for each in _parameters(build_generator("compact", {"features": 16, "layers": 1}), passes)]
picture = torch.rand(1, 3, 400, 400)
results, state = passes.forward(picture, parameters)
gradient = torch.ones_like(results)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), used + (4 << 20)))
for run, arguments in ((passes.forward, (picture,)), (passes.backward, (picture.shape, gradient, state))):
    try:
        run(*arguments, parameters)
    except MemoryError as fault:
        print("no memory" in str(fault))
torch.set_num_threads(4)  # which no longer have the room for their stacks
small = picture[:, :, :8, :8].expand(4, 3, 8, 8).contiguous()
_, state = passes.forward(small, parameters)
one, *others = passes.forward(small, parameters)[0]
print(all(torch.equal(one, other) for other in others))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_memory_that_runs_out_is_an_error_and_threads_that_do_not_start_are_done_without() -> None:
    command = [sys.executable, "-c", LIMITED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["True"] * 3), done.stderr[-2000:]
