"""The OpenAPI document of the claims service, made of its operations and documents, and a page that shows it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from oracle.claims.service.documents import ModelsDocument, ServiceDocument
from oracle.core.version import __version__
from oracle.web.claims.operations import OPERATIONS, Admission, Operation

__all__ = ["PAGE_POLICY", "openapi_document", "openapi_page"]

_REF = "#/components/schemas/{model}"

_TITLE = "Claims service"
_ABOUT = (
    "Proves that a committed model gave an output within bounds on private data. Who asks sends the data and its salt "
    "to this service, and gets a claim that tells neither. Only the claim's subject can submit it."
)

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}h2{margin-top:2.5rem;font-size:1.1rem}code,pre{font:14px/1.4 ui-monospace,monospace}"
    "pre{background:#f4f4f4;padding:.75rem;overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ddd}"
)

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
"""The page's content security policy: it runs nothing, loads nothing, and has the one style that it comes with."""


def openapi_document(models: ModelsDocument) -> dict[str, Any]:
    """Return the document, in OpenAPI 3.1, whose schemas are JSON Schema.

    Args:
        models: The served models: their inputs are among the schemas.
    """
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    for model in models.models:
        schemas[f"inputs.{_key(model.name)}"] = model.inputs
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The caller's token, or the key of one job.",
                }
            },
        },
    }


def openapi_page(document: Mapping[str, Any]) -> str:
    """Return a page that shows an OpenAPI document. It has no script, and needs nothing from elsewhere."""
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_TITLE}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{_TITLE}</h1><p>{_text(document['info']['description'])}</p>",
        '<p>The same for machines: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _shown_operation(path, method, operation)
    parts.append("<h1>Documents</h1>")
    for name, schema in document["components"]["schemas"].items():
        parts += _shown_schema(name, schema)
    return "".join([*parts, "</body></html>"])


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, (kind, when) in operation.answers.items():
        answers[str(status)] = {"description": when}
        if kind is not None:
            media = "text/event-stream" if operation.streams and status == 200 else "application/json"
            answers[str(status)]["content"] = {media: {"schema": _schema(kind, schemas)}}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"For {operation.admission.value}.",
        "responses": answers,
    }
    if operation.admission is Admission.CALLER:
        found["security"] = [{"bearer": []}, {}]
    elif operation.admission is Admission.OWNER:
        found["security"] = [{"bearer": []}]
    names = re.findall(r"\{(\w+)\}", operation.path)
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if operation.body is not None:
        schema = _schema(operation.body, schemas)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _schema(kind: type[ServiceDocument], schemas: dict[str, Any]) -> dict[str, str]:
    """Return a reference to a document's schema, which is added with those that it needs."""
    if kind.__name__ not in schemas:
        made = kind.model_json_schema(ref_template=_REF)
        schemas.update(made.pop("$defs", {}))
        schemas[kind.__name__] = made
    return {"$ref": _REF.format(model=kind.__name__)}


def _key(name: str) -> str:
    """Return a name as a key of components may be."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _shown_operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {_text(path)}</code></h2>"
    yield f"<p>{_text(operation['summary'])} {_text(operation['description'])}</p>"
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield f"<p>Body: {_link(schema)}</p>"
    yield "<table><tr><th>status</th><th>body</th><th></th></tr>"
    for status, answer in operation["responses"].items():
        [shown] = [_link(each["schema"]) for each in answer.get("content", {}).values()] or ["–"]
        yield f"<tr><td>{status}</td><td>{shown}</td><td>{_text(answer['description'])}</td></tr>"
    yield "</table>"


def _shown_schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{_text(name)}"><code>{_text(name)}</code></h2>'
    if "description" in schema:
        yield f"<p>{_text(schema['description'])}</p>"
    yield f"<pre>{_text(json.dumps(schema, indent=1, ensure_ascii=False))}</pre>"


def _link(schema: Mapping[str, Any]) -> str:
    name = _text(str(schema["$ref"]).rpartition("/")[2])
    return f'<a href="#{name}"><code>{name}</code></a>'


def _text(text: str) -> str:
    return html.escape(text, quote=True)
