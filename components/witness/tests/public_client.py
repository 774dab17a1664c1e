"""A public client before our witness: aics-witness' feeder asks it, aics-tlog judges what it says.

Why: a witness that only our own client understands is no witness. scripts/witness.sh installs both and a stock
wasmtime, which serves the artifact on a loopback port: public_client.py <wasmtime> <secure-log-witness.wasm>
Prints one line a property and ends with 1 at the first that does not hold.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import aics_tlog
from aics_witness.feeder import WitnessClient, WitnessRejected, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "witness.example.org/w1"
RACES = 40
RIVALS = 6


class Log:
    """A log of its own key; its forks share it."""

    def __init__(self, origin, entries, key=None):
        self.origin, self.entries = origin, entries
        self.key = key or Ed25519PrivateKey.generate()
        self.tree = aics_tlog.MerkleTree(entries)
        self.vkey = aics_tlog.vkey_from_ed25519(origin, self.key.public_key())
        self.hash = hashlib.sha256(origin.encode()).hexdigest()

    def fork(self, common, number=0):
        other = [b"fork %d, %d\n" % (number, i) for i in range(common, len(self.entries))]
        return Log(self.origin, self.entries[:common] + other, self.key)

    def note(self, size):
        checkpoint = aics_tlog.Checkpoint(self.origin, size, self.tree.root(size))
        return aics_tlog.sign_checkpoint(checkpoint, self.key, self.origin).to_bytes()

    def proof(self, old, new):
        return self.tree.consistency_proof(old, new)

    def body(self, old, size, proof=None):
        """The request as tlog-witness writes it, made by hand."""
        if proof is None:
            proof = self.proof(old, size) if 0 < old < size else []
        lines = [b"old %d\n" % old, *(base64.b64encode(digest) + b"\n" for digest in proof), b"\n"]
        return b"".join(lines) + self.note(size)


class Server:
    """The artifact under a stock wasmtime."""

    def __init__(self, wasmtime, artifact, folder, printed):
        self.child, self.printed = None, folder / printed
        self.command = [wasmtime, "serve", "-S", "cli", "--addr", "127.0.0.1:0"]
        for name in ("data", "keys", "conf"):
            self.command += ["--dir", f"{folder / name}::/{name}"]
        for setting in (
            "SECURE_LOG_STORE_CONFIG=/data/witness.db",
            "SECURE_LOG_KEYSTORE_DIR=/keys",
            "SECURE_LOG_KEYSTORE_CREATE=1",
            f"SECURE_LOG_WITNESS_NAME={NAME}",
            "SECURE_LOG_WITNESS_IDENTITY=w1",
            "SECURE_LOG_WITNESS_LOGS=/conf/logs",
        ):
            self.command += ["--env", setting]
        self.command.append(artifact)

    def start(self):
        with open(self.printed, "w") as printed:
            self.child = subprocess.Popen(self.command, stdout=printed, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 300
        while "Serving HTTP on http://" not in self.printed.read_text():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the artifact is not served")
            time.sleep(0.1)
        self.address = self.printed.read_text().split("Serving HTTP on http://")[1].split("/")[0]

    def kill(self):
        if self.child:
            self.child.kill()
            self.child.wait()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type"), answer.read()
        finally:
            connection.close()

    def add(self, body):
        return self.ask("POST", "/add-checkpoint", body)


def holds(what, condition, seen=None):
    if not condition:
        raise AssertionError(f"{what}: {seen!r}")
    print(f"ok      {what}", flush=True)


def cosigned(note, log, witness):
    note = aics_tlog.parse_note(note)
    return aics_tlog.verify_checkpoint(note, log.vkey, [witness], 1, expected_origin=log.origin, max_age_seconds=60).ok


def convicted(answer, log):
    """Two notes of one size and two roots, both by the log's key."""
    status, _, text = answer
    if status != 200:
        return False
    header, first, first_lines, second, second_lines = text.decode().split("\n\n")
    notes = [aics_tlog.parse_note(f"{first}\n\n{first_lines}\n"), aics_tlog.parse_note(f"{second}\n\n{second_lines}")]
    heads = [aics_tlog.parse_checkpoint(note.text) for note in notes]
    signed = all(aics_tlog.verify_checkpoint(note, log.vkey).ok for note in notes)
    one_size = heads[0].size == heads[1].size and heads[0].root != heads[1].root
    return header == "secure-log/evidence/v1" and signed and one_size


