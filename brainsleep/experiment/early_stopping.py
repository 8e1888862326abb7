"""Early stopping: training ends when a validation set says that it no longer helps."""

from typing import Annotated

import numpy as np

from ..errors import ProtocolError, explain
from ..values.fields import one_of, specification, whole

#: When the best weights are put back: whenever training is over, or only if it ended early.
RESTORE = ("always", "if stopped")


@specification("early_stopping.", ProtocolError)
class EarlyStopping:
    """After every epoch a copy of the network is shown ``data.n_validation`` images, and scored.

    The score is the accuracy of the protocol's readout. If it has not risen for `patience` epochs,
    training ends; the weights of the best epoch are put back.

    Parameters
    ----------
    patience : int
        Epochs without a better score after which training ends; 0 for no early stopping.
    restore : {"always", "if stopped"}
        Put the best weights back whenever training is over, or only if it ended early.

    Raises
    ------
    ProtocolError
        If a value is out of range.
    """

    patience: Annotated[int, whole(note=" (epochs; 0: no early stopping)")] = 0
    restore: Annotated[str, one_of(*RESTORE)] = "always"

    def check(self, n_validation: int, tasks: int) -> None:
        """Raise `ProtocolError` unless a protocol's validation images and tasks go with it."""
        where = "data.n_validation"
        if not self and n_validation:
            fix = "set early_stopping.patience above 0"
            raise ProtocolError(explain(where, n_validation, "0 without early stopping", fix))
        if self and not n_validation:
            raise ProtocolError(explain(where, 0, "at least 1 image for early stopping"))
        if self and tasks:
            raise ProtocolError(
                "early_stopping: got tasks learned one after the other; expected one task; leave "
                "out tasks.classes, or set early_stopping.patience to 0"
            )

    def __bool__(self) -> bool:
        return self.patience > 0

    def ends(self, scores: list[float]) -> bool:
        """Return whether training ends after epochs with these scores."""
        return self.patience > 0 and len(scores) - 1 - self.best(scores) >= self.patience

    @staticmethod
    def best(scores: list[float]) -> int:
        """Return the epoch with the best score; the first of several, -1 without any."""
        return int(np.argmax(scores)) if scores else -1
