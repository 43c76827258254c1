#!/bin/sh
# For rebar.config: builds the driver and puts it into priv/, where rebar3 and mix find it.
set -eu
cd "$(dirname "$0")"
dir=_build/driver log=_build/driver.log
mkdir -p _build priv

# A build directory that came with a copy of the source, or is another Erlang's, is none.
made_for="$(pwd -P) $(command -v erl || true)"
[ "$(cat "$dir/made-for" 2>/dev/null)" = "$made_for" ] || rm -rf "$dir"

build() {
    if [ ! -e "$dir/build.ninja" ]; then
        meson setup "$dir" .. && echo "$made_for" >"$dir/made-for" || return
    fi
    ninja -C "$dir" src/carrier/tacit_drv.so
}

if ! build >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "tacit: the driver does not build. It needs a C compiler, meson, ninja, pkg-config," \
        "libsodium, inih and libuv; the log is $(pwd)/$log" >&2
    exit 1
fi
# Never into a file that a running node has mapped.
if ! cmp -s "$dir/src/carrier/tacit_drv.so" priv/tacit_drv.so; then
    cp "$dir/src/carrier/tacit_drv.so" priv/tacit_drv.so.new
    mv priv/tacit_drv.so.new priv/tacit_drv.so
fi
