"""Judges notes, cosignatures, proofs and published trees with the PyPI package aics-tlog, a public C2SP verifier.

Why: a log that only its own code can verify is not evidence. scripts/oracles.sh installs the package.
Reads one JSON case per line, answers each with "accepted" or "refused: <why>".
"""

import json
import pathlib
import sys

import aics_tlog


def judge(e):
    if e["kind"] == "note":
        witnesses = [aics_tlog.parse_vkey(text) for text in e.get("witnesses", [])]
        note, key = aics_tlog.parse_note(e["note"]), aics_tlog.parse_vkey(e["vkey"])
        return aics_tlog.verify_checkpoint(note, key, witnesses, len(witnesses)).ok
    if e["kind"] == "tiles":
        note = aics_tlog.parse_note((pathlib.Path(e["dir"]) / "checkpoint").read_text())
        verdict = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(e["vkey"]))
        head = aics_tlog.parse_checkpoint(note.text)
        report = aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(e["dir"]), head.size, head.root)
        return verdict.ok and report.size == head.size
    root, path = bytes.fromhex(e["root"]), [bytes.fromhex(item) for item in e["path"]]
    if e["kind"] == "inclusion":
        return aics_tlog.verify_inclusion(bytes.fromhex(e["leaf"]), e["seqno"], e["size"], path, root)
    return aics_tlog.verify_consistency(e["old"], e["size"], bytes.fromhex(e["old_root"]), root, path)


for line in sys.stdin:
    try:
        print("accepted" if judge(json.loads(line)) else "refused: false")
    except (ValueError, TypeError, OSError) as error:
        print("refused:", str(error).replace("\n", " "))
