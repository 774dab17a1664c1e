#!/usr/bin/env python3
"""Recomputes the frozen vectors from the text of wit/FORMAT.md, with nothing but Python's standard library.

Why: vectors that only the code which made them can confirm are not evidence. This file shares no code, no
library and no language with the log: it has its own CBOR writer, hashes with hashlib and follows the
recursive definitions of RFC 6962 word for word.

    recompute.py <folder of the vectors>
"""

import base64
import hashlib
import json
import pathlib
import sys
from functools import lru_cache


def sha256(data):
    return hashlib.sha256(data).digest()


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def b64(data):
    return base64.b64encode(data).decode("ascii")


def same(what, expected, found):
    if expected != found:
        sys.exit(f"{what}\n  in the vectors: {expected}\n  recomputed:     {found}")


# ---- RFC 8949 section 4.2.1, the parts that the format uses ----


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * width):
            return bytes([major << 5 | info]) + value.to_bytes(width, "big")
    raise ValueError(value)


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode("utf-8")
        return head(3, len(text)) + text
    return head(4, len(value)) + b"".join(cbor(item) for item in value)


# ---- entries ----


def detail(event_type, fields):
    """The array of a system detail; a field whose name is listed here holds bytes."""
    layouts = {
        "secure-log.stream-created": ["origin", "tier", "description"],
        "secure-log.segment-sealed": [
            "segment", "first_seqno", "last_seqno", "prev_checkpoint_hash", "policy_hash", "graph_digest",
        ],
        "secure-log.stream-closed": ["reason"],
        "secure-log.erased": ["ranges", "reason"],
        "secure-log.key-attested": ["vkey", "attestation", "signature"],
        "secure-log.key-rotated": ["old_vkey", "new_vkey", "attestation", "sig_old", "sig_new"],
        "secure-log.key-revoked": ["vkey", "from_seqno", "reason", "signature"],
        "secure-log.key-epoch": ["epoch", "key_commitment"],
        "secure-log.key-destroyed": ["epoch"],
    }
    binary = {
        "prev_checkpoint_hash", "policy_hash", "graph_digest", "attestation", "signature", "sig_old", "sig_new",
        "key_commitment",
    }
    layout = layouts[event_type]
    same(f"fields of {event_type}", sorted(layout), sorted(fields))
    return [unhex(fields[name]) if name in binary else fields[name] for name in layout]


def event(e):
    p = e["payload"]
    return [
        e["event_type"],
        e["severity"],
        e["producer"],
        p and [p["encoding"], p["length"], unhex(p["commitment"])],
        e["detail"] and detail(e["event_type"], e["detail"]),
        unhex(e["idempotency_key"]),
    ]


def entry(e):
    a = e["author"]
    return [
        e["version"],
        e["stream_id"],
        e["seqno"],
        unhex(e["prev_entry_hash"]),
        e["timestamp"],
        e["clock"],
        unhex(e["session_id"]),
        unhex(e["boot_id"]),
        event(e["event"]),
        a and [a["algorithm"], unhex(a["public_key"]), a["author_seq"], unhex(a["signature"])],
    ]


def check_entry(vector):
    data = cbor(entry(vector["entry"]))
    same(f"bytes of entry {vector['name']}", vector["cbor"], data.hex())
    same(f"hash of entry {vector['name']}", vector["hash"], leaf_hash(data).hex())
    return data


def commitment(salt, payload):
    return sha256(b"\x02" + salt + payload)


# ---- RFC 9162 section 2.1 ----


def leaf_hash(data):
    return sha256(b"\x00" + data)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split(size):
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


