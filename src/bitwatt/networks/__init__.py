"""Networks by name, as plain `nn.Sequential` modules: the published study's, MLPerf Tiny's, and two more.

Nothing else in bitwatt knows these: any module of the supported layers is treated alike.
"""

from bitwatt.networks.catalogue import create, info, names
from bitwatt.networks.info import NetworkInfo
from bitwatt.networks.pretrained import pretrained, pretrained_names

__all__ = ["NetworkInfo", "create", "info", "names", "pretrained", "pretrained_names"]
