"""Judges canonical JSON with the PyPI package rfc8785, which is not ours; scripts/oracles.sh installs it.

Reads one case {"json": text, "form": canonical text or null} a line and answers each with "accepted", when the text
is I-JSON whose numbers the scheme keeps and the form is its canonical form, or "refused: <why>".
"""

import decimal
import json
import sys

import rfc8785

decimal.getcontext().Emax = decimal.MAX_EMAX
decimal.getcontext().Emin = decimal.MIN_EMIN


def number(text):
    double = float(text)
    form = rfc8785.dumps(double)
    if decimal.Decimal(form.decode()) != decimal.Decimal(text):
        raise ValueError(f"{text} would become {form}")
    return double


def members(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def refuse(text):
    raise ValueError(text)


def judge(case):
    value = json.loads(
        case["json"], parse_float=number, parse_int=number, parse_constant=refuse, object_pairs_hook=members
    )
    return case["form"] is not None and rfc8785.dumps(value) == case["form"].encode("utf-8")


for line in sys.stdin:
    try:
        print("accepted" if judge(json.loads(line)) else "refused: another form")
    except (ValueError, rfc8785.CanonicalizationError) as error:
        print("refused:", str(error).replace("\n", " ").encode("ascii", "replace").decode())
