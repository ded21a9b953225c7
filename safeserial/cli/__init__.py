# SPDX-License-Identifier: BSD-3-Clause
"""The command line: a group of verbs a file, each imported when it is used.

Floor 8.  Data goes to stdout, talk to stderr; exit 0 done or trusted, 1 refused, 2 could not tell.
"""
