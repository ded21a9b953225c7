# SPDX-License-Identifier: BSD-3-Clause
"""A prediction server for verified models, speaking the Open Inference Protocol.

Floor 7 (extra ``[serve]``).  ``tensors`` and ``requests`` read and write the protocol, ``runners``
run a model, ``repository`` holds the models and follows their changes, ``batching`` joins small
requests.  ``app`` is the web application: ``replies`` are what it takes and gives, ``desk`` stands
before every endpoint, ``inference`` predicts, ``openapi`` and ``pages`` are for people and their
programs.  ``server`` runs it over ``connections`` that end, and ``logs`` what happens.
"""

from safeserial.errors import MissingExtraError

try:
    import prometheus_client as _prometheus_client  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError:
    raise MissingExtraError("serve", "serving models") from None

from safeserial.serving.app import create_app as create_app
from safeserial.serving.pages import Pages as Pages
from safeserial.serving.repository import Place as Place
from safeserial.serving.repository import Repository as Repository
from safeserial.serving.server import serve as serve
from safeserial.serving.settings import Settings as Settings
