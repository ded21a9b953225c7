# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: what signing and verifying cost beside plain pickle and joblib, on real models.

``python -m safeserial_benchmarks`` runs them all; benchmarks/README.md says how to read the result.
"""
