"""Where a training in progress is kept: two places in the artifact store, used in turn.

One is always whole, whatever happens while the other is written, so that a kill costs one epoch at most.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from bitwatt.errors import BitwattError
from bitwatt.study.artifacts import ArtifactStore, read_artifact


class State(Protocol):
    """What a checkpoint holds, as far as this file looks at it."""

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        ...


S = TypeVar("S", bound=State)


class Slots:
    """The two places of one training, named by its digest."""

    def __init__(self, artifacts: ArtifactStore, digest: str) -> None:
        self._artifacts = artifacts
        self.names = tuple(f"checkpoint-{digest[:32]}-{place}" for place in ("even", "odd"))

    def keep(self, epoch: int, content: bytes) -> None:
        """Keep the checkpoint made after that many epochs, over the one before the last."""
        self._artifacts.write(self.names[epoch % 2], io.BytesIO(content))

    def latest(self, read: Callable[[bytes], S], notice: Callable[[str], None]) -> S | None:
        """The state with most epochs; None where there is none.

        read: bytes to a state, a `BitwattError` for those that are damaged; `notice` is told of each.
        """
        whole, damaged = [], []
        for name, content in self._kept():
            try:
                whole.append(read(content))
            except BitwattError as error:
                damaged.append(f"checkpoint {name} cannot be used ({error})")
        best = max(whole, key=lambda state: state.epoch, default=None)
        for text in damaged:
            where = f"from epoch {best.epoch}, kept before it" if best else "from the start"
            notice(f"{text}; the training goes on {where}")
        return best

    def clear(self) -> None:
        """Forget both."""
        for name, _ in self._kept():
            self._artifacts.remove(name)

    def _kept(self) -> Iterator[tuple[str, bytes]]:
        for name in self.names:
            content = read_artifact(self._artifacts, name)
            if content is not None:
                yield name, content
