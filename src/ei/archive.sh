#!/bin/sh
# archive.sh OUTPUT ARCHIVE: the library as one object whose only names are those of its
# interface, so that a program that links it may use the others for things of its own.
set -eu
object=$1.o
"${LD:-ld}" -r -o "$object" --whole-archive "$2"
"${OBJCOPY:-objcopy}" --localize-hidden "$object"
rm -f "$1"
"${AR:-ar}" rcs "$1" "$object"
rm -f "$object"
