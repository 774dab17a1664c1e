"""Judges notes, cosignatures and proofs with the PyPI package aics-tlog, a public C2SP verifier.

Why: a log that only its own code can verify is not evidence. scripts/oracles.sh installs the package.
Reads one JSON case per line, answers each with "accepted" or "refused: <why>".
"""

import json
import sys

import aics_tlog


def judge(e):
    if e["kind"] == "note":
        witnesses = [aics_tlog.parse_vkey(text) for text in e.get("witnesses", [])]
        note, key = aics_tlog.parse_note(e["note"]), aics_tlog.parse_vkey(e["vkey"])
        return aics_tlog.verify_checkpoint(note, key, witnesses, len(witnesses)).ok
    root, path = bytes.fromhex(e["root"]), [bytes.fromhex(item) for item in e["path"]]
    if e["kind"] == "inclusion":
        return aics_tlog.verify_inclusion(bytes.fromhex(e["leaf"]), e["seqno"], e["size"], path, root)
    return aics_tlog.verify_consistency(e["old"], e["size"], bytes.fromhex(e["old_root"]), root, path)


for line in sys.stdin:
    try:
        print("accepted" if judge(json.loads(line)) else "refused: false")
    except (ValueError, TypeError) as error:
        print("refused:", str(error).replace("\n", " "))
