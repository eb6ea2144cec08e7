#!/bin/sh
# All that docs/performance.md shows, from one command: everything.sh CORPORA OUT [OPTION...]
#
# CORPORA is made by corpora.sh, OUT a folder for the JSON lines; options such as --lock FILE go to every run.
# Takes about an hour on two cores, and 60 GB of room for the largest trees (43 were not enough).
set -eu

here=$(dirname "$0")
corpora=$1 out=$2
shift 2
mkdir -p "$out"
: >"$out/peers.jsonl"
: >"$out/growth.jsonl"

peers() { "$here/run.py" --out "$out/peers.jsonl" "$@"; }
grow() { "$here/grow.py" --out "$out/growth.jsonl" "$@"; }

peers --corpus sources="$corpora/sources" "$@"
peers --corpus libraries="$corpora/libraries" --corpus tree="$corpora/tree" --tools filbert,restic,borg "$@"
peers --corpus sources="$corpora/sources" --tools filbert,restic --slow 40,20 --rounds 3 \
    --steps init,first,unchanged,edited,restore "$@"
grow --files 10000,30000,100000,300000 --gigabytes 1,3 --rounds 3 "$@"
grow --files 1000000 --gigabytes 10 "$@"
grow --gigabytes 50 --compressed-disk --fresh-disk 60 "$@"
"$here/document.py" "$out/peers.jsonl" "$out/growth.jsonl"
