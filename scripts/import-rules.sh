#!/usr/bin/env bash
# Why: the rooms of the architecture stay rooms only while somebody checks the doors. Reads the manifests
# and sources of both workspaces and names every dependency that the rules below do not allow.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

exec python3 - \
    <(cargo metadata --locked --no-deps --format-version 1) \
    <(cargo metadata --locked --no-deps --format-version 1 --manifest-path verify/Cargo.toml) <<'PYTHON'
import json, pathlib, re, sys, tomllib

# Crate: the crates of this repository that it may use. Components never use one another.
OURS = {
    "secure-log": [],
    "secure-log-system": ["secure-log"],
    "secure-log-rpc": ["secure-log"],
    "secure-log-bindings": ["secure-log", "secure-log-rpc"],  # rpc: the transport's trait
    "secure-log-keystore-import": ["secure-log"],
    "secure-log-endpoint": ["secure-log", "secure-log-rpc"],  # rpc: bodies over wasi:http
    "secure-log-core": ["secure-log", "secure-log-bindings", "secure-log-keystore-import", "secure-log-system"],
    "secure-log-store-file": ["secure-log", "secure-log-bindings"],
    "secure-log-store-sqlite": ["secure-log", "secure-log-bindings"],
    "secure-log-store-remote": ["secure-log", "secure-log-bindings", "secure-log-rpc"],
    # log: the exchange's trait; rpc: envelope and transport's trait
    "secure-log-transport-http": ["secure-log", "secure-log-bindings", "secure-log-rpc"],
    "secure-log-offline": ["secure-log", "secure-log-bindings"],
    "secure-log-rpc-server": ["secure-log", "secure-log-bindings", "secure-log-endpoint", "secure-log-rpc"],
    "secure-log-witness": ["secure-log", "secure-log-bindings", "secure-log-endpoint", "secure-log-keystore-import"],
    "secure-log-keystore-software": ["secure-log", "secure-log-bindings"],
    "secure-log-pkcs11": [],
    "secure-log-keystore-pkcs11": ["secure-log", "secure-log-bindings", "secure-log-pkcs11"],
    "secure-log-token-native": ["secure-log-pkcs11"],
    "secure-log-cli": ["secure-log", "secure-log-bindings", "secure-log-keystore-import"],
    "secure-log-contract": ["secure-log", "secure-log-bindings", "secure-log-keystore-import"],
    "secure-log-confine": [],
    "secure-log-hostile-store": ["secure-log", "secure-log-bindings"],
    "secure-log-token-softhsm": ["secure-log-pkcs11"],
    "secure-log-token": ["secure-log-pkcs11"],
    "secure-log-compose": [],
    # pkcs11, token-native: the host lends its tokens; libraries, no components
    "secure-log-verify": ["secure-log", "secure-log-pkcs11", "secure-log-token-native"],
}
# What a component's tests may use besides: the providers it is composed with.
TESTED_WITH = {
    "secure-log-witness": ["secure-log-keystore-software", "secure-log-store-file"],
    "secure-log-keystore-pkcs11": ["secure-log-token-native"],
}
# Who may generate bindings. bindings is the home of the log's; keystore-import and keystore-pkcs11 import an interface
# with a resource that users of bindings export; confine, the token and its command have nothing of the log in them.
GENERATE = ["bindings", "keystore-import", "keystore-pkcs11", "confine", "token-softhsm", "token"]
# Library (prefix): the only crates that may use it.
ONLY = {
    "wit-bindgen": [f"secure-log-{name}" for name in GENERATE],
    "cryptoki": ["secure-log-token-native"],
    "wasmtime": ["secure-log-verify"],
    "wac-": ["secure-log-compose"],
    "rusqlite": ["secure-log-store-sqlite", "secure-log-verify"],
}
# The domain has no clock, no randomness, no I/O and no WASI of its own, whatever it is tested with.
DOMAIN_NEVER = re.compile(r"wasi|wit-|getrandom|rand$|tokio|http|rusqlite")

