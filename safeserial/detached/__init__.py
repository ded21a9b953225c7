# SPDX-License-Identifier: BSD-3-Clause
"""Detached signatures: bundles beside a file or folder (docs/spec/detached-v1.md).

Floor 5.  The bundle is the one of OpenSSF Model Signing, so that with an EC key its tools read ours
and we read theirs.  Nothing of a statement is parsed before its signature is right.
"""
