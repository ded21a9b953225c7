# SPDX-License-Identifier: BSD-3-Clause
"""Scanners and loaders of other projects, and this one, on the same hostile and honest files."""
