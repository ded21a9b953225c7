# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: time, size, memory and parity of model formats, on models of one's own."""
