#!/bin/sh
# rooms_test.sh SRC "ROOM: ROOM..."...: no file of a room names a header of another one than
# those behind its colon. That it calls no other, its library's link has shown.
set -u
src=$1
shift
echo "1..$#"
n=0
for rule in "$@"; do
    n=$((n + 1))
    room=${rule%%:*}
    others=$(cd "$src/$room" && sed -n 's|^#include "\([a-z]*\)/.*|\1|p' ./*.[ch] | sort -u)
    bad=
    for other in $others; do
        case " $room tacit ${rule#*:} " in
        *" $other "*) ;;
        *) bad="$bad $other" ;;
        esac
    done
    [ -z "$bad" ] || printf 'not '
    echo "ok $n - $room calls no room above it${bad:+, but names$bad}"
done
