# SPDX-License-Identifier: BSD-3-Clause
"""The format benchmark: one model in every format that people use, measured side by side.

``safeserial bench`` and :func:`safeserial.compare_formats` are its doors.  What is measured runs in
processes of its own (:mod:`.worker`), which import nothing that the format itself does not need.
"""
