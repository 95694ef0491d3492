#!/bin/sh
# Measures what the README's tables say, in about eight minutes, on a machine that does nothing else.
#
#     cargo build --release -p talkif-livekit --example echo
#     sh bench/livekit/measure.sh target/release/examples/echo [python-with-livekit]
#
# The servers and the telephones share the machine; the agent has a core of its own only in the
# sense that it may use no other. Without a python the official SDK is left out.
set -eu
echo=$1
python=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp -d)
last_core=$(($(nproc) - 1))

"$echo" servers >"$log/phone" &
servers=$!
trap 'kill $servers; rm -rf "$log"' EXIT
until [ -s "$log/phone" ]; do sleep 0.2; done
arguments=$(head -1 "$log/phone")

ours() { taskset -c "$last_core" "$echo" agent $arguments "$1" "$2" | sed 's/^/ours      /'; }
theirs() { [ -z "$python" ] || taskset -c "$last_core" "$python" "$here/official_agent.py" $arguments "$1" "$2" 2>>"$log/errors" | sed 's/^/official  /'; }

echo "== CPU and memory, both agents on one core, 30 s each"
for calls in 4 8 16; do
    ours "$calls" 30
    sleep 1
    theirs "$calls" 37
    sleep 1
done
echo "== calls before a frame is late, 15 s each"
for calls in 10 20 30 40 60; do
    ours "$calls" 15
    sleep 1
done
echo "== at the telephones"
grep -c '^echo heard' "$log/phone" | sed 's/$/ calls/'
grep '^echo heard' "$log/phone" | awk '{ n++; heard[n] = $3; lost += $(NF - 1); got += $(NF - 3) }
    END { asort_n(heard, n); print "echo first heard " heard[int((n + 1) / 2)] " ms after the answer (median); " got " packets, " lost " lost" }
    function asort_n(a, n,   i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t + 0; j--) a[j + 1] = a[j]; a[j + 1] = t } }'
echo "== one way and the first word, LiveKit beside the direct leg"
"$echo" delay $arguments
