# SPDX-License-Identifier: BSD-3-Clause
"""The steps from one schema to the next, run by Alembic.

Floor 7.
"""
