"""The networks of the published study, as plain `nn.Sequential` modules.

Nothing else in bitwatt knows these: any module of the supported layers is treated alike.
"""

from bitwatt.networks.catalogue import NetworkInfo, create, info, names

__all__ = ["NetworkInfo", "create", "info", "names"]
