# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial serve``: verified models behind the Open Inference Protocol.

Floor 8.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError
from safeserial.files import read_small

if TYPE_CHECKING:
    from safeserial.keyring import Keyring

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_TOKENS_BYTES: Final = 64 * 2**10
_LEAST_TOKEN: Final = 16


@click.command(short_help="Serve verified models over HTTP.")
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]MODEL...")
@click.option("--store", "store_url", metavar="URL", help="MODELs are NAME[@ALIAS|:VERSION] in it.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option(
    "--tokens", "tokens_file", metavar="FILE", type=click.Path(),
    help="Bearer tokens, one a line, of which a request must carry one.",
)  # fmt: skip
@click.option("--tls-cert", metavar="FILE", type=click.Path(), help="Certificate, PEM.")
@click.option("--tls-key", metavar="FILE", type=click.Path(), help="Its private key, PEM.")
@click.option(
    "--max-body", default=16.0, show_default=True, type=click.FloatRange(0, min_open=True),
    metavar="MIB", help="Largest request.",
)  # fmt: skip
@click.option("--queue", default=256, show_default=True, type=click.IntRange(1))
@click.option("--timeout", default=30.0, show_default=True, type=click.FloatRange(0, min_open=True))
@click.option("--batch-rows", default=1024, show_default=True, type=click.IntRange(1))
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1))
@click.option(
    "--follow", default=5.0, show_default=True, type=click.FloatRange(0), metavar="SECONDS",
    help="How often to look for a new version; 0: never.",
)  # fmt: skip
@click.option(
    "--page", "page_folder", metavar="FOLDER", type=click.Path(file_okay=False),
    help="Also offer the page that verifies and runs models in the browser.",
)  # fmt: skip
@click.option(
    "--page-key", metavar="FILE", type=click.Path(dir_okay=False),
    help="The sender's public key, PEM, which that page is given.",
)  # fmt: skip
@options.keyring
@options.policy
def serve(*, models: tuple[str, ...], store_url: str | None, **order: Any) -> None:
    """Serve models that were verified, until interrupted.

    MODEL is a signed file (.safeserial, or .onnx with its .sig), or with --store a name in a store.
    Clients of KServe and Triton work as they are; the URL, once the server listens, is on stdout.
    A new version of a file or alias is verified and takes over without dropping a request.
    """
    from safeserial import serving

    tokens = _tokens(order["tokens_file"])
    if bool(order["tls_cert"]) != bool(order["tls_key"]):
        raise Misuse("--tls-cert and --tls-key go together", hint="give both")
    local = order["host"] in ("127.0.0.1", "::1", "localhost")
    if not tokens and not local:
        render.talk("note: everybody who reaches this address may ask; --tokens FILE bounds that")
    policy_file = order["policy_file"]
    policy = options.read_policy(policy_file, ()) if policy_file is not None else None
    ring = _ring(order["place"])
    settings = serving.Settings(
        body_bytes=int(order["max_body"] * 2**20),
        queue=order["queue"],
        seconds=order["timeout"],
        batch_rows=order["batch_rows"],
        threads=order["threads"],
        tokens=tokens,
        follow_seconds=order["follow"],
    )
    store = _store(store_url, ring, policy)
    places = [_place(one, store) for one in models]
    if len({one.name for one in places}) != len(places):
        raise Misuse("two models have one name", hint="name them: first=a.onnx second=b.onnx")
    pages = None
    if order["page_folder"] is not None:
        pages = serving.Pages.read(order["page_folder"], places, key=order["page_key"], local=local)
    elif order["page_key"] is not None:
        raise Misuse("--page-key is for the page", hint="give --page FOLDER too")
    serving.serve(
        places,
        keyring=ring,
        policy=policy,
        settings=settings,
        host=order["host"],
        port=order["port"],
        certificate=order["tls_cert"],
        private_key=order["tls_key"],
        pages=pages,
        ready=click.echo,
    )


def _ring(place: str | None) -> Keyring:
    try:
        return options.open_ring(place)
    except KeyNotFoundError as error:
        raise KeyNotFoundError(
            str(error), hint="a server offers only what a key of your ring has signed"
        ) from None


def _store(url: str | None, ring: Keyring, policy: Any) -> Any:
    if url is None:
        return None
    import safeserial as ss

    return ss.Store(url, keyring=ring, policy=policy)


def _place(text: str, store: Any) -> Any:
    from safeserial.serving import Place

    name, separator, path = text.partition("=")
    if not separator or not _NAME.fullmatch(name):
        path = text
        name = re.split(r"[@:]", text)[0] if store is not None else Path(text).name.split(".")[0]
    if not _NAME.fullmatch(name):
        raise Misuse(f"{render.printable(text)} gives no name", hint="NAME=MODEL names it")
    return Place(name, path, store)


def _tokens(path: str | None) -> tuple[str, ...]:
    if path is None:
        return ()
    raw = read_small(path, limit=_MAX_TOKENS_BYTES, private=True)
    tokens = tuple(line.strip() for line in raw.decode("utf-8", "replace").splitlines())
    found = tuple(one for one in tokens if one and not one.startswith("#"))
    if not found or any(len(one) < _LEAST_TOKEN for one in found):
        raise Misuse(
            f"a token has at least {_LEAST_TOKEN} characters, and there is at least one",
            hint="python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return found
