# SPDX-License-Identifier: BSD-3-Clause
"""The server's description of itself: an OpenAPI document and a page that shows it.

Floor 7.  The page is plain HTML and fetches nothing from elsewhere.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, Final

from safeserial import __version__
from safeserial.serving.repository import Served
from safeserial.serving.tensors import DTYPES

_TENSOR: Final = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string", "enum": list(DTYPES)},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
_REQUEST: Final = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string", "maxLength": 256},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
            },
        },
    },
}
_ERROR: Final = {
    "description": "refused",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}}
        }
    },
}
_ROUTES: Final = (
    ("/v2", "get", "The server: name, version, extensions."),
    ("/v2/health/live", "get", "Whether the server runs."),
    ("/v2/health/ready", "get", "Whether all models are loaded."),
    ("/v2/models/{model}", "get", "A model: versions, inputs, outputs."),
    ("/v2/models/{model}/ready", "get", "Whether a model is loaded."),
    ("/v2/models/{model}/infer", "post", "Predict."),
    ("/v2/models/{model}/versions/{version}", "get", "A model of a version."),
    ("/v2/models/{model}/versions/{version}/ready", "get", "Whether it is loaded."),
    ("/v2/models/{model}/versions/{version}/infer", "post", "Predict with this version."),
    ("/metrics", "get", "Figures for Prometheus."),
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, Any] = {}
    for path, method, summary in _ROUTES:
        operation: dict[str, Any] = {
            "summary": summary,
            "responses": {
                "200": {"description": "answer"},
                **dict.fromkeys(("400", "401", "404", "413", "503"), _ERROR),
            },
        }
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        operation["parameters"] = [
            {"name": one, "in": "path", "required": True, "schema": {"type": "string"}}
            for one in names
        ]
        if method == "post":
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": _REQUEST}},
            }
        paths[path] = {method: operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "safeserial",
            "version": __version__,
            "description": "Verified models behind the Open Inference Protocol.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def page(models: Iterable[Served]) -> str:
    """Return a page about the server and its models."""
    rows = "".join(
        f"<tr><td><code>{path}</code></td><td>{method.upper()}</td><td>{summary}</td></tr>"
        for path, method, summary in _ROUTES
    )
    return _PAGE.format(rows=rows, models="".join(map(_section, models)))


def _section(one: Served) -> str:
    def table(specs: Iterable[Any]) -> str:
        return "".join(
            f"<tr><td><code>{html.escape(spec.name)}</code></td><td>{spec.datatype}</td>"
            f"<td>{html.escape(str(list(spec.shape)))}</td></tr>"
            for spec in specs
        )

    example = {
        "inputs": [
            {
                "name": spec.name,
                "shape": [1, *(max(size, 1) for size in spec.shape[1:])],
                "datatype": spec.datatype,
                "data": ["" if spec.datatype == "BYTES" else 0]
                * max(1, spec.shape[-1] if len(spec.shape) > 1 else 1),
            }
            for spec in one.runner.inputs[:3]
        ]
    }
    return (
        f"<h2>{html.escape(one.name)} <small>version {html.escape(one.version)},"
        f" {one.runner.platform}</small></h2><p>signed by"
        f" {html.escape(', '.join(one.signers) or 'nobody')}; artifact"
        f" <code>{one.artifact_id[:16]}…</code></p>"
        f"<h3>Inputs</h3><table>{table(one.runner.inputs)}</table>"
        f"<h3>Outputs</h3><table>{table(one.runner.outputs)}</table>"
        f"<h3>A request</h3><pre>POST /v2/models/{html.escape(one.name)}/infer\n\n"
        f"{html.escape(json.dumps(example, indent=1))}</pre>"
    )


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>safeserial: models</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 56rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }} td {{ padding: .2rem .8rem .2rem 0; vertical-align: top }}
pre {{ padding: 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: .4rem }}
small {{ font-weight: normal }}
</style></head><body>
<h1>Verified models</h1>
<p>Open Inference Protocol, version 2. The description for programs is at
<a href="/openapi.json">/openapi.json</a>.</p>
{models}
<h2>Routes</h2><table>{rows}</table>
</body></html>
"""