def cosigns(server, log, witness):
    url = f"http://{server.address}"
    client = WitnessClient(url, witness)
    for size in (1, 2, 5, 5, 255, 256, 257):
        note, line = log.note(size), client.submit(log.note(size), log.proof)
        holds(f"size {size}: aics-witness' client is given a line that aics-tlog counts",
              cosigned(merge_cosignatures(note, line), log, witness), line)
    line = WitnessClient(url, witness).submit(log.note(300), log.proof)
    holds("a client that does not know the size is told it, and then cosigned", line.startswith(f"— {NAME} "), line)
    status, _, shown = server.ask("GET", f"/{log.hash}/checkpoint")
    holds("the monitoring address shows it with both signatures", status == 200 and cosigned(shown, log, witness), shown)
    status, _, _ = server.ask("GET", f"/{hashlib.sha256(b'unseen').hexdigest()}/checkpoint")
    holds("and 404 for a log that was never cosigned", status == 404, status)


def refuses(server, log, witness):
    fork, stranger = log.fork(10), Log(log.origin, log.entries)
    for what, expected, body in [
        ("no request", 400, b"hello"),
        ("64 proof lines", 400, log.body(300, 310, [bytes(32)] * 64)),
        ("old size above the new", 400, log.body(320, 310)),
        ("an unknown origin", 404, Log("other.example/log", log.entries).body(0, 5)),
        ("a foreign key", 403, stranger.body(300, 310)),
        ("a stale old size", 409, log.body(299, 310)),
        ("a wrong proof", 422, log.body(300, 310, [bytes(32)])),
        ("one size and another root", 422, fork.body(300, 300)),
        ("200,000 bytes", 413, b"x" * 200_000),
    ]:
        answer = server.add(body)
        fits = answer[0] == expected and (expected != 409 or answer[1:] == ("text/x.tlog.size", b"300\n"))
        holds(f"{what} is answered {expected}", fits, answer)
    try:
        WitnessClient(f"http://{server.address}", witness).submit(fork.note(320), fork.proof)
        refused = False
    except WitnessRejected:
        refused = True
    holds("aics-witness' client is refused a fork", refused)
    holds("its evidence is two notes of one size, which aics-tlog verifies",
          convicted(server.ask("GET", f"/{log.hash}/evidence"), log))


def races(server, second, racers):
    """Each request is an instance of its own, in one of two processes; they meet in the database alone."""
    second.start()
    with concurrent.futures.ThreadPoolExecutor(RIVALS) as pool:
        for racer in racers:
            assert server.add(racer.body(0, 5))[0] == 200
            rivals = [racer.fork(5, number) for number in range(RIVALS)]
            ways = [(server, second)[number % 2].add for number in range(RIVALS)]
            answers = list(pool.map(lambda way, rival: way(rival.body(5, 7)), ways, rivals))
            statuses = sorted(answer[0] for answer in answers)
            if statuses.count(200) != 1 or not set(statuses) <= {200, 409, 503}:
                holds("one of the histories", False, answers)
            loser = next(rival for rival, answer in zip(rivals, answers) if answer[0] != 200)
            if server.add(loser.body(7, 7))[0] != 422 or not convicted(server.ask("GET", f"/{racer.hash}/evidence"), racer):
                holds("the loser is convicted", False, racer.origin)
    holds(f"{len(racers)} races of {RIVALS} histories at once, two processes: one is cosigned, the log convicted", True)


def survives(server, racers):
    server.kill()
    server.start()
    begin = time.monotonic()
    while (answer := server.add(racers[0].body(0, 7)))[0] == 503 and time.monotonic() - begin < 120:
        time.sleep(0.5)
    took = time.monotonic() - begin
    kept = all(server.add(racer.body(0, 7))[1:] == ("text/x.tlog.size", b"7\n") for racer in racers)
    holds(f"killed and started again it knows every size ({took:.1f} s)", kept, answer)


def main(wasmtime, artifact):
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("data", "keys", "conf"):
            (folder / part).mkdir()
        log = Log("log.example/msgs", [b"message %d\n" % i for i in range(400)])
        racers = [Log(f"race{n}.example/log", [b"%d, %d\n" % (n, i) for i in range(9)]) for n in range(RACES)]
        lines = [f"log {aics_tlog.format_vkey(each.vkey)}\n" for each in (log, *racers)]
        (folder / "conf/logs").write_text("".join(lines) + "quorum none\n")
        server, second = (Server(wasmtime, artifact, folder, printed) for printed in ("first", "second"))
        try:
            server.start()
            status, _, greeting = server.ask("GET", "/")
            witness = aics_tlog.parse_vkey(greeting.decode().split()[-1])
            holds("the greeting names the verifier key", status == 200 and witness.name == NAME, greeting)
            cosigns(server, log, witness)
            refuses(server, log, witness)
            races(server, second, racers)
            second.kill()
            survives(server, racers)
        except BaseException:
            for each in (server, second):
                print(each.printed.read_text()[-4000:] if each.child else "", file=sys.stderr)
            raise
        finally:
            server.kill()
            second.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
