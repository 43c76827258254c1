#!/bin/sh
# The promises of the `tacit` command, in TAP. Argument: the program.
tacit=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") # meson may give a relative one
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
unset TACIT_CONF
umask 022
top=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$top"; rm -rf "$top"' EXIT
cd "$top" || exit 1
count=0

# Runs tacit: its answers in the files out and err, its exit code in $code.
run() {
    code=0
    "$tacit" "$@" >"$top/out" 2>"$top/err" || code=$?
}

# promise FUNCTION: ok where every command of it succeeds. Not called as a condition:
# there set -e would do nothing.
promise() {
    count=$((count + 1))
    dir=$top/$count
    mkdir "$dir"
    cd "$dir" || exit 1
    why=$(
        set -e
        trap '[ $? -eq 0 ] || echo "exit $code: $(cat "$top/out" "$top/err")"' EXIT
        "$1" 2>&1
    )
    if [ $? -eq 0 ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "$why" | sed 's/^/# /'
    fi
}

exits() { [ "$code" -eq "$1" ]; }
says() { [ "$(cat "$top/err")" = "$1" ]; }
prints() { [ "$(cat "$top/out")" = "$1" ]; }
silent() { [ ! -s "$top/out" ]; }
mode() { [ "$(ls -ld "$2" | cut -c1-10)" = "$1" ]; }
absent() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
# Whether what was printed holds nothing of a key file.
keeps() {
    grep -v '^#' "$1" >"$top/keys" && ! grep -qF -f "$top/keys" "$top/out" "$top/err"
}
# A public key of its own.
key() { rm -f k.key && "$tacit" keygen k.key; }
start() { run init --dir "${1:-d}" --listen 192.0.2.10:4370 && exits 0; }

keygen_makes_an_identity_and_prints_its_public_key_only() {
    run keygen id.key
    exits 0
    mode -rw------- id.key
    [ "$(head -n 1 id.key)" = "# tacit private key" ]
    [ "$(wc -c <id.key)" -eq 65 ]
    [ "$(wc -c <"$top/out")" -eq 45 ]
    keeps id.key
    grep -q '^[A-Za-z0-9+/]\{43\}=$' "$top/out"
    public=$(cat "$top/out")
    run pubkey id.key
    exits 0
    prints "$public"
    keeps id.key
}

two_identities_differ() {
    run keygen a.key
    exits 0
    run keygen b.key
    exits 0
    [ -s a.key ]
    ! cmp -s a.key b.key
}

keygen_and_psk_never_overwrite() {
    for command in keygen psk; do
        echo precious >file
        run $command file
        exits 1
        says "tacit: file: exists already, expected a new file"
        [ "$(cat file)" = precious ]
        silent
    done
}

psk_makes_a_mesh_key_and_prints_nothing() {
    run psk mesh.key
    exits 0
    silent
    mode -rw------- mesh.key
    [ "$(head -n 1 mesh.key)" = "# tacit shared key" ]
    [ "$(wc -c <mesh.key)" -eq 64 ]
}

a_key_file_that_others_can_read_is_refused() {
    run keygen id.key
    chmod 644 id.key
    run pubkey id.key
    exits 1
    says "tacit: id.key: mode 0644 lets others read it, expected 0600"
    silent
}

a_file_that_is_no_key_is_named() {
    echo secret-but-no-key >k
    chmod 600 k
    run pubkey k
    exits 1
    says "tacit: k:1: not a key, expected base64 of 32 bytes (44 characters)"
}

init_makes_a_host_that_loads() {
    run init --dir d --listen 192.0.2.10:99,[2001:db8::10]
    exits 0
    mode drwx--x--x d
    for file in tacit.conf identity.key mesh.key; do mode -rw------- d/$file; done
    keeps d/identity.key
    keeps d/mesh.key
    public=$("$tacit" pubkey d/identity.key)
    prints "; for tacit.conf on the other hosts:
[peer *@192.0.2.10]
public-key = $public
endpoint = 192.0.2.10:99"
    run check --conf d/tacit.conf
    exits 0
    grep -qx 'listen       192.0.2.10:99' "$top/out"
    grep -qx 'listen       \[2001:db8::10\]:4370' "$top/out"
    grep -qxF "public key   $public" "$top/out"
    grep -qx 'peer         none: nobody can connect' "$top/out"
    keeps d/identity.key
    keeps d/mesh.key
}

what_init_prints_makes_the_other_host_allow_it() {
    run init --dir a --listen [2001:db8::1]
    cp "$top/out" peer
    run init --dir b --listen 192.0.2.2 --mesh-key a/mesh.key
    exits 0
    cmp a/mesh.key b/mesh.key
    cat peer >>b/tacit.conf
    run check --conf b/tacit.conf
    exits 0
    grep -q '^peer         \*@2001:db8::1  .*  at \[2001:db8::1\]:4370$' "$top/out"
}

init_takes_the_name_that_it_is_given() {
    run init --dir d --listen 192.0.2.10 --name app@db1.example.net
    exits 0
    grep -qxF '[peer app@db1.example.net]' "$top/out"
    run init --dir e --listen 192.0.2.10 --name App
    exits 1
    says "tacit: --name: got 'App', expected a node name such as app@db1.example.net or \
*@db1.example.net"
    absent e
}

init_takes_a_keyring_whole() {
    "$tacit" psk one
    "$tacit" psk two
    cat one two >ring
    chmod 600 ring
    run init --dir d --listen 192.0.2.10 --mesh-key ring
    exits 0
    { echo "# tacit mesh key"; grep -hv '^#' one two; } | cmp - d/mesh.key
}

# What is refused says what it is, and nothing is made or changed.
a_private_key_is_taken_for_no_other() {
    start
    cp d/tacit.conf before
    cp d/mesh.key d/pair.key
    chmod 600 d/pair.key
    run init --dir e --listen 192.0.2.11 --mesh-key d/identity.key
    exits 1
    says "tacit: d/identity.key:1: a private key, expected a mesh key"
    absent e
    run mesh-key add --conf d/tacit.conf --key d/identity.key
    exits 1
    says "tacit: d/identity.key:1: a private key, expected a mesh key"
    run pubkey d/mesh.key
    exits 1
    says "tacit: d/mesh.key:1: a mesh key, expected a private key"
    run authority show d/identity.key
    exits 1
    says "tacit: d/identity.key:1: a private key, expected an authority key"
    a_secret="that is a file with a secret in it, expected a public key, which 'tacit keygen' or \
'tacit pubkey' printed"
    run add-peer --conf d/tacit.conf x@y "$(cat d/identity.key)"
    exits 1
    says "tacit: PUBLIC-KEY: $a_secret"
    keeps d/identity.key
    run explain --conf d/tacit.conf x@y --key "$(cat d/identity.key)"
    exits 1
    says "tacit: --key: $a_secret"
    "$tacit" authority new authority.key
    run cert sign --authority authority.key --public-key "$(cat d/identity.key)" --name x@y \
        --not-after 9d y.cert
    exits 1
    says "tacit: --public-key: $a_secret"
    cmp before d/tacit.conf
}

# Those that were made before files said what they are.
an_old_key_file_is_read_and_a_secret_in_the_place_of_another_is_found() {
    start
    for file in identity mesh; do
        grep -v '^#' d/$file.key >d/$file.old
        chmod 600 d/$file.old
        sed -i "s/$file.key/$file.old/" d/tacit.conf
    done
    run check --conf d/tacit.conf
    exits 0
    for what in identity mesh; do
        cp d/tacit.conf before
        # A public key has no top bit: half of all secrets have.
        run add-peer --conf d/tacit.conf x@y "$(cat d/$what.old)"
        exits 1
        grep -q '^tacit: PUBLIC-KEY: expected one\|a secret, expected what' "$top/err"
        keeps d/$what.old
        cmp before d/tacit.conf
    done
    sed -i "s/identity.old/mesh.old/" d/tacit.conf
    run check --conf d/tacit.conf
    exits 1
    says "tacit: d/tacit.conf: identity holds a key of key-file's, expected a private key of its \
own"
}

init_writes_nothing_where_any_of_its_files_is() {
    for file in tacit.conf identity.key mesh.key; do
        mkdir d
        echo precious >d/$file
        run init --dir d --listen 192.0.2.10
        exits 1
        says "tacit: d/$file: exists already, expected a directory without mesh.key, \
identity.key and tacit.conf"
        [ "$(ls d)" = $file ]
        [ "$(cat d/$file)" = precious ]
        rm -r d
    done
    mkdir d
    ln -s nowhere d/tacit.conf
    run init --dir d --listen 192.0.2.10
    exits 1
    says "tacit: d/tacit.conf: exists already, expected a directory without mesh.key, \
identity.key and tacit.conf"
    [ "$(ls d)" = tacit.conf ]
}

init_that_fails_leaves_nothing_behind() {
    run init --dir d --listen 192.0.2.10 --mesh-key none
    exits 1
    says "tacit: none: No such file or directory, expected a readable file"
    absent d
    run init --dir d --listen 0.0.0.0
    exits 1
    says "tacit: --listen: got '0.0.0.0', expected this host's own address"
    absent d
    run init --dir d --listen 192.0.2.10,db1
    exits 1
    says "tacit: --listen: got 'db1', expected an address such as 192.0.2.10:4370 or \
[2001:db8::10]:4370"
    absent d
    run init --dir d --listen 192.0.2.10,192.0.2.10
    exits 1
    says "tacit: d/tacit.conf:11: listen: got '192.0.2.10', expected each address once"
    absent d
    run init --dir none/d --listen 192.0.2.10
    exits 1
    says "tacit: none/d: cannot be made: No such file or directory"
}

init_that_fails_half_way_removes_what_it_wrote() {
    # Both keys fit below this limit of a file's size (a block of 512 bytes), tacit.conf
    # with its comments does not.
    code=0
    (
        trap '' XFSZ
        ulimit -f 1
        exec "$tacit" init --dir d --listen 192.0.2.10 >out 2>err
    ) || code=$?
    exits 1
    [ "$(cat err)" = "tacit: d/tacit.conf: cannot be written: File too large" ]
    absent d
}

add_peer_appends_a_section_that_loads() {
    start
    key=$("$tacit" keygen other)
    sed '$d' d/tacit.conf >short # as an editor leaves it: no line's end
    printf '# end' >>short
    cat short >d/tacit.conf
    run add-peer --conf d/tacit.conf app@db2 "$key" --endpoint db2.example.net:99
    exits 0
    silent
    run add-peer "*@db3" "$key" --conf d/tacit.conf
    exits 0
    printf '\n\n[peer app@db2]\npublic-key = %s\nendpoint = db2.example.net:99\n' "$key" \
        >>short
    printf '\n[peer *@db3]\npublic-key = %s\n' "$key" >>short
    cmp short d/tacit.conf
    run check --conf d/tacit.conf
    exits 0
    grep -q '^peer         app@db2  .*  at db2.example.net:99$' "$top/out"
    grep -q '^peer         \*@db3  ' "$top/out"
    mode -rw------- d/tacit.conf
}

add_peer_changes_nothing_when_it_fails() {
    start
    key=$("$tacit" keygen other)
    "$tacit" add-peer --conf d/tacit.conf "a*@db2" "$key"
    cp d/tacit.conf before
    run add-peer --conf d/tacit.conf "a*@db2" "$key"
    exits 1
    says "tacit: d/tacit.conf:20: [peer a*@db2] is there already, expected a new name"
    run add-peer --conf d/tacit.conf "*b@db2" "$("$tacit" keygen third)"
    exits 1
    grep -q '^tacit: nothing was changed, it would not load: d/tacit.conf:23: ' "$top/err"
    run add-peer --conf d/tacit.conf "app" "$key"
    exits 1
    says "tacit: NAME: got 'app', expected a node name such as app@db1.example.net or \
*@db1.example.net"
    run add-peer --conf d/tacit.conf "a@b" "$(cat other | cut -c2-)"
    exits 1
    says "tacit: PUBLIC-KEY: expected one that 'tacit keygen' or 'tacit pubkey' printed"
    run add-peer --conf d/tacit.conf a@b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
    exits 1
    says "tacit: PUBLIC-KEY: expected one that 'tacit keygen' or 'tacit pubkey' printed"
    run add-peer --conf d/tacit.conf a@b "$key" --endpoint ::1
    exits 1
    says "tacit: --endpoint: got '::1', expected HOST, HOST:PORT or [IPV6]:PORT"
    run add-peer --conf d/tacit.conf a@b "$key" --endpoint "h
[plain]"
    exits 1
    cmp before d/tacit.conf
    [ "$(ls d | wc -l)" -eq 3 ]
}

check_tells_a_fault_on_one_line_and_fails() {
    start
    echo 'port = 1' >>d/tacit.conf
    run check --conf d/tacit.conf
    exits 1
    silent
    says "tacit: d/tacit.conf:19: unknown key 'port' in [host], expected identity, certificate, listen, \
listen-wildcard, source, max-message, door, door-identity, door-users, legacy-epmd or plain-nodes"
}

check_takes_the_configuration_from_the_environment() {
    start
    TACIT_CONF=d/tacit.conf
    export TACIT_CONF
    run check
    exits 0
    grep -qx 'd/tacit.conf: OK' "$top/out"
    TACIT_CONF=none
    run check --conf d/tacit.conf
    exits 0
    run check
    exits 1
    says "tacit: none: No such file or directory, expected a readable file"
}

check_shows_peers_sources_and_plain_nodes_but_no_key() {
    start
    "$tacit" psk d/pair.key
    key=$("$tacit" keygen other)
    sed 's/^listen.*/source = 192.0.2.7/' d/tacit.conf >conf
    printf '[peer a@b]\npublic-key=%s\npair-key=pair.key\n[plain]\nnode=old@c\n' "$key" \
        >>conf
    cp conf d/tacit.conf
    run check --conf d/tacit.conf
    exits 0
    grep -qx 'listen       nowhere: this host only connects to others' "$top/out"
    grep -qx 'source       192.0.2.7' "$top/out"
    grep -q '^peer         a@b  .*  with a pair key$' "$top/out"
    grep -qx 'plain        old@c  (not encrypted)' "$top/out"
    for file in pair.key mesh.key identity.key; do keeps d/$file; done
}

check_runs_the_configurations_own_tests() {
    start
    run add-peer --conf d/tacit.conf '*@db1.example.net' "$(key)"
    printf '[test]\nallow = app@db1.example.net\ndeny = *@lab.example.net\n' >>d/tacit.conf
    run check --conf d/tacit.conf
    exits 0
    run add-peer --conf d/tacit.conf x@lab.example.net "$(key)"
    exits 1
    grep -q '^tacit: nothing was changed, its own test fails: d/tacit.conf:[0-9]*: deny \*@lab.example.net: it is allowed' "$top/err"
    echo 'deny = app@db1.example.net' >>d/tacit.conf
    run check --conf d/tacit.conf
    exits 1
    grep -q '^tacit: d/tacit.conf:[0-9]*: deny app@db1.example.net: it is allowed (d/tacit.conf:[0-9]*)$' "$top/err"
}

explain_names_the_line_that_decides() {
    start
    key=$(key)
    run add-peer --conf d/tacit.conf '*@db1.example.net' "$key"
    printf 'from = 198.51.100.0/24\ndirection = in\n' >>d/tacit.conf
    line=$(grep -n '^\[peer' d/tacit.conf | cut -d: -f1)
    where="d/tacit.conf:$line [peer *@db1.example.net]"
    run explain --conf d/tacit.conf app@db1.example.net
    exits 0
    grep -qxF "in   allowed  $where  from 198.51.100.0/24" "$top/out"
    grep -qxF "out  denied   $where: the line that decides is for the other direction" "$top/out"
    run explain --conf d/tacit.conf app@db1.example.net --from 198.51.100.7 --key "$key"
    exits 0
    grep -qxF "in   allowed  $where" "$top/out"
    run explain --conf d/tacit.conf app@db1.example.net --from 2001:db8::1
    exits 1
    grep -qxF "in   denied   $where: the line that decides does not allow the address" "$top/out"
    run explain --conf d/tacit.conf app@db1.example.net --key "$(key)"
    exits 1
    grep -qxF "in   denied   $where: the key is not good for the name" "$top/out"
    run explain --conf d/tacit.conf app@db2.example.net
    exits 1
    grep -q '^in   denied  *no \[peer\] line allows it$' "$top/out"
}

explain_judges_a_certificate() {
    signed
    printf '[authority one]\npublic-key = %s\nnames = *@db1.example.net\n[group work]\n' \
        "$authority" >>d/tacit.conf
    run cert sign --authority authority.key --public-key "$public" --name app@db1.example.net \
        --group work --not-after 36500d new.cert
    run explain --conf d/tacit.conf app@db1.example.net --certificate new.cert
    exits 0
    grep -q '^in   allowed  d/tacit.conf:[0-9]* \[group work\]  until ' "$top/out"
    run explain --conf d/tacit.conf b@db1.example.net --certificate new.cert
    exits 1
    grep -q '^in   denied  *the certificate is not for the name$' "$top/out"
}

authority_new_makes_a_key_and_shows_its_public_one_only() {
    run authority new authority.key
    exits 0
    mode -rw------- authority.key
    keeps authority.key
    public=$(cat "$top/out")
    run authority show authority.key
    prints "$public"
    keeps authority.key
    run authority new authority.key
    exits 1
}

# An authority, and a certificate of it for d's identity.
signed() {
    start
    run authority new authority.key
    exits 0
    authority=$(cat "$top/out")
    run pubkey d/identity.key
    public=$(cat "$top/out")
    run cert sign --authority authority.key --public-key "$public" \
        --name 'app@db1.example.net,*@db2.example.net' --group work \
        --not-before 2026-01-01 --not-after 365d my.cert
    exits 0
    silent
}

cert_sign_makes_what_cert_show_prints() {
    signed
    keeps authority.key
    mode -rw-r--r-- my.cert
    run cert show my.cert
    exits 0
    grep -qx 'name         app@db1.example.net' "$top/out"
    grep -qx 'name         \*@db2.example.net' "$top/out"
    grep -qx "public key   $public" "$top/out"
    grep -qx 'group        work' "$top/out"
    grep -qx 'not before   2026-01-01T00:00:00Z' "$top/out"
    grep -qx 'not after    2027-01-01T00:00:00Z' "$top/out"
    grep -qx "authority    $authority" "$top/out"
}

cert_sign_never_overwrites_and_names_what_is_wrong() {
    signed
    before=$(cat my.cert)
    sign() { run cert sign --authority authority.key --public-key "$public" "$@"; }
    sign --name a@b --not-after 1d my.cert
    exits 1
    [ "$(cat my.cert)" = "$before" ]
    sign --name a@b@c --not-after 1d new.cert
    says "tacit: --name: got 'a@b@c', expected a node name such as app@db1.example.net or *@db1.example.net"
    sign --name a@b --group 'x y' --not-after 1d new.cert
    says "tacit: --group: got 'x y', expected a group's name"
    sign --name a@b --not-after soon new.cert
    says "tacit: --not-after: got 'soon', expected days such as 365d, or a time such as 2026-12-31 or 2026-12-31T23:59:59Z"
    sign --name a@b --not-before 2026-02-01 --not-after 2026-01-01 new.cert
    says "tacit: --not-after: got '2026-01-01', expected a later time than --not-before's"
    run cert sign --authority authority.key --public-key "$(cat d/identity.key)x" --name a@b \
        --not-after 1d new.cert
    exits 1
    keeps d/identity.key
    absent new.cert
}

cert_verify_says_what_the_configuration_thinks_of_it() {
    signed
    run cert verify --conf d/tacit.conf my.cert
    says 'tacit: my.cert: no [authority] that may sign for the name signed the certificate'
    printf '[authority one]\npublic-key = %s\nnames = *@db1.example.net\n' "$authority" \
        >>d/tacit.conf
    run cert verify --conf d/tacit.conf my.cert
    says 'tacit: my.cert: name *@db2.example.net: no [authority] that may sign for the name signed the certificate'
    echo 'names = *@db2.example.net' >>d/tacit.conf
    run cert sign --authority authority.key --public-key "$public" --name a@db1.example.net \
        --not-after 36500d new.cert
    run cert verify --conf d/tacit.conf new.cert
    exits 0
    prints 'new.cert: good, signed by [authority one]'
    sed 's/^name = a/name = b/' new.cert >altered.cert
    run cert verify --conf d/tacit.conf altered.cert
    exits 1
    says 'tacit: altered.cert: the signature does not hold: it was altered'
    echo hello >no.cert
    run cert show no.cert
    says "tacit: no.cert: not a certificate, expected what 'tacit cert sign' wrote"
}

a_wrong_call_is_told_how_to_be_right() {
    for call in keygen pubkey psk "keygen a b" "psk a b" init "init --dir d" \
        "init --listen 1.2.3.4" "init --dir d --listen 1.2.3.4 x" add-peer "add-peer a@b" \
        "check x" "check --conf" names "show x" "show --json dump" "check --foo" \
        "check --conf a --conf b" "keygen --foo" cert "cert sing" mesh-key "mesh-key lst" \
        "mesh-key list --force" "mesh-key list --key x" call "call a@b" "call a@b m" \
        eval "eval -m a@b" "eval a@b c d" policy "policy sign a b" "cert sign a"; do
        run $call
        exits 2
        silent
        [ "$(wc -l <"$top/err")" -eq 2 ] # what is wrong, and what is right
        grep -q "^tacit: usage: tacit ${call%% *} " "$top/err"
        [ "$(grep -c '^tacit: ' "$top/err")" -eq "$(wc -l <"$top/err")" ]
    done
    run frobnicate
    exits 2
    says "tacit: unknown command 'frobnicate', expected one that 'tacit help' lists"
    absent d
    absent a
}

the_option_that_is_not_known_is_the_one_that_is_named() {
    # Call, what is wrong with it; a bar between.
    while IFS='|' read -r call wrong; do
        run $call
        exits 2
        [ "$(head -n 1 "$top/err")" = "tacit: $wrong" ]
    done <<END
check -xyz|'-xyz': unknown option
check -x|'-x': unknown option
check --conf d/tacit.conf -xyz|'-xyz': unknown option
names host -xyz --conf d/tacit.conf|'-xyz': unknown option
check -conf d/tacit.conf|'-conf': expected two dashes
call -c secret -verbose a@b|'-verbose': unknown option
call a@b --co x|'--co': the start of several options
mesh-key use --force=1|'--force=1': takes no value
explain a@b --from|'--from': needs a value
reload --quiet|'--quiet': unknown option
END
}

without_a_command_it_shows() {
    TACIT_CONF=none
    export TACIT_CONF
    run
    unset TACIT_CONF
    exits 1
    says "tacit: none: No such file or directory, expected a readable file"
}

what_could_not_be_written_is_not_told_as_if_it_were() {
    start && tacit_conf=d/tacit.conf
    key >key.pub
    run authority new ca.key
    exits 0
    echo "[peer a@db2]" >rules
    sum=$(cat d/* ca.key | cksum)
    # Call, of which nothing can be written: no file may grow.
    while read -r call; do
        code=0
        { (trap '' XFSZ && ulimit -f 0 && exec "$tacit" $call 2>&1 >&3) | cat >"$top/err"; } \
            3>&1 | cat >"$top/out"
        silent
        grep -q '^tacit: .*: File too large' "$top/err"
    done <<END
keygen new.key
psk new.key
authority new new.key
init --dir e --listen 192.0.2.10:4370 --name *@db1
add-peer --conf $tacit_conf b@db2 $(cat key.pub) --endpoint 192.0.2.2:4370
mesh-key add --conf $tacit_conf
cert sign --authority ca.key --public-key $(cat key.pub) --name a@db2 --not-after 9d new.cert
policy sign --authority ca.key rules new.policy
END
    [ "$(cat d/* ca.key | cksum)" = "$sum" ]
}

help_lists_every_command_and_version_is_told() {
    run help
    exits 0
    for command in init add-peer check explain reload show names authority cert keygen pubkey psk; do
        grep -q "^  $command " "$top/out"
    done
    run --version
    exits 0
    grep -qx 'tacit [0-9.]*' "$top/out"
}

an_answer_that_could_not_be_written_is_a_failure() {
    [ -c /dev/full ] || return 0
    code=0
    "$tacit" help >/dev/full 2>"$top/err" || code=$?
    exits 1
    says "tacit: cannot write to the standard output"
}

for name in $(sed -n 's/^\([a-z_]*_[a-z_]*_[a-z_]*\)() {$/\1/p' "$self"); do
    promise "$name"
done
echo "1..$count"
