# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts: the two straight lines, model to signed file and back, and the roads that end early.

Floor 6.  ``saving`` and ``loading`` mirror each other; ``trust`` holds the rules.
"""