class Tree:
    """The tree over a list of leaf hashes."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.mth = lru_cache(maxsize=None)(self._mth)

    def _mth(self, start, end):
        size = end - start
        if size == 0:
            return sha256(b"")
        if size == 1:
            return self.leaves[start]
        middle = start + split(size)
        return node_hash(self.mth(start, middle), self.mth(middle, end))

    def path(self, m, start, end):
        if end - start == 1:
            return []
        k = split(end - start)
        if m < k:
            return self.path(m, start, start + k) + [self.mth(start + k, end)]
        return self.path(m - k, start + k, end) + [self.mth(start, start + k)]

    def subproof(self, m, start, end, whole):
        if m == end - start:
            return [] if whole else [self.mth(start, end)]
        k = split(end - start)
        if m <= k:
            return self.subproof(m, start, start + k, whole) + [self.mth(start + k, end)]
        return self.subproof(m - k, start + k, end, False) + [self.mth(start, start + k)]


# ---- notes ----

TYPES = {
    "ed25519": b"\x01",
    "ecdsa-p256": b"\x02",
    "rsa-pss-sha256": b"\xffsecure-log/rsassa-pss-sha256/v1",
    "cosigner": b"\x04",
}


def key_id(name, algorithm, public_key):
    if algorithm == "ecdsa-p256":
        return sha256(public_key)[:4]
    return sha256(name.encode() + b"\n" + TYPES[algorithm] + public_key)[:4]


def vkey(name, algorithm, public_key):
    return f"{name}+{key_id(name, algorithm, public_key).hex()}+{b64(TYPES[algorithm] + public_key)}"


def line(name, algorithm, public_key, signature):
    return f"\u2014 {name} {b64(key_id(name, algorithm, public_key) + signature)}"


def checkpoint_text(origin, size, root):
    return f"{origin}\n{size}\n{b64(root)}\n"


# ---- the files ----


def entries(vectors):
    accepted = [check_entry(vector) for vector in vectors["accepted"]]
    for vector in vectors["refused"]:
        if unhex(vector["cbor"]) in accepted:
            sys.exit(f"{vector['name']}: canonical bytes among the refused")


def payloads(vectors):
    for v in vectors:
        same("payload length", v["length"], len(unhex(v["payload"])))
        same("commitment", v["commitment"], commitment(unhex(v["salt"]), unhex(v["payload"])).hex())


def decimal_tree(count):
    return Tree([leaf_hash(str(i).encode("ascii")) for i in range(count)])


def tree(vectors):
    all_leaves = decimal_tree(65537)
    same("number of roots", 1026, len(vectors["roots"]))
    for i, leaf in enumerate(vectors["leaves"]):
        same(f"leaf {i}", leaf, all_leaves.leaves[i].hex())
    for size, root in enumerate(vectors["roots"]):
        same(f"root of size {size}", root, all_leaves.mth(0, size).hex())
    for row in vectors["node_rows"]:
        width = 256 ** int(row["kind"].removeprefix("node"))
        start = row["index"] * width
        same(f"{row['kind']} row {row['index']}", row["hash"], all_leaves.mth(start, start + width).hex())
    for v in vectors["larger_roots"]:
        same(f"root of size {v['size']}", v["root"], all_leaves.mth(0, v["size"]).hex())


def proofs(vectors):
    all_leaves = decimal_tree(1025)
    for v in vectors["inclusion"]:
        what = f"inclusion of {v['seqno']} in {v['size']}: "
        same(what + "leaf", v["leaf"], all_leaves.leaves[v["seqno"]].hex())
        same(what + "root", v["root"], all_leaves.mth(0, v["size"]).hex())
        same(what + "path", v["path"], [d.hex() for d in all_leaves.path(v["seqno"], 0, v["size"])])
    for v in vectors["consistency"]:
        what = f"consistency of {v['old']} with {v['new']}: "
        same(what + "old root", v["old_root"], all_leaves.mth(0, v["old"]).hex())
        same(what + "new root", v["new_root"], all_leaves.mth(0, v["new"]).hex())
        path = all_leaves.subproof(v["old"], 0, v["new"], True) if v["old"] > 0 else []
        same(what + "path", v["path"], [d.hex() for d in path])


def notes(vectors):
    for v in vectors["signed"]:
        origin = v["text"].split("\n")[0]
        algorithm, public_key, signature = v["algorithm"], unhex(v["public_key"]), unhex(v["signature"])
        same("type", v["type"], TYPES[algorithm].hex())
        same("key id", v["key_id"], key_id(origin, algorithm, public_key).hex())
        same("key id", v["key_id"], sha256(unhex(v["key_id_input"]))[:4].hex())
        same("vkey", v["vkey"], vkey(origin, algorithm, public_key))
        same("note", v["note"], f"{v['text']}\n{line(origin, algorithm, public_key, signature)}\n")
    v = vectors["cosignature"]
    witness = v["vkey"].split("+")[0]
    same("witness vkey", v["vkey"], vkey(witness, "cosigner", unhex(v["public_key"])))
    same("cosignature message", v["message"], f"cosignature/v1\ntime {v['time']}\n{v['text']}")
    prefix = key_id(witness, "cosigner", unhex(v["public_key"])) + v["time"].to_bytes(8, "big")
    start, name, encoded = v["line"].split(" ")
    same("cosignature line", ("\u2014", witness, prefix.hex(), 76),
         (start, name, base64.b64decode(encoded)[:12].hex(), len(base64.b64decode(encoded))))
    v = vectors["author"]
    message = b"secure-log/author/v1\n" + cbor([v["origin"], v["author_seq"], event(v["event"])])
    same("author message", v["message"], message.hex())
    v = vectors["attest"]
    statement = [v["origin"], v["seqno"], unhex(v["prev_entry_hash"]), v["vkey"], unhex(v["attestation"])]
    same("attest message", v["message"], (b"secure-log/attest/v1\n" + cbor(statement)).hex())
    v = vectors["rotate"]
    statement = [v["origin"], v["seqno"], unhex(v["prev_entry_hash"]), v["old_vkey"], v["new_vkey"], unhex(v["attestation"])]
    same("rotate message", v["message"], (b"secure-log/rotate/v1\n" + cbor(statement)).hex())
    v = vectors["revoke"]
    statement = [v["origin"], v["seqno"], unhex(v["prev_entry_hash"]), v["vkey"], v["from_seqno"]]
    same("revoke message", v["message"], (b"secure-log/revoke/v1\n" + cbor(statement)).hex())
    v = vectors["head_file"]
    same("head file", v["name"], f"heads.{sha256(v['origin'].encode()).hex()}.{v['number']}")
    lines = f"secure-log-head/v1\n{v['origin']}\n{v['size']}\n{v['root']}\n{v['vkey']}\n"
    same("head file", v["content"], f"{lines}{sha256(lines.encode()).hex()}\n")


def key_life(vectors, seals):
    """Which key id stands on each checkpoint: that of the pinned key up to a rotation's seqno, then the new one's."""
    current, past, changes = vectors["rows"]["checkpoint"][0].split("\n")[4], [], []
    current = base64.b64decode(current.split(" ")[2])[:4].hex()
    for seqno, vector in enumerate(vectors["entries"]):
        kind, fields = vector["entry"]["event"]["event_type"], vector["entry"]["event"]["detail"]
        if kind == "secure-log.key-rotated":
            same(f"old key of entry {seqno}", current, fields["old_vkey"].split("+")[1])
            past.append(fields["old_vkey"])
            current = fields["new_vkey"].split("+")[1]
            changes.append((seqno, past[-1].split("+")[1]))
        if kind == "secure-log.key-revoked":
            same(f"entry {seqno} names a predecessor", True, fields["vkey"] in past)
    for seal, note in zip(seals, vectors["rows"]["checkpoint"], strict=True):
        key = next((old for seqno, old in changes if seal + 1 <= seqno), current)
        line_id = base64.b64decode(note.split("\n")[4].split(" ")[2])[:4].hex()
        same(f"key of the checkpoint of size {seal + 1}", key, line_id)


def stream(vectors):
    origin = f"{vectors['log_name']}/{vectors['stream_id']}"
    same("origin", vectors["origin"], origin)
    before, leaves, seals, details = bytes(32), [], [], {}
    for seqno, vector in enumerate(vectors["entries"]):
        fields = vector["entry"]
        same(f"seqno of entry {seqno}", seqno, fields["seqno"])
        same(f"link of entry {seqno}", fields["prev_entry_hash"], before.hex())
        before = leaf_hash(check_entry(vector))
        leaves.append(before)
        if fields["event"]["event_type"] == "secure-log.segment-sealed":
            details[len(seals)] = fields["event"]["detail"]
            seals.append(seqno)
    tree, previous = Tree(leaves), None
    for segment, (seal, checkpoint) in enumerate(zip(seals, vectors["checkpoints"], strict=True)):
        what = f"segment {segment}: "
        text = checkpoint_text(origin, seal + 1, tree.mth(0, seal + 1))
        same(what + "number", segment, details[segment]["segment"])
        same(what + "last seqno", seal, details[segment]["last_seqno"])
        same(what + "first seqno", seals[segment - 1] + 1 if segment else 0, details[segment]["first_seqno"])
        same(what + "previous checkpoint", previous, details[segment]["prev_checkpoint_hash"])
        same(what + "root", checkpoint["root"], tree.mth(0, seal + 1).hex())
        same(what + "text", checkpoint["text"], text)
        previous = sha256(text.encode()).hex()
        same(what + "hash", checkpoint["hash"], previous)
        note = vectors["rows"]["checkpoint"][segment]
        same(what + "signed text", note[: len(text) + 1], text + "\n")
    key_life(vectors, seals)
    rows = vectors["rows"]
    same("segment rows", rows["segment"], [cbor(seal).hex() for seal in seals])
    for row in rows["entry_payloads"]:
        stored, reference = unhex(row["before_erasure"]), vectors["entries"][row["seqno"]]["entry"]["event"]["payload"]
        same("payload of the stream", reference["commitment"], commitment(stored[:16], stored[16:]).hex())
    row = unhex(rows["cosignature"][0])
    text = row[4:].decode()
    same("cosignature row", row.hex(), cbor([0, text]).hex())


def witness(vectors):
    origin = vectors["origin"]
    same("origin hash", vectors["origin_hash"], sha256(origin.encode()).hex())

    def request(leaves, old, size, note):
        """The note's text and the body around it; signatures are taken as they are."""
        tree = Tree([leaf_hash(leaf.encode()) for leaf in leaves])
        proof = tree.subproof(old, 0, size, True) if old > 0 else []
        text = checkpoint_text(origin, size, tree.mth(0, size))
        same("text of the note", text + "\n\u2014 ", note[: len(text) + 3])
        return f"old {old}\n" + "".join(b64(digest) + "\n" for digest in proof) + "\n" + note

    for v, row in zip(vectors["cosigned"], vectors["rows"], strict=True):
        note = v["request"].split("\n\n", 1)[1]
        same("request", v["request"], request(vectors["leaves"][: v["size"]], v["old"], v["size"], note))
        same("row", row, note + v["line"] + "\n")
        same("time", v["time"], int.from_bytes(base64.b64decode(v["line"].split(" ")[2])[4:12], "big"))
    size, forked = len(vectors["forked_leaves"]), vectors["refused"].split("\n\n", 1)[1]
    same("refused", vectors["refused"], request(vectors["forked_leaves"], size, size, forked))
    same("evidence", vectors["evidence"], f"secure-log/evidence/v1\n\n{vectors['rows'][-1]}\n{forked}")


