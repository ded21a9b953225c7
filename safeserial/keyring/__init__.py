# SPDX-License-Identifier: BSD-3-Clause
"""The keyring: entries, the ring and its life, where it is kept, the chain it is published as.

Floor 4.
"""

from safeserial.keyring.entries import KeyEntry as KeyEntry
from safeserial.keyring.entries import Mark as Mark
from safeserial.keyring.entries import State as State
from safeserial.keyring.ring import KEY_FILE_VARIABLE as KEY_FILE_VARIABLE
from safeserial.keyring.ring import VARIABLE as VARIABLE
from safeserial.keyring.ring import Keyring as Keyring
from safeserial.keyring.storage import MAX_KEYRING_BYTES as MAX_KEYRING_BYTES
from safeserial.keyring.storage import OS_PREFIX as OS_PREFIX
from safeserial.keyring.storage import OS_SERVICE as OS_SERVICE
from safeserial.keyring.storage import SCHEMA as SCHEMA
