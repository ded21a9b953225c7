# SPDX-License-Identifier: BSD-3-Clause
"""Requests that nobody honest would send: what goes into the socket, made from a seed."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass

#: Stands in values and names; never to be seen in the log.
CANARY = "Timbuktu-4711"
MODELS = ("forest", "mixed", "python", "frame")
_KINDS = ("BOOL", "UINT8", "INT8", "INT64", "UINT64", "FP16", "FP32", "FP64", "BYTES")
_ODD_TEXTS = (
    "", "\0", "\u202e", CANARY, "a" * 5000, "\ud800", "\udfff\ud800", "X\r\nSet-Cookie: a=b",
    "☃" * 90,
    "../../etc/passwd", "${jndi:ldap://a}", "'; --", "X" * 79 + "é" * 3, "{}", "%00%n",
)  # fmt: skip
_ODD_NUMBERS = (
    "0", "-0", "-1", "1.5", "1e400", "-1e999", "1e-400", "9" * 400, "9" * 5000, "NaN", "Infinity",
    "0x10", "01", "1e", str(2**31), str(2**63), str(2**64), str(-(2**63) - 1), "1_000", "+1", ".5",
    "true", "null", '"1"', "[]", "{}",
)  # fmt: skip
_ODD_SHAPES = (
    "[]", "[-1,6]", "[0,6]", "[6]", "[1,6,1]", "[1,7]", "[2,6]", "[0,0]", "[1,0]",
    f"[{2**40},{2**40}]",
    f"[0,{2**62},{2**62}]", f"[{2**70},0]", "[1.0,6]", '["1",6]', "[true,6]", "null", "6", "{}",
    "[1,1,1,1,1,1,1,6]", "[1,1,1,1,1,1,1,1,1,6]", "[[1,6]]", f"[{'9' * 5000},1]", "[" * 500,
    "[" + "1," * 3000 + "6]", f"[0,{2**63 - 1}]",
)  # fmt: skip
_ROW = "0.5,1,-2,3,4e1,null"


@dataclass
class Attack:
    """Bytes for one connection; then it waits for the answer, is cut off or half-closed."""

    kind: str
    pieces: list[bytes]
    end: str = "wait"


def attack(seed: int) -> Attack:
    """Return the attack of a seed."""
    rng = random.Random(seed)
    return rng.choice(_MAKERS)(rng)


def post(body: bytes, model: str = "forest", *extra: bytes) -> bytes:
    lines = [
        f"POST /v2/models/{model}/infer HTTP/1.1".encode(), b"Host: a",
        b"Content-Length: %d" % len(body), b"Connection: close", *extra,
    ]  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def tensor(name='"X"', shape="[1,6]", datatype='"FP64"', data=f"[{_ROW}]", more=""):
    return f'{{"name":{name},"shape":{shape},"datatype":{datatype},"data":{data}{more}}}'


def good() -> bytes:
    return f'{{"inputs":[{tensor()}]}}'.encode()


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# Bodies ---------------------------------------------------------------------------------------


def _body(rng: random.Random) -> Attack:
    """A request with a few fields that are wrong."""
    fields: dict = {}
    for _ in range(rng.randint(1, 2)):
        which = rng.choice(("name", "shape", "datatype", "data", "more"))
        fields[which] = {
            "name": lambda: json.dumps(rng.choice(_ODD_TEXTS)),
            "shape": lambda: rng.choice(_ODD_SHAPES),
            "datatype": lambda: json.dumps(rng.choice((*_KINDS, *_ODD_TEXTS))),
            "data": lambda: _data(rng),
            "more": lambda: f',"parameters":{_parameters(rng)}',
        }[which]()
    inputs = [tensor(**fields)] + [tensor()] * rng.choice((0, 0, 1))
    text = f'{{"inputs":[{",".join(inputs)}]{_top(rng)}}}'
    raw = encoded(text)
    return Attack("body", [post(raw, rng.choice(MODELS))])


def _hollow(rng: random.Random) -> Attack:
    """No elements, and a shape that says so, or not."""
    fields = {"shape": rng.choice(_ODD_SHAPES), "datatype": f'"{rng.choice(_KINDS)}"'}
    raw = encoded(f'{{"inputs":[{tensor(data="[]", **fields)}]}}')
    return Attack("hollow", [post(raw, rng.choice(MODELS))])


def _columns(rng: random.Random) -> Attack:
    """Columns of numbers and texts, of which some are odd."""
    age = tensor('"age"', "[2,1]", '"FP64"', f"[1,{rng.choice(_ODD_NUMBERS)}]")
    odd = json.dumps([rng.choice(_ODD_TEXTS), rng.choice(_ODD_TEXTS)])
    town = tensor('"town"', rng.choice(("[2,1]", "[2]", "[1,2]")), '"BYTES"', odd)
    inputs = rng.choice((f"{age},{town}", f"{town},{age}", age, town, f"{age},{age}"))
    raw = encoded(f'{{"inputs":[{inputs}]{_top(rng)}}}')
    return Attack("columns", [post(raw, rng.choice(("mixed", "frame")))])


def _data(rng: random.Random) -> str:
    count = rng.choice((0, 1, 5, 6, 7, 600))
    one = rng.choice((*_ODD_NUMBERS, *map(json.dumps, _ODD_TEXTS)))
    flat = ",".join([one] * count) if rng.random() < 0.5 else ",".join(["1"] * 5 + [one])
    return rng.choice((
        f"[{flat}]", f"[[{flat}]]", f"[[[{flat}]]]", f"[[1,2,3],{one}]", f"[{one},[1]]", one,
        "[" * rng.choice((2, 9, 300, 50_000)), '{"a":' * rng.choice((3, 20_000)),
        f'{{"0":[{flat}]}}', f"[{flat}", f"[{flat},]", "[" * 40 + "1" + "]" * 40,
    ))  # fmt: skip


def _parameters(rng: random.Random) -> str:
    return rng.choice((
        "null", "[]", '{"binary_data_size":48}', '{"binary_data_size":-1}',
        '{"binary_data_size":1e3}',
        '{"binary_data_size":"48"}', f'{{"binary_data_size":{2**63}}}', '{"binary_data_size":true}',
        '{"binary_data_size":0}', '{"shared_memory_region":"a"}', '{"a":' * 30_000,
        '{"classification":3}',
    ))  # fmt: skip


def _top(rng: random.Random) -> str:
    return rng.choice((
        "", "", "", ',"id":5', ',"id":null', f',"id":{json.dumps("i" * 300)}', f',"id":"{CANARY}"',
        ',"outputs":[]', ',"outputs":[{"name":"none"}]',
        ',"outputs":[{"name":"predict"},{"name":"predict"}]',
        ',"outputs":{"name":"predict"}',
        ',"outputs":[{"name":"predict","parameters":{"classification":1}}]',
        ',"outputs":[{"name":"predict","parameters":{"binary_data":"yes"}}]', ',"parameters":[]',
        ',"parameters":{"binary_data_output":true}', ',"inputs":[]', ',"inputs":[{}]',
        ',"id":"\ud800"',
    ))  # fmt: skip


def _whole(rng: random.Random) -> Attack:
    """What is no request at all."""
    raw = rng.choice((
        b"", b"{", b"[]", b"null", b"0", b'""', b'{"inputs":null}', b'{"inputs":{}}',
        b'{"inputs":[]}',
        b"\xff\xfe{\0}\0", b"\xef\xbb\xbf" + good(), b"[" * 100_000, b'{"a":' * 50_000,
        b" " * 9_000,
        b'{"inputs":[' + b"{}," * 20_000 + b"{}]}", good() + good(), good() + b"\0", b"\0" * 500,
        b'{"inputs":[' + b",".join([tensor().encode()] * 3_000) + b"]}", b"\x1f\x8b" + bytes(50),
    ))  # fmt: skip
    return Attack("whole", [post(raw, rng.choice(MODELS))])


def _changed(rng: random.Random) -> Attack:
    """A good request with bytes changed, cut out or doubled."""
    raw = bytearray(good())
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw))
        match rng.randrange(3):
            case 0:
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at : at + rng.randint(1, 4)]
            case _:
                raw[at:at] = raw[at : at + rng.randint(1, 30)]
    return Attack("changed", [post(bytes(raw), rng.choice(MODELS))])


def _binary(rng: random.Random) -> Attack:
    """Raw tensors, and a header that says where they begin, which lie."""
    kind = rng.choice(_KINDS)
    raw = rng.choice((
        bytes(48), rng.randbytes(48), bytes(47), b"", struct.pack("<I", 2**32 - 1) + b"a",
        struct.pack("<I", 2) + b"\xff\xfe", struct.pack("<I", 0) * 6, b"\1\0", rng.randbytes(300),
    ))  # fmt: skip
    size = rng.choice((len(raw), len(raw), len(raw) + 1, -1, 2**40, 0))
    shape = rng.choice(("[1,6]", "[6]", "[1]", *_ODD_SHAPES))
    more = f',"parameters":{{"binary_data_size":{size}}}'
    head = encoded(f'{{"inputs":[{tensor(shape=shape, datatype=json.dumps(kind), more=more)}]}}')
    length = rng.choice((
        b"%d" % len(head), b"%d" % len(head), b"%d" % (len(head) + 1), b"0", b"-1", b"9" * 30,
        b"1e2",
        b"\xb2", b"", b"%d " % len(head), b"%d" % (2**31),
    ))  # fmt: skip
    extra = b"Inference-Header-Content-Length: " + length
    return Attack("binary", [post(head + raw, rng.choice(MODELS), extra)])


# HTTP -----------------------------------------------------------------------------------------


def _framing(rng: random.Random) -> Attack:
    """Lengths that lie, chunks that break off."""
    start = b"POST /v2/models/forest/infer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    body = good()
    chunks = start + b"Transfer-Encoding: chunked\r\n\r\n"
    sized = b"%x\r\n%s\r\n" % (len(body), body)
    return rng.choice((
        Attack("short", [start + b"Content-Length: 5\r\n\r\n" + body]),
        Attack("long", [start + b"Content-Length: %d\r\n\r\n" % (len(body) + 9) + body], "cut"),
        Attack("long, half", [start + b"Content-Length: 99999\r\n\r\n" + body], "half"),
        Attack("over", [start + b"Content-Length: %d\r\n\r\n" % 2**40 + body]),
        Attack("over, sent", [start + b"Content-Length: 1200000\r\n\r\n", b"a" * 1_200_000]),
        Attack("over, chunked", [chunks, *[b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 20,
        b"0\r\n\r\n"]),
        Attack("twice", [start + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body]),
        *(
            Attack("length", [start + b"Content-Length: " + one + b"\r\n\r\n" + body])
            for one in (b"-1", b"+5", b"5, 5", b"0x9", b"\xb2", b"9" * 40, b"", b"5 5", b"1e3")
        ),
        Attack("both",
        [start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + sized]),
        Attack("coding", [start + b"Transfer-Encoding: gzip, x\r\n\r\n" + body], "half"),
        Attack("chunks", [chunks + sized + b"0\r\n\r\n"]),
        Attack("cut in a chunk", [chunks + sized[: rng.randrange(1, len(sized))]], "cut"),
        Attack("half a chunk", [chunks + sized[: rng.randrange(1, len(sized))]], "half"),
        Attack("huge chunk", [chunks + b"f" * rng.choice((8, 15, 17, 40)) + b"\r\n" + body],
        "half"),
        Attack("bad chunk", [chunks + b"zz\r\n" + body]),
        Attack("extension", [chunks + b"5;" + b"a" * 200_000], "half"),
        Attack("trailers", [chunks + sized + b"0\r\nA: " + b"b" * 200_000 + b"\r\n\r\n"], "half"),
        Attack("byte by byte", [bytes([one]) for one in start + b"Content-Length: 2\r\n\r\n{}"]),
    ))  # fmt: skip


def _head(rng: random.Random) -> Attack:
    """Request lines and headers."""
    line = b"GET /v2/models/forest HTTP/1.1\r\n"
    lines = (
        b"GET", b"GET /", b"GET / HTTP/1.1", b"GET / HTTP/9.9", b"get / HTTP/1.1",
        b"G\0T / HTTP/1.1",
        b"GET  / HTTP/1.1", b"GET http://a:b@c:99999999/v2 HTTP/1.1", b"GET * HTTP/1.1",
        b"GET /%zz HTTP/1.1",
        b"GET /v2/models/%ff%fe HTTP/1.1", b"GET /v2/models/\xff HTTP/1.1",
        b"GET /v2?\xff\xfe HTTP/1.1",
        b"GET /v2?a=%ff HTTP/1.1", b"GET //v2 HTTP/1.1", b"GET /v2/ HTTP/1.1",
        b"GET /v2/models/ HTTP/1.1",
        b"GET /v2/../../etc/passwd HTTP/1.1", b"GET /v2/models/a%2Fb/infer HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"TRACE / HTTP/1.1", b"OPTIONS * HTTP/1.1", b"HEAD /v2 HTTP/1.1", b"HEAD /metrics HTTP/1.1",
        b"DELETE /v2 HTTP/1.1", b"PATCH /v2/models/forest/infer HTTP/1.1", b"BREW / HTTP/1.1",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1", b"GET /v2/models/" + b"%41" * 900 + b" HTTP/1.1",
        b"GET / HTTP/1.0", b"GET /v2/models/forest%00 HTTP/1.1",
        b"GET /v2/models/forest\n HTTP/1.1",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    )  # fmt: skip
    headers = (
        b"a" * 70_000 + b": b", b"A: " + b"b" * 70_000,
        b"\r\n".join(b"H%d: a" % n for n in range(9_000)),
        b"no colon", b": empty", b"A b: c", b"A\0: b", b"A: \0", b"A: \xff\xfe", b" folded",
        b"A: b\nC: d",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AA==",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
        b"Host: [",
        b"Host: \xff", b"Host: a/b?c#d", b"Host: a\r\nHost: b", b"Content-Encoding: gzip",
        b"Expect: 100-continue",
        b"Expect: 200-maybe", b"Content-Length: 7", b"Cookie: " + b"a=b; " * 5_000,
        b"X-Forwarded-For: \xff",
        b"Authorization: Bearer \xff", b"Range: bytes=0-,0-,0-", b"Transfer-Encoding: chunked",
    )  # fmt: skip
    if rng.random() < 0.5:
        return Attack(
            "line", [rng.choice(lines) + b"\r\nHost: a\r\nConnection: close\r\n\r\n"], "half"
        )
    return Attack("header", [line + rng.choice(headers) + b"\r\nConnection: close\r\n\r\n"], "half")


def _garbage(rng: random.Random) -> Attack:
    """Bytes that are nothing, alone or behind a request."""
    raw = rng.randbytes(rng.choice((1, 10, 300, 5_000, 100_000)))
    ask = b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n"
    many = post(good()).replace(b"Connection: close\r\n", b"")
    return rng.choice((
        Attack("bytes", [raw], "half"),
        Attack("bytes, cut", [raw], "cut"),
        Attack("lines", [b"\r\n" * rng.randint(1, 9_000)], "half"),
        Attack("pipelined", [ask * rng.randint(2, 40)], "half"),
        Attack("pipelined, predictions", [many * rng.randint(2, 20)], "half"),
        Attack("behind a request", [ask + raw], "half"),
        Attack("behind a prediction", [many + raw], "half"),
        Attack("gone at once", [many * 3], "cut"),
        Attack("nothing", [], "cut"),
    ))  # fmt: skip


_MAKERS = (
    *[_body] * 4, _hollow, *[_columns] * 2, _whole, *[_changed] * 2, *[_binary] * 2,
    *[_framing] * 2, *[_head] * 2, _garbage,
)  # fmt: skip
