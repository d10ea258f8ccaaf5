"""Over-parameterised convolutions compute what the plain ones compute."""

import pytest
import torch

from trainer.errors import TrainingError
from trainer.export.export import check_reparameterised
from trainer.nets.reparameterisation import OverParameterisedConv2d, over_parameterise, reparameterise
from weights import Generator, build_generator, enlarge, parameter_count


@pytest.fixture
def trained() -> Generator:
    torch.manual_seed(0)
    generator = over_parameterise(build_generator("compact", {"features": 8, "layers": 3}), expansion=2)
    for parameter in generator.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return generator


def test_reparameterised_and_over_parameterised_agree_to_1e_5(trained: Generator) -> None:
    low_res = torch.rand(2, 3, 17, 13)
    with torch.no_grad():
        difference = (enlarge(trained, low_res) - enlarge(reparameterise(trained), low_res)).abs().max()
    assert float(difference) <= 1e-5


def test_depthwise_convolutions_are_trained_as_they_are() -> None:
    generator = over_parameterise(build_generator("nafnet", {"features": 4, "blocks": 1}), expansion=2)
    assert sum(isinstance(module, OverParameterisedConv2d) for module in generator.modules()) == 2  # head and tail
    assert enlarge(generator, torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)


def test_every_branch_adds_to_the_kernel(trained: Generator) -> None:
    convolution = trained.get_submodule("body.2")
    assert isinstance(convolution, OverParameterisedConv2d)
    features = torch.rand(1, 8, 6, 6)
    plain = torch.nn.functional.conv2d(features, convolution.plain.weight, convolution.plain.bias, padding=1)
    wide = torch.nn.functional.conv2d(features, convolution.wide, padding=1)
    projected = torch.nn.functional.conv2d(wide, convolution.project[:, :, None, None])
    point = torch.nn.functional.conv2d(features, convolution.point[:, :, None, None])
    assert torch.allclose(convolution(features), plain + projected + point, atol=1e-5)


def test_reparameterising_gives_the_plain_architecture(trained: Generator) -> None:
    plain = build_generator("compact", {"features": 8, "layers": 3})
    assert set(reparameterise(trained).state_dict()) == set(plain.state_dict())
    assert parameter_count(trained) > 2 * parameter_count(plain)


def test_reparameterising_changes_nothing_of_the_training(trained: Generator) -> None:
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    reparameterise(trained)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items())


def test_a_plain_form_that_computes_something_else_is_refused(trained: Generator) -> None:
    plain = reparameterise(trained)
    check_reparameterised(trained, plain)
    with torch.no_grad():
        plain.get_parameter("body.2.weight").add_(0.01)
    with pytest.raises(TrainingError, match="nothing was written"):
        check_reparameterised(trained, plain)
