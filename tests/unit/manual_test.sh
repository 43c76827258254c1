#!/bin/sh
# The promises of the manual pages and of the service, in TAP. Arguments: the source's root,
# secure-epmd, tacit.
program=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") # meson may give a relative one
tacit=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
cd "$1/src" || exit 1
count=0

told() { # told STATUS PROMISE WHY
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
    fi
    [ -z "$3" ] || echo "$3" | sed 's/^/# /'
}

skipped() {
    count=$((count + 1))
    echo "ok $count - $1 # skip $2"
}

for page in */*.[1-8]; do
    # What `man --warnings` runs.
    warnings=$(LC_ALL=C groff -t -man -Tutf8 -ww -rF0 -z "$page" 2>&1)
    [ -z "$warnings" ]
    told $? "the manual page ${page#*/} formats without a warning" "$warnings"
done

missing=
options=$("$program" --help | grep -o -e '--[a-z-]*')
for option in ${options:-none}; do
    escaped=$(echo "$option" | sed 's/-/\\\\-/g')
    grep -q -e "$escaped" door/secure-epmd.8 || [ "$option" = --version ] ||
        missing="$missing $option"
done
[ -z "$missing" ]
told $? "secure-epmd.8 has every option of the program" "${missing:+missing:$missing}"

missing=
for command in $("$tacit" help | sed -n 's/^  \([a-z][a-z-]*\).*/\1/p'); do
    escaped=$(echo "$command" | sed 's/-/\\\\-/g')
    grep -q -e "^\.B[RI] \"*${escaped}[\" ]" cli/tacit.1 || missing="$missing $command"
done
[ -z "$missing" ]
told $? "tacit.1 has every command" "${missing:+missing:$missing}"

missing=
for option in $("$tacit" help | grep -o -e ' \[*--*[a-z][a-z-]*' | tr -d ' [' | sort -u); do
    escaped=$(echo "$option" | sed 's/-/\\\\-/g')
    grep -q -e "$escaped" cli/tacit.1 || missing="$missing $option"
done
[ -z "$missing" ]
told $? "tacit.1 has every option" "${missing:+missing:$missing}"

# The example is one that loads, and names what rabbitmqctl and a broker's start are called.
dir=$(mktemp -d)
sed -n '/^\.SH EXAMPLE/,/^\.fi/p' policy/tacit.conf.5 | grep -v '^\.' >"$dir/tacit.conf"
sed -i "s|/etc/tacit/||" "$dir/tacit.conf"
why=$("$tacit" keygen "$dir/identity.key" && "$tacit" psk "$dir/mesh.key" &&
    "$tacit" check --conf "$dir/tacit.conf" && grep -x -e \
    'door-users = rabbitmq: rabbit@db1.example.net, rabbitmqcli-\*@db1.example.net' \
    "$dir/tacit.conf" && grep -x 'door-users = rabbitmq: rabbit_prelaunch_\*@localhost' \
    "$dir/tacit.conf" 2>&1)
status=$?
rm -r "$dir"
[ $status -eq 0 ] && why=
told $status "tacit.conf.5 has an example that loads, for a broker, its start and its commands" "$why"

missing=
keys=$(grep -o '{"[a-z-]*", policy_' policy/table.c | cut -d '"' -f 2 | sort -u)
for key in ${keys:-none}; do
    grep -q -x -e "\.B $key" policy/tacit.conf.5 || missing="$missing $key"
done
[ -z "$missing" ]
told $? "tacit.conf.5 has every key" "${missing:+missing:$missing}"

missing=
events=$(grep -ho -e 'log_\(event\|stranger\|node\)("[a-z_]*"' door/*.c | cut -d '"' -f 2 | sort -u)
for event in ${events:-none}; do
    sed -n '/^\.SH LOG/,/^\.SH COUNTERS/p' door/secure-epmd.8 | grep -q -w "$event" ||
        missing="$missing $event"
done
[ -z "$missing" ]
told $? "secure-epmd.8 has every event that goes to the log" "${missing:+missing:$missing}"

# Names that machines read: they stay, and stand in one place.
missing=
counters=$(sed -n 's/^        {"\([a-z_]*\)", "[A-Z].*/\1/p' door/report.c)
host=$(grep -ho 'put_\(counter\|integer\)(&*x, "[a-z_]*"' carrier/info.c | cut -d '"' -f 2)
for name in ${events:-none} ${counters:-none} ${host:-none}; do
    sed -n '/^\.SH LOG/,/^\.SH LIMITS/p' cli/tacit.1 | grep -q -w "$name" ||
        missing="$missing $name"
done
[ -z "$missing" ]
told $? "tacit.1 has every event and counter of node and door" "${missing:+missing:$missing}"

score=
if command -v systemd-analyze >/dev/null; then
    dir=$(mktemp -d)
    sed "s|@sbindir@|$dir|" door/secure-epmd.service.in >"$dir/secure-epmd.service"
    score=$(systemd-analyze security --offline=true --no-pager "$dir/secure-epmd.service" |
        sed -n 's/.*Overall exposure level for.*: \([0-9.]*\) .*/\1/p')
    rm -rf "$dir"
fi
exposed="the service's exposure, as systemd-analyze sees it, is below 1.5"
if [ -n "$score" ]; then
    [ "$(echo "$score" | tr -d .)" -lt 15 ]
    told $? "$exposed" "$score"
else
    skipped "$exposed" "no systemd-analyze that can tell"
fi
echo "1..$count"
