#!/bin/sh
# Makes the three corpora that have numbers to reach: corpora.sh DIR
#
# sources    20,022 files, 184 MB of Linux 6.1; the seven folders below
# tree       78,579 files, 1.3 GB: all of Linux 6.1
# libraries  540 MB of compiler libraries; their size follows the Rust toolchain
#
# Needs `apt-get install linux-source-6.1` on Debian, and rustc.
set -eu

mkdir -p "$1/sources" "$1/libraries"
tar -xJf /usr/src/linux-source-6.1.tar.xz -C "$1"
mv "$1/linux-source-6.1" "$1/tree"
for folder in fs kernel mm net include Documentation lib; do
    cp -a "$1/tree/$folder" "$1/sources/"
done
cp -aL "$(rustc --print sysroot)/lib" "$1/libraries/"
