# SPDX-License-Identifier: BSD-3-Clause
"""One step a file, in the order of their numbers.

Floor 7.  A released step never changes.
"""
