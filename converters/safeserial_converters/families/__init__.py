# SPDX-License-Identifier: BSD-3-Clause
"""The converters, a file a family; imported by the registry when a class of theirs is met."""