root = pathlib.Path.cwd()
faults = []
for source in sys.argv[1:]:
    for package in json.load(open(source))["packages"]:
        name, manifest = package["name"], pathlib.Path(package["manifest_path"])
        allowed = OURS.get(name)
        if allowed is None:
            faults.append(f"{name}: a new crate needs a rule in scripts/import-rules.sh")
            continue
        for dependency in package["dependencies"]:
            used, normal = dependency["name"], dependency["kind"] != "dev"
            path = dependency.get("path")
            if path and not pathlib.Path(path).is_relative_to(root):
                faults.append(f"{name}: path dependency {used} leaves the repository")
            if not path and not (dependency["source"] or "").startswith("registry+"):
                faults.append(f"{name}: {used} does not come from a registry")
            also = [] if normal else TESTED_WITH.get(name, [])
            if used in OURS and used != name and used not in allowed + also:
                faults.append(f"{name} may not use {used}")
            for prefix, users in ONLY.items():
                if used.startswith(prefix) and name not in users:
                    faults.append(f"{name} may not use {used}: only {', '.join(users)} may")
            if name == "secure-log" and normal and DOMAIN_NEVER.search(used):
                faults.append(f"secure-log may not use {used}: the domain does no I/O")
        if name != "secure-log-verify":
            tables = tomllib.loads(manifest.read_text())
            for table in ("dependencies", "dev-dependencies", "build-dependencies"):
                for used, how in tables.get(table, {}).items():
                    if not (isinstance(how, dict) and how.get("workspace")):
                        faults.append(f"{name}: {used} is not declared in [workspace.dependencies]")
            # Where the tests are one program, a file that it does not name is never compiled, and nobody says so.
            if tables["package"].get("autotests") is False:
                programs = {manifest.parent / test["path"] for test in tables["test"]}
                named = re.findall(r"^(#\[path[^\n]*\n)?mod (\w+);", "".join(program.read_text() for program in programs), re.M)
                named = [module for elsewhere, module in named if not elsewhere]
                for path in sorted(set((manifest.parent / "tests").glob("*.rs")) - programs):
                    if path.stem not in named:
                        faults.append(f"{name}: no test program names {path.relative_to(root)}")

skip = {"target", "dist", "state", ".git"}
for path in sorted(root.rglob("*")):
    place = path.relative_to(root)
    if skip & set(place.parts) or path.suffix not in (".rs", ".wit") or not path.is_file():
        continue
    if path.suffix == ".wit":
        if place.parts[0] != "wit":
            faults.append(f"{place}: interfaces are written in wit/ only")
        continue
    text = path.read_text()
    if re.search(r"package (secure-log:log|keys:keystore|keys:pkcs11)\b", text):
        faults.append(f"{place}: holds a copy of an interface of wit/")
    if "generate!(" in text and not any(place.is_relative_to(f"components/{name}") for name in GENERATE):
        faults.append(f"{place}: only {', '.join(GENERATE)} call generate!")

# A variable that confine does not know is absent in every artifact, and nobody says so.
withheld = (root / "components/confine/src/lib.rs").read_text()
for list_of, reader in (("CORE", "core"), ("TRANSPORT", "transport-http")):
    given = set(re.findall(r'"(\w+)"', re.search(rf"const {list_of}: .*?\];", withheld, re.S).group()))
    code = "".join(path.read_text().split("#[cfg(test)]")[0] for path in (root / f"components/{reader}/src").glob("*.rs"))
    read = set(re.findall(r'"(SECURE_LOG_[A-Z_]+)"', code))
    for variable in sorted(read ^ given):
        faults.append(f"{variable}: components/{reader} and {list_of} of components/confine differ")

for fault in faults:
    print(f"import rules: {fault}", file=sys.stderr)
print("import rules: " + (f"{len(faults)} broken" if faults else "kept"))
sys.exit(1 if faults else 0)
PYTHON
