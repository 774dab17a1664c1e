# Why: scripts that serve an artifact ask for any free port, and have to learn which one it was. Source it.

# serving_at OUTPUT PID: waits until the `wasmtime serve` of this id, which writes to OUTPUT, listens; prints its URL without
# the last slash. Fails with its words when it ends or does not listen within a minute.
serving_at() {
    local url
    for _ in $(seq 1200); do
        url=$(sed -n 's,^Serving HTTP on \(http://127\.0\.0\.1:[0-9]*\)/.*,\1,p' "$1")
        if [ -n "$url" ]; then echo "$url"; return; fi
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    echo "it does not serve: $(cat "$1")" >&2
    return 1
}
