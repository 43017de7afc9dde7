"""float16 without losing small gradients: multiply the loss, then divide the gradient by the same number.

float16 knows nothing between 0 and 6e-8 and nothing above 65,504. Gradients of activations are often smaller
than the first, so the loss is multiplied before the backward pass, as far as nothing overflows. bfloat16 has
the range of float32 and needs none of this.

Where a step overflows, the scale is halved and *the same step is computed again*, so that no batch is left
out: torch's GradScaler drops it. Powers of two only: the division is then exact.

Source: Micikevicius et al. 2018, arXiv 1710.03740, section 3.2. Start, growth and interval are torch's
        GradScaler's (2^16, x2, 2,000 steps).
Next:   fit.py.
"""

from dataclasses import dataclass

LARGEST = 2.0**24  # beyond, float32's own sums begin to suffer, and nothing is left to be gained
STEPS_TO_GROW = 2_000


@dataclass
class LossScale:
    """The factor, and for how many steps it has held.

    >>> scale = LossScale(value=4.0)
    >>> scale.overflowed(), scale.value
    (True, 2.0)
    >>> for _ in range(STEPS_TO_GROW): scale.held()
    >>> scale.value
    4.0
    """

    value: float = 2.0**16
    steps: int = 0

    def held(self) -> None:
        """A step was finite: after many of those, try twice the factor."""
        self.steps += 1
        if self.steps >= STEPS_TO_GROW:
            self.value, self.steps = min(2 * self.value, LARGEST), 0

    def overflowed(self) -> bool:
        """A step was not finite: halve the factor. False if it is 1: then it is not the factor's fault."""
        if self.value <= 1:
            return False
        self.value, self.steps = self.value / 2, 0
        return True
