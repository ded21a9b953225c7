# SPDX-License-Identifier: BSD-3-Clause
"""The opcode verifier: proves what a pickle or joblib payload would do before it may do it.

Floor 4.  ``admit(payload, policy)`` returns the only thing a codec decodes;
``survey(payload, policy)`` lists names and calls for inspection.  Read `machine` for the pass
itself, `rules` for what a listed name may be called with.
"""

from safeserial.verifier.admitted import Admitted as Admitted
from safeserial.verifier.admitted import DType as DType
from safeserial.verifier.admitted import InlineArray as InlineArray
from safeserial.verifier.decompress import COMPRESSORS as COMPRESSORS
from safeserial.verifier.decompress import decompress as decompress
from safeserial.verifier.rows import fits_rows as fits_rows
from safeserial.verifier.survey import Survey as Survey
from safeserial.verifier.survey import SurveyedGlobal as SurveyedGlobal
from safeserial.verifier.survey import admit as admit
from safeserial.verifier.survey import survey as survey
