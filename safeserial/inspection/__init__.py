# SPDX-License-Identifier: BSD-3-Clause
"""Inspection: what is in a model file of any kind, told without executing or importing any of it.

Floor 7.  ``sniffing`` finds the kind by content, one module a format reads it, ``report`` is what
comes out.
"""
