"""Every network quantises and lowers at every precision of the published study, and runs there exactly."""

import numpy as np
import pytest
import torch

from bitwatt import networks
from bitwatt.formats import PAPER
from bitwatt.program import lower, reference
from bitwatt.quantization import quantize

NAMES = [name for name in networks.names() if name not in ("lenet", "convnet", "alex", "alex+", "alex++")]


@pytest.mark.parametrize("name", NAMES)
def test_lowers_at_every_precision(name):
    network, about = networks.create(name, seed=0, width=0.125).eval(), networks.info(name)
    images = torch.randn(2, *about.input_shape, generator=torch.Generator().manual_seed(0))
    for precision in PAPER:
        program = lower(quantize(network, precision, calibration=images), example=images[:1], network=name)
        assert program(images).shape == (2, about.classes), precision
    expected = reference.logits(program, images[:1].numpy())  # of the last, binary
    np.testing.assert_array_equal(program(images[:1]).numpy(), expected)
