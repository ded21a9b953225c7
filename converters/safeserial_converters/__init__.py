# SPDX-License-Identifier: BSD-3-Clause
"""Converters: a model into a foreign format, one way, proved equal before it is handed out."""
