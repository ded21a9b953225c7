# SPDX-License-Identifier: BSD-3-Clause
"""The server's description of itself: an OpenAPI document and a page that shows it.

Floor 7.  The page is plain HTML and fetches nothing from elsewhere.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from safeserial import __version__
from safeserial.serving.desk import OPEN
from safeserial.serving.repository import Served
from safeserial.serving.tensors import DTYPES

_TENSOR: Final[dict[str, Any]] = {
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
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_OUTPUT: Final = {**_TENSOR, "properties": {**_TENSOR["properties"], "data": {"type": "array"}}}
_ANSWER: Final = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": _OUTPUT},
    },
}
_SPEC: Final = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
    },
}
_METADATA: Final = {
    "type": "object",
    "required": ["name", "versions", "platform", "inputs", "outputs"],
    "properties": {
        "name": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": _SPEC},
        "outputs": {"type": "array", "items": _SPEC},
        "properties": {"type": "object"},
    },
}


def _object(**properties: str) -> dict[str, Any]:
    kinds = {name: {"type": kind} for name, kind in properties.items()}
    return {"type": "object", "required": list(kinds), "properties": kinds}


_READY: Final = _object(name="string", ready="boolean")
_SERVER: Final = _object(name="string", version="string", extensions="array")
_FAILURES: Final = {
    "400": "not a request of the protocol, or not for these inputs",
    "401": "a bearer token is needed",
    "404": "no such model, or not of this version",
    "408": "the request took too long to arrive",
    "413": "the request is too large",
    "415": "compressed requests are not offered",
    "503": "too many requests wait",
    "504": "the model took too long",
}
_FOR_MODEL: Final = ("404",)
_FOR_ANSWERS: Final = ("400", "404", "408", "413", "415", "503", "504")
_ROUTES: Final[tuple[tuple[str, str, str, Any, tuple[str, ...]], ...]] = (
    ("/v2", "get", "The server: name, version, extensions.", _SERVER, ()),
    ("/v2/health/live", "get", "Whether the server runs.", _object(live="boolean"), ()),
    ("/v2/health/ready", "get", "Whether all models are loaded.", _object(ready="boolean"), ()),
    ("/v2/models/{model}", "get", "A model: versions, inputs, outputs.", _METADATA, _FOR_MODEL),
    ("/v2/models/{model}/ready", "get", "Whether a model is loaded.", _READY, _FOR_MODEL),
    ("/v2/models/{model}/infer", "post", "Predict.", _ANSWER, _FOR_ANSWERS),
    (
        "/v2/models/{model}/versions/{version}",
        "get", "A model of a version.", _METADATA, _FOR_MODEL,
    ),
    (
        "/v2/models/{model}/versions/{version}/ready",
        "get", "Whether it is loaded.", _READY, _FOR_MODEL,
    ),
    (
        "/v2/models/{model}/versions/{version}/infer",
        "post", "Predict with this version.", _ANSWER, _FOR_ANSWERS,
    ),
    ("/metrics", "get", "Figures for Prometheus.", None, ()),
)  # fmt: skip


def document(*, with_tokens: bool = False) -> dict[str, Any]:
    """Return the OpenAPI document.

    Parameters
    ----------
    with_tokens : bool, default=False
        Whether requests need a bearer token.
    """
    paths: dict[str, Any] = {}
    for path, method, summary, schema, failures in _ROUTES:
        if with_tokens and path not in OPEN:
            failures = (*failures, "401")  # noqa: PLW2901 - of this route
        operation: dict[str, Any] = {
            "summary": summary,
            "responses": {
                "200": {"description": "answer", "content": _content(schema)},
                **{
                    one: {"description": _FAILURES[one], "content": _content(_ERROR)}
                    for one in failures
                },
            },
        }
        if with_tokens and path not in OPEN:
            operation["security"] = [{"token": []}]
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        operation["parameters"] = [
            {
                "name": one, "in": "path", "required": True,
                "schema": {"type": "string", "minLength": 1},
            }
            for one in names
        ]  # fmt: skip
        if method == "post":
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": _REQUEST}},
            }
            operation["responses"]["200"]["content"]["application/octet-stream"] = {}
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


def _content(schema: Any) -> dict[str, Any]:
    if schema is None:
        return {"text/plain": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schema}}


def page(models: Iterable[Served], *, with_page: bool = False) -> str:
    """Return a page about the server and its models.

    Parameters
    ----------
    models : iterable of Served
        What is offered.
    with_page : bool, default=False
        Whether to link to the page that runs models in the browser.
    """
    rows = "".join(
        f"<tr><td><code>{path}</code></td><td>{method.upper()}</td><td>{summary}</td></tr>"
        for path, method, summary, _, _ in _ROUTES
    )
    sections = [_section(one, with_page=with_page) for one in models]
    return _PAGE.format(rows=rows, models="".join(sections))


def _section(one: Served, *, with_page: bool) -> str:
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
    link = f"/page/{quote(one.name, safe='')}/?given"
    browser = f'<p><a href="{link}">Verify and try it in the browser</a></p>' if with_page else ""
    return (
        f"<h2>{html.escape(one.name)} <small>version {html.escape(one.version)},"
        f" {one.runner.platform}</small></h2><p>signed by"
        f" {html.escape(', '.join(one.signers) or 'nobody')}; artifact"
        f" <code>{one.artifact_id[:16]}…</code></p>"
        f"{browser}<h3>Inputs</h3><table>{table(one.runner.inputs)}</table>"
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
