"""What commands import: loaded once by the process that all others are forked from."""

import sklearn.decomposition
import sklearn.linear_model
import sklearn.preprocessing  # noqa: F401
