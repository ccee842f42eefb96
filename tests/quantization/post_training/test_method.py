"""The steps together: better than rounding to nearest, still an exact program, and what is refused."""

import pytest
import torch

from bitwatt import networks
from bitwatt.errors import RequestError
from bitwatt.program import lower, reference
from bitwatt.quantization import quantize
from bitwatt.quantization.post_training import PostTraining, improve

METHODS = {
    "least error": PostTraining(rounding="nearest", correct_biases=False),
    "percentile": PostTraining(calibration="percentile", rounding="nearest", correct_biases=False),
    "max": PostTraining(calibration="max", rounding="nearest", correct_biases=False),
    "bias": PostTraining(rounding="nearest"),
    "equalised": PostTraining(equalise=True, rounding="nearest"),
    "together": PostTraining(),
    "all": PostTraining(equalise=True),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_program_is_the_module_to_the_bit(method, quantised, images):
    network = quantised("fixed4")
    improve(network, images, METHODS[method])
    program = lower(network.eval(), example=images[:1])
    logits = program(images[:16])
    assert torch.equal(logits, torch.from_numpy(reference.logits(program, images[:16].numpy())))
    with torch.no_grad():
        assert torch.equal(network(images[:16]).double(), logits)


def test_nothing_asked_for_changes_nothing(quantised, images):
    one, other = quantised("fixed4"), quantised("fixed4")
    improve(one, images, METHODS["least error"])
    for (key, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def test_the_default_meets_the_float_network_best(network, quantised, images):
    with torch.no_grad():
        wanted = network(images)
        missed = {}
        for name, method in METHODS.items():
            made = quantised("fixed3:fixed8")
            improve(made, images, method)
            missed[name] = float((made.eval()(images) - wanted).square().mean())
    assert missed["together"] < missed["bias"] < missed["least error"]
    assert missed["all"] < missed["least error"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": "percentil"}, "unknown calibration 'percentil'; did you mean 'percentile'? "
         "Allowed: least-error, percentile, max"),
        ({"rounding": "adaround"}, "unknown rounding 'adaround'. Allowed: nearest, together"),
    ],
)  # fmt: skip
def test_refused(options, message):
    with pytest.raises(RequestError) as error:
        PostTraining(**options)
    assert str(error.value) == message


def test_a_network_with_residuals():
    torch.manual_seed(0)
    images = torch.randn(24, 3, 32, 32)
    network = networks.create("resnet8", seed=0, width=0.25).eval()
    missed = {}
    for name in ("least error", "bias", "together", "all"):
        made = quantize(network, "fixed4:fixed8", calibration=images)
        improve(made, images, METHODS[name])
        program = lower(made.eval(), example=images[:1])
        with torch.no_grad():
            assert torch.equal(made(images).double(), program(images))
            missed[name] = float((made(images) - network(images)).square().mean())
    assert max(missed["together"], missed["all"]) < missed["bias"] < missed["least error"]
