# SPDX-License-Identifier: BSD-3-Clause
"""The operations of converters: functions of tensors, in scikit-learn's sense of each.

Floor 7, beside the command line.  What ONNX Runtime lacks in double is composed of what it has;
more of that is in :mod:`safeserial_converters.special`.
"""

from __future__ import annotations

from safeserial_converters.ops_control import loop as loop
from safeserial_converters.ops_control import scan_rows as scan_rows
from safeserial_converters.ops_elementwise import absolute as absolute
from safeserial_converters.ops_elementwise import clip as clip
from safeserial_converters.ops_elementwise import column as column
from safeserial_converters.ops_elementwise import columns as columns
from safeserial_converters.ops_elementwise import concat as concat
from safeserial_converters.ops_elementwise import exp as exp
from safeserial_converters.ops_elementwise import expit as expit
from safeserial_converters.ops_elementwise import expm1 as expm1
from safeserial_converters.ops_elementwise import full_like as full_like
from safeserial_converters.ops_elementwise import full_rows as full_rows
from safeserial_converters.ops_elementwise import gather as gather
from safeserial_converters.ops_elementwise import isinf as isinf
from safeserial_converters.ops_elementwise import isnan as isnan
from safeserial_converters.ops_elementwise import log as log
from safeserial_converters.ops_elementwise import log1p as log1p
from safeserial_converters.ops_elementwise import maximum as maximum
from safeserial_converters.ops_elementwise import minimum as minimum
from safeserial_converters.ops_elementwise import ravel as ravel
from safeserial_converters.ops_elementwise import reshape as reshape
from safeserial_converters.ops_elementwise import sqrt as sqrt
from safeserial_converters.ops_elementwise import squeeze as squeeze
from safeserial_converters.ops_elementwise import tanh as tanh
from safeserial_converters.ops_elementwise import transpose as transpose
from safeserial_converters.ops_elementwise import unary as unary
from safeserial_converters.ops_elementwise import unsqueeze as unsqueeze
from safeserial_converters.ops_elementwise import where as where
from safeserial_converters.ops_labels import best_label as best_label
from safeserial_converters.ops_labels import binary_label as binary_label
from safeserial_converters.ops_labels import codes as codes
from safeserial_converters.ops_labels import labels as labels
from safeserial_converters.ops_labels import one_hot as one_hot
from safeserial_converters.ops_labels import searchsorted as searchsorted
from safeserial_converters.ops_reductions import argmax as argmax
from safeserial_converters.ops_reductions import argmin as argmin
from safeserial_converters.ops_reductions import largest as largest
from safeserial_converters.ops_reductions import largest_k as largest_k
from safeserial_converters.ops_reductions import logsumexp as logsumexp
from safeserial_converters.ops_reductions import mean as mean
from safeserial_converters.ops_reductions import normalize_rows as normalize_rows
from safeserial_converters.ops_reductions import reduce as reduce
from safeserial_converters.ops_reductions import smallest as smallest
from safeserial_converters.ops_reductions import smallest_k as smallest_k
from safeserial_converters.ops_reductions import softmax as softmax
from safeserial_converters.ops_reductions import total as total
