"""The recipes a study uses where its plan says nothing else."""

from __future__ import annotations

from bitwatt.training import Recipe

PRETRAINING = Recipe(epochs=8, batch_size=64, learning_rate=0.05, weight_decay=5e-4)
"""Float training, from first weights."""

RETRAINING = Recipe(epochs=3, batch_size=64, learning_rate=0.01, weight_decay=0.0, distillation=0.5)
"""Training at a precision, from the float weights, with the float network as the teacher."""
