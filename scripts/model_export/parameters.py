"""The weights of a model by name, checked as they are taken."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts.build_support import BuildError


@dataclass(frozen=True, slots=True)
class Parameters:
    """Tensors of the encoder under the names of the `transformers` library."""

    tensors: Mapping[str, npt.NDArray[np.float32]]

    def get(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """Return a tensor; without a shape, of any.

        Raises:
            BuildError: it is missing or has another shape than the configuration says.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise BuildError(f"the weights hold no {name}; are they those of this config.json?")
        if shape and tensor.shape != shape:
            raise BuildError(f"{name} has the shape {tensor.shape} where {shape} was expected")
        return tensor
