"""The models that PyTorch's toffee exporter promised in 2017, with seeded random weights.

Used by the demo, the tests and the benchmarks. No weights are fetched: parameters are drawn from a
seed, and batch normalization has statistics that are not the trivial 0 and 1, so that a mistake in
it would show.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn


def import_torchvision():
    """torchvision beside a CPU build of torch.

    PyPI's torchvision is built for CUDA: its own C++ operators do not load beside a CPU torch,
    and its import then looks for two operators that nobody has defined. Define them first; where
    its library loads, they are there already.
    """
    try:
        import torchvision
    except (RuntimeError, AttributeError):
        pass
    else:
        return torchvision
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import_torchvision.library = library  # it undefines the operators when it dies
    import torchvision

    return torchvision


class DCGANGenerator(nn.Sequential):
    """The generator of DCGAN, 64×64 images from 100 numbers, as in PyTorch's examples."""

    def __init__(self, z: int = 100, width: int = 64, channels: int = 3) -> None:
        def up(n_in: int, n_out: int, stride: int, padding: int) -> list[nn.Module]:
            return [
                nn.ConvTranspose2d(n_in, n_out, 4, stride, padding, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(True),
            ]

        super().__init__(
            *up(z, width * 8, 1, 0),
            *up(width * 8, width * 4, 2, 1),
            *up(width * 4, width * 2, 2, 1),
            *up(width * 2, width, 2, 1),
            nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        )


class DCGANDiscriminator(nn.Sequential):
    """The discriminator of DCGAN, one probability for each 64×64 image."""

    def __init__(self, width: int = 64, channels: int = 3) -> None:
        def down(n_in: int, n_out: int) -> list[nn.Module]:
            return [
                nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.LeakyReLU(0.2, inplace=True),
            ]

        super().__init__(
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            *down(width, width * 2),
            *down(width * 2, width * 4),
            *down(width * 4, width * 8),
            nn.Conv2d(width * 8, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )


class SuperResolution(nn.Module):
    """Efficient sub-pixel convolution, as in PyTorch's examples."""

    def __init__(self, upscale: int = 3) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 64, 5, 1, 2)
        self.conv2 = nn.Conv2d(64, 64, 3, 1, 1)
        self.conv3 = nn.Conv2d(64, 32, 3, 1, 1)
        self.conv4 = nn.Conv2d(32, upscale**2, 3, 1, 1)
        self.pixel_shuffle = nn.PixelShuffle(upscale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))


def _torchvision(name: str, **kwargs: object) -> nn.Module:
    return getattr(import_torchvision().models, name)(weights=None, **kwargs)


# name -> (how to make it, shape of its input)
SEED_MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "alexnet": (functools.partial(_torchvision, "alexnet"), (10, 3, 224, 224)),
    "vgg16": (functools.partial(_torchvision, "vgg16"), (1, 3, 224, 224)),
    "vgg19_bn": (functools.partial(_torchvision, "vgg19_bn"), (1, 3, 224, 224)),
    "resnet50": (functools.partial(_torchvision, "resnet50"), (2, 3, 224, 224)),
    "squeezenet1_1": (functools.partial(_torchvision, "squeezenet1_1"), (2, 3, 224, 224)),
    "densenet121": (functools.partial(_torchvision, "densenet121"), (2, 3, 224, 224)),
    "inception_v3": (
        functools.partial(_torchvision, "inception_v3", init_weights=False),
        (2, 3, 299, 299),
    ),
    "dcgan_generator": (DCGANGenerator, (4, 100, 1, 1)),
    "dcgan_discriminator": (DCGANDiscriminator, (4, 3, 64, 64)),
    "super_resolution": (SuperResolution, (1, 1, 224, 224)),
}


def randomize_statistics(model: nn.Module, generator: torch.Generator) -> None:
    """Give every batch normalization statistics, scales and shifts that matter."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.6, 1.4),
                (module.weight.data, 0.8, 1.2),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.uniform_(low, high, generator=generator)


def seed_model(name: str, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """The model NAME in evaluation mode, and an input for it."""
    make, shape = SEED_MODELS[name]
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        model = make().eval()
    finally:
        torch.random.set_rng_state(state)
    generator = torch.Generator().manual_seed(seed)
    randomize_statistics(model, generator)
    return model, torch.randn(shape, generator=generator)