def evidence(vectors):
    bodies = [unhex(body) for body in vectors["entries"]]
    tree = Tree([leaf_hash(body) for body in bodies])
    lines = lambda hashes: "".join(f"{b64(item)}\n" for item in hashes)
    old, new = vectors["notes"]
    for note, size in ((old, vectors["consistency"]["old"]), (new, vectors["consistency"]["new"])):
        text = checkpoint_text(vectors["origin"], size, tree.mth(0, size)) + "\n"
        same("checkpoint of the evidence", note[: len(text)], text)
    v = vectors["inclusion"]
    path = lines(tree.path(v["index"], 0, v["size"]))
    same("proof file", v["file"], f"c2sp.org/tlog-proof@v1\nindex {v['index']}\n{path}\n{old}")
    v = vectors["consistency"]
    path = lines(tree.subproof(v["old"], 0, v["new"], True))
    same("consistency file", v["file"], f"secure-log/consistency-proof/v1\n{path}\n{old}\n{new}")
    size = vectors["tiles"]["size"]
    same("entries of the tiles", len(bodies), size)
    bundle = b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
    files = {f"tile/entries/000.p/{size}": bundle, f"tile/0/000.p/{size}": b"".join(tree.leaves)}
    same("tiles", {item["name"]: item["bytes"] for item in vectors["tiles"]["files"]}, {name: data.hex() for name, data in files.items()})
    for v in vectors["names"]:
        groups = str(v["index"])
        groups = groups.zfill(-(-len(groups) // 3) * 3)
        groups = [groups[at : at + 3] for at in range(0, len(groups), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = "" if v["width"] == 256 else f".p/{v['width']}"
        same("name of a tile", v["name"], f"tile/{v['level']}/{name}{partial}")


# ---- RFC 8785, for values whose names and numbers Python writes as the scheme does: those of the vectors ----


def jcs(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short(text):
    """The double that a JSON number says; an integer where it is one."""
    double = float(text)
    return int(double) if double.is_integer() else double


def records(vectors):
    for v in vectors["signed"]:
        what = f"record by {v['algorithm']}: "
        payload = json.loads(v["payload"], parse_float=short, parse_int=short)
        same(what + "payload", v["canonical_payload"], jcs(payload))
        same(what + "trace hash", v["trace_hash"], sha256(jcs(payload).encode()).hex())
        found = json.loads(v["record"], parse_float=short, parse_int=short)
        signature = found.pop("signature")
        length = {"ed25519": (64, 64), "ecdsa-p256": (68, 72), "rsa-pss-sha256": (384, 384)}[v["algorithm"]]
        same(what + "length of the signature", True, length[0] <= len(unhex(signature)) <= length[1])
        attestation = None if v["attestation"] is None else json.loads(v["attestation"])
        same(what + "attestation", attestation, found.pop("hardware_attestation", None))
        hashed = None if attestation is None else sha256(jcs(attestation).encode()).hex()
        same(what + "attestation hash", v["attestation_hash"], hashed)
        statement = {
            "algorithm": v["algorithm"], "attestation_hash": hashed, "payload": payload, "public_key": v["public_key"],
            "timestamp": "2026-01-01T00:00:00.123456Z", "trace_hash": v["trace_hash"],
            "transaction_hash": sha256(b"").hex(), "version": "secure-log/record/v1",
        }
        same(what + "statement", statement, found)
        same(what + "message", v["message"], "secure-log/record/v1\n" + jcs(statement))
        whole = statement | {"signature": signature} | ({} if attestation is None else {"hardware_attestation": attestation})
        same(what + "text", v["record"], jcs(whole) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    sys.setrecursionlimit(10_000)
    files = {
        "entries": entries, "payloads": payloads, "tree": tree, "proofs": proofs, "notes": notes, "stream": stream,
        "evidence": evidence, "witness": witness, "records": records,
    }
    same("files", sorted(f"{name}.json" for name in files), sorted(path.name for path in folder.glob("*.json")))
    for name, check in files.items():
        check(json.loads((folder / f"{name}.json").read_text("utf-8")))
    print("all vectors recomputed")


if __name__ == "__main__":
    main()
