# SPDX-License-Identifier: BSD-3-Clause
"""Which nodes a graph needs: what nobody reads is left out of the file.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx


def all_nodes(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes, and those in the graphs inside of them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_nodes(attribute.g.node)


def reads(node: onnx.NodeProto) -> set[str]:
    """Return the names that a node reads, those of the graphs inside of it too."""
    return {name for one in all_nodes([node]) for name in one.input} | {
        output.name
        for one in all_nodes([node])
        for attribute in one.attribute
        if attribute.type == onnx.AttributeProto.GRAPH
        for output in attribute.g.output
    }


def needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes on which the wanted names depend, in order."""
    kept = []
    names = set(wanted)
    for node in reversed(nodes):
        if names & set(node.output):
            kept.append(node)
            names |= reads(node)
    return kept[::-1]
