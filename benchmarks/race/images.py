"""Row (i): small convolutional networks, in PyTorch's plain loop, in the memory format that it likes best."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from race.task import seconds_of
from race.with_torch import Bench, use_faster_threads
from race.worker import Answer

FORMATS = (torch.channels_last, torch.contiguous_format)


class ImageBench(Bench):
    """The task as tensors; images are (N, 1, 28, 28)."""

    format = torch.channels_last

    def __init__(self, key: str, quick: bool) -> None:
        super().__init__(key, quick)
        self.x = self.x.reshape(-1, 1, 28, 28)

    def model(self, member: int) -> nn.Module:
        """Return the same network: 3×3 convolutions, ReLU and 2×2 max-pooling, then dense layers."""
        params, layers = self.first[member], []
        for i, (n_in, n_out) in enumerate(pairwise((1, *self.task.conv))):
            layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, 3, padding=1)
            weight = torch.from_numpy(params[f"conv.{i}.weight"]).permute(3, 2, 0, 1)
            _fill(layer, weight, params[f"conv.{i}.bias"])
            layers += [layer, nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = self.task.conv[-1], 28 // 2 ** len(self.task.conv)
        layers.append(nn.Flatten())
        for i, (weight, bias) in enumerate(self.task.layers(params)):
            w = torch.from_numpy(weight)
            if i == 0:  # goodfit's rows go by place and channel, these by channel and place
                w = w.reshape(side, side, channels, -1).permute(2, 0, 1, 3).reshape(len(w), -1)
            layer = nn.utils.skip_init(nn.Linear, *w.shape)
            _fill(layer, w.T, bias)
            layers += [nn.ReLU(), layer] if i else [layer]
        return nn.Sequential(*layers).to(memory_format=self.format)


def _fill(layer: nn.Module, weight: torch.Tensor, bias: object) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.from_numpy(bias))


def eager(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of the plain loop."""
    bench = ImageBench(key, quick)
    use_faster_threads(bench.eager)

    def trial(form: torch.memory_format) -> float:
        bench.format = form
        return seconds_of(lambda: bench.eager(0, 10))

    bench.format = min(FORMATS, key=trial)
    return bench.race()
