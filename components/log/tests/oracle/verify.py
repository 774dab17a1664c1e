"""Judges notes, cosignatures, proofs and published trees with the PyPI package aics-tlog, a public C2SP verifier.

Why: a log that only its own code can verify is not evidence. scripts/oracles.sh installs the package.
Reads one JSON case per line, answers each with "accepted" or "refused: <why>".
"""

import base64
import json
import pathlib
import sys

import aics_tlog


def checkpoint(text, vkey):
    note = aics_tlog.parse_note(text)
    return aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(vkey)).ok, aics_tlog.parse_checkpoint(note.text)


def judge(e):
    if e["kind"] == "note":
        witnesses = [aics_tlog.parse_vkey(text) for text in e.get("witnesses", [])]
        note, key = aics_tlog.parse_note(e["note"]), aics_tlog.parse_vkey(e["vkey"])
        return aics_tlog.verify_checkpoint(note, key, witnesses, len(witnesses)).ok
    if e["kind"] == "tiles":
        signed, head = checkpoint((pathlib.Path(e["dir"]) / "checkpoint").read_text(), e["vkey"])
        report = aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(e["dir"]), head.size, head.root)
        return signed and report.size == head.size
    if e["kind"] == "proof":
        lines, _, text = e["proof"].partition("\n\n")
        first, index, *path = lines.split("\n")
        signed, head = checkpoint(text, e["vkey"])
        path = [base64.b64decode(line, validate=True) for line in path]
        leaf = aics_tlog.leaf_hash(bytes.fromhex(e["entry"]))
        seqno = int(index.removeprefix("index "))
        proven = aics_tlog.verify_inclusion(leaf, seqno, head.size, path, head.root)
        return first == "c2sp.org/tlog-proof@v1" and signed and proven
    root, path = bytes.fromhex(e["root"]), [bytes.fromhex(item) for item in e["path"]]
    if e["kind"] == "inclusion":
        return aics_tlog.verify_inclusion(bytes.fromhex(e["leaf"]), e["seqno"], e["size"], path, root)
    return aics_tlog.verify_consistency(e["old"], e["size"], bytes.fromhex(e["old_root"]), root, path)


for line in sys.stdin:
    try:
        print("accepted" if judge(json.loads(line)) else "refused: false")
    except (ValueError, TypeError, OSError) as error:
        print("refused:", str(error).replace("\n", " "))
